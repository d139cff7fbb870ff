package daemon

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/purser-backup/purser/internal/api"
	"github.com/purser-backup/purser/internal/config"
	"github.com/purser-backup/purser/internal/secret"
)

const (
	maxRequestBody = 4 << 10
	maxSocketPath  = 107 // what the kernel takes
	// Requests beyond these wait, so that nobody slows a run down: those that
	// are answered, those that everybody may make, and those that are refused,
	// each for themselves.
	requestRate  = 100 // a second
	requestBurst = 50
	// What is answered is at most so old.
	freshState  = time.Second
	freshTarget = time.Minute

	readTimeout  = 10 * time.Second
	writeTimeout = 2 * time.Minute // the target may be slow
	idleTimeout  = time.Minute
	stopTimeout  = 2 * time.Second
	aliveTimeout = 5 * time.Second
)

func (s state) socketPath() string { return filepath.Join(s.dir, "daemon.sock") }

// listener is one address that the daemon serves.
type listener struct {
	net.Listener
	server *http.Server
}

// listenAll opens the socket of the state directory and, if the user wants
// that, a port.
func (d *Daemon) listenAll() ([]listener, error) {
	handler := d.newHandler()
	var list []listener
	if unix, err := d.listenUnix(); err != nil {
		return nil, err
	} else if unix != nil {
		list = append(list, d.newListener(unix, handler))
	}
	if d.cfg.Listen == "" {
		return list, nil
	}
	tcp, err := net.Listen("tcp", d.cfg.Listen)
	if err != nil {
		for _, one := range list {
			err = join(err, one.Close())
		}
		return nil, withHint(fmt.Errorf("listen: %w", err), "choose another BACKUP_LISTEN, or stop what listens there")
	}
	d.log.Info("serving HTTP", "address", tcp.Addr())
	return append(list, d.newListener(tcp, authorize(d.cfg.ListenToken, handler))), nil
}

// listenUnix opens the socket. The daemon's lock is held, so one that is there
// is a dead daemon's. Only the owner of the state directory gets there.
func (d *Daemon) listenUnix() (net.Listener, error) {
	path := d.state.socketPath()
	if len(path) > maxSocketPath {
		d.log.Warn("no socket is served, since its path is too long", "path", path)
		return nil, nil
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("remove the socket of a dead daemon: %w", err)
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		return nil, errors.Join(fmt.Errorf("close the socket to others: %w", err), l.Close())
	}
	return l, nil
}

func (d *Daemon) newListener(l net.Listener, h http.Handler) listener {
	return listener{l, &http.Server{
		Handler: h, ReadHeaderTimeout: readTimeout, ReadTimeout: readTimeout, WriteTimeout: writeTimeout, IdleTimeout: idleTimeout,
		MaxHeaderBytes: 16 << 10, ErrorLog: slog.NewLogLogger(d.log.Handler(), slog.LevelDebug),
	}}
}

// serve works until ctx is cancelled, which is no error.
func (l listener) serve(ctx context.Context) error {
	l.server.BaseContext = func(net.Listener) context.Context { return ctx }
	stopped := make(chan error, 1)
	stop := context.AfterFunc(ctx, func() {
		short, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
		defer cancel()
		if err := l.server.Shutdown(short); err != nil {
			stopped <- l.server.Close() // whoever is still answered has had time
			return
		}
		stopped <- nil
	})
	err := l.server.Serve(l.Listener)
	if stop() { // it was not told to end
		return fmt.Errorf("serve HTTP at %s: %w", l.Addr(), err)
	}
	return <-stopped
}

// handler answers requests. All of them only read.
type handler struct {
	*Daemon
	routes                  map[string]route
	answers, open, refusals *rate.Limiter
}

// route is one path.
type route struct {
	contentType string
	open        bool // answered to all
	answer      func(context.Context) (status int, body []byte, err error)
}

func (d *Daemon) newHandler() *handler {
	limiter := func() *rate.Limiter { return rate.NewLimiter(requestRate, requestBurst) }
	h := &handler{Daemon: d, answers: limiter(), open: limiter(), refusals: limiter()}
	const text, document = "text/plain; charset=utf-8", "application/json"
	h.routes = map[string]route{
		api.PathHealth:   {contentType: text, open: true, answer: h.healthz},
		api.PathReady:    {contentType: document, open: true, answer: d.cached(api.PathReady, freshState, h.readyz)},
		api.PathMetrics:  {contentType: metricsType, answer: d.cached(api.PathMetrics, freshState, d.newMetrics().answer)},
		api.PathOpenAPI:  {contentType: "application/yaml", answer: h.openAPI},
		api.PathServices: {contentType: document, answer: d.cached(api.PathServices, freshState, h.services)},
		api.PathRuns:     {contentType: document, answer: d.cached(api.PathRuns, freshState, h.runs)},
		api.PathSets:     {contentType: document, answer: d.cached(api.PathSets, freshTarget, h.sets)},
	}
	return h
}

// ServeHTTP implements http.Handler.
func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	route, known := h.routes[r.URL.Path]
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxRequestBody))
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		h.refuse(w, r, http.StatusRequestEntityTooLarge, "too-large", "the body is too large")
	case err != nil:
		h.refuse(w, r, http.StatusBadRequest, "failed", "the body can't be read")
	case !known:
		h.refuse(w, r, http.StatusNotFound, "not-found", "no such path")
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		w.Header().Set("Allow", "GET, HEAD")
		h.refuse(w, r, http.StatusMethodNotAllowed, "method-not-allowed", "only GET and HEAD")
	case len(body) > 0:
		h.refuse(w, r, http.StatusBadRequest, "failed", "no body is expected")
	default:
		h.respond(w, r, route)
	}
}

func (h *handler) respond(w http.ResponseWriter, r *http.Request, to route) {
	limiter := h.answers
	if to.open {
		limiter = h.open
	}
	if limiter.Wait(r.Context()) != nil {
		return // the client is gone, or the daemon stops
	}
	status, body, err := to.answer(r.Context())
	if err != nil {
		h.fail(w, http.StatusInternalServerError, "failed", "see purser's log")
		return
	}
	h.write(w, status, to.contentType, body)
}

// refuse answers a request that should not have been made, when its turn comes.
func (h *handler) refuse(w http.ResponseWriter, r *http.Request, status int, kind, message string) {
	if h.refusals.Wait(r.Context()) == nil {
		h.fail(w, status, kind, message)
	}
}

func (h *handler) fail(w http.ResponseWriter, status int, kind, message string) {
	body, err := json.Marshal(api.Error{Error: api.ErrorDetail{Kind: kind, Message: message}})
	if err != nil {
		h.log.Warn("an answer can't be encoded", "error", err)
		return
	}
	h.write(w, status, "application/json", body)
}

func (h *handler) write(w http.ResponseWriter, status int, contentType string, body []byte) {
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Content-Type", contentType)
	w.WriteHeader(status)
	if _, err := w.Write(body); err != nil {
		h.log.Debug("an answer was not taken", "error", err)
	}
}

// authorize asks for the token before it tells anything, even whether a path
// exists.
func authorize(token secret.String, next *handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		given, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		if next.routes[r.URL.Path].open || ok && token.Equal(secret.New(given)) {
			next.ServeHTTP(w, r)
			return
		}
		w.Header().Set("WWW-Authenticate", "Bearer")
		next.refuse(w, r, http.StatusUnauthorized, "unauthorized", "unauthorized")
	})
}

// cached makes an answer, or a failure, be made once in a while only, and by one
// at a time.
func (d *Daemon) cached(path string, fresh time.Duration, answer func(context.Context) (int, []byte, error)) func(context.Context) (int, []byte, error) {
	var mu sync.Mutex
	var made time.Time
	var status int
	var body []byte
	var failed error
	return func(ctx context.Context) (int, []byte, error) {
		mu.Lock()
		defer mu.Unlock()
		if age := time.Since(made); !made.IsZero() && age < fresh {
			return status, body, failed
		}
		s, b, err := answer(ctx)
		if ctx.Err() != nil { // the failure is this request's own
			return s, b, err
		}
		if err != nil {
			d.log.Warn("a request failed", "path", path, "error", err)
		}
		made, status, body, failed = time.Now(), s, b, err
		return status, body, failed
	}
}

// Answers returns an error if the daemon of cfg, which is known to run, doesn't
// answer on its socket. Where it has none, it returns nil.
func Answers(ctx context.Context, cfg *config.Config) error {
	path := newState(cfg.ArchiveDir).socketPath()
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) || len(path) > maxSocketPath {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, aliveTimeout)
	defer cancel()
	client := api.NewUnix(path)
	defer client.Close()
	if err := client.Alive(ctx); err != nil {
		return withHint(fmt.Errorf("the daemon doesn't answer: %w", err), "restart it")
	}
	return nil
}
