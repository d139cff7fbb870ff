package daemon

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/purser-backup/purser/engine"
	"github.com/purser-backup/purser/engine/storage"
	"github.com/purser-backup/purser/engine/storage/driver/drivertest"
)

// days lets each run begin n days after the one before.
func (b *bench) days(n int) { b.clock = b.clock.Add(time.Duration(n) * 24 * time.Hour) }

// sets lists the sets on the target by day of May 2026: F20 I21.
func (b *bench) sets(t *testing.T) string {
	t.Helper()
	repo, err := OpenRepository(t.Context(), b.opt)
	b.must(t, err)
	defer repo.Close()
	c, err := repo.Collection(t.Context())
	b.must(t, err)
	var names []string
	for _, chain := range c.Chains {
		for _, s := range chain.Sets {
			kind := "I"
			if s.Full() {
				kind = "F"
			}
			names = append(names, kind+s.Time.UTC().Format("02"))
		}
	}
	return strings.Join(names, " ")
}

// newRetentionBench makes a full set every two days and keeps two chains, one of
// them with its increments.
func newRetentionBench(t *testing.T, names ...string) *bench {
	t.Helper()
	b := newBench(t, "BACKUP_DUPLICITY_FULL_IF_OLDER_THAN=36h",
		"BACKUP_DUPLICITY_REMOVE_ALL_BUT_N_FULL=2", "BACKUP_DUPLICITY_REMOVE_ALL_INC_OF_BUT_N_FULL=1")
	b.clock = time.Date(2026, 5, 1, 10, 0, 0, 0, time.UTC)
	for _, name := range names {
		b.engine.list = append(b.engine.list, container(name, "store"))
	}
	return b
}

func TestRunPrunes(t *testing.T) {
	b := newRetentionBench(t, "one")
	for _, want := range []string{
		"F01", "F01 I02", "F01 F03", "F01 F03 I04", "F03 F05", "F03 F05 I06", "F05 F07",
	} {
		if record := b.run(t, Complete); record.Prune == nil {
			t.Error("the run has not pruned")
		}
		if got := b.sets(t); got != want {
			t.Errorf("sets: %s, want %s", got, want)
		}
		b.days(1)
	}
	if !strings.Contains(b.log.String(), `msg=pruned sets=1 objects=3 bytes=`) {
		t.Errorf("log:\n%s", b.log)
	}
}

// Its last good dump stays in the tree, so every later set holds it.
func TestServiceThatFailsForAMonthDoesNotStopPruning(t *testing.T) {
	b := newRetentionBench(t, "good", "bad")
	b.run(t, Complete)
	b.engine.fail = map[string]string{"_/bad": "access denied"}
	for range 30 {
		b.days(1)
		if record := b.run(t, Incomplete, "access denied"); record.Prune == nil {
			t.Error("the run has not pruned")
		}
	}
	if got := b.sets(t); got != "F29 F31" {
		t.Errorf("sets: %s", got)
	}
	if got := b.restored(t, "dump/_/bad/all.sql"); got != "dump of _/bad\n" {
		t.Errorf("the last good dump is gone: %q", got)
	}
}

// Where the tree has lost it, retention keeps the set that has it.
func TestSetWithTheLastGoodDumpIsKept(t *testing.T) {
	b := newRetentionBench(t, "good", "bad")
	b.run(t, Complete)
	b.days(1)
	b.run(t, Complete)
	b.must(t, os.RemoveAll(filepath.Join(b.root, "source", "dump")))
	b.engine.fail = map[string]string{"_/bad": "access denied"}
	for range 10 {
		b.days(1)
		b.run(t, Incomplete, "access denied")
	}
	if got := b.sets(t); got != "F01 I02 F09 F11 I12" {
		t.Errorf("sets: %s", got)
	}
	byHand, err := Prune(t.Context(), b.opt, PruneOptions{OlderThan: b.now()})
	b.must(t, err)
	want := engine.Decision{Set: byHand.Plan[1].Set, Reason: "it holds the last good dump of a service"}
	if len(byHand.Plan) != 5 || byHand.Plan[1].Delete != want.Delete || byHand.Plan[1].Reason != want.Reason || byHand.Done {
		t.Errorf("by hand: %+v", byHand)
	}
	repo, err := OpenRepository(t.Context(), b.opt)
	b.must(t, err)
	defer repo.Close()
	dest := filepath.Join(t.TempDir(), "restored")
	_, err = repo.Restore(t.Context(), dest, engine.RestoreOptions{Time: time.Date(2026, 5, 3, 0, 0, 0, 0, time.UTC), Path: "dump/_/bad/all.sql"})
	b.must(t, err)

	b.engine.fail = nil
	b.days(1)
	b.run(t, Complete)
	if got := b.sets(t); got != "F11 F13" {
		t.Errorf("after a good dump: %s", got)
	}
}

// A dump that is newer than every set protects the set with the one before it.
func TestDumpThatIsNotBackedUpYetKeepsTheOlderProtected(t *testing.T) {
	b := newRetentionBench(t, "one")
	b.run(t, Complete)
	before := b.protectedSets(t)
	b.days(1)
	_, err := b.Dump(t.Context(), nil)
	b.must(t, err)
	if got := b.protectedSets(t); len(got) != 1 || !got[0].Equal(before[0]) {
		t.Errorf("protected: %v, want %v", got, before)
	}
	_, err = b.Backup(t.Context(), false, "")
	b.must(t, err)
	if got := b.protectedSets(t); len(got) != 1 || !got[0].After(before[0]) {
		t.Errorf("after a backup alone: %v", got)
	}
}

func (b *bench) protectedSets(t *testing.T) []time.Time {
	t.Helper()
	h, err := b.state.loadHistory()
	b.must(t, err)
	return h.protected()
}

func TestNothingIsPrunedAfterAFailedBackup(t *testing.T) {
	b := newRetentionBench(t, "one")
	for range 4 {
		b.run(t, Complete)
		b.days(1)
	}
	b.cfg.RemoveAllButNFull = 1 // there would be something to prune
	before := b.sets(t)
	fault := drivertest.Fault{Verb: drivertest.Put, Call: 1, Mode: drivertest.Before, Err: errors.New("connection lost"), Down: true}
	b.withFault(fault)
	record := b.run(t, Failed, "connection lost")
	b.opt.wrap = nil
	if got := b.sets(t); got != before || record.Prune != nil {
		t.Errorf("sets: %s, want %s; %+v", got, before, record.Prune)
	}
	b.engine.down = errors.New("no Engine")
	b.run(t, Failed, "no Engine")
	if got := b.sets(t); got != before {
		t.Errorf("sets: %s, want %s", got, before)
	}
}

func TestFailedPruningMakesTheRunIncomplete(t *testing.T) {
	b := newRetentionBench(t, "one")
	for range 4 {
		b.run(t, Complete)
		b.days(1)
	}
	b.withFault(drivertest.Fault{Verb: drivertest.Delete, Call: 1, Mode: drivertest.Before, Err: errors.New("forbidden"), Down: true})
	record := b.run(t, Incomplete, "the backup is good, but pruning failed: ", "forbidden")
	if record.Backup == nil || record.Prune != nil {
		t.Errorf("record: %+v", record)
	}
	b.opt.wrap = nil
	b.days(1)
	b.run(t, Complete)
	if got := b.sets(t); got != "F03 F05 I06" {
		t.Errorf("sets after the next run: %s", got)
	}
}

// withFault puts a fault between the engine and the target.
func (b *bench) withFault(f drivertest.Fault) {
	b.opt.wrap = func(s *storage.Store) *storage.Store {
		return storage.New(drivertest.NewFaulty(s, f), b.cfg.URL.Reveal(), storage.Options{Retries: -1})
	}
}

func TestPruneAndRunDoNotMeet(t *testing.T) {
	b := newRetentionBench(t)
	b.must(t, b.state.create())
	lock, err := b.state.lockRun()
	b.must(t, err)
	defer lock.unlock()
	if _, err := Prune(t.Context(), b.opt, PruneOptions{Execute: true}); !errors.Is(err, ErrLocked) {
		t.Errorf("prune: %v", err)
	}
	if _, err := Cleanup(t.Context(), b.opt, true); !errors.Is(err, ErrLocked) {
		t.Errorf("cleanup: %v", err)
	}
	if _, err := Prune(t.Context(), b.opt, PruneOptions{}); err != nil {
		t.Errorf("a dry run needs the lock: %v", err)
	}
}

func TestUnreadableDumpIsNotInTheSet(t *testing.T) {
	var h history
	old, now := time.Unix(1000, 0), time.Unix(2000, 0)
	ids := []string{"a/one", "a/two", "b/one"}
	for _, test := range []struct {
		unreadable string
		want       []string // the services that the new set holds
	}{
		{"", ids},
		{"volumes/x: permission denied", ids},
		{"dump/a/one/all.sql: permission denied", []string{"a/two", "b/one"}},
		{"dump/a/one: permission denied", []string{"a/two", "b/one"}},
		{"dump/a/one more/all.sql: permission denied", ids},
		{"dump/a: permission denied", []string{"b/one"}},
		{"dump: permission denied", nil},
		{": permission denied", nil},
		{".: permission denied", nil},
	} {
		h.noteSet(old, ids, nil)
		h.noteSet(now, ids, slices.DeleteFunc([]string{test.unreadable}, func(s string) bool { return s == "" }))
		var got []string
		for _, s := range h.Services {
			if s.LastSet.Equal(now) {
				got = append(got, s.ID)
			}
		}
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%q (-want +got):\n%s", test.unreadable, diff)
		}
	}
}
