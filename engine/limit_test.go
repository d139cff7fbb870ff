package engine_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/purser-backup/purser/engine"
)

// until makes a backup that ends at the first edge of a volume.
func (s *site) until(dir string) (engine.BackupResult, error) {
	s.t.Helper()
	src, err := engine.OpenDir(dir, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	defer src.Close()
	return s.open().Backup(s.t.Context(), src, engine.BackupOptions{Until: s.now})
}

// A backup whose time is always up stores a volume each time, and is whole in
// the end: first the full set, then an increment.
func TestTimeLimitEndsAtAnEdge(t *testing.T) {
	t.Parallel()
	for name, volumes := range map[string]int{"one volume under way": 1, "three": 3} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := &fixture{t: t, dir: filepath.Join(t.TempDir(), "src"), rand: newRand()}
			f.write("a-small", 1000)
			f.write("big", 1_000_000)
			f.write("z-small", 1000)
			s := newSite(t, passphrase, f.dir)
			s.opt.VolumeSize, s.opt.Volumes = 100<<10, volumes
			for generation := range 2 {
				cuts := 0
				for {
					s.now = s.now.Add(time.Hour)
					_, err := s.until(f.dir)
					if err == nil {
						break
					}
					if !errors.Is(err, engine.ErrTimeLimit) {
						t.Fatal(err)
					}
					if cuts++; cuts > 20 {
						t.Fatal("no end after 20 backups")
					}
					c, err := s.open().Collection(t.Context())
					f.check(err)
					if len(c.Incomplete) > 0 && c.Incomplete[0].Volumes != cuts {
						t.Errorf("%d volumes after %d backups", c.Incomplete[0].Volumes, cuts)
					}
				}
				if cuts < 8 {
					t.Errorf("generation %d took only %d backups", generation, cuts+1)
				}
				s.now = s.now.Add(time.Hour)
				if res := s.backup(f.dir); !res.Unchanged {
					t.Errorf("something was left: %+v", res)
				}
				sameTree(t, "restored", snapshot(t, f.dir, exact), snapshot(t, s.restore(time.Time{}), exact))
				f.gen++
				if generation == 0 {
					f.check(os.Remove(f.path("big")))
					f.write("big2", 1_000_000)
				}
			}
			sameTree(t, "restored by duplicity", snapshot(t, f.dir, duplicity), snapshot(t, s.duplicityRestore(s.now), duplicity))
			if res := s.verify(engine.VerifyOptions{}); len(res.Damage) > 0 {
				t.Errorf("damage: %+v", res.Damage)
			}
			c, err := s.open().Collection(t.Context())
			f.check(err)
			if len(c.Chains) != 1 || len(c.Chains[0].Sets) != 2 || len(c.Incomplete)+len(c.Orphans) > 0 {
				t.Errorf("collection: %+v", c)
			}
		})
	}
}

// What fits into the time ends as ever.
func TestTimeLimitInTheFuture(t *testing.T) {
	t.Parallel()
	f := &fixture{t: t, dir: filepath.Join(t.TempDir(), "src"), rand: newRand()}
	f.write("big", 500_000)
	s := newSite(t, "", f.dir)
	s.opt.VolumeSize = 100 << 10
	src, err := engine.OpenDir(f.dir, nil)
	f.check(err)
	defer src.Close()
	res, err := s.open().Backup(t.Context(), src, engine.BackupOptions{Until: s.now.Add(24 * time.Hour)})
	if err != nil || res.Set.Volumes < 4 {
		t.Errorf("%+v, %v", res, err)
	}
}
