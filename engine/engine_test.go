package engine_test

import (
	"context"
	"crypto/rand"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/purser-backup/purser/engine"
	"github.com/purser-backup/purser/engine/storage"
	"github.com/purser-backup/purser/internal/secret"
)

const passphrase = "päss 'word\" $x"

// epoch is the time of the first set; generation n is n hours later.
var epoch = time.Date(2024, 5, 1, 3, 0, 0, 0, time.UTC)

func at(generation int) time.Time { return epoch.Add(time.Duration(generation) * time.Hour) }

// site is a target with what a host needs to use it.
type site struct {
	t      *testing.T
	target string // directory of the file:// target
	state  string
	opt    engine.Options
	now    time.Time
	warned *warnings
	home   string // of duplicity and gpg
	key    string // fingerprint of a key in home, empty for a passphrase
	sign   bool
	env    []string // of duplicity, beside the usual
}

func newSite(t *testing.T, pass string, source string) *site {
	s := siteIn(t, t.TempDir(), pass, source)
	s.home = newHome(t)
	return s
}

// siteIn is a site below base, without a home for duplicity and gpg.
func siteIn(t *testing.T, base, pass, source string) *site {
	s := &site{t: t, target: filepath.Join(base, "target"), state: filepath.Join(base, "state"), now: epoch, warned: new(warnings)}
	host, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	s.opt = engine.Options{
		Passphrase: secret.New(pass), NoEncryption: pass == "", VolumeSize: 256 << 10,
		Hostname: host, Localdir: source, Rand: rand.Reader,
		Now:  func() time.Time { return s.now },
		Warn: s.warned.add,
	}
	return s
}

// warnings are what an engine warned of, also while it fetches volumes ahead.
type warnings struct {
	mu   sync.Mutex
	list []string
}

func (w *warnings) add(msg string, _ ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.list = append(w.list, msg)
}

// of fails the test unless one of them says text.
func (w *warnings) of(t *testing.T, text string) {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	if !slices.ContainsFunc(w.list, func(msg string) bool { return strings.Contains(msg, text) }) {
		t.Errorf("warnings %q don't say %q", w.list, text)
	}
}

// newHome is a folder for gpg, short enough for the names of its sockets.
func newHome(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "gpg")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if out, err := exec.Command("gpgconf", "--homedir", dir, "--kill", "all").CombinedOutput(); err != nil {
			t.Errorf("end gpg-agent: %v\n%s", err, out)
		}
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// newKeySite encrypts to a public key that gpg has made, and signs with it.
func newKeySite(t *testing.T, source string, sign bool) *site {
	s := newSite(t, passphrase, source)
	gpg := func(args ...string) string {
		t.Helper()
		base := []string{"--homedir", s.home, "--batch", "--pinentry-mode=loopback", "--passphrase", passphrase, "--faked-system-time", gpgTime(epoch)}
		out, err := exec.CommandContext(t.Context(), "gpg", append(base, args...)...).Output()
		if err != nil {
			t.Fatalf("gpg %v: %v", args, err)
		}
		return string(out)
	}
	gpg("--quick-generate-key", "Backup <backup@example.com>", "rsa2048", "default", "never")
	_, rest, _ := strings.Cut(gpg("--with-colons", "--list-keys"), "\nfpr:::::::::")
	s.key, _, _ = strings.Cut(rest, ":")
	gpg("--quick-add-key", s.key, "rsa2048", "encr")
	s.sign = sign
	s.opt.KeyDir, s.opt.EncryptKeys = s.home, []string{s.key}
	if sign {
		s.opt.SignKey = s.key
	}
	return s
}

// gpgTime stops gpg's clock.
func gpgTime(t time.Time) string { return t.UTC().Format("20060102T150405") + "!" }

func (s *site) url() string { return "file://" + s.target }

func (s *site) open() *engine.Repository {
	s.t.Helper()
	store, err := storage.Open(s.t.Context(), s.url(), storage.Options{Retries: -1})
	if err != nil {
		s.t.Fatal(err)
	}
	return s.openStore(store)
}

func (s *site) openStore(store *storage.Store) *engine.Repository {
	s.t.Helper()
	s.opt.ArchiveDir = s.state
	r, err := engine.Open(s.t.Context(), store, s.opt)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { r.Close() })
	return r
}

// tryBackup makes a set of dir at the site's current time.
func (s *site) tryBackup(ctx context.Context, r *engine.Repository, dir string) (engine.BackupResult, error) {
	s.t.Helper()
	src, err := engine.OpenDir(dir, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	defer src.Close()
	return r.Backup(ctx, src, engine.BackupOptions{})
}

func (s *site) backup(dir string) engine.BackupResult {
	s.t.Helper()
	res, err := s.tryBackup(s.t.Context(), s.open(), dir)
	if err != nil {
		s.t.Fatal(err)
	}
	if len(res.Unreadable) > 0 {
		s.t.Fatalf("unreadable: %v", res.Unreadable)
	}
	return res
}

// restore returns the directory with the state at a time; zero is the newest.
func (s *site) restore(when time.Time) string {
	s.t.Helper()
	dest := filepath.Join(s.t.TempDir(), "restored")
	if _, err := s.open().Restore(s.t.Context(), dest, engine.RestoreOptions{Time: when}); err != nil {
		s.t.Fatal(err)
	}
	return dest
}

// loseState is what a new host has: the target and the key.
func (s *site) loseState() {
	s.t.Helper()
	if err := os.RemoveAll(s.state); err != nil {
		s.t.Fatal(err)
	}
}

// duplicity runs the real one on the site's target, with an archive directory
// of its own or ours.
func (s *site) duplicity(archive string, when time.Time, args ...string) string {
	s.t.Helper()
	base := []string{"--archive-dir", archive, "--no-print-statistics", "--current-time", strconv.FormatInt(when.Unix(), 10)}
	if s.opt.NoEncryption {
		base = append(base, "--no-encryption")
	}
	if s.key != "" {
		base = append(base, "--encrypt-key", s.key, "--gpg-options=--faked-system-time="+gpgTime(when))
	}
	if s.sign {
		base = append(base, "--sign-key", s.key)
	}
	cmd := exec.CommandContext(s.t.Context(), "duplicity", append(args, base...)...)
	cmd.Env = append(os.Environ(), "PASSPHRASE="+s.opt.Passphrase.Reveal(), "HOME="+s.home, "GNUPGHOME="+s.home)
	cmd.Env = append(cmd.Env, s.env...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		s.t.Fatalf("duplicity %v: %v\n%s", args, err, out)
	}
	return string(out)
}

func (s *site) duplicityRestore(when time.Time) string {
	s.t.Helper()
	dest := filepath.Join(s.t.TempDir(), "restored")
	s.duplicity(s.t.TempDir(), at(99), "restore", "-t", strconv.FormatInt(when.Unix(), 10), s.url(), dest)
	return dest
}
