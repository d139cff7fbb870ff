package ftp

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"sync"
	"time"

	"github.com/jlaffaye/ftp"
)

const (
	maxSessions = 5 // servers allow few to one client
	// freshFor is how long an idle session is used without asking whether the
	// server still has it.
	freshFor = 15 * time.Second
)

// pool has the sessions with a server. Each serves one call at a time.
type pool struct {
	location Location
	tls      *tls.Config // nil without TLS
	slots    chan struct{}

	mu     sync.Mutex
	idle   []*session
	closed bool
}

// session is a login.
type session struct {
	conn  *ftp.ServerConn
	tls   *tls.Config
	since time.Time // idle since then

	mu      sync.Mutex
	control net.Conn
	data    net.Conn // the newest
	dead    bool
}

// add notes a connection of the session. It is false, and the connection
// closed, if the session was cut meanwhile.
func (s *session) add(c net.Conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.dead {
		_ = c.Close()
		return false
	}
	if s.control == nil {
		s.control = c
	} else {
		s.data = c
	}
	return true
}

// cut ends the session at once; the call under way fails.
func (s *session) cut() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.dead = true
	for _, c := range []net.Conn{s.data, s.control} {
		if c != nil {
			_ = c.Close() // nobody waits for it any more
		}
	}
}

func (s *session) isDead() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.dead
}

// do runs call over a session that nobody else uses. One whose call has failed
// otherwise than by an answer of the server is not used again.
func (p *pool) do(ctx context.Context, call func(*ftp.ServerConn) error) error {
	s, err := p.take(ctx)
	if err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, s.cut)
	err = call(s.conn)
	stop()
	p.give(s, err == nil || isAnswer(err))
	if done := ctx.Err(); err != nil && done != nil {
		return errors.Join(done, err)
	}
	return err
}

// take gives an idle session that works, or logs in.
func (p *pool) take(ctx context.Context) (*session, error) {
	select {
	case p.slots <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	for {
		s, err := p.pop()
		if err != nil {
			<-p.slots
			return nil, err
		}
		if s == nil {
			break
		}
		if time.Since(s.since) < freshFor || s.lives(ctx) {
			return s, nil
		}
		s.cut()
	}
	s, err := p.dial(ctx)
	if err != nil {
		<-p.slots
		return nil, err
	}
	return s, nil
}

func (s *session) lives(ctx context.Context) bool {
	defer context.AfterFunc(ctx, s.cut)()
	return s.conn.NoOp() == nil
}

func (p *pool) pop() (*session, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil, net.ErrClosed
	}
	if len(p.idle) == 0 {
		return nil, nil
	}
	s := p.idle[len(p.idle)-1]
	p.idle = p.idle[:len(p.idle)-1]
	return s, nil
}

func (p *pool) give(s *session, whole bool) {
	defer func() { <-p.slots }()
	p.mu.Lock()
	keep := whole && !p.closed && !s.isDead()
	if keep {
		s.since = time.Now()
		p.idle = append(p.idle, s)
	}
	p.mu.Unlock()
	if !keep {
		s.cut()
	}
}

// close takes leave of the server. Calls under way end by themselves.
func (p *pool) close() {
	p.mu.Lock()
	idle := p.idle
	p.idle, p.closed = nil, true
	p.mu.Unlock()
	for _, s := range idle {
		timer := time.AfterFunc(quitTimeout, s.cut)
		_ = s.conn.Quit() // it may be gone
		timer.Stop()
		s.cut()
	}
}

const quitTimeout = 2 * time.Second
