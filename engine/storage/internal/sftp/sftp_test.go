package sftp_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/purser-backup/purser/engine/storage/driver"
	"github.com/purser-backup/purser/engine/storage/driver/drivertest"
	"github.com/purser-backup/purser/engine/storage/internal/sftp"
	"github.com/purser-backup/purser/engine/storage/servertest"
	"github.com/purser-backup/purser/internal/hint"
	"github.com/purser-backup/purser/internal/secret"
)

func login(s *servertest.SSH) (sftp.Location, sftp.Options) {
	return sftp.Location{User: s.User, Host: "127.0.0.1", Port: s.Port, Dir: s.Dir},
		sftp.Options{IdentityFiles: []string{s.KeyFile}, KnownHosts: []string{s.KnownHosts}, OnlyIdentity: true}
}

func open(t *testing.T, l sftp.Location, o sftp.Options) *sftp.Backend {
	t.Helper()
	b, err := sftp.Open(t.Context(), l, o, time.Now)
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

func TestContract(t *testing.T) {
	s := servertest.SSHD(t)
	l, o := login(s)
	contract(t, l, o, "/", false)
}

// contract runs the suite in folders below that of l, which lie below top here.
func contract(t *testing.T, l sftp.Location, o sftp.Options, top string, rclone bool) {
	var count atomic.Int32
	drivertest.RunTarget(t, func(t *testing.T) drivertest.Target {
		l := l
		l.Dir = filepath.Join(l.Dir, fmt.Sprint(count.Add(1)), "deep")
		dir := filepath.Join(top, l.Dir)
		return drivertest.Target{
			MixedReads: rclone, OneWriter: rclone, // it removes an object before it renames the new one
			Open:  func(t *testing.T) driver.Backend { return open(t, l, o) },
			Plant: func(t *testing.T, name string, data []byte) { drivertest.Plant(t, filepath.Join(dir, name), data) },
			Names: func(t *testing.T) []string { return drivertest.Names(t, dir) },
		}
	})
}

// All ways to log in, and all that a user gets wrong about them.
func TestLogin(t *testing.T) {
	s := servertest.SSHD(t, "PasswordAuthentication yes")
	user, home := servertest.NewUser(t, "let me in")
	agent := servertest.Agent(t, s.KeyFile)
	usual := t.TempDir()
	for from, to := range map[string]string{s.KeyFile: "id_ed25519", s.KnownHosts: "known_hosts"} {
		if err := os.Symlink(from, filepath.Join(usual, to)); err != nil {
			t.Fatal(err)
		}
	}
	wrong := servertest.SSHD(t).KeyFile
	for name, c := range map[string]struct {
		change func(*sftp.Location, *sftp.Options)
		hint   string // empty: it works
	}{
		"key": {func(*sftp.Location, *sftp.Options) {}, ""},
		"key with passphrase": {func(_ *sftp.Location, o *sftp.Options) {
			o.IdentityFiles, o.Password = []string{s.LockedFile}, secret.New("open sesame")
		}, ""},
		"agent": {func(_ *sftp.Location, o *sftp.Options) {
			o.IdentityFiles, o.AgentSocket, o.OnlyIdentity = nil, agent, false
		}, ""},
		"usual places": {func(_ *sftp.Location, o *sftp.Options) { *o = sftp.Options{Dirs: []string{"/nowhere", usual}} }, ""},
		"password": {func(l *sftp.Location, o *sftp.Options) {
			l.User, l.Dir, o.IdentityFiles, o.Password = user, "rel/ative", nil, secret.New("let me in")
		}, ""},
		"user and port in the options": {func(l *sftp.Location, o *sftp.Options) { o.User, o.Port = l.User, l.Port; l.User, l.Port = "", 0 }, ""},
		"wrong password": {func(l *sftp.Location, o *sftp.Options) {
			l.User, o.IdentityFiles, o.Password = user, nil, secret.New("wrong secret")
		}, "check the user " + user},
		"wrong key": {func(_ *sftp.Location, o *sftp.Options) { o.IdentityFiles = []string{wrong} }, "check the user"},
		"no key":    {func(_ *sftp.Location, o *sftp.Options) { o.IdentityFiles = nil }, "oIdentityFile"},
		"agent gone": {func(_ *sftp.Location, o *sftp.Options) {
			o.IdentityFiles, o.AgentSocket, o.OnlyIdentity = nil, "/nowhere", false
		}, "check the user"},
		"no rights": {func(l *sftp.Location, o *sftp.Options) {
			l.User, o.Password, o.IdentityFiles = user, secret.New("let me in"), nil
			l.Dir = "/root/x"
		}, "read and write the folder"},
		"host":             {func(l *sftp.Location, _ *sftp.Options) { l.Host = "no-such-host.invalid" }, "host name"},
		"unknown host key": {func(_ *sftp.Location, o *sftp.Options) { o.KnownHosts = []string{"/nowhere/known"} }, "ssh-keyscan -p"},
		"other algorithms": {func(_ *sftp.Location, o *sftp.Options) { o.Ciphers = []string{"3des-cbc"} }, "too old"},
	} {
		t.Run(name, func(t *testing.T) {
			l, o := login(s)
			c.change(&l, &o)
			b := open(t, l, o)
			err := drivertest.PutText(t.Context(), b, "object", name)
			if c.hint != "" {
				wantFault(t, err, c.hint)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if p, err := drivertest.GetAll(t.Context(), b, "object"); err != nil || string(p) != name {
				t.Errorf("got %q, %v", p, err)
			}
		})
	}
	if _, err := os.Stat(filepath.Join(home, "rel/ative/object")); err != nil {
		t.Error(err)
	}
}

func wantFault(t *testing.T, err error, advice string) {
	t.Helper()
	if err == nil || !strings.Contains(hint.Text(err), advice) || !driver.IsPermanent(err) {
		t.Errorf("got %v, permanent %v, want the hint %q", err, driver.IsPermanent(err), advice)
	}
	if strings.Contains(fmt.Sprint(err, hint.Text(err)), "secret") {
		t.Errorf("the password is in %v", err)
	}
}

// A key that is another one is refused, whatever new keys are done with.
func TestHostKey(t *testing.T) {
	s, other := servertest.SSHD(t), servertest.SSHD(t)
	l, o := login(s)
	line, err := os.ReadFile(other.KnownHosts)
	if err != nil {
		t.Fatal(err)
	}
	_, key, _ := strings.Cut(string(line), " ")
	changed, learnt := filepath.Join(t.TempDir(), "known"), filepath.Join(t.TempDir(), "learnt")
	if err := os.WriteFile(changed, fmt.Appendf(nil, "# one\n[127.0.0.1]:%d %s", s.Port, key), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, check := range []sftp.Check{sftp.Known, sftp.New} {
		o.KnownHosts, o.HostKeys = []string{changed}, check
		wantFault(t, drivertest.PutText(t.Context(), open(t, l, o), "object", "x"), "line 2 of "+changed)
	}
	o.HostKeys = sftp.Any
	if err := drivertest.PutText(t.Context(), open(t, l, o), "object", "x"); err != nil {
		t.Error(err)
	}
	o.KnownHosts, o.HostKeys = []string{learnt}, sftp.New
	if err := drivertest.PutText(t.Context(), open(t, l, o), "object", "x"); err != nil {
		t.Error(err)
	}
	o.HostKeys = sftp.Known // by what was learnt
	if err := drivertest.PutText(t.Context(), open(t, l, o), "object", "x"); err != nil {
		t.Error(err)
	}
}

func TestOpenRefuses(t *testing.T) {
	s := servertest.SSHD(t)
	_, err := sftp.Open(t.Context(), sftp.Location{}, sftp.Options{}, time.Now)
	wantFault(t, err, "sftp://user@host")
	for file, hint := range map[string]string{
		"/nowhere/key": "oIdentityFile", s.LockedFile: "set FTP_PASSWORD", s.KeyFile + ".pub": "not that of the public one",
	} {
		_, err := sftp.Open(t.Context(), sftp.Location{Host: "h"}, sftp.Options{IdentityFiles: []string{file}}, time.Now)
		wantFault(t, err, hint)
	}
	_, err = sftp.Open(t.Context(), sftp.Location{Host: "h"}, sftp.Options{IdentityFiles: []string{s.LockedFile}, Password: secret.New("wrong secret")}, time.Now)
	wantFault(t, err, "FTP_PASSWORD is not")
}

// After the server was killed and started again, the next call works.
func TestReconnect(t *testing.T) {
	s := servertest.SSHD(t)
	l, o := login(s)
	b := open(t, l, o)
	if err := drivertest.PutText(t.Context(), b, "object", "x"); err != nil {
		t.Fatal(err)
	}
	s.Cut(t)
	deadline := time.Now().Add(20 * time.Second)
	for {
		err := drivertest.PutText(t.Context(), b, "object", "y")
		if err == nil {
			break
		}
		if driver.IsPermanent(err) || time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
	if p, err := drivertest.GetAll(t.Context(), b, "object"); err != nil || string(p) != "y" {
		t.Errorf("got %q, %v", p, err)
	}
}

// A cancelled call ends alone: others go on over the same connection.
func TestCancelOne(t *testing.T) {
	s := servertest.SSHD(t)
	l, o := login(s)
	b := open(t, l, o)
	large := bytes.Repeat([]byte("0123456789abcdef"), 1<<20)
	var g errgroup.Group
	for i := range 4 {
		g.Go(func() error {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			r := &cancelReader{Reader: bytes.NewReader(large), cancel: cancel, at: 4 << 20}
			if i%2 == 0 {
				r.at = 1 << 40
			}
			err := b.Put(ctx, fmt.Sprintf("object%d", i), r, int64(len(large)))
			if i%2 == 0 && err != nil || i%2 == 1 && !errors.Is(err, context.Canceled) {
				return fmt.Errorf("put %d: %w", i, err)
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	if got := drivertest.Names(t, s.Dir); !slices.Equal(got, []string{"object0", "object2"}) {
		t.Errorf("on the server: %q", got)
	}
	if p, err := drivertest.GetAll(t.Context(), b, "object2"); err != nil || !bytes.Equal(p, large) {
		t.Errorf("got %d bytes, %v", len(p), err)
	}
}

type cancelReader struct {
	*bytes.Reader
	cancel func()
	at     int
}

func (r *cancelReader) Read(p []byte) (int, error) {
	if int(r.Size())-r.Len() >= r.at {
		r.cancel()
	}
	return r.Reader.Read(p)
}

// A dead upload's file goes after two days; a living one's stays.
func TestSweep(t *testing.T) {
	s := servertest.SSHD(t)
	l, o := login(s)
	for name, age := range map[string]time.Duration{".purser-dead": 49 * time.Hour, ".purser-alive": 47 * time.Hour, "old": 1000 * time.Hour} {
		path, at := filepath.Join(s.Dir, name), time.Now().Add(-age)
		if err := errors.Join(os.WriteFile(path, nil, 0o644), os.Chtimes(path, at, at)); err != nil {
			t.Fatal(err)
		}
	}
	if err := drivertest.PutText(t.Context(), open(t, l, o), "new", "x"); err != nil {
		t.Fatal(err)
	}
	if got := drivertest.Names(t, s.Dir); !slices.Equal(got, []string{".purser-alive", "new", "old"}) {
		t.Errorf("left: %q", got)
	}
}

// rclone's own server: who reads what is being replaced gets an error.
func TestRclone(t *testing.T) {
	s := servertest.RcloneServe(t, "sftp")
	contract(t, sftp.Location{User: s.User, Host: "127.0.0.1", Port: s.Port, Dir: "/"},
		sftp.Options{KnownHosts: []string{s.KnownHosts}, Password: secret.New(s.Password)}, s.Dir, true)
}
