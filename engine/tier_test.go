package engine_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/purser-backup/purser/engine"
	"github.com/purser-backup/purser/engine/storage/driver/drivertest"
)

// newTierSite has a place nearby, which comes first, that keeps the newest sets,
// and a target, which gets all but the newest if it is deferred.
func newTierSite(t *testing.T, live int, deferred bool) *placesSite {
	s := newPlacesSite(t, "")
	slices.Reverse(s.targets) // the site's own is the target
	s.tune = func(i int, p *engine.Place) {
		if i == 0 {
			p.Live = live
		} else {
			p.Deferred = deferred
		}
	}
	return s
}

// held names the sets that lie in a directory and stand there by themselves,
// oldest first: f for a full one, i for an increment, and the generation.
func (s *placesSite) held(i int) string {
	s.t.Helper()
	one := *s.site
	one.target, one.state = s.targets[i], s.t.TempDir()
	c, err := one.open().Collection(s.t.Context())
	if err != nil {
		s.t.Fatal(err)
	}
	if len(c.Orphans)+len(c.Incomplete) > 0 {
		s.t.Errorf("%s has %d orphans, %d incomplete sets", s.targets[i], len(c.Orphans), len(c.Incomplete))
	}
	var names []string
	for _, chain := range c.Chains {
		for _, set := range chain.Sets {
			kind := "i"
			if set.Full() {
				kind = "f"
			}
			names = append(names, fmt.Sprintf("%s%d", kind, int(set.Time.Sub(epoch)/time.Hour)))
		}
	}
	return strings.Join(names, " ")
}

// J3, the table of runs: the newest stays here, all others are sent, and what a
// failed run could not send goes with the next.
func TestJ3NewestStaysHere(t *testing.T) {
	t.Parallel()
	s := newTierSite(t, 1, true)
	rows := []struct {
		fails        bool
		here, remote string
	}{
		{false, "f1", ""}, {false, "f2", "f1"}, {false, "f3", "f1 f2"}, {false, "f4", "f2 f3"}, {false, "f5", "f3 f4"},
		{true, "f5 f6", "f3 f4"}, {false, "f7", "f5 f6"},
	}
	for i, row := range rows {
		n := i + 1
		s.change(int64(n), 100)
		s.now = at(n)
		faults := []drivertest.Fault{{}, {}}
		if row.fails {
			faults[1] = away
		}
		r, _ := s.openPlaces(faults...)
		s.full(r)
		if row.fails != (len(r.Behind()) > 0) {
			t.Errorf("run %d: behind are %v", n, r.Behind())
		}
		if !row.fails {
			if err := pruneSent(t.Context(), r, 2); err != nil {
				t.Errorf("run %d: %v", n, err)
			}
		} else if err := pruneSent(t.Context(), r, 2); err == nil {
			t.Errorf("run %d pruned although nothing could be sent", n)
		}
		if got, want := s.held(0)+" | "+s.held(1), row.here+" | "+row.remote; got != want {
			t.Errorf("after run %d: %s, want %s", n, got, want)
		}
	}
}

// full makes a full backup of the source.
func (s *placesSite) full(r *engine.Repository) {
	s.t.Helper()
	src, err := engine.OpenDir(s.f.dir, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	defer src.Close()
	if _, err := r.Backup(s.t.Context(), src, engine.BackupOptions{Full: true}); err != nil {
		s.t.Fatal(err)
	}
}

// A chain is whole wherever it is restored from: what the newest sets build on
// stays with them, and a target holds every chain from its start.
func TestTierWithIncrements(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		live         int
		deferred     bool
		here, remote []string
	}{
		{1, true, []string{"f0", "f0 i1", "f0 i1 i2", "f3", "f3 i4"}, []string{"", "f0", "f0 i1", "f0 i1 i2", "f0 i1 i2 f3"}},
		{2, true, []string{"f0", "f0 i1", "f0 i1 i2", "f0 i1 i2 f3", "f3 i4"}, []string{"", "f0", "f0 i1", "f0 i1 i2", "f0 i1 i2 f3"}},
		{1, false, []string{"f0", "f0 i1", "f0 i1 i2", "f3", "f3 i4"}, []string{"f0", "f0 i1", "f0 i1 i2", "f0 i1 i2 f3", "f0 i1 i2 f3 i4"}},
	} {
		t.Run(fmt.Sprintf("%d here, deferred %v", c.live, c.deferred), func(t *testing.T) {
			t.Parallel()
			s := newTierSite(t, c.live, c.deferred)
			states := map[int]map[string]node{}
			for n := range c.here {
				s.change(int64(n), 1000)
				s.now = at(n)
				r, _ := s.openPlaces()
				if n == 3 {
					s.full(r)
				} else if _, err := s.tryBackup(t.Context(), r, s.f.dir); err != nil {
					t.Fatal(err)
				}
				if got, want := s.held(0)+" | "+s.held(1), c.here[n]+" | "+c.remote[n]; got != want {
					t.Errorf("after run %d: %s, want %s", n, got, want)
				}
				states[n] = snapshot(t, s.f.dir, exact)
			}
			r, _ := s.openPlaces()
			for n, want := range states {
				dest := t.TempDir()
				if _, err := r.Restore(t.Context(), dest, engine.RestoreOptions{Time: at(n)}); err != nil {
					t.Fatal(err)
				}
				sameTree(t, fmt.Sprintf("state %d from the nearest place", n), want, snapshot(t, dest, exact))
			}
		})
	}
}

// A place nearby that fails sends the newest set straight to the target.
func TestTierWithoutThePlaceNearby(t *testing.T) {
	t.Parallel()
	s := newTierSite(t, 1, true)
	s.run(0)
	s.change(0, 1000)
	if behind := s.run(1, away); len(behind) != 1 {
		t.Errorf("behind are %v", behind)
	}
	if got := s.held(1); got != "f1" { // the full set before it is only in the place that is away
		t.Errorf("the target holds %s", got)
	}
	s.change(0, 1000)
	if behind := s.run(2); len(behind) > 0 {
		t.Error(behind)
	}
	if diff := cmp.Diff("f1 i2 | f0 f1", s.held(0)+" | "+s.held(1)); diff != "" {
		t.Error(diff)
	}
}

// A place nearby that is given up sends all that it has, and is empty then.
func TestPlaceNearbyIsGivenUp(t *testing.T) {
	t.Parallel()
	s := newTierSite(t, 2, true)
	for n := range 3 {
		s.change(int64(n), 1000)
		s.run(n)
	}
	s.tune = func(i int, p *engine.Place) { p.Leaving = i == 0 }
	s.change(9, 1000)
	if behind := s.run(3); len(behind) > 0 {
		t.Error(behind)
	}
	if got := s.held(0) + "|" + s.held(1); got != "|f0 i1 i2 i3" {
		t.Errorf("held are %s", got)
	}
	for name := range contents(t, s.targets[0]) {
		t.Errorf("%s is left there", name)
	}
}

// Every call to either place fails once, and all that follow: the next runs
// bring both to what they are to hold.
func TestTierFailsAtEveryCall(t *testing.T) {
	t.Parallel()
	prepare := func(t *testing.T) *placesSite {
		s := newTierSite(t, 1, true)
		s.run(0)
		s.change(0, 100_000)
		s.run(1)
		s.change(0, 100_000)
		s.now = at(2)
		return s
	}
	probe := prepare(t)
	r, wrapped := probe.openPlaces()
	probe.full(r)
	for i, b := range wrapped {
		calls := len(b.Calls())
		if calls < 10 {
			t.Fatalf("place %d has only %d calls", i, calls)
		}
		for n := 1; n <= calls; n++ {
			if !soak() && n%3 != 0 {
				continue
			}
			t.Run(fmt.Sprintf("place %d/call %d of %d", i, n, calls), func(t *testing.T) {
				t.Parallel()
				s := prepare(t)
				faults := make([]drivertest.Fault, 2)
				faults[i] = drivertest.Fault{Call: n, Mode: drivertest.After, Down: true}
				r, _ := s.openPlaces(faults...)
				src, err := engine.OpenDir(s.f.dir, nil)
				if err != nil {
					t.Fatal(err)
				}
				defer src.Close()
				if _, err := r.Backup(t.Context(), src, engine.BackupOptions{Full: true}); err != nil && i == 1 {
					t.Fatal(err) // only the place that a set is made in can fail a run
				}
				s.change(0, 100)
				if behind := s.run(3); len(behind) > 0 {
					t.Error(behind)
				}
				want := snapshot(t, s.f.dir, exact)
				one := *s.site
				one.target, one.state = s.targets[0], t.TempDir()
				sameTree(t, "the newest state, here", want, snapshot(t, one.restore(time.Time{}), exact))
				if here, remote := s.held(0), s.held(1); strings.Contains(remote, "3") || !strings.Contains(here, "3") || !strings.HasPrefix(remote, "f0 i1") {
					t.Errorf("%s | %s", here, remote)
				}
			})
		}
	}
}
