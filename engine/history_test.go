package engine_test

import (
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/purser-backup/purser/engine"
)

// generations of a random history, after the first.
const generations = 20

// histories are the seeds of the random histories.
func histories() int {
	if soak() {
		return 40
	}
	return 1
}

// Random trees under random edits: every generation of every history restores
// by both tools. Every other history is written by both in turns, at random.
func TestRandomHistory(t *testing.T) {
	t.Parallel()
	for seed := range histories() {
		mode := []string{"plain", "plain", "passphrase", "plain"}[seed%4]
		t.Run(fmt.Sprintf("seed %d %s", seed, mode), func(t *testing.T) {
			t.Parallel()
			randomHistory(t, uint64(seed), mode)
		})
	}
}

func randomHistory(t *testing.T, seed uint64, mode string) {
	w := newWilderness(t, seed)
	s := modes[mode](t, w.dir)
	s.opt.VolumeSize = 1 << 20
	ours, theirs := exact, duplicity
	var archive string
	if seed%2 == 1 {
		archive, ours = t.TempDir(), duplicity
	}
	var exactly, coarsely []map[string]node
	for n := range generations + 1 {
		w.edit(1 + w.rand.IntN(12))
		by := byPurser
		if archive != "" && w.rand.IntN(2) == 0 {
			by = byDuplicity
		}
		s.write(by, archive, n, w.dir)
		exactly = append(exactly, snapshot(t, w.dir, ours))
		coarsely = append(coarsely, snapshot(t, w.dir, theirs))
	}
	s.loseState()
	for n := range exactly {
		what := fmt.Sprintf("seed %d, generation %d by ", seed, n)
		sameTree(t, what+"purser", exactly[n], snapshot(t, s.restore(at(n)), ours))
		if soak() || n%5 == 0 {
			sameTree(t, what+"duplicity", coarsely[n], snapshot(t, s.duplicityRestore(at(n)), theirs))
		}
	}
	if res := s.verify(engine.VerifyOptions{}); len(res.Damage) > 0 || res.Sets != generations+1 {
		t.Errorf("seed %d: verify: %+v", seed, res)
	}
}

// A wilderness is a tree that changes at random.
type wilderness struct {
	*fixture
	ticks int // seconds: no two changes have the same time
}

func newWilderness(t *testing.T, seed uint64) *wilderness {
	w := &wilderness{fixture: &fixture{t: t, dir: filepath.Join(t.TempDir(), "src"), rand: rand.New(rand.NewPCG(seed, 6))}}
	w.check(os.Mkdir(w.dir, 0o755))
	w.edit(40)
	return w
}

// edit makes n changes.
func (w *wilderness) edit(n int) {
	w.t.Helper()
	for range n {
		rel := w.pick(w.rand.IntN(3) > 0)
		info, err := os.Lstat(w.path(rel))
		switch {
		case err != nil:
			w.create(rel)
		case info.Mode().IsRegular():
			w.change(rel, info.Size())
		case info.IsDir() && w.rand.IntN(4) > 0:
			w.create(filepath.Join(rel, w.name()))
		default:
			w.replace(rel)
		}
	}
}

// name is one of few, so that names meet again, most of them awkward.
func (w *wilderness) name() string {
	names := []string{
		"a", "a.b", "a b", "a-", "a0", "b", "-x", "é", "\xff\xfe", "new\nline", `q"'\`, "..x", " ", "0", "Z",
		strings.Repeat("l", 120), strings.Repeat("m", 255),
	}
	return names[w.rand.IntN(len(names))]
}

// pick gives a path that exists, or one that may not.
func (w *wilderness) pick(exists bool) string {
	w.t.Helper()
	var all []string
	w.check(filepath.WalkDir(w.dir, func(path string, _ fs.DirEntry, err error) error {
		if rel, _ := filepath.Rel(w.dir, path); rel != "." && err == nil {
			all = append(all, rel)
		}
		return err
	}))
	if !exists || len(all) == 0 {
		return w.name()
	}
	return all[w.rand.IntN(len(all))]
}

// size is often one at which pieces end.
func (w *wilderness) size() int {
	sizes := []int{0, 1, 511, 512, 65535, 65536, 65537, 131072, 131073}
	if w.rand.IntN(2) == 0 {
		return w.rand.IntN(300_000)
	}
	return sizes[w.rand.IntN(len(sizes))]
}

// create makes an object of any type. A name that is there stays.
func (w *wilderness) create(rel string) {
	w.t.Helper()
	if _, err := os.Lstat(w.path(rel)); err == nil || strings.Count(rel, "/") > 5 {
		return
	}
	switch w.rand.IntN(8) {
	case 0, 1:
		w.check(os.Mkdir(w.path(rel), 0o755))
	case 2:
		w.check(os.Symlink(w.pick(true), w.path(rel)))
	case 3:
		w.check(unix.Mkfifo(w.path(rel), 0o644))
	case 4:
		if other := w.pick(true); w.isFile(other) {
			w.check(os.Link(w.path(other), w.path(rel)))
		}
	default:
		w.check(os.WriteFile(w.path(rel), w.bytes(w.size()), 0o644))
		w.tick(rel)
	}
}

func (w *wilderness) isFile(rel string) bool {
	info, err := os.Lstat(w.path(rel))
	return err == nil && info.Mode().IsRegular()
}

// tick gives a file a time that none has had; duplicity sees only seconds.
func (w *wilderness) tick(rel string) {
	w.t.Helper()
	w.ticks++
	when := time.Date(2023, 1, 1, 0, 0, w.ticks, w.rand.IntN(1e9), time.UTC)
	if w.rand.IntN(30) == 0 {
		when = time.Unix(int64(-w.ticks), 5)
		if w.isOld(rel) {
			when = time.Unix(int64(w.ticks), 0) // to duplicity all times before 1970 are one
		}
	}
	w.check(os.Chtimes(w.path(rel), time.Time{}, when))
}

func (w *wilderness) isOld(rel string) bool {
	info, err := os.Lstat(w.path(rel))
	return err == nil && info.ModTime().Unix() <= 0
}

// change changes a file's content or metadata.
func (w *wilderness) change(rel string, size int64) {
	w.t.Helper()
	switch w.rand.IntN(9) {
	case 0:
		w.check(os.Chmod(w.path(rel), []fs.FileMode{0o600, 0o644, 0o755 | fs.ModeSetuid, 0o4}[w.rand.IntN(4)]))
	case 1:
		w.check(os.Lchown(w.path(rel), w.rand.IntN(3), 40_000+w.rand.IntN(3)))
	case 2:
		w.check(unix.Setxattr(w.path(rel), "user.n", w.bytes(w.rand.IntN(50)), 0))
	case 3:
		w.append(rel, w.rand.IntN(100_000))
		w.tick(rel)
	case 4:
		w.check(os.Truncate(w.path(rel), w.rand.Int64N(size+1)))
		w.tick(rel)
	case 5:
		w.patch(rel, w.rand.Int64N(size+1), w.rand.IntN(2000))
		w.tick(rel)
	case 6:
		w.insert(rel, w.rand.IntN(int(size)+1), w.rand.IntN(5000))
		w.tick(rel)
	default:
		w.replace(rel)
	}
}

// replace moves an object, or removes it and maybe puts another in its place.
func (w *wilderness) replace(rel string) {
	w.t.Helper()
	if to := w.name(); w.rand.IntN(3) == 0 && !strings.HasPrefix(rel+"/", to+"/") {
		w.check(os.RemoveAll(w.path(to)))
		w.check(os.Rename(w.path(rel), w.path(to)))
		return
	}
	w.check(os.RemoveAll(w.path(rel)))
	if w.rand.IntN(2) == 0 {
		w.create(rel)
	}
}
