package network

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"
)

func TestRetryAfter(t *testing.T) {
	now := time.Now()
	for header, want := range map[string]time.Duration{
		"": 0, "7": 7 * time.Second, "-1": 0, "soon": 0, "100000": maxRetryAfter,
		now.Add(40 * time.Second).UTC().Format(http.TimeFormat): 40 * time.Second,
		now.Add(-time.Hour).UTC().Format(http.TimeFormat):       0,
	} {
		p := NewPatient(nil)
		p.note(header, now)
		got := p.until.Sub(now)
		if got = max(0, got); (got - want).Abs() > time.Second {
			t.Errorf("Retry-After: %s waits %v, want %v", header, got, want)
		}
	}
}

// Requests that come while a server wants to be left alone wait, and end with
// their context.
func TestPatience(t *testing.T) {
	var asked []time.Time
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if asked = append(asked, time.Now()); len(asked) == 1 {
			w.Header().Set("Retry-After", "1")
			w.WriteHeader(http.StatusTooManyRequests)
		}
	}))
	defer server.Close()
	p := NewPatient(&http.Transport{})
	defer p.CloseIdleConnections()
	get := func(ctx context.Context) error {
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, server.URL, nil)
		if err != nil {
			return err
		}
		response, err := p.RoundTrip(r)
		if err != nil {
			return err
		}
		return response.Body.Close()
	}
	if err := get(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := get(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	if err := get(t.Context()); err != nil {
		t.Fatal(err)
	}
	if len(asked) != 2 || asked[1].Sub(asked[0]) < 900*time.Millisecond {
		t.Errorf("asked at %v", asked)
	}
}
