package daemon

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/purser-backup/purser/discovery"
	"github.com/purser-backup/purser/engine/storage"
	"github.com/purser-backup/purser/engine/storage/driver"
	"github.com/purser-backup/purser/internal/bug"
)

// buggyTarget panics at each Put.
type buggyTarget struct {
	driver.Backend
	message string
}

func (b buggyTarget) Put(context.Context, string, io.ReadSeeker, int64) error { panic(b.message) }

// buggyRandom panics when the encryption of a volume asks for it.
type buggyRandom struct{}

func (buggyRandom) Read([]byte) (int, error) { panic("out of rum") }

// withBug lets the target panic.
func (b *bench) withBug() {
	b.opt.wrap = func(s *storage.Store) *storage.Store {
		return storage.New(buggyTarget{s, "out of rum"}, b.cfg.URL.Reveal(), storage.Options{Retries: -1})
	}
}

// A bug in a goroutine that a run has started ends the run with one error, its
// lock is given back, and the next run is good.
func TestPanicInAnyGoroutineOfARun(t *testing.T) {
	for name, plant := range map[string]func(b *bench){
		"target":   (*bench).withBug,
		"pipeline": func(b *bench) { b.opt.Rand = buggyRandom{} },
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, "PASSPHRASE=secret passphrase")
			good := b.opt
			plant(b)
			record := b.run(t, Failed, "a bug in purser: out of rum")
			if len(record.Errors) != 1 {
				t.Errorf("errors: %q", record.Errors)
			}
			b.opt = good
			b.run(t, Complete)
		})
	}
}

// A bug in the dump of one service is that service's failure, even where a
// failure of a guess would not count. The others are dumped and backed up.
func TestPanicInADump(t *testing.T) {
	b := newBench(t)
	b.engine.list = []discovery.Container{container("one", "store"), container("two", "acme/bookstore-web")}
	b.engine.buggy = "_/two"
	record, err := b.Run(t.Context(), RunOptions{})
	if !strings.Contains(bug.Stack(err), "run_test.go") || !errors.Is(err, ErrIncomplete) {
		t.Errorf("error %v", err)
	}
	if len(record.Errors) != 1 || record.Errors[0] != "dump of _/two: run: a bug in purser: out of rum" || record.Result != Incomplete {
		t.Errorf("record: %+v", record)
	}
	if got := b.restored(t, "dump/_/one/all.sql"); got != "dump of _/one\n" {
		t.Errorf("the backup holds %q", got)
	}
	b.engine.buggy = ""
	b.run(t, Complete)
}
