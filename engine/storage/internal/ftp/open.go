package ftp

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"path"
	"strconv"
	"time"

	"github.com/jlaffaye/ftp"

	"github.com/purser-backup/purser/engine/storage/driver"
	"github.com/purser-backup/purser/engine/storage/internal/network"
	"github.com/purser-backup/purser/internal/secret"
)

// Location is a folder of a server.
type Location struct {
	User     string // empty: anonymous
	Password secret.String
	Host     string
	Port     int // 0: 21, or 990 with Implicit
	Dir      string
	Security Security
	Dialer   network.Dialer
}

// Security says how a connection is encrypted.
type Security int

// Plain does not encrypt; Explicit asks the server for TLS before the login,
// and goes no further without; Implicit begins with TLS.
const (
	Plain Security = iota
	Explicit
	Implicit
)

// Open makes a client of a folder. Nothing is asked of the server yet. now is
// the clock by which leftovers are old.
func Open(ctx context.Context, l Location, t network.TLS, now func() time.Time) (*Backend, error) {
	if l.Host == "" {
		return nil, driver.Permanent(driver.WithHint(errors.New("the URL has no host"), "write ftp://user@host/folder"))
	}
	if l.User == "" {
		l.User, l.Password = "anonymous", secret.New("anonymous")
	}
	if l.Port == 0 {
		if l.Port = 21; l.Security == Implicit {
			l.Port = 990
		}
	}
	p := &pool{location: l, slots: make(chan struct{}, maxSessions)}
	if l.Security != Plain {
		config, err := t.Config()
		if err != nil {
			return nil, err
		}
		config.ServerName = l.Host
		p.tls = config
	}
	return &Backend{dir: path.Clean(l.Dir), now: now, pool: p}, ctx.Err()
}

// dial logs in.
func (p *pool) dial(ctx context.Context) (*session, error) {
	s := &session{}
	if p.tls != nil {
		s.tls = p.tls.Clone()
		// Many servers take a data connection only as a continuation of its own
		// control connection.
		s.tls.ClientSessionCache = tls.NewLRUClientSessionCache(1)
	}
	stop := context.AfterFunc(ctx, s.cut)
	defer stop()
	options := []ftp.DialOption{ftp.DialWithDialFunc(func(kind, address string) (net.Conn, error) {
		return p.connect(ctx, s, kind, address)
	})}
	if p.location.Security == Explicit {
		options = append(options, ftp.DialWithExplicitTLS(s.tls))
	} else if p.location.Security == Implicit {
		options = append(options, ftp.DialWithTLS(s.tls))
	}
	conn, err := ftp.Dial(net.JoinHostPort(p.location.Host, strconv.Itoa(p.location.Port)), options...)
	if err != nil {
		s.cut()
		return nil, errors.Join(ctx.Err(), p.explainDial(err))
	}
	s.conn = conn
	if err := conn.Login(p.location.User, p.location.Password.Reveal()); err != nil {
		s.cut()
		return nil, errors.Join(ctx.Err(), p.explainLogin(err))
	}
	return s, nil
}

// connect makes the control connection first, and then, at each transfer, one
// for the data. The context is that of the login: transfers are cut by the
// session.
func (p *pool) connect(ctx context.Context, s *session, kind, address string) (net.Conn, error) {
	first := s.control == nil
	if !first {
		ctx = context.WithoutCancel(ctx)
	}
	c, err := p.location.Dialer.Dial(ctx, kind, address)
	if err != nil {
		return nil, err
	}
	if !s.add(c) {
		return nil, net.ErrClosed
	}
	if p.location.Security == Plain || first && p.location.Security == Explicit {
		return c, nil
	}
	return tls.Client(c, s.tls), nil
}
