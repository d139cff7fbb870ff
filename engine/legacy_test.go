package engine_test

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/purser-backup/purser/engine"
)

// Chains whose sets have names of older styles are restored, continued and
// pruned: short ones, and long ones with local times.
func TestLegacyNames(t *testing.T) {
	t.Parallel()
	short, long := []string{"--short-filenames"}, []string{"--old-filenames"}
	for _, c := range []struct {
		name   string
		mode   string
		styles [][]string // of each set
		zone   string
	}{
		{"short", "plain", [][]string{short, short, short}, "UTC"},
		{"short and encrypted", "passphrase", [][]string{short, short}, "UTC"},
		{"long", "plain", [][]string{long, long, long}, "UTC"},
		{"long with an offset", "plain", [][]string{long, long}, "America/New_York"},
		{"mixed", "plain", [][]string{short, long, nil, long}, "Asia/Kolkata"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			s := modes[c.mode](t, f.dir)
			s.env = []string{"TZ=" + c.zone}
			archive := filepath.Join(s.state, "archive")
			var history []map[string]node
			for n, style := range c.styles {
				if n > 0 {
					f.edit(n)
				}
				s.duplicity(archive, at(n), append(slices.Clone(style), "--volsize", "1", f.dir, s.url())...)
				history = append(history, snapshot(t, f.dir, duplicity))
			}
			if c.styles[0] != nil && slices.ContainsFunc(targetNames(t, s), func(name string) bool {
				return strings.HasPrefix(name, "duplicity-full."+epoch.Format("20060102T150405Z"))
			}) {
				t.Fatalf("duplicity used new names: %q", targetNames(t, s))
			}
			s.continuesLegacy(f, history)
		})
	}
}

// continuesLegacy goes on with duplicity's archive directory, without one, and
// prunes what is old.
func (s *site) continuesLegacy(f *fixture, history []map[string]node) {
	t := s.t
	t.Helper()
	n := len(history)
	f.write("with the archive directory", 5)
	s.now = at(n)
	if res := s.backup(f.dir); res.Set.Full() || res.New != 1 {
		t.Errorf("full %v, %d new files, want an increment with one", res.Set.Full(), res.New)
	}
	history = append(history, snapshot(t, f.dir, duplicity))
	s.loseState()
	f.write("without", 6)
	s.now = at(n + 1)
	if res := s.backup(f.dir); res.Set.Full() || res.New != 1 {
		t.Errorf("full %v, %d new files, want an increment with one", res.Set.Full(), res.New)
	}
	history = append(history, snapshot(t, f.dir, duplicity))
	for i, want := range history {
		sameTree(t, fmt.Sprintf("generation %d", i), want, snapshot(t, s.restore(at(i)), duplicity))
	}
	sameTree(t, "newest by duplicity", history[n+1], snapshot(t, s.duplicityRestore(at(n+1)), duplicity))

	s.now = at(n + 2)
	src, err := engine.OpenDir(f.dir, nil)
	f.check(err)
	defer src.Close()
	_, err = s.open().Backup(t.Context(), src, engine.BackupOptions{Full: true})
	f.check(err)
	f.check(pruneToOne(t.Context(), s.open()))
	for _, name := range targetNames(t, s) {
		if !strings.HasPrefix(name, "duplicity-full") || !strings.Contains(name, at(n+2).Format("20060102T150405Z")) {
			t.Errorf("prune left %s", name)
		}
	}
	local, err := filepath.Glob(filepath.Join(s.state, "archive", "*", "d*"))
	f.check(err)
	if len(local) != 2 {
		t.Errorf("the archive directory holds %q", local)
	}
}
