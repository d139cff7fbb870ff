// Package docker adapts the Docker Engine API: it lists containers as
// discovery values and runs the one-shot containers of dumpers.
//
// It makes only the calls that the README lists, which a test compares with
// those that are made.
package docker

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/docker/docker/client"
	"github.com/docker/go-connections/tlsconfig"
)

// Options say how the Engine is reached; they are the values of Docker's own
// variables. The zero value is the local socket.
type Options struct {
	Host       string        // DOCKER_HOST; empty: unix:///var/run/docker.sock
	CertPath   string        // DOCKER_CERT_PATH
	TLSVerify  bool          // DOCKER_TLS_VERIFY
	APIVersion string        // DOCKER_API_VERSION; empty: negotiated
	Timeout    time.Duration // of the first contact; 0: 10 s
	Rand       io.Reader     // nil: crypto/rand
}

// Client speaks to one Engine. It is safe for concurrent use.
type Client struct {
	api  *client.Client
	host string
	tls  bool
	rand io.Reader
}

// Open connects to the Engine and agrees on an API version. An Engine that
// can't be reached is an *Error with a hint.
func Open(ctx context.Context, o Options) (*Client, error) {
	if o.Host == "" {
		o.Host = client.DefaultDockerHost
	}
	if o.Timeout == 0 {
		o.Timeout = 10 * time.Second
	}
	if o.Rand == nil {
		o.Rand = rand.Reader
	}
	ctx, cancel := context.WithTimeoutCause(ctx, o.Timeout, fmt.Errorf("no answer within %s", o.Timeout))
	defer cancel()
	if err := reach(ctx, o.Host); err != nil {
		return nil, connectError(o.Host, err)
	}
	api, err := newAPI(o)
	if err != nil {
		return nil, &Error{Op: "set up the connection to " + o.Host, Err: err, Advice: hostForms}
	}
	c := &Client{api: api, host: o.Host, tls: o.secure(), rand: o.Rand}
	ping, err := api.Ping(ctx)
	if err != nil {
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return nil, errors.Join(connectError(o.Host, err), c.Close())
	}
	if o.APIVersion == "" {
		api.NegotiateAPIVersionPing(ping)
	}
	return c, nil
}

func (o Options) secure() bool { return o.CertPath != "" || o.TLSVerify }

const hostForms = "DOCKER_HOST is written as unix:///var/run/docker.sock or tcp://host:2376"

func newAPI(o Options) (*client.Client, error) {
	var options []client.Opt
	if o.secure() {
		config, err := tlsConfig(o)
		if err != nil {
			return nil, err
		}
		options = append(options, client.WithHTTPClient(&http.Client{
			Transport:     &http.Transport{TLSClientConfig: config},
			CheckRedirect: client.CheckRedirect,
		}))
	}
	options = append(options, client.WithHost(o.Host))
	if o.APIVersion != "" {
		options = append(options, client.WithVersion(o.APIVersion))
	}
	return client.NewClientWithOpts(options...)
}

// tlsConfig reads the certificates as Docker's own client does: without
// TLSVerify they identify this side only.
func tlsConfig(o Options) (*tls.Config, error) {
	dir := o.CertPath
	if dir == "" {
		home, err := os.UserHomeDir()
		if err != nil {
			return nil, err
		}
		dir = filepath.Join(home, ".docker")
	}
	return tlsconfig.Client(tlsconfig.Options{
		CAFile:             filepath.Join(dir, "ca.pem"),
		CertFile:           filepath.Join(dir, "cert.pem"),
		KeyFile:            filepath.Join(dir, "key.pem"),
		InsecureSkipVerify: !o.TLSVerify,
		ExclusiveRootPools: true,
	})
}

// reach dials a Unix socket once, since the error of the system says more
// than the SDK's.
func reach(ctx context.Context, host string) error {
	u, err := client.ParseHostURL(host)
	if err != nil || u.Scheme != "unix" {
		return nil
	}
	conn, err := new(net.Dialer).DialContext(ctx, "unix", u.Host+u.Path)
	if err != nil {
		return err
	}
	return conn.Close()
}

// Close releases idle connections.
func (c *Client) Close() error { return c.api.Close() }
