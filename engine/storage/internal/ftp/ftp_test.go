package ftp_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/purser-backup/purser/engine/storage/driver"
	"github.com/purser-backup/purser/engine/storage/driver/drivertest"
	"github.com/purser-backup/purser/engine/storage/internal/ftp"
	"github.com/purser-backup/purser/engine/storage/internal/network"
	"github.com/purser-backup/purser/engine/storage/servertest"
	"github.com/purser-backup/purser/internal/hint"
	"github.com/purser-backup/purser/internal/secret"
)

func login(s *servertest.FTP) ftp.Location {
	return ftp.Location{User: s.User, Password: secret.New(s.Password), Host: "127.0.0.1", Port: s.Port}
}

func open(t *testing.T, l ftp.Location, tls network.TLS) *ftp.Backend {
	t.Helper()
	b, err := ftp.Open(t.Context(), l, tls, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return b
}

// contract runs the suite in folders of a server.
func contract(t *testing.T, s *servertest.FTP, l ftp.Location, tls network.TLS, base string) {
	var count atomic.Int32
	drivertest.RunTarget(t, func(t *testing.T) drivertest.Target {
		l := l
		l.Dir = fmt.Sprintf("%s/t%d/deep", base, count.Add(1))
		dir := filepath.Join(s.Dir, l.Dir)
		return drivertest.Target{
			Open: func(t *testing.T) driver.Backend { return open(t, l, tls) },
			Plant: func(t *testing.T, name string, data []byte) {
				path := filepath.Join(dir, name)
				if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o777), os.WriteFile(path, data, 0o666)); err != nil {
					t.Fatal(err)
				}
				for p := path; p != s.Dir; p = filepath.Dir(p) {
					if err := os.Chown(p, s.UID, s.UID); err != nil {
						t.Fatal(err)
					}
				}
			},
			Names: func(t *testing.T) []string { return drivertest.Names(t, dir) },
		}
	})
}

func TestContract(t *testing.T) {
	t.Run("proftpd", func(t *testing.T) {
		s := servertest.ProFTPD(t, nil, false)
		contract(t, s, login(s), network.TLS{}, "/a")
	})
	t.Run("vsftpd", func(t *testing.T) {
		s := servertest.VSFTPD(t)
		contract(t, s, ftp.Location{Host: "127.0.0.1", Port: s.Port}, network.TLS{}, "pub")
	})
	t.Run("explicit TLS", func(t *testing.T) {
		cert := servertest.NewCertificate(t)
		s := servertest.ProFTPD(t, cert, false)
		l := login(s)
		l.Security = ftp.Explicit
		contract(t, s, l, network.TLS{CAFile: cert.CertFile}, "rel")
	})
}

// The same over a connection that begins with TLS.
func TestImplicitTLS(t *testing.T) {
	cert := servertest.NewCertificate(t)
	s := servertest.ProFTPD(t, cert, true)
	l := login(s)
	l.Security = ftp.Implicit
	b := open(t, l, network.TLS{CAFile: cert.CertFile})
	for _, content := range []string{"", "x", strings.Repeat("0123456789", 100000)} {
		if err := drivertest.PutText(t.Context(), b, "object", content); err != nil {
			t.Fatal(err)
		}
		r, err := b.Get(t.Context(), "object")
		if err != nil {
			t.Fatal(err)
		}
		if p, err := io.ReadAll(r); err != nil || string(p) != content {
			t.Errorf("got %d bytes of %d, %v", len(p), len(content), err)
		}
		if err := r.Close(); err != nil {
			t.Error(err)
		}
		if list, err := b.List(t.Context(), ""); err != nil || len(list) != 1 || list[0].Size != int64(len(content)) {
			t.Errorf("list: %v, %v", list, err)
		}
	}
}

func TestBadInput(t *testing.T) {
	plain, cert := servertest.ProFTPD(t, nil, false), servertest.NewCertificate(t)
	secured := servertest.ProFTPD(t, cert, false)
	if err := os.Mkdir(filepath.Join(plain.Dir, "locked"), 0o500); err != nil {
		t.Fatal(err)
	}
	trusting := network.TLS{CAFile: cert.CertFile}
	for name, c := range map[string]struct {
		server    *servertest.FTP
		change    func(*ftp.Location)
		tls       network.TLS
		hint      string
		is        error
		transient bool
	}{
		"password":    {plain, func(l *ftp.Location) { l.Password = secret.New("wrong secret") }, network.TLS{}, "check the user joe", fs.ErrPermission, false},
		"no password": {plain, func(l *ftp.Location) { l.Password = secret.String{} }, network.TLS{}, "set FTP_PASSWORD", fs.ErrPermission, false},
		"host":        {plain, func(l *ftp.Location) { l.Host = "no-such-host.invalid" }, network.TLS{}, "host name", nil, false},
		"port":        {plain, func(l *ftp.Location) { l.Port = 1 }, network.TLS{}, "nothing listens", nil, true},
		"rights":      {plain, func(l *ftp.Location) { l.Dir = "/locked" }, network.TLS{}, "read and write the folder /locked", fs.ErrPermission, false},
		"no TLS":      {plain, func(l *ftp.Location) { l.Security = ftp.Explicit }, network.TLS{}, "does not offer TLS", nil, false},
		"TLS wanted":  {secured, func(*ftp.Location) {}, network.TLS{}, "ftps://", fs.ErrPermission, false},
		"issuer":      {secured, func(l *ftp.Location) { l.Security = ftp.Explicit }, network.TLS{}, "not trusted", nil, false},
		"name":        {secured, func(l *ftp.Location) { l.Host, l.Security = "localhost", ftp.Explicit }, trusting, "another name", nil, false},
	} {
		t.Run(name, func(t *testing.T) {
			l := login(c.server)
			c.change(&l)
			err := drivertest.PutText(t.Context(), open(t, l, c.tls), "object", "x")
			if err == nil || !strings.Contains(hint.Text(err), c.hint) || driver.IsPermanent(err) == c.transient || c.is != nil && !errors.Is(err, c.is) {
				t.Errorf("got %v, permanent %v, want the hint %q", err, driver.IsPermanent(err), c.hint)
			}
			if text := fmt.Sprint(err); strings.Contains(text, "secret") || strings.Contains(text, c.server.Password) {
				t.Errorf("the password is in %s", text)
			}
		})
	}
	_, err := ftp.Open(t.Context(), ftp.Location{}, network.TLS{}, time.Now)
	if err == nil || !driver.IsPermanent(err) {
		t.Errorf("no host: %v", err)
	}
}

// The server ends an idle session; the next call logs in again.
func TestIdleSession(t *testing.T) {
	s := servertest.ProFTPD(t, nil, false)
	b := open(t, login(s), network.TLS{})
	for _, content := range []string{"first", "second"} {
		var err error
		for range 3 { // a call on a dead session fails, and may be made again
			if err = drivertest.PutText(t.Context(), b, "object", content); err == nil || driver.IsPermanent(err) {
				break
			}
		}
		if err != nil {
			t.Fatal(err)
		}
		s.Cut(t)
	}
	if info, err := b.Stat(t.Context(), "object"); err == nil && info.Size != int64(len("second")) {
		t.Errorf("got %v", info)
	}
}

// A dead upload's file goes after two days; a living one's stays.
func TestSweep(t *testing.T) {
	s := servertest.ProFTPD(t, nil, false)
	for name, age := range map[string]time.Duration{".purser-dead": 49 * time.Hour, ".purser-alive": 47 * time.Hour, "old": 1000 * time.Hour} {
		path, at := filepath.Join(s.Dir, name), time.Now().Add(-age)
		if err := errors.Join(os.WriteFile(path, nil, 0o666), os.Chtimes(path, at, at), os.Chown(path, s.UID, s.UID)); err != nil {
			t.Fatal(err)
		}
	}
	if err := drivertest.PutText(t.Context(), open(t, login(s), network.TLS{}), "new", "x"); err != nil {
		t.Fatal(err)
	}
	if got := drivertest.Names(t, s.Dir); !slices.Equal(got, []string{".purser-alive", "new", "old"}) {
		t.Errorf("left: %q", got)
	}
}

// A read that is left early, or cancelled, doesn't disturb the next.
func TestLeftRead(t *testing.T) {
	s := servertest.ProFTPD(t, nil, false)
	b := open(t, login(s), network.TLS{})
	large := bytes.Repeat([]byte("x"), 8<<20)
	if err := b.Put(t.Context(), "object", bytes.NewReader(large), int64(len(large))); err != nil {
		t.Fatal(err)
	}
	for range 12 { // more than there are sessions
		r, err := b.Get(t.Context(), "object")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := r.Read(make([]byte, 10)); err != nil {
			t.Fatal(err)
		}
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	}
}
