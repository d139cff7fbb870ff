package daemon

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/purser-backup/purser/discovery"
	"github.com/purser-backup/purser/internal/api"
	"github.com/purser-backup/purser/internal/hint"
	"github.com/purser-backup/purser/internal/secret"
)

const testToken = "t0k3n-0123456789abcdef"

// served opens the socket and a port of a bench that has made two runs, and
// gives the port's URL.
func served(t *testing.T, env ...string) (*bench, string) {
	t.Helper()
	b := newBench(t, append([]string{"BACKUP_LISTEN=127.0.0.1:1", "BACKUP_LISTEN_TOKEN=" + testToken}, env...)...)
	b.engine.list = []discovery.Container{container("one", "store:1"), container("web", "nginx"), container("bad", "store:1")}
	b.run(t, Complete)
	b.engine.fail = map[string]string{"_/bad": "denied"}
	b.write(t, "source/volumes.txt", "changed\n")
	b.run(t, Incomplete, "denied")
	cfg := *b.cfg
	cfg.Listen = "127.0.0.1:0" // which users can't choose
	b.Daemon.cfg = &cfg
	list, err := b.listenAll()
	b.must(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	for _, one := range list {
		wg.Go(func() {
			if err := one.serve(ctx); err != nil {
				t.Errorf("serve: %v", err)
			}
		})
	}
	t.Cleanup(func() { cancel(); wg.Wait() })
	if len(list) != 2 {
		t.Fatalf("%d listeners", len(list))
	}
	return b, "http://" + list[1].Addr().String()
}

func request(t *testing.T, method, url, token, body string) (status int, header http.Header, text string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if token != "" {
		req.Header.Set("Authorization", token)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, res.Header, string(b)
}

func TestHTTPRefusals(t *testing.T) {
	b, base := served(t)
	const good, unauthorized = "Bearer " + testToken, `{"error":{"kind":"unauthorized","message":"unauthorized"}}`
	for _, test := range []struct {
		method, path, token, body string
		status                    int
		want                      string
	}{
		{"GET", "/v1/services", "", "", 401, unauthorized},
		{"GET", "/v1/services", "Bearer wrong", "", 401, unauthorized},
		{"GET", "/v1/services", testToken, "", 401, unauthorized},
		{"GET", "/v1/services?token=" + testToken, "", "", 401, unauthorized},
		{"GET", "/v1/nothing", "", "", 401, unauthorized}, // nor whether there is such a path
		{"POST", "/v1/runs", "Bearer ", strings.Repeat("x", maxRequestBody+1), 401, unauthorized},
		{"GET", "/v1/nothing", good, "", 404, "not-found"},
		{"GET", "/v1/services/", good, "", 404, "not-found"},
		{"GET", "/", good, "", 404, "not-found"},
		{"POST", "/v1/runs", good, "", 405, "method-not-allowed"},
		{"DELETE", "/v1/sets", good, "", 405, "method-not-allowed"},
		{"GET", "/v1/runs", good, "{}", 400, "no body"},
		{"POST", "/v1/runs", good, strings.Repeat("x", maxRequestBody+1), 413, "too-large"},
		{"GET", "/healthz", "", "", 200, "alive\n"},
		{"GET", "/readyz", "", "", 503, `{"ready":false}`}, // no daemon holds the lock
		{"GET", "/v1/runs", good, "", 200, `"result":"incomplete"`},
	} {
		status, header, text := request(t, test.method, base+test.path, test.token, test.body)
		if status != test.status || !strings.Contains(text, test.want) || header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s %s: %d %s, want %d %s", test.method, test.path, status, text, test.status, test.want)
		}
		if status == 401 && (text != unauthorized || header.Get("WWW-Authenticate") != "Bearer") {
			t.Errorf("%s %s tells more than it should: %s", test.method, test.path, text)
		}
	}
	if strings.Contains(b.log.String(), testToken) {
		t.Error("the token is in the log")
	}
}

func TestClient(t *testing.T) {
	b, base := served(t)
	info, err := os.Stat(b.state.socketPath())
	b.must(t, err)
	if info.Mode().Perm() != 0o600 {
		t.Errorf("the socket has the mode %v", info.Mode())
	}
	for _, c := range []*api.Client{api.NewUnix(b.state.socketPath()), api.New(base, secret.New(testToken))} {
		b.must(t, c.Alive(t.Context()))
		services, err := c.Services(t.Context())
		b.must(t, err)
		runs, err := c.Runs(t.Context())
		b.must(t, err)
		sets, err := c.Sets(t.Context())
		b.must(t, err)
		if len(services) != 2 || services[0].State != "failed" || services[1].State != "good" || services[1].LastGood.IsZero() {
			t.Errorf("services: %+v", services)
		}
		if len(runs) != 2 || runs[0].Result != Incomplete || len(runs[0].Missed) != 1 {
			t.Errorf("runs: %+v", runs)
		}
		if len(sets.Chains) != 1 || len(sets.Chains[0].Sets) != 2 || sets.Chains[0].Sets[1].Start == nil || sets.URL != b.URL() {
			t.Errorf("sets: %+v", sets)
		}
		c.Close()
	}
	_, err = api.New(base, secret.New("wrong")).Runs(t.Context())
	if err == nil || err.Error() != "ask the daemon for /v1/runs: unauthorized" {
		t.Errorf("wrong token: %v", err)
	}
	_, err = api.New("http://127.0.0.1:1", secret.String{}).Runs(t.Context())
	if err == nil || !strings.Contains(err.Error(), "connection refused") {
		t.Errorf("nobody there: %v", err)
	}
}

func TestPortTaken(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	b := newBench(t, "BACKUP_LISTEN="+taken.Addr().String(), "BACKUP_LISTEN_TOKEN="+testToken)
	b.Daemon.listen = b.listenAll
	err = b.Serve(t.Context(), nil)
	if err == nil || !strings.Contains(err.Error(), "address already in use") || !strings.Contains(hint.Text(err), "BACKUP_LISTEN") {
		t.Errorf("got %v", err)
	}
	if _, err := os.Stat(b.state.socketPath()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the socket is left: %v", err)
	}
}

// A daemon that hangs holds its lock still, but it doesn't answer.
func TestAnswers(t *testing.T) {
	b := newBench(t)
	b.must(t, b.state.create())
	b.must(t, Answers(t.Context(), b.cfg))
	l, err := b.listenUnix()
	b.must(t, err)
	defer l.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if err := Answers(ctx, b.cfg); err == nil || !strings.Contains(err.Error(), "doesn't answer") {
		t.Errorf("got %v", err)
	}
}

// Readers wait rather than fail, and are never told what is old.
func TestManyReaders(t *testing.T) {
	b, base := served(t)
	var wg sync.WaitGroup
	client := api.New(base, secret.New(testToken))
	for range 100 {
		wg.Go(func() {
			for range 2 {
				if _, err := client.Services(t.Context()); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	client.Close()
	b.engine.list = append(b.engine.list, container("new", "store:1"))
	b.run(t, Incomplete, "denied")
	deadline := time.Now().Add(10 * time.Second)
	for {
		list, err := client.Services(t.Context())
		b.must(t, err)
		if len(list) == 3 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("the new service never shows: %+v", list)
		}
	}
}

// Whoever asks for what he may not have waits before he is told so, and nobody
// else waits with him.
func TestRefusalsAreLimited(t *testing.T) {
	b := newBench(t)
	b.must(t, b.state.create())
	h := b.newHandler()
	h.refusals.SetBurst(1)
	h.refusals.SetLimit(0)
	ask := func(path, token string) int {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		defer cancel()
		w := &httptest.ResponseRecorder{Body: &bytes.Buffer{}}
		r := httptest.NewRequestWithContext(ctx, http.MethodGet, path, nil)
		r.Header.Set("Authorization", "Bearer "+token)
		authorize(secret.New(testToken), h).ServeHTTP(w, r)
		return w.Code
	}
	for i, test := range []struct {
		path, token string
		status      int
	}{
		{api.PathRuns, "wrong", 401}, {api.PathRuns, "wrong", 0}, {"/nothing", testToken, 0}, {api.PathHealth, "", 200}, {api.PathRuns, testToken, 200},
	} {
		if got := ask(test.path, test.token); got != test.status {
			t.Errorf("request %d, %s: %d, want %d", i+1, test.path, got, test.status)
		}
	}
}

// A target that fails is not asked again for each reader.
func TestFailuresAreCached(t *testing.T) {
	b := newBench(t)
	asked := 0
	answer := b.cached("/x", time.Hour, func(ctx context.Context) (int, []byte, error) {
		asked++
		return 0, nil, errors.Join(errors.New("no answer"), ctx.Err())
	})
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	for i, ctx := range []context.Context{gone, t.Context(), t.Context()} {
		if _, _, err := answer(ctx); err == nil || asked != min(i+1, 2) {
			t.Errorf("call %d: %v, asked %d times", i+1, err, asked)
		}
	}
	if n := strings.Count(b.log.String(), "a request failed"); n != 1 {
		t.Errorf("the log tells it %d times", n)
	}
}

// The document describes all that is served, and nothing else.
func TestOpenAPI(t *testing.T) {
	b, base := served(t)
	doc := parseOpenAPI(t)
	for path := range b.newHandler().routes {
		if doc.Paths[path].Get.Summary == "" {
			t.Errorf("%s is not described", path)
		}
	}
	for path, entry := range doc.Paths {
		status, header, text := request(t, http.MethodGet, base+path, "Bearer "+testToken, "")
		answer, ok := entry.Get.Responses[fmt.Sprint(status)]
		if !ok {
			t.Errorf("%s: the status %d is not described", path, status)
			continue
		}
		contentType, _, _ := strings.Cut(header.Get("Content-Type"), ";")
		content, ok := answer.Content[contentType]
		if !ok {
			t.Errorf("%s: %s is not described", path, contentType)
		}
		if contentType != "application/json" {
			continue
		}
		var v any
		if err := json.Unmarshal([]byte(text), &v); err != nil {
			t.Fatal(err)
		}
		for _, fault := range doc.check(path, content.Schema, v) {
			t.Error(fault)
		}
		if open := entry.Get.Security != nil && len(*entry.Get.Security) == 0; !open {
			if status, _, text := request(t, http.MethodGet, base+path, "", ""); status != 401 {
				t.Errorf("%s without a token: %d %s", path, status, text)
			}
		}
	}
}
