package main_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/http/httputil"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// apiCall is one row of the README's list of what purser asks of Docker.
type apiCall struct {
	name string // as "GET /containers/ID/json"
	only bool   // made under a condition that the README names
	path *regexp.Regexp
}

var callRow = regexp.MustCompile("(?m)^\\| `([A-Z]+ (/\\S+))` \\| (.*) ?\\|$")

// documentedCalls reads the list from the README.
func documentedCalls(t *testing.T) []apiCall {
	t.Helper()
	_, section, found := strings.Cut(string(readFile(t, "../../README.md")), "\n## What purser asks of Docker\n")
	section, _, _ = strings.Cut(section, "\n## ")
	var calls []apiCall
	for _, m := range callRow.FindAllStringSubmatch(section, -1) {
		pattern := `^(/v[0-9]+\.[0-9]+)?` + strings.ReplaceAll(regexp.QuoteMeta(m[2]), "/ID", "/[^/]+") + "$"
		calls = append(calls, apiCall{m[1], strings.HasPrefix(m[3], "only "), regexp.MustCompile(pattern)})
	}
	if !found || len(calls) < 10 {
		t.Fatalf("the README lists %d calls", len(calls))
	}
	return calls
}

// socketProxy stands before an Engine and lets only listed calls through.
type socketProxy struct {
	socket  string
	calls   []apiCall
	engine  http.Handler
	mu      sync.Mutex
	used    map[string]int
	refused []string
}

// proxy starts a socket proxy before the test Engine that allows calls.
func (w *world) proxy(calls []apiCall) *socketProxy {
	w.t.Helper()
	return w.proxyIn("", calls)
}

// proxyIn is proxy with its socket below a directory.
func (w *world) proxyIn(parent string, calls []apiCall) *socketProxy {
	w.t.Helper()
	// A Unix socket's path has 107 bytes at most.
	dir, err := os.MkdirTemp(parent, "proxy")
	if err != nil {
		w.t.Fatal(err)
	}
	p := &socketProxy{socket: filepath.Join(dir, "s"), calls: calls, used: map[string]int{}}
	dialer := net.Dialer{}
	p.engine = &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) { r.Out.URL.Scheme, r.Out.URL.Host = "http", "docker" },
		Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return dialer.DialContext(ctx, "unix", w.socket)
		}},
		FlushInterval: -1, // events come one by one
	}
	listener, err := net.Listen("unix", p.socket)
	if err != nil {
		w.t.Fatal(err)
	}
	server := &http.Server{Handler: p, ReadHeaderTimeout: time.Minute}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	w.t.Cleanup(func() {
		if err := errors.Join(server.Close(), os.RemoveAll(dir)); err != nil {
			w.t.Error(err)
		}
		if err := <-served; !errors.Is(err, http.ErrServerClosed) {
			w.t.Error(err)
		}
	})
	return p
}

func (p *socketProxy) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	if !p.allows(r) {
		http.Error(rw, `{"message":"refused by the proxy"}`, http.StatusForbidden)
		return
	}
	p.engine.ServeHTTP(rw, r)
}

func (p *socketProxy) allows(r *http.Request) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.calls {
		method, _, _ := strings.Cut(c.name, " ")
		if r.Method == method && c.path.MatchString(r.URL.Path) {
			p.used[c.name]++
			return true
		}
	}
	p.refused = append(p.refused, r.Method+" "+r.URL.Path)
	return false
}

// wantUsed checks that all calls which the README names without a condition
// were made, of the others those given, and that refused is what was refused.
func (p *socketProxy) wantUsed(t *testing.T, refused []string, conditional ...string) {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	want := slices.Clone(conditional)
	for _, c := range p.calls {
		if !c.only {
			want = append(want, c.name)
		}
	}
	// Other tests may start containers whose images are given by their ids.
	if image := "GET /images/ID/json"; p.used[image] > 0 && !slices.Contains(want, image) {
		want = append(want, image)
	}
	slices.Sort(want)
	if diff := cmp.Diff(want, slices.Sorted(maps.Keys(p.used))); diff != "" {
		t.Errorf("calls of the README's list (-expected +made):\n%s", diff)
	}
	if diff := cmp.Diff(refused, p.refused); diff != "" {
		t.Errorf("calls that the README doesn't list (-expected +made):\n%s", diff)
	}
}

// behind returns the same installation with the proxy in place of the Engine.
func (p *purser) behind(proxy *socketProxy) *purser {
	return p.remount(func(m string) string {
		if strings.HasSuffix(m, ":/var/run/docker.sock") {
			return proxy.socket + ":/var/run/docker.sock"
		}
		return m
	})
}

// Behind a proxy that allows what the README lists everything works, and
// nothing stands in the list without need.
func TestOnlyDocumentedCalls(t *testing.T) {
	t.Parallel()
	calls := documentedCalls(t)
	exercised := map[string]bool{"GET /_ping": true} // by the last run
	for _, c := range []struct {
		name        string
		conditional []string
		run         func(t *testing.T, w *world, p *socketProxy)
	}{
		{"run", nil, runBehindProxy},
		{"instance by default, image by id, password in a file", []string{
			"GET /info", "GET /images/ID/json", "POST /containers/ID/exec", "POST /exec/ID/start", "GET /exec/ID/json",
		}, runWithSecretFile},
		{"plain user on the host", []string{"GET /info"}, runAsPlainUser},
		{"daemon", []string{"GET /events"}, daemonBehindProxy},
		{"recipe with an image of its own", []string{"POST /images/create"}, runWithAbsentImage},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			p := w.proxyIn("/var/tmp", calls) // where every user may go
			c.run(t, w, p)
			p.wantUsed(t, nil, c.conditional...)
		})
		for _, name := range c.conditional {
			exercised[name] = true
		}
	}
	t.Run("proxy without HEAD", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		ping := slices.IndexFunc(calls, func(c apiCall) bool { return c.name == "HEAD /_ping" })
		if ping < 0 {
			t.Fatal("the README doesn't list HEAD /_ping")
		}
		p := w.proxy(slices.Delete(slices.Clone(calls), ping, ping+1))
		runBehindProxy(t, w, p)
		p.wantUsed(t, []string{"HEAD /_ping"}, "GET /_ping")
	})
	for _, c := range calls {
		if c.only && !exercised[c.name] {
			t.Errorf("the README lists %s, which no run here makes", c.name)
		}
	}
}

// One call less than the list is an error that says so.
func TestRefusedCall(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.postgres("postgres", "postgres:17")
	p := w.purser("named volume")
	calls := documentedCalls(t)
	for _, c := range []struct {
		name string
		code int
	}{
		{"GET /containers/json", 1},
		{"POST /containers/create", 3},
		{"PUT /containers/ID/archive", 3},
	} {
		t.Run(c.name, func(t *testing.T) {
			less := slices.DeleteFunc(slices.Clone(calls), func(a apiCall) bool { return a.name == c.name })
			wantRefusal(t, p.behind(w.proxy(less)).run("run"), c.code, "docker: ", "the README lists the calls that purser needs")
			p.wantNothingLeft()
		})
	}
}

func runBehindProxy(t *testing.T, w *world, proxy *socketProxy) {
	postgres := w.postgres("postgres", "postgres:17")
	postgres.fill()
	p := w.purser("named volume")
	p.behind(proxy).must("run")
	p.wantChain(0)
	p.wantNothingLeft()
	if dump := dumpOf(snapshot(t, p.source), postgres); len(dump) == 0 {
		t.Error("nothing was dumped")
	}
}

func runWithSecretFile(t *testing.T, w *world, proxy *socketProxy) {
	secret := filepath.Join(t.TempDir(), "secret")
	write(t, secret, []byte(passphrase), 0o644)
	id := w.docker("image", "inspect", "--format", "{{.Id}}", "postgres:17")
	postgres := w.postgres("postgres", id, "-e", "POSTGRES_PASSWORD_FILE=/secret", "-e", "POSTGRES_PASSWORD=", "-v", secret+":/secret:ro")
	p := w.purser("named volume").without("BACKUP_INSTANCE")
	p.behind(proxy).must("run")
	p.wantNothingLeft()
	if dump := dumpOf(snapshot(t, p.source), postgres); len(dump) == 0 {
		t.Error("nothing was dumped")
	}
}

// A plain user's program on the host has to know whose the files are that a
// one-shot container writes.
func runAsPlainUser(t *testing.T, w *world, proxy *socketProxy) {
	const nobody = 65534
	postgres := w.postgres("postgres", "postgres:17")
	dir, err := os.MkdirTemp("/var/tmp", "purser") // whatever temporary directory is root's alone
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	p := w.purser("host process")
	p.binary, p.source, p.target = w.binary(dir), filepath.Join(dir, "source"), filepath.Join(dir, "target")
	state := filepath.Join(dir, "state")
	for _, d := range []string{p.source, p.target, state} {
		if err := errors.Join(os.Mkdir(d, 0o700), os.Chown(d, nobody, nobody)); err != nil {
			t.Fatal(err)
		}
	}
	for path, mode := range map[string]os.FileMode{dir: 0o755, filepath.Dir(proxy.socket): 0o755, proxy.socket: 0o666} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
	}
	c := p.with("DOCKER_HOST=unix://"+proxy.socket, "BACKUP_DUPLICITY_SOURCE_PATH="+p.source,
		"BACKUP_DUPLICITY_URL=file://"+p.target, "BACKUP_ARCHIVE_DIR="+state).command("run")
	c.cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	if r := c.run(); r.code != 0 {
		t.Fatalf("purser run: %s", r)
	}
	if dump := dumpOf(snapshot(t, p.source), postgres); len(dump) == 0 {
		t.Error("nothing was dumped")
	}
}

func daemonBehindProxy(t *testing.T, w *world, proxy *socketProxy) {
	w.postgres("postgres", "postgres:17")
	p := w.purser("named volume").behind(proxy)
	name := w.stack + "-daemon"
	daemon := p.named(name, "daemon").start()
	var status struct {
		LastRun  *struct{ Result string } `json:"last_run"`
		Services []struct{ ID string }    `json:"services"`
	}
	w.eventually("the first run is over and the services are watched", func() bool {
		r := w.command(nil, "docker", "exec", name, "purser", "status", "--output", "json").run()
		return r.code == 0 && decode(t, r.stdout, &status) && status.LastRun != nil && len(status.Services) > 0
	})
	w.docker("stop", "--time", "30", name)
	if r := daemon.wait(); r.code != 0 || status.LastRun.Result != "complete" {
		t.Errorf("last run %+v, daemon: %s", status.LastRun, r)
	}
}

// The image can't be had, and the user is told; the other service is dumped.
func runWithAbsentImage(t *testing.T, w *world, proxy *socketProxy) {
	const absent = "127.0.0.1:1/purser/absent:1" // nothing listens there
	config := t.TempDir()
	write(t, filepath.Join(config, "index/own.yml"), []byte("own: {regex: ^own$, template: own.yml}\n"), 0o644)
	write(t, filepath.Join(config, "templates/own.yml"), fmt.Appendf(nil, "image: %s\ncommands: [\"sh -c 'echo x >{{ target_dir }}/x'\"]\n", absent), 0o644)
	w.container("own", "busybox", "-t", "--label", "backup.type=own")
	w.postgres("postgres", "postgres:17")
	p := w.purser("named volume").behind(proxy)
	p.mounts = append(p.mounts, config+":/opt/backup/config:ro")
	wantRefusal(t, p.run("run"), 3, "pull image "+absent, "check the image's name")
	p.wantChain(0)
}
