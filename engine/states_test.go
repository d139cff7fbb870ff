package engine_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/purser-backup/purser/engine"
)

// tag is a short name of an object of the worked example: I7.m, I7.s and I7.v
// are manifest, signatures and volumes of the increment of day 7.
func tag(t *testing.T, name string) string {
	t.Helper()
	parts := strings.Split(name, ".")
	kind := "I"
	if strings.HasPrefix(name, "duplicity-full") {
		kind = "F"
	}
	part := map[string]string{"manifest": ".m", "sigtar": ".s"}[parts[len(parts)-1]]
	if part == "" {
		part = map[string]string{"sigtar": ".s", "difftar": ".v"}[parts[len(parts)-2]]
	}
	var when time.Time
	for _, p := range parts { // the last time is the set's own
		if at, err := time.Parse("20060102T150405Z", p); err == nil {
			when = at
		}
	}
	if when.IsZero() || part == "" {
		t.Fatalf("what is %s?", name)
	}
	return kind + strconv.Itoa(int(when.Sub(epoch)/(24*time.Hour))) + part
}

// tags lists what the site's target holds, each once.
func (s *site) tags() []string {
	s.t.Helper()
	var list []string
	for _, name := range targetNames(s.t, s) {
		list = append(list, tag(s.t, name))
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// remove deletes the objects with the tags.
func (s *site) remove(tags ...string) {
	s.t.Helper()
	for _, name := range targetNames(s.t, s) {
		if slices.Contains(tags, tag(s.t, name)) {
			if err := os.Remove(filepath.Join(s.target, name)); err != nil {
				s.t.Fatal(err)
			}
		}
	}
}

// missing tells which tags of before are gone.
func missing(before, after []string) string {
	var gone []string
	for _, tag := range before {
		if !slices.Contains(after, tag) {
			gone = append(gone, tag)
		}
	}
	return strings.Join(gone, " ")
}

// The states that a repository can be left in, and what either tool makes of
// them. Where they differ, ours is what duplicity ought to do: it keeps what
// restores, and leaves nothing that doesn't.
func TestCollectionStates(t *testing.T) {
	t.Parallel()
	origin, f := days(t)
	const older = "F0 I1 I2 F3 I4 F5"
	for _, c := range []struct {
		name    string
		removed string // tags
		chains  string // sets that restore
		ours    string // tags that our cleanup deletes
		theirs  string // and duplicity's
		full    bool   // our next run starts a new chain
	}{
		{"nothing", "", older + " F6 I7 I8", "", "", false},
		// duplicity keeps the signatures for good.
		{"last manifest", "I8.m", older + " F6 I7", "I8.s I8.v", "I8.v", false},
		// duplicity deletes a set that restores.
		{"last signatures", "I8.s", older + " F6 I7 I8", "", "I8.m I8.v", true},
		{"last manifest and signatures", "I8.m I8.s", older + " F6 I7", "I8.v", "I8.v", false},
		{"last set", "I8.m I8.s I8.v", older + " F6 I7", "", "", false},
		{"middle set", "I7.m I7.s I7.v", older + " F6", "I8.m I8.s I8.v", "I8.m I8.s I8.v", false},
		{"middle manifest", "I7.m", older + " F6", "I7.s I7.v I8.m I8.s I8.v", "I7.v I8.m I8.v", false},
		{"middle signatures", "I7.s", older + " F6 I7 I8", "", "I8.s", true},
		{"full manifest", "F6.m", older, "F6.s F6.v I7.m I7.s I7.v I8.m I8.s I8.v", "F6.v I7.m I7.v I8.m I8.v", false},
		{"full signatures", "F6.s", older + " F6 I7 I8", "", "I7.s I8.s", true},
		{"all signatures of the chain", "F6.s I7.s I8.s", older + " F6 I7 I8", "", "", true},
		{"last volumes", "I8.v", older + " F6 I7 I8", "", "", true},
		{"volumes of the full set", "F6.v", older + " F6 I7 I8", "", "", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			at := *origin
			at.t = t
			at.loseState()
			ours, theirs := at.copySite(), at.copySite()
			for _, s := range []*site{ours, theirs} {
				s.remove(strings.Fields(c.removed)...)
			}
			before := ours.tags()
			if got := ours.setNames(); got != c.chains {
				t.Errorf("chains %s, want %s", got, c.chains)
			}
			theirs.duplicity(t.TempDir(), day(9), "cleanup", "--force", theirs.url())
			if got := missing(before, theirs.tags()); got != c.theirs {
				t.Errorf("duplicity's cleanup deletes %q, not %q: the reference is wrong", got, c.theirs)
			}
			ours.cleanup()
			if got := missing(before, ours.tags()); got != c.ours {
				t.Errorf("cleanup deletes %q, want %q", got, c.ours)
			}
			ours.restoresAll(c.removed)
			ours.goesOn(f, c.full)
		})
	}
}

func (s *site) cleanup() {
	s.t.Helper()
	r := s.open()
	c, err := r.Collection(s.t.Context())
	if err == nil {
		_, err = r.Prune(s.t.Context(), engine.Cleanup(&c))
	}
	if err != nil {
		s.t.Fatal(err)
	}
}

// restoresAll restores every set that there is; those that lack volumes say
// so.
func (s *site) restoresAll(removed string) {
	s.t.Helper()
	c, err := s.open().Collection(s.t.Context())
	if err != nil {
		s.t.Fatal(err)
	}
	for _, chain := range c.Chains {
		for i, set := range chain.Sets {
			dest := filepath.Join(s.t.TempDir(), "dest")
			res, err := s.open().Restore(s.t.Context(), dest, engine.RestoreOptions{Time: set.Time})
			lacks := false
			for _, part := range chain.Sets[:i+1] {
				lacks = lacks || strings.Contains(removed, setName(part)+".v")
			}
			var damaged *engine.CorruptError
			switch {
			case lacks && !errors.As(err, &damaged):
				s.t.Errorf("%s lacks its volumes, restore says %v", setName(set), err)
			case !lacks && (err != nil || !res.Time.Equal(set.Time)):
				s.t.Errorf("restore of %s: %+v, %v", setName(set), res, err)
			}
		}
	}
}

// goesOn makes the next set and restores it.
func (s *site) goesOn(f *fixture, wantFull bool) {
	s.t.Helper()
	f.gen++
	f.append("big", 10)
	s.now = day(9)
	src, err := engine.OpenDir(f.dir, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	defer src.Close()
	res, err := s.open().Backup(s.t.Context(), src, engine.BackupOptions{})
	if err != nil {
		s.t.Fatal(err)
	}
	if res.Set.Full() != wantFull {
		s.t.Errorf("the next set is full: %v, want %v", res.Set.Full(), wantFull)
	}
	sameTree(s.t, "the next set", snapshot(s.t, f.dir, exact), snapshot(s.t, s.restore(time.Time{}), exact))
}
