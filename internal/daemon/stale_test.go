package daemon

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/purser-backup/purser/discovery"
)

// aged gives the dump of a service the time that it has on the test's clock.
func (b *bench) aged(t *testing.T, id string) {
	t.Helper()
	h, err := b.state.loadHistory()
	b.must(t, err)
	at := h.service(id).LastGood
	b.must(t, os.Chtimes(filepath.Join(b.root, "source", dumpPath(id)), at, at))
}

func (b *bench) problem(t *testing.T, record *Run, want string) {
	t.Helper()
	if !slices.ContainsFunc(record.Problems, func(s string) bool { return strings.Contains(s, want) }) {
		t.Errorf("problems %q without %q", record.Problems, want)
	}
}

func TestDumpOfAServiceThatIsGoneLeavesTheTreeAfterTheTerm(t *testing.T) {
	b := newBench(t, "BACKUP_STALE_AFTER=10D", "BACKUP_DUPLICITY_REMOVE_ALL_BUT_N_FULL=50")
	one, two := container("one", "store"), container("two", "store")
	b.engine.list = []discovery.Container{one, two}
	b.run(t, Complete)
	b.aged(t, "_/two")
	last := b.clock

	b.engine.list = []discovery.Container{one}
	b.days(1)
	b.run(t, Complete)
	status, err := ReadStatus(b.cfg, b.clock)
	b.must(t, err)
	if !slices.ContainsFunc(status.Wrong, func(s string) bool {
		return strings.HasPrefix(s, "_/two: gone since 2026-05-21T") && strings.Contains(s, ", its last dump is kept until 2026-05-31T")
	}) {
		t.Errorf("meanwhile: %q", status.Wrong)
	}
	b.days(9)
	b.run(t, Complete)
	if b.restored(t, "dump/_/two/all.sql") == "" {
		t.Error("the dump left before its term")
	}
	b.days(1)
	record := b.run(t, Complete)
	b.problem(t, record, "_/two: gone since 2026-05-21T")
	b.problem(t, record, "its dump has left the source path, sets that hold it stay until they are pruned")
	if b.restored(t, "dump/_/two/all.sql") != "" || b.restored(t, "dump/_/one/all.sql") == "" {
		t.Error("the dump is still in the tree, or the other one has gone too")
	}
	if _, err := os.Stat(filepath.Join(b.root, "source", goneDir)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("something is left: %v", err)
	}
	if got := b.restoredAt(t, "dump/_/two/all.sql", last); got != "dump of _/two\n" {
		t.Errorf("the older set has %q", got)
	}
	if status, err = ReadStatus(b.cfg, b.clock); err != nil || len(status.Services) != 1 {
		t.Errorf("it is not forgotten: %+v, %v", status.Services, err)
	}
	if record = b.run(t, Complete); len(record.Problems) > 0 {
		t.Errorf("it is reported again: %q", record.Problems)
	}
}

func TestServiceThatComesBackInTimeKeepsItsDump(t *testing.T) {
	b := newBench(t, "BACKUP_STALE_AFTER=10D")
	list := []discovery.Container{container("one", "store")}
	b.engine.list = list
	b.run(t, Complete)
	b.aged(t, "_/one")
	b.engine.list = nil
	b.days(1)
	b.run(t, Complete)
	b.engine.list, b.engine.fail = list, map[string]string{"_/one": "starting up"}
	b.days(8)
	b.run(t, Incomplete, "starting up")
	b.engine.list = nil
	b.days(8) // more than ten days since it was first missed, but not in one go
	b.run(t, Complete)
	if b.restored(t, "dump/_/one/all.sql") == "" {
		t.Error("the dump is gone")
	}
}

// A purser must not remove the dump that another one makes by now.
func TestDumpThatSomebodyElseMakesStays(t *testing.T) {
	b := newBench(t, "BACKUP_STALE_AFTER=1D")
	b.engine.list = []discovery.Container{container("one", "store")}
	b.run(t, Complete) // by the file system's clock it is newer than by the test's
	b.engine.list = nil
	b.days(1)
	b.run(t, Complete)
	b.days(2)
	b.problem(t, b.run(t, Complete), "its dump stays, since somebody else has changed it")
	if b.restored(t, "dump/_/one/all.sql") == "" {
		t.Error("the dump is gone")
	}
}

func TestRemoveDumpStaysInsideTheSourcePath(t *testing.T) {
	b := newBench(t)
	outside := filepath.Join(b.root, "outside", "one")
	b.must(t, os.MkdirAll(outside, 0o755))
	b.must(t, os.MkdirAll(filepath.Join(b.root, "source", "dump"), 0o755))
	b.must(t, os.Symlink(filepath.Join(b.root, "outside"), filepath.Join(b.root, "source", "dump", "link")))
	for _, id := range []string{"../outside/one", "/etc", "a/../..", "link/one", "."} {
		if what, err := removeDump(b.cfg.SourcePath, ServiceRecord{ID: id, LastGood: b.clock.AddDate(100, 0, 0)}); err == nil {
			t.Errorf("%s: %s", id, what)
		}
	}
	if _, err := os.Stat(outside); err != nil {
		t.Error(err)
	}
}
