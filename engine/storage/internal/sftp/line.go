package sftp

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"sync"
	"time"

	"github.com/pkg/sftp"
	"golang.org/x/crypto/ssh"

	"github.com/purser-backup/purser/engine/storage/driver"
	"github.com/purser-backup/purser/internal/bug"
)

const (
	maxSessions = 8 // of the 10 that a usual server allows over one connection
	keepalive   = 30 * time.Second
	grace       = 5 * time.Second // for a cancelled call's session to end by itself
)

// line is the connection to a server: one of SSH, and over it as many sessions
// of SFTP as there are calls at once. A call that is cancelled ends its own session and no
// other's.
type line struct {
	dial  func(context.Context) (net.Conn, *ssh.Client, error)
	slots chan struct{} // one for each session in use
	lock  chan struct{} // held while connecting, by a context's leave

	mu     sync.Mutex
	wire   *wire
	closed bool
	work   sync.WaitGroup // what looks after connections
}

// wire is one connection of SSH.
type wire struct {
	conn   net.Conn
	client *ssh.Client
	ended  chan struct{}
	// Guarded by line.mu.
	idle []*session
	used int // sessions that calls have
}

// session is one of SFTP, for one call at a time.
type session struct {
	wire   *wire
	client *sftp.Client
	packet int           // bytes of a file that one packet has
	broken chan struct{} // closed when its call was cancelled
}

func newLine(dial func(context.Context) (net.Conn, *ssh.Client, error)) *line {
	return &line{dial: dial, slots: make(chan struct{}, maxSessions), lock: make(chan struct{}, 1)}
}

// do runs call over a session that nobody else uses.
func (l *line) do(ctx context.Context, call func(*session) error) error {
	s, err := l.take(ctx)
	if err != nil {
		return err
	}
	stop := s.watch(ctx)
	err = s.cause(ctx, call(s))
	stop()
	l.give(s, !isLost(err))
	return err
}

// cause adds the context's error, where it is the reason of err.
func (s *session) cause(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	if done := ctx.Err(); done != nil && !errors.Is(err, done) {
		return errors.Join(done, err)
	}
	return err
}

// isLost tells an error of the connection from an answer of the server.
func isLost(err error) bool {
	var status *sftp.StatusError
	switch {
	case err == nil, errors.Is(err, fs.ErrNotExist), errors.Is(err, fs.ErrPermission), errors.Is(err, driver.ErrBody):
		return false
	case errors.Is(err, sftp.ErrSSHFxConnectionLost):
		return true
	}
	return !errors.As(err, &status)
}

// watch ends the session once the context is done, and the whole connection if
// that takes long: it hangs then. The caller calls what it returns after the call.
func (s *session) watch(ctx context.Context) func() {
	finished := make(chan struct{})
	s.broken = make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(s.broken)
		hung := time.AfterFunc(grace, func() { _ = s.wire.conn.Close() })
		_ = s.client.Close()
		<-finished
		hung.Stop()
	})
	return func() {
		close(finished)
		if !stop() {
			<-s.broken
		}
	}
}

// take gives a session, and connects if there is no connection.
func (l *line) take(ctx context.Context) (*session, error) {
	select {
	case l.slots <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	s, err := l.session(ctx)
	if err != nil {
		<-l.slots
		return nil, err
	}
	return s, nil
}

func (l *line) session(ctx context.Context) (*session, error) {
	select {
	case l.lock <- struct{}{}:
		defer func() { <-l.lock }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	w, s, err := l.current()
	if s != nil || err != nil {
		return s, err
	}
	if w == nil {
		if w, err = l.connect(ctx); err != nil {
			return nil, err
		}
	}
	// A server that hangs just here is left by closing the connection.
	stop := context.AfterFunc(ctx, func() { _ = w.conn.Close() })
	defer stop()
	client, err := sftp.NewClient(w.client, sftp.UseConcurrentReads(true), sftp.UseConcurrentWrites(true))
	if err == nil {
		s, err = newSession(w, client)
	}
	if err != nil {
		l.leave(w, true)
		return nil, errors.Join(ctx.Err(), fmt.Errorf("open a session of SFTP: %w", err))
	}
	return s, nil
}

// current gives the connection, if there is a living one, and an idle session.
func (l *line) current() (*wire, *session, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return nil, nil, net.ErrClosed
	}
	if l.wire != nil {
		select {
		case <-l.wire.ended:
			l.wire = nil
		default:
		}
	}
	if l.wire != nil {
		l.wire.used++
	}
	if l.wire == nil || len(l.wire.idle) == 0 {
		return l.wire, nil, nil
	}
	last := len(l.wire.idle) - 1
	s := l.wire.idle[last]
	l.wire.idle = l.wire.idle[:last]
	return l.wire, s, nil
}

func (l *line) connect(ctx context.Context) (*wire, error) {
	conn, client, err := l.dial(ctx)
	if err != nil {
		return nil, err
	}
	w := &wire{conn: conn, client: client, ended: make(chan struct{}), used: 1}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return nil, errors.Join(net.ErrClosed, client.Close())
	}
	l.wire = w
	l.work.Go(func() {
		defer close(w.ended)
		_ = bug.Guard(client.Wait)() // the calls under way tell why it ended
	})
	l.work.Go(func() {
		if bug.Guard(w.keepAlive)() != nil {
			_ = w.conn.Close() // which ends the calls that wait on it
		}
	})
	return w, nil
}

// keepAlive asks the server for a sign of life now and then. Without one the
// connection's own time limit ends it, and so the calls that wait on it.
func (w *wire) keepAlive() error {
	tick := time.NewTicker(keepalive)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			if _, _, err := w.client.SendRequest("keepalive@openssh.com", true, nil); err != nil {
				return err
			}
		case <-w.ended:
			return nil
		}
	}
}

// give takes a session back. One that is not whole is closed.
func (l *line) give(s *session, whole bool) {
	defer func() { <-l.slots }()
	lost := !whole
	select {
	case <-s.broken:
		whole, lost = false, false // it was ended here
	default:
	}
	defer l.leave(s.wire, lost)
	l.mu.Lock()
	keep := whole && !l.closed && l.wire == s.wire
	if keep {
		s.wire.idle = append(s.wire.idle, s)
	}
	l.mu.Unlock()
	if !keep {
		_ = s.client.Close() // it may be closed already
	}
}

// leave is what a call does with a connection in the end. One that was lost
// serves no further call, and is closed after the last that it has.
func (l *line) leave(w *wire, lost bool) {
	l.mu.Lock()
	w.used--
	if lost && l.wire == w {
		l.wire = nil
	}
	last := w.used == 0 && l.wire != w
	l.mu.Unlock()
	if last {
		_ = w.client.Close() // it may be closed already
	}
}

// close ends the connection; calls under way fail.
func (l *line) close() error {
	l.mu.Lock()
	w := l.wire
	l.wire, l.closed = nil, true
	l.mu.Unlock()
	if w == nil {
		return nil
	}
	err := w.client.Close()
	l.work.Wait()
	if errors.Is(err, net.ErrClosed) || errors.Is(err, io.EOF) {
		return nil
	}
	return err
}
