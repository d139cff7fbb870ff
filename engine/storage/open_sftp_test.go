package storage_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/purser-backup/purser/engine/storage"
	"github.com/purser-backup/purser/engine/storage/servertest"
	"github.com/purser-backup/purser/internal/hint"
	"github.com/purser-backup/purser/internal/secret"
)

// Each URL leads where it leads duplicity, whose objects are then seen.
func TestOpenSFTP(t *testing.T) {
	s := servertest.SSHD(t)
	home := t.TempDir()
	if err := os.MkdirAll(filepath.Join(home, ".ssh"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(s.KnownHosts, filepath.Join(home, ".ssh/known_hosts")); err != nil {
		t.Fatal(err)
	}
	t.Setenv("HOME", home) // where duplicity looks for the server's key
	// Relative paths begin in the home of the user of the system, where a test leaves nothing.
	up := strings.Repeat("../", strings.Count(s.Dir, "/")+2) + s.Dir[1:]
	o := storage.Options{SSH: storage.SSH{IdentityFiles: []string{s.KeyFile}, KnownHosts: []string{s.KnownHosts}}, Retries: -1}
	for i, c := range []struct{ url, dir string }{
		{"sftp://USER@ADDR/DIR/abs", "abs"},
		{"scp://USER@ADDR/DIR/scp/", "scp"},
		{"SFTP://USER@ADDR/DIR/a//b", "a/b"},
		{"sftp://USER@ADDR/UP/rel", "rel"},
		{"sftp://USER@ADDR/DIR/with%20blank", "with blank"},
		{"sftp://USER@ADDR/DIR/pl+us", "pl+us"},
		{"sftp://USER@ADDR/DIR/q%3Fa%23b", "q?a#b"},
	} {
		url := strings.NewReplacer("USER", s.User, "ADDR", s.Addr(), "DIR", s.Dir, "UP", up).Replace(c.url)
		if !strings.HasPrefix(url, "SFTP") { // which duplicity doesn't take
			duplicity(t, url, t.TempDir(), "--ssh-options=-oIdentityFile="+s.KeyFile)
			wantDuplicitys(t, url, o)
		}
		store, err := storage.Open(t.Context(), url, o)
		if err != nil {
			t.Fatal(err)
		}
		if err := put(t.Context(), store, "object", "x"); err != nil {
			t.Errorf("%s: %v", url, err)
		}
		if _, err := os.Stat(filepath.Join(s.Dir, c.dir, "object")); err != nil {
			t.Error(fmt.Errorf("%d %s: %w", i, url, err))
		}
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	}
}

// Without a folder and a slash a URL leads where a login does; with a slash to
// the root, where this user can't write.
func TestOpenSFTPHome(t *testing.T) {
	s := servertest.SSHD(t, "PasswordAuthentication yes")
	user, home := servertest.NewUser(t, "let me in")
	own := t.TempDir()
	if err := errors.Join(os.Mkdir(filepath.Join(own, ".ssh"), 0o700), os.Symlink(s.KnownHosts, filepath.Join(own, ".ssh/known_hosts"))); err != nil {
		t.Fatal(err)
	}
	t.Setenv("HOME", own)
	t.Setenv("FTP_PASSWORD", "let me in")
	for i, end := range []string{"", "/rel/"} {
		url := "sftp://" + user + "@" + s.Addr() + end
		o := storage.Options{Password: secret.New("let me in"), SSH: storage.SSH{KnownHosts: []string{s.KnownHosts}}, Retries: -1}
		duplicity(t, url, t.TempDir())
		wantDuplicitys(t, url, o)
		if found, err := filepath.Glob(filepath.Join(home, end, "*.manifest")); err != nil || len(found) != 1 {
			t.Errorf("%d: %q, %v", i, found, err)
		}
		removeAll(t, home)
	}
	url := "sftp://" + user + "@" + s.Addr() + "/"
	store, err := storage.Open(t.Context(), url, storage.Options{Password: secret.New("let me in"), SSH: storage.SSH{KnownHosts: []string{s.KnownHosts}}, Retries: -1})
	if err != nil {
		t.Fatal(err)
	}
	if err := put(t.Context(), store, "object", "x"); !errors.Is(err, fs.ErrPermission) || !strings.Contains(hint.Text(err), "the folder /") {
		t.Errorf("the root: %v", err)
	}
	if err := store.Close(); err != nil {
		t.Error(err)
	}
}

// removeAll empties a folder.
func removeAll(t *testing.T, dir string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if err := os.RemoveAll(filepath.Join(dir, e.Name())); err != nil {
			t.Fatal(err)
		}
	}
}
