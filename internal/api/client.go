package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"

	"github.com/purser-backup/purser/internal/secret"
)

// maxAnswer bounds what a client reads.
const maxAnswer = 16 << 20

// Client speaks to a daemon. It may be used by several goroutines.
type Client struct {
	base  string
	token secret.String
	http  *http.Client
}

// NewUnix makes a client of the daemon's socket.
func NewUnix(path string) *Client {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "unix", path)
	}
	return &Client{base: "http://purser", http: &http.Client{Transport: &http.Transport{DialContext: dial, MaxIdleConns: 1}}}
}

// New makes a client of a daemon on the network, at a URL such as
// http://host:8080.
func New(base string, token secret.String) *Client {
	return &Client{base: strings.TrimSuffix(base, "/"), token: token, http: &http.Client{}}
}

// Close lets go of connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Alive returns nil if the daemon answers.
func (c *Client) Alive(ctx context.Context) error {
	_, err := c.get(ctx, PathHealth)
	return err
}

// Services lists the services.
func (c *Client) Services(ctx context.Context) ([]Service, error) {
	var s Services
	err := c.decode(ctx, PathServices, &s)
	return s.Services, err
}

// Runs lists past runs, newest first.
func (c *Client) Runs(ctx context.Context) ([]Run, error) {
	var r Runs
	err := c.decode(ctx, PathRuns, &r)
	return r.Runs, err
}

// Sets tells what the target holds.
func (c *Client) Sets(ctx context.Context) (Sets, error) {
	var s Sets
	err := c.decode(ctx, PathSets, &s)
	return s, err
}

func (c *Client) decode(ctx context.Context, path string, into any) error {
	body, err := c.get(ctx, path)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(body, into); err != nil {
		return fmt.Errorf("read the answer of %s: %w", path, err)
	}
	return nil
}

func (c *Client) get(ctx context.Context, path string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.base+path, nil)
	if err != nil {
		return nil, fmt.Errorf("ask the daemon: %w", err)
	}
	if !c.token.IsZero() {
		req.Header.Set("Authorization", "Bearer "+c.token.Reveal())
	}
	res, err := c.http.Do(req)
	var failed *url.Error
	if errors.As(err, &failed) {
		err = failed.Err
	}
	if err != nil {
		return nil, fmt.Errorf("ask the daemon for %s: %w", path, err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	if err != nil {
		return nil, fmt.Errorf("read the answer of %s: %w", path, err)
	}
	if res.StatusCode != http.StatusOK {
		var e Error
		if json.Unmarshal(body, &e) == nil && e.Error.Message != "" {
			return nil, fmt.Errorf("ask the daemon for %s: %s", path, e.Error.Message)
		}
		return nil, fmt.Errorf("ask the daemon for %s: %s", path, res.Status)
	}
	return body, nil
}
