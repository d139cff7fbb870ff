package daemon

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/purser-backup/purser/dumpers"
)

// The replaced dumps go once a backup is stored, but not before one that has begun
// with them is at its end.
func TestDropPrevious(t *testing.T) {
	b := newBench(t)
	r, err := b.begin(commandBackup, RunOptions{Trigger: ByCommand})
	b.must(t, err)
	defer r.lock.unlock()
	kept := dumpers.Previous(filepath.Join(b.root, "source"))
	for _, c := range []struct{ stored, begun, stay bool }{{false, false, true}, {true, true, true}, {true, false, false}} {
		b.must(t, os.MkdirAll(kept, 0o700))
		r.stored, r.jobs.Backup = c.stored, c.begun
		r.dropPrevious()
		if _, err := os.Stat(kept); (err == nil) != c.stay {
			t.Errorf("%+v: %v", c, err)
		}
	}
}
