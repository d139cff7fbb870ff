package engine_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/purser-backup/purser/engine"
	"github.com/purser-backup/purser/engine/storage/driver/drivertest"
	"github.com/purser-backup/purser/internal/secret"
)

// interrupted is a site whose full set broke off after some volumes: its files
// are a-small, big (many volumes) and z-small.
func interrupted(t *testing.T, pass string) (*site, *fixture) {
	f := &fixture{t: t, dir: filepath.Join(t.TempDir(), "src"), rand: newRand()}
	f.write("a-small", 1000)
	f.write("big", 1_000_000)
	f.write("z-small", 1000)
	s := newSite(t, pass, f.dir)
	s.opt.VolumeSize, s.opt.Volumes = 100<<10, 1
	// The first object is the lease.
	r, b := s.faulty(drivertest.Fault{Call: 7, Verb: drivertest.Put, Down: true})
	if _, err := s.tryBackup(t.Context(), r, f.dir); err == nil || !b.Hit() {
		t.Fatalf("the backup was not interrupted: %v", err)
	}
	return s, f
}

// uploads runs the next backup and returns the numbers of the volumes of the
// full set that it stores.
func (s *site) uploads(dir string) []int {
	s.t.Helper()
	r, b := s.faulty(drivertest.Fault{})
	if _, err := s.tryBackup(s.t.Context(), r, dir); err != nil {
		s.t.Fatal(err)
	}
	var volumes []int
	for _, c := range b.Calls() {
		_, rest, ok := strings.Cut(c.Name, ".vol")
		if c.Verb != drivertest.Put || !ok || !strings.HasPrefix(c.Name, "duplicity-full") {
			continue
		}
		number, _, _ := strings.Cut(rest, ".")
		n, err := strconv.Atoi(number)
		if err != nil {
			s.t.Fatal(err)
		}
		volumes = append(volumes, n)
	}
	slices.Sort(volumes)
	return volumes
}

func TestResume(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		meanwhile func(f *fixture)
		first     int // volume that is stored first by the next run
	}{
		"nothing changed":            {func(*fixture) {}, 6},
		"the file in work changed":   {func(f *fixture) { f.patch("big", 300_000, 10) }, 1},
		"it only got another time":   {func(f *fixture) { f.touch("big") }, 1},
		"it is gone":                 {func(f *fixture) { f.check(os.Remove(f.path("big"))) }, 1},
		"it is shorter":              {func(f *fixture) { f.check(os.Truncate(f.path("big"), 200_000)) }, 1},
		"a stored file changed":      {func(f *fixture) { f.patch("a-small", 0, 10) }, 6},
		"a stored file is gone":      {func(f *fixture) { f.check(os.Remove(f.path("a-small"))) }, 6},
		"a file before it is new":    {func(f *fixture) { f.write("b", 10) }, 6},
		"a file behind it is new":    {func(f *fixture) { f.write("y", 10) }, 6},
		"a file behind it has grown": {func(f *fixture) { f.append("z-small", 200_000) }, 6},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			s, f := interrupted(t, "")
			f.gen = 1
			c.meanwhile(f)
			s.now = at(1)
			got := s.uploads(f.dir)
			if len(got) == 0 || got[0] != c.first {
				t.Errorf("volumes %v were stored, want those from %d on", got, c.first)
			}
			collection, err := s.open().Collection(t.Context())
			f.check(err)
			if len(collection.Chains) != 1 || len(collection.Incomplete) > 0 {
				t.Fatalf("collection: %+v", collection)
			}
			s.loseState()
			sameTree(t, "restored", snapshot(t, f.dir, exact), snapshot(t, s.restore(time.Time{}), exact))
			sameTree(t, "restored by duplicity", snapshot(t, f.dir, duplicity), snapshot(t, s.duplicityRestore(at(50)), duplicity))
			if res := s.verify(engine.VerifyOptions{}); len(res.Damage) > 0 {
				t.Errorf("damage: %+v", res.Damage)
			}
			f.gen = 2
			f.patch("z-small", 0, 5)
			s.now = at(3)
			s.backup(f.dir)
			sameTree(t, "the next increment", snapshot(t, f.dir, exact), snapshot(t, s.restore(time.Time{}), exact))
		})
	}
}

func TestResumeIsRefused(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		prepare func(t *testing.T, s *site)
		reason  string
	}{
		"another passphrase": {func(_ *testing.T, s *site) { s.opt.Passphrase = secret.New("other") }, "another key"},
		"another source":     {func(_ *testing.T, s *site) { s.opt.Localdir = "/elsewhere" }, "another source"},
		"volumes are gone": {func(t *testing.T, s *site) {
			for _, name := range targetNames(t, s) {
				if err := os.Remove(filepath.Join(s.target, name)); err != nil {
					t.Fatal(err)
				}
			}
		}, "no volume"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			s, f := interrupted(t, passphrase)
			c.prepare(t, s)
			s.now = at(1)
			if got := s.uploads(f.dir); len(got) == 0 || got[0] != 1 {
				t.Errorf("volumes %v were stored, want all", got)
			}
			s.warned.of(t, c.reason)
			sameTree(t, "restored", snapshot(t, f.dir, exact), snapshot(t, s.restore(time.Time{}), exact))
		})
	}
}

// A set that a passphrase encrypts is continued as any other.
func TestResumeEncrypted(t *testing.T) {
	t.Parallel()
	s, f := interrupted(t, passphrase)
	s.now = at(1)
	if got := s.uploads(f.dir); len(got) == 0 || got[0] != 6 {
		t.Errorf("volumes %v were stored, want those from 6 on; warnings %q", got, s.warned.list)
	}
	sameTree(t, "restored", snapshot(t, f.dir, exact), snapshot(t, s.restore(time.Time{}), exact))
}

// A volume that was changed on the target since it was stored is not counted
// on.
func TestResumeStopsAtVolumeOfOtherSize(t *testing.T) {
	t.Parallel()
	s, f := interrupted(t, "")
	f.check(os.Truncate(filepath.Join(s.target, "duplicity-full.20240501T030000Z.vol2.difftar.gz"), 10))
	s.now = at(1)
	if got := s.uploads(f.dir); got[0] != 2 {
		t.Errorf("volumes %v were stored, want those from 2 on", got)
	}
	sameTree(t, "restored", snapshot(t, f.dir, exact), snapshot(t, s.restore(time.Time{}), exact))
}

// Some tests need a process of their own.
func TestMain(m *testing.M) {
	if args := os.Getenv("PURSER_TEST_CHILD"); args != "" {
		os.Exit(child(strings.Split(args, "\n")))
	}
	os.Exit(m.Run())
}

// kills is how often TestKill kills; the long test does it more often.
func kills() int {
	if soak() {
		return 200
	}
	return 10
}

// A process that is killed at a random moment loses nothing good, and the next
// run completes.
func TestKill(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(3, 4))
	f := &fixture{t: t, dir: filepath.Join(t.TempDir(), "src"), rand: newRand()}
	f.write("big", 1_000_000)
	f.write("dir/small", 100)
	s := newSite(t, "", f.dir)
	s.opt.VolumeSize = 64 << 10
	s.backup(f.dir)
	for n := range kills() {
		before := snapshot(t, f.dir, exact)
		f.gen = n + 1
		f.patch("big", 0, 800_000)
		s.now = at(2*n + 1)
		cmd := exec.CommandContext(t.Context(), os.Args[0])
		cmd.Env = append(os.Environ(), "PURSER_TEST_CHILD=backup\n"+strings.Join([]string{s.target, s.state, f.dir, fmt.Sprint(s.now.Unix())}, "\n"))
		f.check(cmd.Start())
		timer := time.AfterFunc(time.Duration(random.IntN(150))*time.Millisecond, func() { cmd.Process.Kill() })
		err := cmd.Wait()
		timer.Stop()
		if err != nil {
			sameTree(t, "set before the kill", before, snapshot(t, s.restore(at(2*n)), exact))
		}
		s.now = at(2*n + 2)
		s.backup(f.dir)
		sameTree(t, "set after the kill", snapshot(t, f.dir, exact), snapshot(t, s.restore(time.Time{}), exact))
		if res := s.verify(engine.VerifyOptions{}); len(res.Damage) > 0 {
			t.Fatalf("damage after kill %d: %+v", n, res.Damage)
		}
		c, err := s.open().Collection(t.Context())
		if err != nil || len(c.Incomplete)+len(c.Orphans) > 0 {
			t.Fatalf("left behind by kill %d: %+v, %v", n, c, err)
		}
	}
}
