package storage_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/purser-backup/purser/engine/storage"
	"github.com/purser-backup/purser/engine/storage/driver"
	"github.com/purser-backup/purser/engine/storage/servertest"
	"github.com/purser-backup/purser/internal/hint"
	"github.com/purser-backup/purser/internal/secret"
)

// faultSite is a place on a server that something happens to.
type faultSite struct {
	server *servertest.Server
	dir    string // where the objects of the URL lie on this machine
	uid    int    // whose they are
	url    string // with the server's port, or another's, for PORT
	change func(*storage.Options)
}

func faultSites(t *testing.T) map[string]faultSite {
	s3, _ := newBucket(t)
	ssh, ftp, dav, rsync := servertest.SSHD(t), servertest.ProFTPD(t, nil, false), servertest.Apache(t, nil, false), servertest.RsyncD(t)
	withPassword := func(password string) func(*storage.Options) {
		return func(o *storage.Options) { o.Password = secret.New(password) }
	}
	exchange := t.TempDir()
	return map[string]faultSite{
		"s3": {s3.Server, s3.Dir + "/backups/x", 0, "s3://127.0.0.1:PORT/backups/x", func(o *storage.Options) { o.S3, o.S3Plain = s3Options("").S3, true }},
		"sftp": {ssh.Server, ssh.Dir + "/x", 0, "sftp://" + ssh.User + "@127.0.0.1:PORT/" + ssh.Dir + "/x", func(o *storage.Options) {
			o.SSH = storage.SSH{IdentityFiles: []string{ssh.KeyFile}, HostKeys: storage.HostKeyAny}
		}},
		"ftp":    {ftp.Server, ftp.Dir + "/x", ftp.UID, "ftp://" + ftp.User + "@127.0.0.1:PORT/x", withPassword(ftp.Password)},
		"webdav": {dav.Server, dav.Dir + "/x", dav.UID, "webdav://" + url.PathEscape(dav.User) + "@127.0.0.1:PORT/x", withPassword(dav.Password)},
		"rsync":  {rsync.Server, rsync.Dir + "/open/x", 0, "rsync://127.0.0.1:PORT::open/x", func(o *storage.Options) { o.Programs.Dir = exchange }},
	}
}

// open opens the place through a port. Between tries it doesn't wait.
func (s faultSite) open(t *testing.T, port any, change func(*storage.Options)) *storage.Store {
	t.Helper()
	o := storage.Options{Retries: 5, Sleep: func(ctx context.Context, _ time.Duration) error { return ctx.Err() }}
	s.change(&o)
	if change != nil {
		change(&o)
	}
	store, err := storage.Open(t.Context(), strings.Replace(s.url, "PORT", fmt.Sprint(port), 1), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	return store
}

func randomBytes(n int) []byte {
	p := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{1}).Read(p) // never fails
	return p
}

// wantObject checks that an object is there, whole, and nothing but it.
func wantObject(t *testing.T, s *storage.Store, name string, data []byte) {
	t.Helper()
	if got, err := read(t.Context(), s, name); err != nil || !bytes.Equal(got, data) {
		t.Errorf("%s: %d bytes of %d, %v", name, len(got), len(data), err)
	}
	if list, err := s.List(t.Context(), ""); err != nil || len(list) != 1 {
		t.Errorf("list: %v, %v", list, err)
	}
}

// A connection that stands still is given up, and the upload made again.
func TestStalls(t *testing.T) {
	for name, c := range faultSites(t) {
		if name == "rsync" { // which sees to that itself
			continue
		}
		t.Run(name, func(t *testing.T) {
			proxy := servertest.NewProxy(t, c.server.Addr())
			warned := 0
			s := c.open(t, proxy.Port, func(o *storage.Options) {
				o.StallTimeout = time.Second
				o.Warn = func(string, ...any) { warned++ }
			})
			data := randomBytes(1 << 20)
			// FTP sends the bytes elsewhere, S3 and WebDAV with some more before them.
			proxy.StallAfter(map[string]int64{"ftp": 60}[name] + int64(map[bool]int{true: 0, false: 300000}[name == "ftp"]))
			if err := s.Put(t.Context(), "object", bytes.NewReader(data), int64(len(data))); err != nil {
				t.Fatal(err)
			}
			if !proxy.Hit() || warned == 0 && name != "s3" { // whose library tries again by itself
				t.Errorf("stalled: %v, with %d warnings", proxy.Hit(), warned)
			}
			wantObject(t, s, "object", data)
		})
	}
}

// A server that is killed in an upload, and comes back, gets it whole.
func TestServerRestarts(t *testing.T) {
	for name, c := range faultSites(t) {
		t.Run(name, func(t *testing.T) {
			s := c.open(t, c.server.Port, nil)
			data := randomBytes(20 << 20)
			r := &restarting{Reader: bytes.NewReader(data), at: 12 << 20, restart: func() {
				c.server.Stop()
				c.server.Restart(t)
			}}
			if err := s.Put(t.Context(), "object", r, int64(len(data))); err != nil {
				t.Fatal(err)
			}
			if r.restart != nil {
				t.Error("the server was not killed")
			}
			wantObject(t, s, "object", data)
		})
	}
}

// restarting calls restart once when a read begins behind a place.
type restarting struct {
	*bytes.Reader
	at      int64
	restart func()
}

func (r *restarting) Read(p []byte) (int, error) {
	if restart := r.restart; restart != nil && r.Size()-int64(r.Len()) >= r.at {
		r.restart = nil
		restart()
	}
	return r.Reader.Read(p[:min(len(p), 1<<20)])
}

// WriteTo hides that of bytes.Reader, which would be one read of all.
func (r *restarting) WriteTo(w io.Writer) (int64, error) {
	return io.Copy(w, struct{ io.Reader }{r})
}

// A full disk on the server is told of, with what to do; nothing half-written is
// seen; and with some space it goes on.
func TestServerFull(t *testing.T) {
	for name, c := range faultSites(t) {
		if name == "s3" { // the server can't keep its data on such a file system: see TestRefusingServers
			continue
		}
		t.Run(name, func(t *testing.T) {
			if err := os.MkdirAll(c.dir, 0o755); err != nil {
				t.Fatal(err)
			}
			options := fmt.Sprintf("size=2m,uid=%d,gid=%d", c.uid, c.uid)
			if err := syscall.Mount("purser-test", c.dir, "tmpfs", 0, options); err != nil {
				t.Fatalf("mount a small file system: %v", err)
			}
			t.Cleanup(func() {
				c.server.Stop()
				if err := syscall.Unmount(c.dir, syscall.MNT_DETACH); err != nil {
					t.Error(err)
				}
			})
			s := c.open(t, c.server.Port, nil)
			data := randomBytes(3 << 20)
			err := s.Put(t.Context(), "object", bytes.NewReader(data), int64(len(data)))
			if err == nil || !strings.Contains(hint.Text(err), "full") && !strings.Contains(hint.Text(err), "space") {
				t.Errorf("got %v, hint %q", err, hint.Text(err))
			}
			if list, err := s.List(t.Context(), ""); err != nil || len(list) != 0 {
				t.Errorf("list: %v, %v", list, err)
			}
			if err := syscall.Mount("purser-test", c.dir, "tmpfs", syscall.MS_REMOUNT, strings.Replace(options, "2m", "16m", 1)); err != nil {
				t.Fatal(err)
			}
			if err := s.Put(t.Context(), "object", bytes.NewReader(data), int64(len(data))); err != nil {
				t.Fatal(err)
			}
			wantObject(t, s, "object", data)
		})
	}
}

// What passes is waited for, as long as the server asks for.
func TestBusyServers(t *testing.T) {
	all := faultSites(t)
	for name, c := range map[string]struct {
		site    string
		answer  func(http.ResponseWriter, *http.Request) bool
		count   int
		atLeast time.Duration
	}{
		"s3, 500":             {"s3", servertest.Says(500, "InternalError"), 3, 0},
		"s3, 503":             {"s3", servertest.Says(503, "ServiceUnavailable"), 5, 0},
		"s3, throttled":       {"s3", servertest.Says(503, "SlowDown"), 5, 0},
		"s3, Retry-After":     {"s3", servertest.Says(503, "SlowDown", "Retry-After", "1"), 2, 2 * time.Second},
		"webdav, 500":         {"webdav", servertest.Says(500, ""), 3, 0},
		"webdav, 503":         {"webdav", servertest.Says(503, ""), 3, 0},
		"webdav, Retry-After": {"webdav", servertest.Says(429, "", "Retry-After", "1"), 2, 2 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			front := servertest.NewFront(t, all[c.site].server.Addr())
			s := all[c.site].open(t, front.Port, nil)
			front.Answer(servertest.Times(c.count, c.answer))
			data, began := randomBytes(100000), time.Now()
			if err := s.Put(t.Context(), "object", bytes.NewReader(data), int64(len(data))); err != nil {
				t.Fatal(err)
			}
			if took := time.Since(began); took < c.atLeast || front.Hits() != c.count {
				t.Errorf("took %v, want at least %v; %d of %d answers were given", took, c.atLeast, front.Hits(), c.count)
			}
			wantObject(t, s, "object", data)
		})
	}
}

// What stays is told of once, with what to do, and nothing is there; later runs
// go on.
func TestRefusingServers(t *testing.T) {
	all := faultSites(t)
	for name, c := range map[string]struct {
		site   string
		answer func(http.ResponseWriter, *http.Request) bool
		hint   string
		is     error
	}{
		"s3, credentials run out": {"s3", servertest.Says(400, "ExpiredToken"), "new temporary credentials", nil},
		"s3, full":                {"s3", servertest.Says(507, "XMinioStorageFull"), "free some space", nil},
		"s3, forbidden":           {"s3", servertest.Says(403, "AccessDenied"), "the rights", os.ErrPermission},
		// A real server's answer to a date that is wrong. It comes without a look at
		// the body, so a part that is on its way would only see a reset.
		"s3, clock": {"s3", func(_ http.ResponseWriter, r *http.Request) bool {
			r.Header.Set("X-Amz-Date", time.Now().Add(-2*time.Hour).UTC().Format("20060102T150405Z"))
			return false
		}, "clock", nil},
		"webdav, credentials run out": {"webdav", servertest.Says(401, ""), "FTP_PASSWORD", os.ErrPermission},
		"webdav, forbidden":           {"webdav", servertest.Says(403, ""), "let the user", os.ErrPermission},
	} {
		t.Run(name, func(t *testing.T) {
			front := servertest.NewFront(t, all[c.site].server.Addr())
			warned := 0
			s := all[c.site].open(t, front.Port, func(o *storage.Options) { o.Warn = func(string, ...any) { warned++ } })
			data := randomBytes(20 << 20)
			sent := 0
			front.Answer(func(w http.ResponseWriter, r *http.Request) bool {
				if sent++; sent < 3 && strings.HasPrefix(name, "s3") && name != "s3, clock" { // in the midst of an upload in parts
					return false
				}
				return c.answer(w, r)
			})
			err := s.Put(t.Context(), "object", bytes.NewReader(data), int64(len(data)))
			if err == nil || !strings.Contains(hint.Text(err), c.hint) || !driver.IsPermanent(err) || c.is != nil && !errors.Is(err, c.is) {
				t.Errorf("got %v, permanent %v, hint %q, want %q", err, driver.IsPermanent(err), hint.Text(err), c.hint)
			}
			if warned != 0 {
				t.Errorf("it was tried again %d times", warned)
			}
			front.Answer(nil)
			if list, err := s.List(t.Context(), ""); err != nil || len(list) != 0 {
				t.Errorf("list: %v, %v", list, err)
			}
			if err := s.Put(t.Context(), "object", bytes.NewReader(data), int64(len(data))); err != nil {
				t.Fatal(err)
			}
			wantObject(t, s, "object", data)
			if err := s.Delete(t.Context(), "object"); err != nil {
				t.Error(err)
			}
		})
	}
}
