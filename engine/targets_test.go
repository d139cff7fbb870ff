package engine_test

import (
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/purser-backup/purser/engine/storage"
	"github.com/purser-backup/purser/engine/storage/servertest"
	"github.com/purser-backup/purser/internal/secret"
)

// remoteSite is a target on a real server, whose objects lie on a small file
// system of this machine.
type remoteSite struct {
	*servertest.Server
	login login  // the user's
	dir   string // of the target
	uid   int    // whose the objects are
	url   string // with the server's port, or another's, for PORT
	o     storage.Options

	once bool // a connection, once it is there, outlives the login
	web  bool // it speaks HTTP
	two  bool // the bytes have connections of their own
}

type login interface {
	Revoke(t *testing.T)
	Grant(t *testing.T)
}

func remoteSites() map[string]func(t *testing.T) *remoteSite {
	return map[string]func(t *testing.T) *remoteSite{
		"s3": func(t *testing.T) *remoteSite {
			s := servertest.VersityGWApart(t)
			a := s.NewAccount(t)
			keys := storage.S3{AccessKeyID: a.Key, SecretAccessKey: secret.New(a.SecretKey)}
			return &remoteSite{
				Server: s.Server, login: a, dir: filepath.Join(s.Dir, a.Bucket), web: true,
				url: "s3://127.0.0.1:PORT/" + a.Bucket, o: storage.Options{S3: keys, S3Plain: true},
			}
		},
		"sftp": func(t *testing.T) *remoteSite {
			s := servertest.SSHD(t)
			key := storage.SSH{IdentityFiles: []string{s.KeyFile}, HostKeys: storage.HostKeyAny}
			return &remoteSite{
				Server: s.Server, login: s, dir: s.Dir, once: true,
				url: "sftp://" + s.User + "@127.0.0.1:PORT/" + s.Dir, o: storage.Options{SSH: key},
			}
		},
		"ftp": func(t *testing.T) *remoteSite {
			s := servertest.ProFTPD(t, nil, false)
			return &remoteSite{
				Server: s.Server, login: s, dir: s.Dir, uid: s.UID, once: true, two: true,
				url: "ftp://" + s.User + "@127.0.0.1:PORT", o: storage.Options{Password: secret.New(s.Password)},
			}
		},
		"webdav": func(t *testing.T) *remoteSite {
			s := servertest.Apache(t, nil, false)
			return &remoteSite{
				Server: s.Server, login: s, dir: s.Dir, uid: s.UID, web: true,
				url: "webdav://" + url.PathEscape(s.User) + "@127.0.0.1:PORT", o: storage.Options{Password: secret.New(s.Password)},
			}
		},
	}
}

// mount puts the objects on a file system of 32 MB.
func (s *remoteSite) mount(t *testing.T) {
	t.Helper()
	if err := syscall.Mount("purser-test", s.dir, "tmpfs", 0, fmt.Sprintf("size=32m,uid=%d,gid=%d", s.uid, s.uid)); err != nil {
		t.Fatalf("mount a small file system: %v", err)
	}
	t.Cleanup(func() {
		s.Stop()
		if err := syscall.Unmount(s.dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
}

func (s *remoteSite) ballast() string { return filepath.Join(s.dir, "ballast") }

// fill leaves no room on the file system.
func (s *remoteSite) fill(t *testing.T) {
	t.Helper()
	f, err := os.Create(s.ballast())
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	block := make([]byte, 4096)
	for err == nil {
		_, err = f.Write(block)
	}
	if !errors.Is(err, syscall.ENOSPC) {
		t.Fatal(err)
	}
}

// open opens a folder of the target by a port.
func (s *remoteSite) open(t *testing.T, folder string, port any) *storage.Store {
	t.Helper()
	o := s.o
	o.StallTimeout, o.RetryDelay, o.Retries = 2*time.Second, time.Millisecond, 3
	store, err := storage.Open(t.Context(), strings.Replace(s.url, "PORT", fmt.Sprint(port), 1)+"/"+folder, o)
	if err != nil {
		t.Fatal(err)
	}
	return store
}
