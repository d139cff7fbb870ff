package engine_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/purser-backup/purser/engine"
	"github.com/purser-backup/purser/engine/storage"
	"github.com/purser-backup/purser/engine/storage/driver/drivertest"
)

// placesSite has two targets, of which the site's own is the first.
type placesSite struct {
	*site
	f       *fixture
	targets []string
	tune    func(i int, p *engine.Place) // nil leaves both as full targets
}

func newPlacesSite(t *testing.T, pass string) *placesSite {
	f := small(t)
	base := t.TempDir()
	s := siteIn(t, base, pass, f.dir)
	s.opt.VolumeSize = 64 << 10
	return &placesSite{site: s, f: f, targets: []string{s.target, filepath.Join(base, "second")}}
}

// openPlaces opens the repository over both targets, which fail as told.
func (s *placesSite) openPlaces(faults ...drivertest.Fault) (*engine.Repository, []*drivertest.Faulty) {
	s.t.Helper()
	var list []engine.Place
	var wrapped []*drivertest.Faulty
	for i, dir := range s.targets {
		url := "file://" + dir
		inner, err := storage.Open(s.t.Context(), url, storage.Options{Retries: -1})
		if err != nil {
			s.t.Fatal(err)
		}
		var fault drivertest.Fault
		if i < len(faults) {
			fault = faults[i]
		}
		b := drivertest.NewFaulty(inner, fault)
		wrapped = append(wrapped, b)
		store := storage.New(b, url, storage.Options{Retries: -1})
		list = append(list, engine.Place{Store: store, URL: store.URL(), ID: store.ID()})
		if s.tune != nil {
			s.tune(i, &list[i])
		}
	}
	s.opt.ArchiveDir = s.state
	r, err := engine.OpenPlaces(s.t.Context(), list, s.opt)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { r.Close() })
	return r, wrapped
}

// change overwrites a part of the one big file, at a time of its own.
func (s *placesSite) change(at int64, n int) {
	s.f.gen++
	s.f.patch("big", at, n)
}

// run makes a backup over both, at generation n, and gives what is behind.
func (s *placesSite) run(n int, faults ...drivertest.Fault) []error {
	s.t.Helper()
	s.now = at(n)
	r, _ := s.openPlaces(faults...)
	if _, err := s.tryBackup(s.t.Context(), r, s.f.dir); err != nil {
		s.t.Fatalf("run %d: %v", n, err)
	}
	return r.Behind()
}

// equal checks that both targets hold the same bytes.
func (s *placesSite) equal() {
	s.t.Helper()
	if diff := cmp.Diff(contents(s.t, s.targets[0]), contents(s.t, s.targets[1])); diff != "" {
		s.t.Errorf("the targets differ (-first +second):\n%s", diff)
	}
}

// contents are the objects below a directory with the sums of their bytes.
func contents(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	entries, err := os.ReadDir(dir)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	for _, e := range entries {
		b, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		all[e.Name()] = fmt.Sprintf("%d %x", len(b), fnvSum(b))
	}
	return all
}

func fnvSum(b []byte) uint64 {
	sum := uint64(14695981039346656037)
	for _, c := range b {
		sum = (sum ^ uint64(c)) * 1099511628211
	}
	return sum
}

// alone checks that each target restores the states by itself, on a host that
// knows nothing.
func (s *placesSite) alone(states map[int]map[string]node) {
	s.t.Helper()
	for _, dir := range s.targets {
		for n, want := range states {
			one := *s.site
			one.target, one.state = dir, s.t.TempDir()
			sameTree(s.t, fmt.Sprintf("state %d from %s", n, filepath.Base(dir)), want, snapshot(s.t, one.restore(at(n)), exact))
		}
	}
}

func TestPlacesHoldTheSame(t *testing.T) {
	t.Parallel()
	s := newPlacesSite(t, passphrase)
	s.home = newHome(t)
	states := map[int]map[string]node{}
	for n := range 3 {
		if n > 0 {
			s.change(int64(n)*1000, 50_000)
		}
		if behind := s.run(n); len(behind) > 0 {
			t.Fatalf("run %d: %v", n, behind)
		}
		states[n] = snapshot(t, s.f.dir, exact)
	}
	s.equal()
	s.alone(states)
	for _, dir := range s.targets {
		one := *s.site
		one.target = dir
		dest := one.duplicityRestore(at(2))
		sameTree(t, "duplicity from "+filepath.Base(dir), snapshot(t, s.f.dir, duplicity), snapshot(t, dest, duplicity))
	}
}

// One target fails at each of its calls, in several ways. The run is good all
// the same, tells of the target, and the next one gives it what it lacks.
func TestPlaceFailsAtEveryCall(t *testing.T) {
	t.Parallel()
	faults := []drivertest.Fault{
		{Mode: drivertest.Before}, {Mode: drivertest.After, Down: true}, {Mode: drivertest.Half}, {Mode: drivertest.Before, Down: true},
	}
	probe := newPlacesSite(t, "")
	probe.run(0)
	probe.change(0, 290_000)
	probe.now = at(1)
	r, wrapped := probe.openPlaces()
	if _, err := probe.tryBackup(t.Context(), r, probe.f.dir); err != nil {
		t.Fatal(err)
	}
	for i, b := range wrapped {
		calls := len(b.Calls())
		if calls < 10 {
			t.Fatalf("target %d has only %d calls", i, calls)
		}
		for n := 1; n <= calls; n++ {
			for k, fault := range faults {
				if !soak() && (n+k)%len(faults) != 0 {
					continue // the long test has all of them
				}
				fault.Call = n
				t.Run(fmt.Sprintf("target %d/%v down %v/call %d of %d", i, fault.Mode, fault.Down, n, calls), func(t *testing.T) {
					t.Parallel()
					failPlace(t, i, fault)
				})
			}
		}
	}
}

func failPlace(t *testing.T, i int, fault drivertest.Fault) {
	s := newPlacesSite(t, "")
	states := map[int]map[string]node{}
	s.run(0)
	states[0] = snapshot(t, s.f.dir, exact)
	s.change(0, 290_000)
	faults := make([]drivertest.Fault, 2)
	faults[i] = fault
	s.now = at(1)
	r, wrapped := s.openPlaces(faults...)
	if _, err := s.tryBackup(t.Context(), r, s.f.dir); err != nil {
		t.Fatal(err)
	}
	if !wrapped[i].Hit() {
		t.Fatal("the fault never struck")
	}
	if len(r.Behind()) == 0 && fault.Mode == drivertest.Half {
		s.equal() // half of a lease that is not there is none
	} else if len(r.Behind()) != 1 || !strings.Contains(r.Behind()[0].Error(), s.targets[i]) {
		t.Errorf("behind are %v, want target %d", r.Behind(), i)
	}
	if _, err := r.Prune(t.Context(), nil); err == nil && fault.Down {
		t.Error("pruned while a target is behind")
	}
	states[1] = snapshot(t, s.f.dir, exact)
	s.change(1000, 100)
	if behind := s.run(2); len(behind) > 0 {
		t.Errorf("the next run leaves behind %v", behind)
	}
	states[2] = snapshot(t, s.f.dir, exact)
	s.equal()
	s.alone(states)
}

// away fails every call.
var away = drivertest.Fault{Call: 1, Mode: drivertest.Before, Down: true}

// The target with the newest sets is away, and the other lacks them: an
// increment there would fork the chain.
func TestNewChainWhereTheNewestSetIsAway(t *testing.T) {
	t.Parallel()
	s := newPlacesSite(t, "")
	states := map[int]map[string]node{}
	for n, faults := range [][]drivertest.Fault{nil, {{}, away}, {away, {}}, {away, {}}, nil} {
		if n > 0 {
			s.change(int64(n)*100, 3000)
		}
		behind := s.run(n, faults...)
		if want := len(faults) / 2; len(behind) != want {
			t.Errorf("run %d: behind are %v", n, behind)
		}
		states[n] = snapshot(t, s.f.dir, exact)
	}
	s.equal()
	s.alone(states)
	r, _ := s.openPlaces()
	c, err := r.Collection(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Chains) != 2 || len(c.Orphans)+len(c.Incomplete) > 0 {
		t.Errorf("%d chains, %d orphans, %d incomplete", len(c.Chains), len(c.Orphans), len(c.Incomplete))
	}
}

// Interrupted runs and targets that come and go: at the end all is equal, and
// every set that was reported restores from each target.
func TestPlacesComeAndGo(t *testing.T) {
	t.Parallel()
	rounds := 3
	if soak() {
		rounds = 40
	}
	for round := range rounds {
		t.Run(fmt.Sprint(round), func(t *testing.T) {
			t.Parallel()
			comeAndGo(t, int64(round))
		})
	}
}

func comeAndGo(t *testing.T, seed int64) {
	s := newPlacesSite(t, "")
	random := newRand()
	for range seed {
		random.Int64()
	}
	states := map[int]map[string]node{}
	for n := range 8 {
		if n > 0 {
			s.change(random.Int64N(200_000), 80_000)
		}
		var faults [2]drivertest.Fault
		switch random.IntN(4) {
		case 0:
			faults[random.IntN(2)] = away
		case 1:
			faults[random.IntN(2)] = drivertest.Fault{Call: 1 + random.IntN(20), Mode: drivertest.Mode(random.IntN(3)), Down: true}
		case 2: // both, as when the process is killed
			k := 1 + random.IntN(20)
			faults[0] = drivertest.Fault{Call: k, Mode: drivertest.After, Down: true}
			faults[1] = drivertest.Fault{Call: k + random.IntN(3), Mode: drivertest.Before, Down: true}
		}
		s.now = at(n)
		r, _ := s.openPlaces(faults[:]...)
		if _, err := s.tryBackup(t.Context(), r, s.f.dir); err == nil {
			states[n] = snapshot(t, s.f.dir, exact)
		}
	}
	s.change(5, 10)
	if behind := s.run(8); len(behind) > 0 {
		t.Fatalf("the last run leaves behind %v", behind)
	}
	states[8] = snapshot(t, s.f.dir, exact)
	s.equal()
	s.alone(states)
}

// A damaged or missing object is taken from the other target.
func TestRestoreFromTheTargetThatIsWhole(t *testing.T) {
	t.Parallel()
	s := newPlacesSite(t, passphrase)
	s.run(0)
	s.change(0, 200_000)
	s.run(1)
	want := snapshot(t, s.f.dir, exact)
	for _, name := range targetNames(t, s.site) {
		for i := range s.targets {
			for _, hurt := range []func(string, []byte) error{
				func(path string, b []byte) error { b[len(b)/2] ^= 1; return os.WriteFile(path, b, 0o600) },
				func(path string, b []byte) error { return os.WriteFile(path, b[:len(b)/2], 0o600) },
				func(path string, _ []byte) error { return os.Remove(path) },
			} {
				path := filepath.Join(s.targets[i], name)
				good, err := os.ReadFile(path)
				if err != nil {
					t.Fatal(err)
				}
				if err := hurt(path, append([]byte{}, good...)); err != nil {
					t.Fatal(err)
				}
				r, _ := s.openPlaces()
				dest := filepath.Join(t.TempDir(), "restored")
				if _, err := r.Restore(t.Context(), dest, engine.RestoreOptions{}); err != nil {
					t.Errorf("%s damaged in target %d: %v", name, i, err)
				} else {
					sameTree(t, name, want, snapshot(t, dest, exact))
				}
				if err := os.WriteFile(path, good, 0o600); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
}

// Another purser's lease on any of the targets keeps this one out.
func TestLeaseOnEachPlace(t *testing.T) {
	t.Parallel()
	for i := range 2 {
		s := newPlacesSite(t, "")
		one := *s.site
		one.target = s.targets[i]
		if err := os.MkdirAll(one.target, 0o700); err != nil {
			t.Fatal(err)
		}
		one.lease(epoch.Add(time.Hour))
		r, _ := s.openPlaces()
		if _, err := s.tryBackup(t.Context(), r, s.f.dir); err == nil || !strings.Contains(err.Error(), s.targets[i]) {
			t.Errorf("lease on target %d: %v", i, err)
		}
	}
}

// A second target that holds somebody else's backups is left alone.
func TestForeignPlaceIsRefused(t *testing.T) {
	t.Parallel()
	s := newPlacesSite(t, "")
	other := newPlacesSite(t, "")
	other.now = at(-5)
	other.target = s.targets[1]
	other.backup(other.f.dir)
	before := contents(t, s.targets[1])
	s.backup(s.f.dir)
	behind := s.run(1)
	if len(behind) != 1 || !strings.Contains(behind[0].Error(), "something else") {
		t.Errorf("behind are %v", behind)
	}
	if diff := cmp.Diff(before, contents(t, s.targets[1])); diff != "" {
		t.Errorf("the foreign target was changed:\n%s", diff)
	}
}

// A target that is given later gets all that the first has.
func TestNewPlaceGetsEverything(t *testing.T) {
	t.Parallel()
	s := newPlacesSite(t, passphrase)
	s.backup(s.f.dir)
	s.change(0, 1000)
	if behind := s.run(1); len(behind) > 0 {
		t.Fatal(behind)
	}
	s.equal()
	if err := os.RemoveAll(s.targets[0]); err != nil { // and the first, when its disk is replaced
		t.Fatal(err)
	}
	s.change(0, 1000)
	if behind := s.run(2); len(behind) > 0 {
		t.Fatal(behind)
	}
	s.equal()
	s.alone(map[int]map[string]node{2: snapshot(t, s.f.dir, exact)})
}

// A target that is taken out of the settings for a while is made equal when it
// comes back, although nothing was noted of what it missed.
func TestPlaceIsTakenOutAndComesBack(t *testing.T) {
	t.Parallel()
	s := newPlacesSite(t, "")
	s.run(0)
	s.change(0, 100_000)
	s.now = at(1)
	part := drivertest.Fault{Call: 4, Verb: drivertest.Put, Mode: drivertest.Before, Down: true}
	r, _ := s.openPlaces(part, part) // the process dies: a part of a set is in both
	if _, err := s.tryBackup(t.Context(), r, s.f.dir); err == nil {
		t.Fatal("the fault never struck")
	}
	s.change(0, 150_000)
	s.now = at(2)
	s.backup(s.f.dir) // to the first alone
	s.change(7, 1000)
	if behind := s.run(3); len(behind) > 0 {
		t.Error(behind)
	}
	s.equal()
	s.alone(map[int]map[string]node{3: snapshot(t, s.f.dir, exact)})
}

// Damage is not copied: what can't be is told.
func TestDamageIsNotCopied(t *testing.T) {
	t.Parallel()
	s := newPlacesSite(t, "")
	s.backup(s.f.dir)
	for _, name := range targetNames(t, s.site) {
		if strings.Contains(name, ".vol1.") {
			path := filepath.Join(s.target, name)
			b, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			b[len(b)/2] ^= 1
			if err := os.WriteFile(path, b, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	s.change(0, 1000)
	behind := s.run(1)
	if len(behind) != 1 || !strings.Contains(behind[0].Error(), "damaged") {
		t.Errorf("behind are %v", behind)
	}
	for name := range contents(t, s.targets[1]) {
		if strings.Contains(name, at(0).Format("20060102T150405Z")) && strings.Contains(name, "manifest") {
			t.Errorf("%s was copied although a volume of it is damaged", name)
		}
	}
}

// pruneSent keeps n chains of what the targets hold.
func pruneSent(ctx context.Context, r *engine.Repository, n int) error {
	c, err := r.Sent(ctx)
	if err != nil {
		return err
	}
	_, err = r.Prune(ctx, engine.RemoveAllButNFull(&c, n))
	return err
}
