package network

import (
	"context"
	"net/http"
	"strconv"
	"sync"
	"time"
)

// maxRetryAfter bounds what a server may ask for: more than that is for the next
// run.
const maxRetryAfter = 2 * time.Minute

// Patient is a transport that sends nothing for as long as the server has asked
// for by Retry-After, when it was busy: neither the request that is tried again
// nor any other.
type Patient struct {
	transport *http.Transport

	mu    sync.Mutex
	until time.Time
}

// NewPatient makes one of a transport.
func NewPatient(t *http.Transport) *Patient { return &Patient{transport: t} }

// RoundTrip implements http.RoundTripper.
func (p *Patient) RoundTrip(r *http.Request) (*http.Response, error) {
	p.mu.Lock()
	until := p.until
	p.mu.Unlock()
	if err := waitUntil(r.Context(), until); err != nil {
		if r.Body != nil {
			_ = r.Body.Close() // as a RoundTripper must
		}
		return nil, err
	}
	response, err := p.transport.RoundTrip(r)
	if err == nil && (response.StatusCode == http.StatusServiceUnavailable || response.StatusCode == http.StatusTooManyRequests) {
		p.note(response.Header.Get("Retry-After"), time.Now())
	}
	return response, err
}

// note takes a header: seconds, or a date.
func (p *Patient) note(header string, now time.Time) {
	var wait time.Duration
	if seconds, err := strconv.ParseUint(header, 10, 31); err == nil {
		wait = time.Duration(seconds) * time.Second
	} else if at, err := http.ParseTime(header); err == nil {
		wait = at.Sub(now)
	}
	until := now.Add(min(wait, maxRetryAfter))
	p.mu.Lock()
	defer p.mu.Unlock()
	if until.After(p.until) {
		p.until = until
	}
}

// CloseIdleConnections lets go of connections.
func (p *Patient) CloseIdleConnections() { p.transport.CloseIdleConnections() }

func waitUntil(ctx context.Context, t time.Time) error {
	d := time.Until(t)
	if d <= 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
