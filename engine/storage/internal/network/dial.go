// Package network holds what all drivers need that speak over a network:
// connections that don't hang and keep to a rate, TLS, and errors that say what
// to do.
package network

import (
	"context"
	"fmt"
	"net"
	"time"
)

const (
	connectTimeout = 30 * time.Second
	defaultStall   = 2 * time.Minute
)

// Dialer connects. The zero value is good.
type Dialer struct {
	// Stall is how long a connection may stand still while somebody waits for it;
	// 0 is two minutes. Then it fails with a timeout: a server that has died or
	// a firewall that has forgotten the connection would else hold a backup for
	// ever.
	Stall time.Duration
	// Limit is for all that is sent; nil is none.
	Limit *Limit
}

// Dial connects to an address.
func (d Dialer) Dial(ctx context.Context, network, address string) (net.Conn, error) {
	c, err := (&net.Dialer{Timeout: connectTimeout}).DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	if d.Stall == 0 {
		d.Stall = defaultStall
	}
	return &conn{c, d.Stall, d.Limit}, nil
}

// conn moves its deadlines whenever it gets on, both of them: who waits for an
// answer waits as long as the question is still being sent.
type conn struct {
	net.Conn
	stall time.Duration
	limit *Limit
}

func (c *conn) Read(p []byte) (int, error) {
	if err := c.alive(); err != nil {
		return 0, err
	}
	return c.Conn.Read(p)
}

func (c *conn) Write(p []byte) (n int, err error) {
	for n < len(p) {
		// In pieces, since a long write gets on without anybody's knowing.
		piece := c.limit.wait(len(p) - n)
		if err := c.alive(); err != nil {
			return n, err
		}
		m, err := c.Conn.Write(p[n : n+piece])
		n += m
		if err != nil {
			return n, err
		}
	}
	return n, nil
}

func (c *conn) alive() error {
	if err := c.SetDeadline(time.Now().Add(c.stall)); err != nil {
		return fmt.Errorf("set deadline: %w", err)
	}
	return nil
}
