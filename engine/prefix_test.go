package engine_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/purser-backup/purser/engine"
)

// Two repositories in one folder, told apart by their prefixes, are continued by
// duplicity and by purser in turn, with one archive directory.
func TestPrefixes(t *testing.T) {
	f := small(t)
	s := newSite(t, passphrase, f.dir)
	other := *s
	other.state = filepath.Join(t.TempDir(), "state")
	s.opt.Prefixes = engine.Prefixes{All: "P-", Volume: "a.", Manifest: "m-", Signatures: "s_"}
	options := []string{"--file-prefix", "P-", "--file-prefix-archive", "a.", "--file-prefix-manifest", "m-", "--file-prefix-signature", "s_"}
	archive := filepath.Join(s.state, "archive")
	run := func(generation int, args ...string) {
		s.duplicity(archive, at(generation), append(args, options...)...)
	}

	run(0, f.dir, s.url())
	s.now = at(1)
	f.write("a", 1000)
	if res := s.backup(f.dir); res.Set.Full() {
		t.Error("purser starts a new chain")
	}
	f.write("b", 1000)
	run(2, "incremental", f.dir, s.url())
	s.now = at(3)
	f.write("c", 1000)
	s.backup(f.dir)
	other.opt.Prefixes.All = "Q"
	if res := other.backup(f.dir); !res.Set.Full() {
		t.Error("a repository with another prefix is continued")
	}

	want := snapshot(t, f.dir, duplicity)
	sameTree(t, "purser", want, snapshot(t, s.restore(at(99)), duplicity))
	sameTree(t, "purser, the other", snapshot(t, f.dir, exact), snapshot(t, other.restore(at(99)), exact))
	dest := filepath.Join(t.TempDir(), "restored")
	run(99, "restore", s.url(), dest)
	sameTree(t, "duplicity", want, snapshot(t, dest, duplicity))

	names, err := os.ReadDir(s.target)
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range names {
		if n := n.Name(); !strings.HasPrefix(n, "P-a.duplicity-") && !strings.HasPrefix(n, "P-m-duplicity-") &&
			!strings.HasPrefix(n, "P-s_duplicity-") && !strings.HasPrefix(n, "Qduplicity-") {
			t.Errorf("object %s", n)
		}
	}
	if c, err := s.open().Collection(t.Context()); err != nil || len(c.Chains) != 1 || len(c.Chains[0].Sets) != 4 || len(c.Orphans)+len(c.Incomplete) > 0 {
		t.Errorf("collection %+v: %v", c, err)
	}
}
