package engine_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/purser-backup/purser/engine/storage/driver/drivertest"
)

// A target that refuses one object gets no manifest that counts on it.
func TestRefusedPutIsNoGoodSet(t *testing.T) {
	t.Parallel()
	s := newPlacesSite(t, "")
	s.run(0)
	s.change(0, 200_000)
	refused := drivertest.Fault{Verb: drivertest.Put, Call: 2, Mode: drivertest.Before, Err: fs.ErrPermission}
	if behind := s.run(1, drivertest.Fault{}, refused); len(behind) != 1 {
		t.Errorf("behind are %v", behind)
	}
	for name := range contents(t, s.targets[1]) {
		if strings.Contains(name, "duplicity-inc") && strings.Contains(name, "manifest") {
			t.Errorf("%s is there", name)
		}
	}
	s.change(0, 1000)
	if behind := s.run(2); len(behind) != 0 {
		t.Errorf("behind are %v", behind)
	}
	s.alone(map[int]map[string]node{2: snapshot(t, s.f.dir, exact)})
}

// Nothing builds on a set that is damaged where it alone is: a new chain begins,
// also while a target is away.
func TestNothingBuildsOnADamagedSet(t *testing.T) {
	t.Parallel()
	s := newPlacesSite(t, "")
	s.run(0)
	s.change(0, 1000)
	s.run(1, away, drivertest.Fault{})
	for name, content := range contents(t, s.targets[1]) {
		if strings.Contains(name, "duplicity-inc") && strings.Contains(name, ".vol1.") {
			bad := []byte(content)
			bad[len(bad)/2] ^= 1
			if err := os.WriteFile(filepath.Join(s.targets[1], name), bad, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	for n := 2; n < 5; n++ {
		s.change(int64(n)*1000, 3000)
		if n == 3 {
			s.run(n, drivertest.Fault{}, away)
		} else {
			s.run(n)
		}
		r, _ := s.openPlaces()
		c, err := r.Collection(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if len(c.Orphans) != 0 {
			t.Errorf("run %d: the chain has forked: %d orphans", n, len(c.Orphans))
		}
	}
	s.alone(map[int]map[string]node{4: snapshot(t, s.f.dir, exact)})
}

// Where the place nearby can't be written to, the set goes to the target at once.
func TestFullPlaceNearby(t *testing.T) {
	t.Parallel()
	s := newTierSite(t, 1, true)
	s.run(0)
	s.change(0, 1000)
	s.run(1)
	for n := 2; n < 4; n++ {
		s.change(int64(n), 1000)
		full := drivertest.Fault{Verb: drivertest.Put, Call: 2, Mode: drivertest.Before, Down: true}
		if behind := s.run(n, full); len(behind) == 0 {
			t.Error("the failure is not told")
		}
	}
	one := *s.site
	one.target, one.state = s.targets[1], t.TempDir()
	sameTree(t, "of the target", snapshot(t, s.f.dir, exact), snapshot(t, one.restore(at(3)), exact))
}

// Who may not delete can take a target out all the same.
func TestForgetTargetWithoutDeleting(t *testing.T) {
	t.Parallel()
	s := newPlacesSite(t, "")
	s.run(0)
	s.change(0, 1000)
	s.run(1, away, drivertest.Fault{})
	s.targets = s.targets[:1]
	s.change(0, 1000)
	s.run(2, drivertest.Fault{Verb: drivertest.Delete, Call: 1, Err: fs.ErrPermission})
}
