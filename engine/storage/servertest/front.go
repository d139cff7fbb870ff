package servertest

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"sync"
	"testing"
)

// Front is a server of HTTP before another, which answers some requests itself:
// as a busy or a broken one would, and real ones don't on demand.
type Front struct {
	Port string

	mu     sync.Mutex
	answer func(w http.ResponseWriter, r *http.Request) bool
	hits   int
}

// NewFront starts one for the server at an address. It ends with the test.
func NewFront(t *testing.T, to string) *Front {
	t.Helper()
	f := &Front{}
	proxy := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(&url.URL{Scheme: "http", Host: to})
		r.Out.Host = r.In.Host // which is signed
	}}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !f.answered(w, r) {
			proxy.ServeHTTP(w, r)
		}
	}))
	t.Cleanup(s.Close)
	u, err := url.Parse(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	f.Port = u.Port()
	return f
}

// Answer has a function see each request from now on. It changes the request, or
// answers it and returns true. nil lets all pass.
func (f *Front) Answer(answer func(w http.ResponseWriter, r *http.Request) bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.answer, f.hits = answer, 0
}

// Hits is how many requests have been answered since Answer.
func (f *Front) Hits() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.hits
}

func (f *Front) answered(w http.ResponseWriter, r *http.Request) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.answer == nil || !f.answer(w, r) {
		return false
	}
	f.hits++
	return true
}

// Says answers with a status, headers by name and value, and, unless it is empty,
// an error code as S3 has them.
func Says(status int, code string, header ...string) func(http.ResponseWriter, *http.Request) bool {
	return func(w http.ResponseWriter, r *http.Request) bool {
		for i := 0; i < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		_, _ = io.Copy(io.Discard, r.Body) // a client that is still sending may be gone
		w.WriteHeader(status)
		if code != "" {
			fmt.Fprintf(w, `<?xml version="1.0" encoding="UTF-8"?><Error><Code>%s</Code><Message>by the test</Message></Error>`, code)
		}
		return true
	}
}

// Times lets an answer be given so many times.
func Times(n int, answer func(http.ResponseWriter, *http.Request) bool) func(http.ResponseWriter, *http.Request) bool {
	return func(w http.ResponseWriter, r *http.Request) bool {
		n--
		return n >= 0 && answer(w, r)
	}
}
