package notify

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Signal is what a dead man's switch is told, as healthchecks understands it.
type Signal string

// The signals. An incomplete run is no success.
const (
	Started   Signal = "start"
	Succeeded Signal = ""
	Failing   Signal = "fail"
)

const pingTimeout = 10 * time.Second

// Ping tells the dead man's switch, if there is one, and tries again where that
// fails. body is what it shows to people.
func (s *Sender) Ping(ctx context.Context, signal Signal, body string) error {
	if s.ping.IsZero() {
		return nil
	}
	u, err := url.Parse(s.ping.Reveal())
	if err != nil {
		return errors.New("ping: not a URL")
	}
	if signal != Succeeded {
		u = u.JoinPath(string(signal))
	}
	return again(ctx, s.pauses, func() error { return ping(ctx, u, cut(s.scrub(body), maxBody)) })
}

func ping(ctx context.Context, u *url.URL, body string) error {
	ctx, cancel := context.WithTimeout(ctx, pingTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, u.String(), strings.NewReader(body))
	if err != nil {
		return errors.New("ping: not a URL")
	}
	req.Header.Set("Content-Type", "text/plain; charset=utf-8")
	res, err := http.DefaultClient.Do(req)
	var failed *url.Error
	if errors.As(err, &failed) {
		err = failed.Err // the URL is a secret
	}
	if err != nil {
		return fmt.Errorf("ping: %w", err)
	}
	defer res.Body.Close()
	// The connection can be used again once the answer is read.
	if _, err := io.Copy(io.Discard, io.LimitReader(res.Body, 4096)); err != nil {
		return fmt.Errorf("ping: read the answer: %w", err)
	}
	if res.StatusCode/100 != 2 {
		return fmt.Errorf("ping: the answer is %s", res.Status)
	}
	return nil
}
