// Package network holds what all drivers need that speak over a network:
// connections that don't hang, TLS, and errors that say what to do.
package network

import (
	"context"
	"fmt"
	"net"
	"time"
)

const (
	connectTimeout = 30 * time.Second
	// Stall is how long a connection may stand still while somebody waits for it.
	Stall = 2 * time.Minute
)

// Dial connects. A read or write that makes no progress for stall fails with a
// timeout: a server that has died or a firewall that has forgotten the
// connection would else hold a backup for ever.
func Dial(ctx context.Context, network, address string, stall time.Duration) (net.Conn, error) {
	d := net.Dialer{Timeout: connectTimeout}
	c, err := d.DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	return &conn{c, stall}, nil
}

// conn moves its deadlines before each call.
type conn struct {
	net.Conn
	stall time.Duration
}

func (c *conn) Read(p []byte) (int, error) {
	if err := c.SetReadDeadline(time.Now().Add(c.stall)); err != nil {
		return 0, fmt.Errorf("set deadline: %w", err)
	}
	return c.Conn.Read(p)
}

func (c *conn) Write(p []byte) (n int, err error) {
	// In pieces, since a long write moves on without the deadline's knowing.
	const piece = 256 << 10
	for n < len(p) {
		if err := c.SetWriteDeadline(time.Now().Add(c.stall)); err != nil {
			return n, fmt.Errorf("set deadline: %w", err)
		}
		m, err := c.Conn.Write(p[n:min(len(p), n+piece)])
		n += m
		if err != nil {
			return n, err
		}
	}
	return n, nil
}
