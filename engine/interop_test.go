package engine_test

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
)

// increments in the chains of these tests, after the full set.
const increments = 5

// modes are the ways in which a repository is encrypted.
var modes = map[string]func(t *testing.T, source string) *site{
	"passphrase": func(t *testing.T, source string) *site { return newSite(t, passphrase, source) },
	"plain":      func(t *testing.T, source string) *site { return newSite(t, "", source) },
	"public key": func(t *testing.T, source string) *site { return newKeySite(t, source, false) },
	"signed":     func(t *testing.T, source string) *site { return newKeySite(t, source, true) },
}

func TestChainRestoresByPurserAndDuplicity(t *testing.T) {
	t.Parallel()
	for mode, open := range modes {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			s := open(t, f.dir)
			var ours, theirs []map[string]node
			for n := range increments + 1 {
				if n > 0 {
					f.edit(n)
				}
				s.now = at(n)
				res := s.backup(f.dir)
				if res.Set.Full() != (n == 0) {
					t.Fatalf("generation %d: full is %v", n, res.Set.Full())
				}
				ours = append(ours, snapshot(t, f.dir, exact))
				theirs = append(theirs, snapshot(t, f.dir, duplicity))
			}
			s.loseState()
			for n := range increments + 1 {
				sameTree(t, fmt.Sprintf("purser's restore of generation %d", n), ours[n], snapshot(t, s.restore(at(n)), exact))
				sameTree(t, fmt.Sprintf("duplicity's restore of generation %d", n), theirs[n], snapshot(t, s.duplicityRestore(at(n)), duplicity))
			}
			status := s.duplicity(t.TempDir(), at(99), "collection-status", s.url())
			if !strings.Contains(status, "No orphaned or incomplete backup sets found") {
				t.Errorf("duplicity's status of our chain:\n%s", status)
			}
		})
	}
}

func TestDuplicityChainRestoresAndContinues(t *testing.T) {
	t.Parallel()
	for mode, open := range modes {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			s := open(t, f.dir)
			archive := t.TempDir()
			var want []map[string]node
			for n := range increments + 1 {
				if n > 0 {
					f.edit(n)
				}
				s.duplicity(archive, at(n), "--volsize", "1", "--allow-source-mismatch", f.dir, s.url())
				want = append(want, snapshot(t, f.dir, duplicity))
			}
			for n := range increments + 1 {
				sameTree(t, fmt.Sprintf("generation %d", n), want[n], snapshot(t, s.restore(at(n)), duplicity))
			}
			f.write("after", 5)
			s.now = at(increments + 1)
			if res := s.backup(f.dir); res.Set.Full() || res.New != 1 {
				t.Errorf("purser's set on duplicity's chain: full %v, %d new, %d changed, %d deleted; want an increment with one new file",
					res.Set.Full(), res.New, res.Changed, res.Deleted)
			}
			sameTree(t, "purser's increment, restored by duplicity", snapshot(t, f.dir, duplicity),
				snapshot(t, s.duplicityRestore(at(increments+1)), duplicity))
		})
	}
}

// The two write in turns, duplicity with its own archive directory and with ours.
func TestDuplicityAndPurserAlternate(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	s := newSite(t, passphrase, f.dir)
	for n := range increments + 1 {
		if n > 0 {
			f.edit(n)
		}
		s.now = at(n)
		if n%2 == 0 {
			s.backup(f.dir)
		} else {
			s.duplicity(s.state+"/archive", at(n), "--volsize", "1", f.dir, s.url())
		}
		want := snapshot(t, f.dir, duplicity)
		sameTree(t, fmt.Sprintf("purser's restore of generation %d", n), want, snapshot(t, s.restore(at(n)), duplicity))
		sameTree(t, fmt.Sprintf("duplicity's restore of generation %d", n), want, snapshot(t, s.duplicityRestore(at(n)), duplicity))
	}
	status := s.duplicity(t.TempDir(), at(99), "collection-status", s.url())
	if !regexp.MustCompile(`(?m)^Number of contained backup sets: 6$`).MatchString(status) {
		t.Errorf("not one chain of 6 sets:\n%s", status)
	}
}
