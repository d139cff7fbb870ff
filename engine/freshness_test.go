package engine_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/purser-backup/purser/engine"
)

// What the target tells of the last good run is read without a key, and neither
// duplicity nor we take it for a part of a backup.
func TestFreshness(t *testing.T) {
	t.Parallel()
	f := small(t)
	s := newSite(t, passphrase, f.dir)
	s.backup(f.dir)
	if _, found, err := s.open().Freshness(t.Context()); found || err != nil {
		t.Errorf("before it was written: %v, %v", found, err)
	}
	for n := range 2 { // it is replaced each time
		check(t, s.open().NoteFreshness(t.Context(), engine.Freshness{Run: at(n), Set: at(0), Next: at(n + 1)}))
	}
	host := s.opt.Hostname
	reader := siteIn(t, t.TempDir(), "", f.dir) // another machine
	reader.target = s.target
	got, found, err := reader.open().Freshness(t.Context())
	want := engine.Freshness{Host: host, Run: at(1), Set: at(0), Next: at(2)}
	if diff := cmp.Diff(want, got); err != nil || !found || diff != "" {
		t.Errorf("%v, %v (-want +got):\n%s", found, err, diff)
	}
	path := filepath.Join(s.target, "purser-status.json")
	check(t, os.WriteFile(path, []byte(`{"version": 9}`), 0o600))
	if _, _, err := s.open().Freshness(t.Context()); err == nil || !strings.Contains(err.Error(), "version 9") {
		t.Errorf("a newer version: %v", err)
	}
	check(t, os.WriteFile(path, []byte("no JSON"), 0o600))
	if _, _, err := s.open().Freshness(t.Context()); err == nil {
		t.Error("what is no JSON is read")
	}
	c, err := s.open().Collection(t.Context())
	check(t, err)
	if len(c.Chains) != 1 || len(c.Incomplete)+len(c.Orphans) != 0 {
		t.Errorf("collection: %+v", c)
	}
	if _, err := s.open().Prune(t.Context(), engine.Cleanup(&c)); err != nil || !slices.Contains(targetNames(t, s), "purser-status.json") {
		t.Errorf("after a clean-up: %v", err)
	}
	out := s.duplicity(t.TempDir(), at(99), "collection-status", s.url())
	if !strings.Contains(out, "No orphaned or incomplete backup sets found.") || strings.Contains(out, "purser") {
		t.Errorf("duplicity says:\n%s", out)
	}
}
