package engine_test

import (
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/purser-backup/purser/engine"
	"github.com/purser-backup/purser/engine/storage/driver/drivertest"
)

// soak reports whether the long forms of the tests are wanted.
func soak() bool { return drivertest.Soak() }

// modes are the ways in which a repository is encrypted.
var modes = map[string]func(t *testing.T, source string) *site{
	"passphrase": func(t *testing.T, source string) *site { return newSite(t, passphrase, source) },
	"plain":      func(t *testing.T, source string) *site { return newSite(t, "", source) },
	"public key": func(t *testing.T, source string) *site { return newKeySite(t, source, false) },
	"signed":     func(t *testing.T, source string) *site { return newKeySite(t, source, true) },
}

// A cell is what one repository of the matrix varies in. Both tools read it,
// when it is a full set alone and when it is a chain.
type cell struct {
	writer tool
	mode   string
	many   bool // volumes, else one
}

// cells are all, or the half of them in which every two values meet.
func cells() []cell {
	var list []cell
	for i, mode := range []string{"plain", "passphrase", "public key", "signed"} {
		for j, writer := range []tool{byPurser, byDuplicity} {
			for k, many := range []bool{false, true} {
				if soak() || (i+j+k)%2 == 0 {
					list = append(list, cell{writer, mode, many})
				}
			}
		}
	}
	return list
}

// {purser, duplicity} writes × {purser, duplicity} reads × encryption × {one
// volume, many} × {full, chain of 10 increments}.
func TestInteroperation(t *testing.T) {
	t.Parallel()
	for _, c := range cells() {
		volumes := "one volume"
		if c.many {
			volumes = "many volumes"
		}
		t.Run(fmt.Sprintf("%s writes/%s/%s", c.writer, c.mode, volumes), func(t *testing.T) {
			t.Parallel()
			testCell(t, c)
		})
	}
}

func testCell(t *testing.T, c cell) {
	f := newEverything(t)
	s := modes[c.mode](t, f.dir)
	s.opt.VolumeSize = 200 << 20
	if c.many {
		s.opt.VolumeSize = 1 << 20
	}
	archive := t.TempDir()
	var history []map[string]node
	for n := range lastEdit + 1 {
		if n > 0 {
			f.editMore(n)
		}
		s.write(c.writer, archive, n, f.dir)
		history = append(history, snapshot(t, f.dir, exact))
		if n == 0 {
			s.checkVolumes(c.many)
			s.reads(c.writer, "full", history)
		}
	}
	s.reads(c.writer, "chain of 10", history)
	s.checkByDuplicity(f.dir, lastEdit+1)
	if res := s.verify(engine.VerifyOptions{}); len(res.Damage) > 0 || res.Sets != lastEdit+1 {
		t.Errorf("verify: %+v", res)
	}
	s.continues(f, history)
}

// write makes generation n of dir.
func (s *site) write(by tool, archive string, n int, dir string) {
	s.t.Helper()
	if s.now = at(n); by == byDuplicity {
		s.duplicity(archive, s.now, "--volsize", strconv.FormatInt(s.opt.VolumeSize>>20, 10), dir, s.url())
		return
	}
	if res := s.backup(dir); res.Set.Full() != (n == 0) {
		s.t.Fatalf("generation %d: full is %v", n, res.Set.Full())
	}
}

func (s *site) checkVolumes(many bool) {
	s.t.Helper()
	c, err := s.open().Collection(s.t.Context())
	if err != nil {
		s.t.Fatal(err)
	}
	if n := c.Chains[0].Sets[0].Volumes; n < 1 || many != (n > 4) || !many && n > 1 {
		s.t.Fatalf("the full set has %d volumes", n)
	}
}

// reads restores each generation with both tools, from the target alone, and
// holds the outcome to FORMAT.md's table.
func (s *site) reads(writer tool, length string, history []map[string]node) {
	t := s.t
	s.loseState()
	for _, reader := range []tool{byPurser, byDuplicity} {
		t.Run(fmt.Sprintf("%s/%s reads", length, reader), func(t *testing.T) {
			s.t = t
			keep := identical(t, writer, reader)
			for n, source := range history {
				if slow := reader == byDuplicity || !s.opt.NoEncryption; slow && !soak() && n%5 != 0 {
					continue
				}
				sameTree(t, fmt.Sprintf("generation %d", n), keep.of(t, source), snapshot(t, s.restoreBy(reader, n), exact))
			}
		})
	}
	s.t = t
}

// restoreBy returns a directory that goes with the test.
func (s *site) restoreBy(by tool, n int) string {
	s.t.Helper()
	if by == byDuplicity {
		return s.duplicityRestore(at(n))
	}
	return s.restore(at(n))
}

// checkByDuplicity has it look at a chain of so many sets, the newest being of
// dir as it is.
func (s *site) checkByDuplicity(dir string, sets int) {
	s.t.Helper()
	archive := s.t.TempDir()
	status := s.duplicity(archive, at(99), "collection-status", s.url())
	if !strings.Contains(status, "No orphaned or incomplete backup sets found") ||
		!regexp.MustCompile(`(?m)^Number of contained backup sets: `+strconv.Itoa(sets)+`$`).MatchString(status) {
		s.t.Errorf("duplicity's status, not one chain of %d sets:\n%s", sets, status)
	}
	s.duplicity(archive, at(99), "verify", "--compare-data", s.url(), dir)
	list := s.duplicity(archive, at(99), "list-current-files", s.url())
	for _, path := range []string{"a.b", "tree/one", "a-second-name"} {
		if !strings.Contains(list, " "+path+"\n") {
			s.t.Errorf("duplicity doesn't list %s", path)
		}
	}
}

// continues adds an increment by each tool to what is there, which must hold
// nothing but the one change.
func (s *site) continues(f *fixture, history []map[string]node) {
	s.t.Helper()
	f.write("after", 5)
	s.now = at(len(history))
	if res := s.backup(f.dir); res.Set.Full() || res.New != 1 || res.Deleted != 0 {
		s.t.Errorf("purser's increment: full %v, %d new, %d changed, %d deleted; want one new file", res.Set.Full(), res.New, res.Changed, res.Deleted)
	}
	f.write("after all", 6)
	s.duplicity(filepath.Join(s.state, "archive"), at(len(history)+1), f.dir, s.url())
	want := snapshot(s.t, f.dir, duplicity)
	for _, by := range []tool{byPurser, byDuplicity} {
		sameTree(s.t, "the chain that both continued, by "+string(by), want, snapshot(s.t, s.restoreBy(by, len(history)+1), duplicity))
	}
}

// The two write in turns, in both orders, with one archive directory for both
// or each with its own.
func TestDuplicityAndPurserAlternate(t *testing.T) {
	t.Parallel()
	for i, mode := range []string{"plain", "passphrase", "public key", "signed"} {
		for j, first := range []tool{byPurser, byDuplicity} {
			if !soak() && !slices.Contains([]int{0, 3}, 2*i+j) {
				continue
			}
			t.Run(fmt.Sprintf("%s/%s begins", mode, first), func(t *testing.T) {
				t.Parallel()
				alternate(t, mode, j, i%2 == 0)
			})
		}
	}
}

func alternate(t *testing.T, mode string, first int, shared bool) {
	f := newEverything(t)
	s := modes[mode](t, f.dir)
	s.opt.VolumeSize = 1 << 20
	archive := filepath.Join(s.state, "archive")
	if !shared {
		archive = t.TempDir()
	}
	var history []map[string]node
	for n := range lastEdit + 1 {
		if n > 0 {
			f.editMore(n)
		}
		s.write([]tool{byPurser, byDuplicity}[(n+first)%2], archive, n, f.dir)
		history = append(history, snapshot(t, f.dir, duplicity))
	}
	for n, want := range history {
		for _, by := range []tool{byPurser, byDuplicity} {
			if slow := by == byDuplicity || !s.opt.NoEncryption; !slow || soak() || n%5 == 0 {
				sameTree(t, fmt.Sprintf("generation %d by %s", n, by), want, snapshot(t, s.restoreBy(by, n), duplicity))
			}
		}
	}
	s.checkByDuplicity(f.dir, lastEdit+1)
}
