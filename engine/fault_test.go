package engine_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/purser-backup/purser/engine"
	"github.com/purser-backup/purser/engine/storage"
	"github.com/purser-backup/purser/engine/storage/driver"
	"github.com/purser-backup/purser/engine/storage/driver/drivertest"
)

// small is a source whose increments have several volumes of 64 KiB.
func small(t *testing.T) *fixture {
	f := &fixture{t: t, dir: filepath.Join(t.TempDir(), "src")}
	f.rand = newRand()
	f.write("big", 300_000)
	f.write("dir/small", 100)
	return f
}

// faulty opens the site's repository over a target that fails.
func (s *site) faulty(fault drivertest.Fault) (*engine.Repository, *drivertest.Faulty) {
	s.t.Helper()
	backend := s.backend()
	b := drivertest.NewFaulty(backend, fault)
	return s.openStore(storage.New(b, s.url(), storage.Options{Retries: -1})), b
}

// Every call of an increment fails once, in every way, alone or with all that
// follow: the previous set restores, and the next run completes and leaves
// nothing behind.
func TestFaultAtEveryStorageCall(t *testing.T) {
	t.Parallel()
	f := small(t)
	calls := countCalls(t, f)
	for _, mode := range []drivertest.Mode{drivertest.Before, drivertest.After, drivertest.Half} { // Torn breaks the contract
		for _, down := range []bool{false, true} {
			if down && mode != drivertest.After {
				continue // what was done before the target went away makes the difference
			}
			for n := 1; n <= calls; n++ {
				t.Run(fmt.Sprintf("%v down=%v call=%d", mode, down, n), func(t *testing.T) {
					faultAt(t, drivertest.Fault{Call: n, Mode: mode, Down: down})
				})
			}
		}
	}
}

func countCalls(t *testing.T, f *fixture) int {
	s := newSite(t, "", f.dir) // faults strike below the encryption
	s.opt.VolumeSize = 64 << 10
	s.backup(f.dir)
	f.gen = 1
	f.patch("big", 0, 290_000)
	s.now = at(1)
	r, b := s.faulty(drivertest.Fault{})
	if _, err := s.tryBackup(t.Context(), r, f.dir); err != nil {
		t.Fatal(err)
	}
	return len(b.Calls())
}

func faultAt(t *testing.T, fault drivertest.Fault) {
	f := small(t)
	s := newSite(t, "", f.dir) // faults strike below the encryption
	s.opt.VolumeSize = 64 << 10
	s.backup(f.dir)
	before := snapshot(t, f.dir, exact)
	f.gen = 1
	f.patch("big", 0, 290_000)
	after := snapshot(t, f.dir, exact)

	s.now = at(1)
	r, b := s.faulty(fault)
	_, err := s.tryBackup(t.Context(), r, f.dir)
	if !b.Hit() {
		t.Fatal("the fault was never reached")
	}
	if err != nil {
		if !errors.Is(err, drivertest.ErrFault) {
			t.Errorf("error %v, want the injected one", err)
		}
		sameTree(t, "previous set after the fault", before, snapshot(t, s.restore(epoch), exact))
	} else {
		sameTree(t, "set that was reported good", after, snapshot(t, s.restore(time.Time{}), exact))
	}

	f.gen = 2
	f.append("big", 10)
	s.now = at(2)
	s.backup(f.dir)
	sameTree(t, "set of the next run", snapshot(t, f.dir, exact), snapshot(t, s.restore(time.Time{}), exact))
	sameTree(t, "first set", before, snapshot(t, s.restore(epoch), exact))
	c, err := s.open().Collection(t.Context())
	if err != nil || len(c.Incomplete)+len(c.Orphans) > 0 || len(c.Chains) != 1 {
		t.Errorf("collection after recovery: %+v, %v", c, err)
	}
}

// A newer set of somebody else appears while the volumes go up: the run fails
// and the other set stays good.
func TestForeignSetDuringRun(t *testing.T) {
	t.Parallel()
	f := small(t)
	s := newSite(t, passphrase, f.dir)
	s.backup(f.dir)
	f.append("big", 1000)
	other := newSite(t, passphrase, f.dir)
	other.target, other.now = s.target, at(2)
	dir, err := engine.OpenDir(f.dir, nil)
	f.check(err)
	s.now = at(1)
	src := brokenSource{dir, func(e *engine.Entry) {
		if e.Path == "dir" {
			other.backup(f.dir)
		}
	}}
	if _, err := s.open().Backup(t.Context(), src, engine.BackupOptions{}); !errors.Is(err, engine.ErrForeignSet) {
		t.Fatalf("error %v, want %v", err, engine.ErrForeignSet)
	}
	sameTree(t, "the other's set", snapshot(t, f.dir, exact), snapshot(t, s.restore(time.Time{}), exact))
}

// A flipped byte anywhere in an object is reported, or the restore is right.
func TestDamageIsFound(t *testing.T) {
	t.Parallel()
	for _, mode := range []string{"plain", "passphrase"} {
		t.Run(mode, func(t *testing.T) {
			f := small(t)
			s := modes[mode](t, f.dir)
			s.backup(f.dir)
			f.gen = 1
			f.patch("big", 1000, 50)
			s.now = at(1)
			s.backup(f.dir)
			s.loseState()
			want := snapshot(t, f.dir, exact)
			for _, name := range targetNames(t, s) {
				path := filepath.Join(s.target, name)
				good, err := os.ReadFile(path)
				f.check(err)
				for _, damage := range damages(good) {
					f.check(os.WriteFile(path, damage, 0o600))
					dest := filepath.Join(t.TempDir(), "dest")
					if _, err := s.open().Restore(t.Context(), dest, engine.RestoreOptions{}); err == nil {
						sameTree(t, "restore with damaged "+name, want, snapshot(t, dest, exact))
					}
					s.loseState()
				}
				f.check(os.WriteFile(path, good, 0o600))
			}
		})
	}
}

// damages are copies of an object: cut short, and with a byte flipped.
func damages(good []byte) [][]byte {
	out := [][]byte{good[:len(good)/2], good[:len(good)-1]}
	for _, at := range []int{0, len(good) / 3, len(good) - 1} {
		b := append([]byte(nil), good...)
		b[at] ^= 0x40
		out = append(out, b)
	}
	return out
}

func (s *site) backend() driver.Backend {
	s.t.Helper()
	store, err := storage.Open(s.t.Context(), s.url(), storage.Options{Retries: -1})
	if err != nil {
		s.t.Fatal(err)
	}
	return store
}
