package servertest

import (
	"errors"
	"io"
	"net"
	"sync"
	"testing"
)

// Proxy hands connections on to a server, and breaks one of them.
type Proxy struct {
	Port int

	listener net.Listener
	to       string

	mu    sync.Mutex
	after int64 // bytes that clients may still send; negative is no end
	stall bool  // stand still then, in place of a reset
	hit   bool
	line  *line // of what clients send; nil is none
	open  map[net.Conn]bool
	work  sync.WaitGroup
	over  chan struct{} // closed at the end of the test
}

// NewProxy starts one for the server at an address. It ends with the test.
func NewProxy(t *testing.T, to string) *Proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &Proxy{Port: l.Addr().(*net.TCPAddr).Port, listener: l, to: to, after: -1, open: map[net.Conn]bool{}, over: make(chan struct{})}
	p.work.Go(p.serve)
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
		close(p.over)
		p.cutAll()
		p.work.Wait()
	})
	return p
}

// ResetAfter resets the connection on which clients send the byte of this
// number, counted from now over all connections, once.
func (p *Proxy) ResetAfter(n int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.after, p.hit, p.stall = n, false, false
}

// StallAfter lets the connection on which clients send the byte of this number
// stand still from there on: open, and without another byte.
func (p *Proxy) StallAfter(n int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.after, p.hit, p.stall = n, false, true
}

func (p *Proxy) stalls() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.stall
}

// Hit reports whether the byte has come, and forgets of it if it hasn't.
func (p *Proxy) Hit() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.after = -1
	return p.hit
}

func (p *Proxy) serve() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return // closed
		}
		server, err := net.Dial("tcp", p.to)
		if err != nil {
			reset(client)
			continue
		}
		p.mu.Lock()
		p.open[client], p.open[server] = true, true
		p.mu.Unlock()
		p.work.Go(func() { p.forward(p.delayed(server), client, p.spend) })
		p.work.Go(func() { p.forward(client, server, func(n int) (int, bool) { return n, false }) })
	}
}

// spend says how many of n bytes go on, and whether the connection ends then.
func (p *Proxy) spend(n int) (int, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.after < 0 {
		return n, false
	}
	if int64(n) <= p.after {
		p.after -= int64(n)
		return n, false
	}
	n = int(p.after)
	p.after, p.hit = -1, true
	return n, true
}

func (p *Proxy) forward(to, from net.Conn, spend func(int) (int, bool)) {
	defer func() {
		p.mu.Lock()
		delete(p.open, to)
		p.mu.Unlock()
	}()
	buf := make([]byte, 32<<10)
	for {
		n, err := from.Read(buf)
		n, broken := spend(n)
		_, writeErr := to.Write(buf[:n])
		if broken && p.stalls() {
			<-p.over
		}
		if writeErr != nil || broken {
			reset(to)
			reset(from)
			return
		}
		if errors.Is(err, io.EOF) {
			_ = to.(interface{ CloseWrite() error }).CloseWrite() // the other direction may go on
			return
		}
		if err != nil {
			reset(to)
			return
		}
	}
}

// reset closes a connection as a crash does.
func reset(c net.Conn) {
	_ = c.(interface{ SetLinger(int) error }).SetLinger(0)
	_ = c.Close()
}

func (p *Proxy) cutAll() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.open {
		_ = c.Close()
	}
}
