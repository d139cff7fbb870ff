package storage_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/purser-backup/purser/engine/storage"
	"github.com/purser-backup/purser/engine/storage/servertest"
	"github.com/purser-backup/purser/internal/secret"
)

// Each URL leads where it leads duplicity, whose objects are then seen.
func TestOpenRsync(t *testing.T) {
	daemon, ssh := servertest.RsyncD(t), servertest.SSHD(t)
	o := storage.Options{
		SSH:      storage.SSH{IdentityFiles: []string{ssh.KeyFile}, OnlyIdentity: true, KnownHosts: []string{ssh.KnownHosts}},
		Programs: storage.Programs{Dir: t.TempDir()}, Retries: -1,
	}
	options := "--ssh-options=-oIdentityFile=" + ssh.KeyFile + " -oUserKnownHostsFile=" + ssh.KnownHosts
	for _, c := range []struct{ url, dir string }{
		{"rsync://DAEMON::open/folder", daemon.Dir + "/open/folder"},
		{"rsync://joe@DAEMON::/open/two/folders/", daemon.Dir + "/open/two/folders"},
		{"rsync://DAEMON::open/", daemon.Dir + "/open"},
		{"rsync://SSH/" + ssh.Dir + "/abs", ssh.Dir + "/abs"},
	} {
		if err := os.MkdirAll(c.dir, 0o755); err != nil { // which duplicity doesn't
			t.Fatal(err)
		}
		url := strings.NewReplacer("DAEMON", daemon.Addr(), "SSH", ssh.User+"@"+ssh.Addr()).Replace(c.url)
		duplicity(t, url, t.TempDir(), options)
		wantDuplicitys(t, url, o)
		wantPut(t, url, o, filepath.Join(c.dir, "object"))
	}
	wantPut(t, "rsync://joe:p%40ss%20w%2Frd%3A%25@"+daemon.Addr()+"::locked/x", o, daemon.Dir+"/locked/x/object")
	o.RsyncPassword = secret.New(daemon.Password)
	wantPut(t, "rsync://joe@"+daemon.Addr()+"::locked/x", o, daemon.Dir+"/locked/x/object")
}

func TestOpenRclone(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("RCLONE_CONFIG_ALIAS_TYPE", "alias")
	t.Setenv("RCLONE_CONFIG_ALIAS_REMOTE", dir)
	t.Setenv("RCLONE_CONFIG_LOC_TYPE", "local")
	o := storage.Options{Programs: storage.Programs{Dir: t.TempDir()}, Retries: -1, Rclone: storage.Rclone{Env: map[string]secret.String{
		"RCLONE_CONFIG_ALIAS_TYPE": secret.New("alias"), "RCLONE_CONFIG_ALIAS_REMOTE": secret.New(dir), "RCLONE_CONFIG_LOC_TYPE": secret.New("local"),
	}}}
	for _, c := range []struct{ url, dir string }{
		{"rclone://ALIAS:/folder", "folder"},
		{"rclone://ALIAS:no/slash/", "no/slash"},
		{"rclone://ALIAS:/wi%20th", "wi th"},
		{"rclone://LOC:/" + dir + "/abs", "abs"},
		{"rclone://ALIAS:/", ""},
	} {
		duplicity(t, c.url, t.TempDir())
		wantDuplicitys(t, c.url, o)
		wantPut(t, c.url, o, filepath.Join(dir, c.dir, "object"))
	}
}

// wantPut stores an object and looks for it past the driver.
func wantPut(t *testing.T, url string, o storage.Options, path string) {
	t.Helper()
	store, err := storage.Open(t.Context(), url, o)
	if err != nil {
		t.Fatal(err)
	}
	if err := put(t.Context(), store, "object", "x"); err != nil {
		t.Errorf("%s: %v", storage.Redact(url), err)
	}
	if _, err := os.Stat(path); err != nil {
		t.Errorf("%s: %v", storage.Redact(url), err)
	}
	if err := errors.Join(os.Remove(path), store.Close()); err != nil {
		t.Error(err)
	}
}
