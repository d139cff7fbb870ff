package rsync_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/purser-backup/purser/engine/storage/driver"
	"github.com/purser-backup/purser/engine/storage/driver/drivertest"
	"github.com/purser-backup/purser/engine/storage/internal/network"
	"github.com/purser-backup/purser/engine/storage/internal/program"
	"github.com/purser-backup/purser/engine/storage/internal/rsync"
	"github.com/purser-backup/purser/engine/storage/servertest"
	"github.com/purser-backup/purser/internal/hint"
	"github.com/purser-backup/purser/internal/secret"
)

func daemon(s *servertest.Rsync, dir string) rsync.Location {
	return rsync.Location{User: s.User, Password: secret.New(s.Password), Host: "127.0.0.1", Port: s.Port, Module: "locked", Dir: dir}
}

func overSSH(s *servertest.SSH, dir string) (rsync.Location, rsync.SSH) {
	return rsync.Location{User: s.User, Host: "127.0.0.1", Port: s.Port, Dir: dir},
		rsync.SSH{IdentityFiles: []string{s.KeyFile}, OnlyIdentity: true, KnownHosts: []string{s.KnownHosts}, Check: "yes"}
}

func open(t *testing.T, l rsync.Location, o rsync.Options) driver.Backend {
	t.Helper()
	if o.Program.Dir == "" {
		o.Program.Dir = t.TempDir()
	}
	o.Program.Home, o.Now = t.TempDir(), time.Now
	b, err := rsync.Open(l, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
		left, err := os.ReadDir(o.Program.Dir)
		if err != nil || len(left) > 0 {
			t.Errorf("left of exchanges with rsync: %v, %v", left, err)
		}
	})
	return b
}

func TestContract(t *testing.T) {
	s := servertest.RsyncD(t)
	var count atomic.Int32
	drivertest.RunTarget(t, func(t *testing.T) drivertest.Target {
		dir := fmt.Sprintf("t%d/de ep", count.Add(1))
		path := filepath.Join(s.Dir, "locked", dir)
		return drivertest.Target{
			Costly: !drivertest.Soak(), Listed: 5001,
			Open:  func(t *testing.T) driver.Backend { return open(t, daemon(s, "/"+dir+"/"), rsync.Options{}) },
			Plant: func(t *testing.T, name string, data []byte) { drivertest.Plant(t, filepath.Join(path, name), data) },
			Names: func(t *testing.T) []string { return drivertest.Names(t, path) },
		}
	})
}

// One round of everything over SSH, in a folder that isn't there yet; and the
// whole contract, where there is time.
func TestSSH(t *testing.T) {
	s := servertest.SSHD(t)
	if drivertest.Soak() {
		testContractOverSSH(t, s)
	}
	dir := filepath.Join(s.Dir, "not", "the'r e")
	l, ssh := overSSH(s, dir)
	b := open(t, l, rsync.Options{SSH: ssh})
	if list, err := b.List(t.Context(), ""); err != nil || len(list) != 0 {
		t.Errorf("before the first: %v, %v", list, err)
	}
	const name = `st*r [a] \$HOME 'ü`
	for _, content := range []string{"first", "", strings.Repeat("0123456789", 100000)} {
		if err := drivertest.PutText(t.Context(), b, name, content); err != nil {
			t.Fatal(err)
		}
		if p, err := drivertest.GetAll(t.Context(), b, name); err != nil || string(p) != content {
			t.Errorf("got %d bytes of %d, %v", len(p), len(content), err)
		}
	}
	if info, err := b.Stat(t.Context(), name); err != nil || info.Size != 1000000 || time.Since(info.ModTime).Abs() > time.Hour {
		t.Errorf("stat: %+v, %v", info, err)
	}
	if got := drivertest.Names(t, dir); len(got) != 1 || got[0] != name {
		t.Errorf("on the target: %q", got)
	}
	for range 2 {
		if err := b.Delete(t.Context(), name); err != nil {
			t.Error(err)
		}
	}
	if _, err := drivertest.GetAll(t.Context(), b, name); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("after the delete: %v", err)
	}
}

func testContractOverSSH(t *testing.T, s *servertest.SSH) {
	var count atomic.Int32
	drivertest.RunTarget(t, func(t *testing.T) drivertest.Target {
		dir := filepath.Join(s.Dir, fmt.Sprintf("t%d", count.Add(1)), "de ep")
		l, ssh := overSSH(s, dir)
		return drivertest.Target{
			Costly: true, Listed: 5001,
			Open:  func(t *testing.T) driver.Backend { return open(t, l, rsync.Options{SSH: ssh}) },
			Plant: func(t *testing.T, name string, data []byte) { drivertest.Plant(t, filepath.Join(dir, name), data) },
			Names: func(t *testing.T) []string { return drivertest.Names(t, dir) },
		}
	})
}

func TestBadInput(t *testing.T) {
	d, s := servertest.RsyncD(t), servertest.SSHD(t)
	drivertest.Plant(t, filepath.Join(d.Dir, "nodelete", "object"), nil)
	drivertest.Plant(t, filepath.Join(s.Dir, "file"), nil)
	for name, c := range map[string]struct {
		ssh       bool
		change    func(*rsync.Location, *rsync.SSH)
		call      func(context.Context, driver.Backend) error
		hint      string
		is        error
		transient bool
	}{
		"password":         {change: func(l *rsync.Location, _ *rsync.SSH) { l.Password = secret.New("wrong secret") }, hint: "RSYNC_PASSWORD", is: fs.ErrPermission},
		"user":             {change: func(l *rsync.Location, _ *rsync.SSH) { l.User = "jim" }, hint: "RSYNC_PASSWORD", is: fs.ErrPermission},
		"module":           {change: func(l *rsync.Location, _ *rsync.SSH) { l.Module = "none" }, hint: "no module none"},
		"readonly":         {change: func(l *rsync.Location, _ *rsync.SSH) { l.Module = "readonly" }, hint: "read only = false", is: fs.ErrPermission},
		"host not allowed": {change: func(l *rsync.Location, _ *rsync.SSH) { l.Module = "faraway" }, hint: "hosts allow", is: fs.ErrPermission},
		"delete refused": {change: func(l *rsync.Location, _ *rsync.SSH) { l.Module = "nodelete" }, hint: "refuse options", is: fs.ErrPermission,
			call: func(ctx context.Context, b driver.Backend) error { return b.Delete(ctx, "object") }},
		"port":           {change: func(l *rsync.Location, _ *rsync.SSH) { l.Port = 1 }, hint: "nothing listens", transient: true},
		"host":           {change: func(l *rsync.Location, _ *rsync.SSH) { l.Host = "no-such-host.invalid" }, hint: "host name"},
		"key":            {ssh: true, change: func(_ *rsync.Location, ssh *rsync.SSH) { ssh.IdentityFiles = []string{s.LockedFile} }, hint: "check the user", is: fs.ErrPermission},
		"host key":       {ssh: true, change: func(_ *rsync.Location, ssh *rsync.SSH) { ssh.KnownHosts = []string{"/dev/null"} }, hint: "ssh-keyscan"},
		"port of ssh":    {ssh: true, change: func(l *rsync.Location, _ *rsync.SSH) { l.Port = 1 }, hint: "nothing listens", transient: true},
		"below a file":   {ssh: true, change: func(l *rsync.Location, _ *rsync.SSH) { l.Dir = filepath.Join(s.Dir, "file", "x") }, hint: "is a file"},
		"unknown option": {change: func(l *rsync.Location, _ *rsync.SSH) { l.Dir = "option" }, hint: "--rsync-options"},
	} {
		t.Run(name, func(t *testing.T) {
			l, o := daemon(d, "x"), rsync.Options{}
			if c.ssh {
				l, o.SSH = overSSH(s, filepath.Join(s.Dir, "x"))
			}
			c.change(&l, &o.SSH)
			if l.Dir == "option" {
				o.More = []string{"--no-such-option"}
			}
			if l.Module == "nodelete" {
				l.Dir = ""
			}
			b := open(t, l, o)
			err := drivertest.PutText(t.Context(), b, "object", "x")
			if c.call != nil {
				err = c.call(t.Context(), b)
			}
			if err == nil || !strings.Contains(hint.Text(err), c.hint) || driver.IsPermanent(err) == c.transient || c.is != nil && !errors.Is(err, c.is) {
				t.Errorf("got %v, permanent %v, want the hint %q", err, driver.IsPermanent(err), c.hint)
			}
			if text := fmt.Sprint(err); strings.Contains(text, "wrong secret") || strings.Contains(text, d.Password) {
				t.Errorf("the password is in %s", text)
			}
		})
	}
}

// What the server says last may be lost over SSH: a file in the folder's place
// stays all the same, and the fault is understood.
func TestLostReason(t *testing.T) {
	s := servertest.SSHD(t)
	file := filepath.Join(s.Dir, "file")
	drivertest.Plant(t, file, []byte("kept"))
	l, ssh := overSSH(s, filepath.Join(file, "x"))
	silent := rsync.Options{SSH: ssh, More: []string{"--rsync-path=2>/dev/null rsync"}}
	err := drivertest.PutText(t.Context(), open(t, l, silent), "object", "x")
	if err == nil || !strings.Contains(hint.Text(err), "is a file") || !driver.IsPermanent(err) {
		t.Errorf("got %v", err)
	}
	if data, err := os.ReadFile(file); err != nil || string(data) != "kept" {
		t.Errorf("the file holds %q, %v", data, err)
	}
}

// A limit is kept to by several uploads at once.
func TestLimit(t *testing.T) {
	s := servertest.RsyncD(t)
	const rate, size = 1 << 20, 1 << 20
	b := open(t, daemon(s, "x"), rsync.Options{Limit: network.NewLimit(rate)})
	began := time.Now()
	failed := make(chan error)
	for i := range 2 {
		go func() { failed <- drivertest.PutText(t.Context(), b, fmt.Sprint(i), strings.Repeat("x", size)) }()
	}
	for range 2 {
		if err := <-failed; err != nil {
			t.Error(err)
		}
	}
	// rsync sends the first piece at once.
	if took := time.Since(began); took < 1500*time.Millisecond {
		t.Errorf("took %v for twice %d bytes at %d bytes per second", took, size, rate)
	}
}

// What a killed process has left goes after two days.
func TestSweep(t *testing.T) {
	dir := t.TempDir()
	for name, age := range map[string]time.Duration{"exchange-dead": 49 * time.Hour, "exchange-alive": 47 * time.Hour, "other": 1000 * time.Hour} {
		drivertest.Plant(t, filepath.Join(dir, name, "object"), nil)
		at := time.Now().Add(-age)
		if err := os.Chtimes(filepath.Join(dir, name), at, at); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := rsync.Open(rsync.Location{Host: "h", Module: "m"}, rsync.Options{Program: program.Options{Dir: dir}, Now: time.Now}); err != nil {
		t.Fatal(err)
	}
	if got := drivertest.Names(t, dir); len(got) != 2 || got[0] != "exchange-alive" || got[1] != "other" {
		t.Errorf("left: %q", got)
	}
}
