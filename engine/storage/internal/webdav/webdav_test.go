package webdav_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/purser-backup/purser/engine/storage/driver"
	"github.com/purser-backup/purser/engine/storage/driver/drivertest"
	"github.com/purser-backup/purser/engine/storage/internal/network"
	"github.com/purser-backup/purser/engine/storage/internal/webdav"
	"github.com/purser-backup/purser/engine/storage/servertest"
	"github.com/purser-backup/purser/internal/hint"
	"github.com/purser-backup/purser/internal/secret"
)

func login(s *servertest.WebDAV) webdav.Location {
	return webdav.Location{User: s.User, Password: secret.New(s.Password), Host: "127.0.0.1", Port: s.Port, Plain: true}
}

func open(t *testing.T, l webdav.Location, tls network.TLS) *webdav.Backend {
	t.Helper()
	b, err := webdav.Open(t.Context(), l, tls, time.Now)
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

// names lists the files of a folder, less what the server itself puts there.
func names(t *testing.T, dir string) []string {
	t.Helper()
	return slices.DeleteFunc(drivertest.Names(t, dir), func(name string) bool {
		return name == ".DAV" || strings.HasPrefix(name, ".davfs.tmp")
	})
}

func TestContract(t *testing.T) {
	for name, c := range map[string]struct{ tls, digest bool }{"basic": {}, "digest": {digest: true}, "TLS": {tls: true}} {
		t.Run(name, func(t *testing.T) {
			var cert *servertest.Certificate
			var tls network.TLS
			if c.tls {
				cert = servertest.NewCertificate(t)
				tls.CAFile = cert.CertFile
			}
			s := servertest.Apache(t, cert, c.digest)
			var count atomic.Int32
			drivertest.RunTarget(t, func(t *testing.T) drivertest.Target {
				l := login(s)
				l.Path, l.Plain = fmt.Sprintf("/t%d//de ep/", count.Add(1)), !c.tls
				dir := filepath.Join(s.Dir, l.Path)
				return drivertest.Target{
					MixedReads: true, // Apache sends the bytes of one version after the size of another
					Open:       func(t *testing.T) driver.Backend { return open(t, l, tls) },
					Plant:      func(t *testing.T, name string, data []byte) { plant(t, s, filepath.Join(dir, name), data) },
					Names:      func(t *testing.T) []string { return names(t, dir) },
				}
			})
		})
	}
}

// The server of rclone shows what it has not got the whole of, replaces nothing at
// once, and breaks off a list when one of its objects is at work, which a Store
// asks for again.
func TestRclone(t *testing.T) {
	s := servertest.RcloneServe(t, "webdav")
	var count atomic.Int32
	drivertest.RunTarget(t, func(t *testing.T) drivertest.Target {
		l := webdav.Location{User: s.User, Password: secret.New(s.Password), Host: "127.0.0.1", Port: s.Port, Plain: true}
		l.Path = fmt.Sprintf("t%d//de ep/", count.Add(1))
		dir := filepath.Join(s.Dir, l.Path)
		return drivertest.Target{
			MixedReads: true, Blind: true,
			Open:  func(t *testing.T) driver.Backend { return stubborn{open(t, l, network.TLS{})} },
			Plant: func(t *testing.T, name string, data []byte) { drivertest.Plant(t, filepath.Join(dir, name), data) },
			Names: func(t *testing.T) []string { return drivertest.Names(t, dir) },
		}
	})
}

// stubborn lists again what a server broke off.
type stubborn struct{ driver.Backend }

func (s stubborn) List(ctx context.Context, prefix string) (list []driver.Info, err error) {
	for range 100 {
		if list, err = s.Backend.List(ctx, prefix); err == nil || driver.IsPermanent(err) || ctx.Err() != nil {
			return list, err
		}
	}
	return list, err
}

// A list that a server broke off is an error, and one that may pass.
func TestBrokenList(t *testing.T) {
	const answer = `<?xml version="1.0"?><D:multistatus xmlns:D="DAV:"><D:response><D:href>/x</D:href></D:response></D:multistatus>`
	for _, broken := range []string{answer + "Internal Server Error", "", `<?xml version="1.0"?>`} {
		t.Run(fmt.Sprintf("%d bytes", len(broken)), func(t *testing.T) { brokenList(t, broken) })
	}
}

// openAt opens a server of the test itself.
func openAt(t *testing.T, s *httptest.Server) *webdav.Backend {
	t.Helper()
	u, err := url.Parse(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	port, err := strconv.Atoi(u.Port())
	if err != nil {
		t.Fatal(err)
	}
	return open(t, webdav.Location{Host: u.Hostname(), Port: port, Plain: true}, network.TLS{})
}

func brokenList(t *testing.T, answer string) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusMultiStatus)
		fmt.Fprint(w, answer)
	}))
	defer s.Close()
	list, err := openAt(t, s).List(t.Context(), "")
	if err == nil || driver.IsPermanent(err) || !strings.Contains(err.Error(), "broke off") {
		t.Errorf("got %v, %v", list, err)
	}
}

// Other servers, which have ways of their own.
func TestOtherServers(t *testing.T) {
	cert := servertest.NewCertificate(t)
	nginx, rclone := servertest.Nginx(t, cert), servertest.RcloneServe(t, "webdav")
	at := login(nginx)
	at.Plain = false
	t.Run("nginx", func(t *testing.T) { roundTrip(t, at, network.TLS{CAFile: cert.CertFile}, nginx.Dir) })
	t.Run("rclone", func(t *testing.T) {
		l := webdav.Location{User: rclone.User, Password: secret.New(rclone.Password), Host: "127.0.0.1", Port: rclone.Port, Plain: true}
		roundTrip(t, l, network.TLS{}, rclone.Dir)
		if err := os.Mkdir(filepath.Join(rclone.Dir, "folder"), 0o755); err != nil {
			t.Fatal(err)
		}
		if _, err := drivertest.GetAll(t.Context(), open(t, l, network.TLS{}), "folder"); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("get a folder: %v", err)
		}
	})
}

func roundTrip(t *testing.T, l webdav.Location, tls network.TLS, dir string) {
	l.Path = "deep/er/down"
	b := open(t, l, tls)
	if list, err := b.List(t.Context(), ""); err != nil || len(list) != 0 {
		t.Errorf("before the first: %v, %v", list, err)
	}
	for _, content := range []string{"first", "", strings.Repeat("0123456789", 300000), "last"} {
		for _, name := range []string{"object", "100% ü?#"} {
			if err := drivertest.PutText(t.Context(), b, name, content); err != nil {
				t.Fatal(err)
			}
			if p, err := drivertest.GetAll(t.Context(), b, name); err != nil || string(p) != content {
				t.Errorf("%s: got %d bytes of %d, %v", name, len(p), len(content), err)
			}
		}
		if list, err := b.List(t.Context(), ""); err != nil || len(list) != 2 || list[0].Size != int64(len(content)) || list[0].ModTime.IsZero() {
			t.Errorf("list: %v, %v", list, err)
		}
	}
	for range 2 {
		if err := errors.Join(b.Delete(t.Context(), "object"), b.Delete(t.Context(), "100% ü?#")); err != nil {
			t.Error(err)
		}
	}
	if _, err := b.Stat(t.Context(), "object"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("after the delete: %v", err)
	}
	if got := names(t, filepath.Join(dir, l.Path)); len(got) != 0 {
		t.Errorf("left: %q", got)
	}
}

// plant makes a file that the server may change, and the folders above it.
func plant(t *testing.T, s *servertest.WebDAV, path string, data []byte) {
	t.Helper()
	drivertest.Plant(t, path, data)
	for p := path; p != s.Dir; p = filepath.Dir(p) {
		if err := os.Chown(p, s.UID, s.GID); err != nil {
			t.Fatal(err)
		}
	}
}

func wantFault(t *testing.T, err error, advice string, transient bool) {
	t.Helper()
	if err == nil || !strings.Contains(hint.Text(err), advice) || driver.IsPermanent(err) == transient {
		t.Errorf("got %v, permanent %v, want the hint %q", err, driver.IsPermanent(err), advice)
	}
}

func TestBadInput(t *testing.T) {
	cert := servertest.NewCertificate(t)
	basic, digest, secured := servertest.Apache(t, nil, false), servertest.Apache(t, nil, true), servertest.Apache(t, cert, false)
	wrong := secret.New("wrong secret")
	for name, c := range map[string]struct {
		server    *servertest.WebDAV
		change    func(*webdav.Location)
		tls       network.TLS
		hint      string
		is        error
		transient bool
	}{
		"password":        {basic, func(l *webdav.Location) { l.Password = wrong }, network.TLS{}, "check the user joe", fs.ErrPermission, false},
		"digest password": {digest, func(l *webdav.Location) { l.Password = wrong }, network.TLS{}, "check the user joe", fs.ErrPermission, false},
		"no password":     {basic, func(l *webdav.Location) { l.Password = secret.String{} }, network.TLS{}, "set FTP_PASSWORD", fs.ErrPermission, false},
		"no user":         {basic, func(l *webdav.Location) { l.User = "" }, network.TLS{}, "the user into the URL", fs.ErrPermission, false},
		"rights":          {basic, func(l *webdav.Location) { l.Path = "/locked" }, network.TLS{}, "read and write the folder /locked/", fs.ErrPermission, false},
		"no WebDAV":       {basic, func(l *webdav.Location) { l.Path = "/static" }, network.TLS{}, "no WebDAV at /static/", nil, false},
		"elsewhere":       {basic, func(l *webdav.Location) { l.Path = "/elsewhere/x" }, network.TLS{}, "/there/x", nil, false},
		"host":            {basic, func(l *webdav.Location) { l.Host = "no-such-host.invalid" }, network.TLS{}, "host name", nil, false},
		"port":            {basic, func(l *webdav.Location) { l.Port = 1 }, network.TLS{}, "nothing listens", nil, true},
		"no TLS there":    {basic, func(l *webdav.Location) { l.Plain = false }, network.TLS{}, "does not speak TLS", nil, false},
		"issuer":          {secured, func(l *webdav.Location) { l.Plain = false }, network.TLS{}, "not trusted", nil, false},
		"name": {secured, func(l *webdav.Location) { l.Plain, l.Host = false, "localhost" }, network.TLS{CAFile: cert.CertFile},
			"another name", nil, false},
	} {
		t.Run(name, func(t *testing.T) {
			l := login(c.server)
			c.change(&l)
			err := drivertest.PutText(t.Context(), open(t, l, c.tls), "object", "x")
			wantFault(t, err, c.hint, c.transient)
			if c.is != nil && !errors.Is(err, c.is) {
				t.Errorf("got %v, want %v", err, c.is)
			}
			if text := fmt.Sprint(err); strings.Contains(text, "secret") || strings.Contains(text, c.server.Password) {
				t.Errorf("the password is in %s", text)
			}
		})
	}
	_, err := webdav.Open(t.Context(), webdav.Location{}, network.TLS{}, time.Now)
	wantFault(t, err, "webdavs://", false)
}

// A dead upload's file goes after two days; a living one's stays.
func TestSweep(t *testing.T) {
	s := servertest.Apache(t, nil, false)
	for name, age := range map[string]time.Duration{".purser-dead": 49 * time.Hour, ".purser-alive": 47 * time.Hour, "old": 1000 * time.Hour} {
		path, at := filepath.Join(s.Dir, "x", name), time.Now().Add(-age)
		plant(t, s, path, nil)
		if err := os.Chtimes(path, at, at); err != nil {
			t.Fatal(err)
		}
	}
	l := login(s)
	l.Path = "x"
	if err := drivertest.PutText(t.Context(), open(t, l, network.TLS{}), "new", "x"); err != nil {
		t.Fatal(err)
	}
	if got := names(t, filepath.Join(s.Dir, "x")); !slices.Equal(got, []string{".purser-alive", "new", "old"}) {
		t.Errorf("left: %q", got)
	}
}

// What real servers don't say on demand.
func TestAnswers(t *testing.T) {
	for status, c := range map[int]struct {
		hint      string
		permanent bool
	}{
		http.StatusServiceUnavailable: {"", false}, http.StatusTooManyRequests: {"", false}, http.StatusLocked: {"", false},
		http.StatusInsufficientStorage: {"space", true}, http.StatusRequestEntityTooLarge: {"VOLSIZE", true}, http.StatusOK: {"no WebDAV", true},
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) }))
		b := openAt(t, server)
		wantFault(t, drivertest.PutText(t.Context(), b, "object", "x"), c.hint, !c.permanent)
		server.Close()
	}
}
