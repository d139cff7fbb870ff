package servertest

import (
	"net"
	"sync"
	"time"
)

// line is a way to the server that takes time, and so many bytes in a second.
type line struct {
	delay time.Duration
	rate  int64

	mu   sync.Mutex
	free time.Time // when the next byte can set out
}

// Delay makes what clients send take so long to arrive, on connections that begin
// from now on, and lets no more than rate bytes a second through on all of them.
func (p *Proxy) Delay(delay time.Duration, rate int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.line = &line{delay: delay, rate: rate}
}

// delayed gives the server's end of a connection as clients reach it.
func (p *Proxy) delayed(to net.Conn) net.Conn {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.line == nil {
		return to
	}
	c := &slow{Conn: to, line: p.line, packets: make(chan packet, 10000)}
	p.work.Go(c.deliver)
	return c
}

// slow delivers what is written some time later.
type slow struct {
	net.Conn
	line    *line
	packets chan packet
	once    sync.Once
}

type packet struct {
	at   time.Time
	data []byte
}

func (s *slow) Write(p []byte) (int, error) {
	at := s.line.book(len(p))
	time.Sleep(time.Until(at.Add(-s.line.delay))) // the line is busy until then
	s.packets <- packet{at, append([]byte(nil), p...)}
	return len(p), nil
}

// book gives the time at which n more bytes arrive.
func (l *line) book(n int) time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	// A busy machine wakes those up late who wait for their turn: a little of what
	// the line could have taken meanwhile it still takes.
	if least := time.Now().Add(-l.delay); l.free.Before(least) {
		l.free = least
	}
	l.free = l.free.Add(time.Duration(int64(n) * int64(time.Second) / l.rate))
	return l.free.Add(l.delay)
}

func (s *slow) deliver() {
	for p := range s.packets {
		time.Sleep(time.Until(p.at))
		if _, err := s.Conn.Write(p.data); err != nil {
			reset(s.Conn)
		}
	}
	_ = s.Conn.(*net.TCPConn).CloseWrite()
}

// CloseWrite ends what is sent, once all has arrived.
func (s *slow) CloseWrite() error {
	s.once.Do(func() { close(s.packets) })
	return nil
}

// Close ends it at once.
func (s *slow) Close() error {
	s.once.Do(func() { close(s.packets) })
	return s.Conn.Close()
}

// SetLinger is that of the connection below.
func (s *slow) SetLinger(seconds int) error { return s.Conn.(*net.TCPConn).SetLinger(seconds) }
