package engine_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/purser-backup/purser/engine"
)

// archive is the site's archive directory.
func (s *site) archive() string {
	s.t.Helper()
	dirs, err := filepath.Glob(filepath.Join(s.state, "archive", "*"))
	if err != nil || len(dirs) != 1 {
		s.t.Fatalf("archive directories %v: %v", dirs, err)
	}
	return dirs[0]
}

// forgetSecretKey leaves to purser the public keys alone.
func (s *site) forgetSecretKey() {
	s.t.Helper()
	s.opt.KeyDir = s.t.TempDir()
	cmd := exec.CommandContext(s.t.Context(), "gpg", "--homedir", s.home, "--batch", "--export", "--output", filepath.Join(s.opt.KeyDir, "public.gpg"))
	if out, err := cmd.CombinedOutput(); err != nil {
		s.t.Fatalf("gpg --export: %v\n%s", err, out)
	}
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// modesAndBlind adds a host that can't read what it writes.
func modesAndBlind() map[string]func(*testing.T, string) *site {
	all := map[string]func(*testing.T, string) *site{
		"public key, no secret key": func(t *testing.T, source string) *site {
			s := newKeySite(t, source, false)
			s.forgetSecretKey()
			return s
		},
	}
	for _, mode := range []string{"plain", "passphrase"} {
		all[mode] = modes[mode]
	}
	return all
}

// The archive directory of another target with sets of the same times, or of
// other times, is refused, and nothing is written.
func TestArchiveDirectoryOfAnotherTarget(t *testing.T) {
	t.Parallel()
	for mode, open := range modesAndBlind() {
		for name, generation := range map[string]int{"same times": 0, "other times": 2} {
			t.Run(mode+", "+name, func(t *testing.T) {
				t.Parallel()
				f := small(t)
				s := open(t, f.dir)
				s.now = at(generation)
				s.backup(f.dir)
				dir := s.archive()
				kept := filepath.Join(t.TempDir(), "archive")
				check(t, os.Rename(dir, kept))
				check(t, os.RemoveAll(s.target))
				s.loseState()
				f.write("big", 300_000)
				f.write("of the other", 1000)
				s.now = at(0)
				s.backup(f.dir)
				check(t, os.RemoveAll(dir))
				check(t, os.Rename(kept, dir))

				before := targetNames(t, s)
				s.now = at(3)
				f.append("big", 1)
				_, err := s.tryBackup(t.Context(), s.open(), f.dir)
				if !errors.Is(err, engine.ErrForeignArchive) {
					t.Fatalf("error %v, want ErrForeignArchive", err)
				}
				if after := targetNames(t, s); !slices.Equal(before, after) {
					t.Errorf("target went from %q to %q", before, after)
				}
			})
		}
	}
}

// What is damaged, missing or out of date in the archive directory is fetched
// again; without the secret key, a new chain starts instead.
func TestArchiveDirectoryIsMadeAgain(t *testing.T) {
	t.Parallel()
	flip := func(t *testing.T, path string) {
		b, err := os.ReadFile(path)
		check(t, err)
		b[len(b)/2] ^= 0x40
		check(t, os.WriteFile(path, b, 0o600))
	}
	one := func(t *testing.T, s *site, pattern string) string {
		found, err := filepath.Glob(filepath.Join(s.archive(), pattern))
		if err != nil || len(found) != 1 {
			t.Fatalf("%s: %v, %v", pattern, found, err)
		}
		return found[0]
	}
	cases := map[string]struct {
		spoil  func(t *testing.T, s *site)
		warned string
	}{
		"lost":                {func(t *testing.T, s *site) { check(t, os.RemoveAll(s.archive())) }, ""},
		"lost with all state": {func(_ *testing.T, s *site) { s.loseState() }, ""},
		"newest set is not there": {func(t *testing.T, s *site) {
			check(t, os.Remove(one(t, s, "duplicity-inc*")))
			check(t, os.Remove(one(t, s, "duplicity-new*")))
		}, ""},
		"full signatures damaged":  {func(t *testing.T, s *site) { flip(t, one(t, s, "duplicity-full-sig*")) }, "damaged"},
		"newest manifest damaged":  {func(t *testing.T, s *site) { flip(t, one(t, s, "duplicity-inc*")) }, ""},
		"newest manifest is empty": {func(t *testing.T, s *site) { check(t, os.Truncate(one(t, s, "duplicity-inc*"), 0)) }, ""},
	}
	for mode, open := range modesAndBlind() {
		blind := strings.Contains(mode, "no secret key")
		for name, c := range cases {
			t.Run(mode+", "+name, func(t *testing.T) {
				t.Parallel()
				f := small(t)
				s := open(t, f.dir)
				s.backup(f.dir)
				f.append("big", 10)
				s.now = at(1)
				s.backup(f.dir)
				c.spoil(t, s)
				f.append("big", 10)
				s.now = at(2)
				res := s.backup(f.dir)
				if res.Set.Full() && !blind {
					t.Error("a new chain")
				}
				if c.warned != "" {
					s.warned.of(t, c.warned)
				}
				s.opt.KeyDir = s.home
				sameTree(t, "restored", snapshot(t, f.dir, exact), snapshot(t, s.restore(at(99)), exact))
			})
		}
	}
}

// A target that has lost everything gets a new chain, and a warning.
func TestEmptiedTarget(t *testing.T) {
	t.Parallel()
	f := small(t)
	s := newSite(t, passphrase, f.dir)
	s.backup(f.dir)
	check(t, os.RemoveAll(s.target))
	s.now = at(1)
	if res := s.backup(f.dir); !res.Set.Full() {
		t.Error("an increment on nothing")
	}
	s.warned.of(t, "holds none of the backups")
}
