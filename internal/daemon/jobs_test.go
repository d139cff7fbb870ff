package daemon

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/purser-backup/purser/discovery"
)

func ids(services []Found) []string {
	list := []string{}
	for _, s := range services {
		list = append(list, s.ID)
	}
	return list
}

func named(names string, priority ...int) []Found {
	var list []Found
	for i, name := range strings.Fields(names) {
		f := Found{ID: name}
		if i < len(priority) {
			f.service = discovery.Service{Settings: discovery.Settings{Priority: priority[i]}}
		}
		list = append(list, f)
	}
	return list
}

// E11: servers a, b and c, of which each run reaches so many.
func TestJobList(t *testing.T) {
	for _, test := range []struct {
		name     string
		services []string // that there are in each run
		reach    []int    // how many of them each run reaches
		lost     int      // the number of the run before which the list is lost, from 1
		want     []string // the order of each run, and what it leaves
	}{
		{"the limit comes at once", []string{"a b c", "a b c", "a b c", "a b c"}, []int{1, 1, 1, 1}, 0,
			[]string{"a b c: b c", "b c a: c", "c a b: ", "a b c: b c"}},
		{"a new one waits for the next round", []string{"a b c", "a b c d", "a b c d", "a b c d"}, []int{1, 1, 1, 1}, 0,
			[]string{"a b c: b c", "b c a d: c", "c a b d: ", "a b c d: b c d"}},
		{"the list is lost", []string{"a b c", "a b c"}, []int{1, 1}, 2,
			[]string{"a b c: b c", "a b c: b c"}},
		{"time for more than what was left", []string{"a b c", "a b c", "a b c"}, []int{2, 2, 3}, 0,
			[]string{"a b c: c", "c a b: b", "b a c: "}},
		{"one is gone meanwhile", []string{"a b c", "a c", "a c"}, []int{1, 1, 2}, 0,
			[]string{"a b c: b c", "c a: ", "a c: "}},
		{"time for all", []string{"a b c"}, []int{3}, 0, []string{"a b c: "}},
	} {
		var list jobs
		var got []string
		for i := range test.services {
			if test.lost == i+1 {
				list = jobs{}
			}
			queue := list.queue(named(test.services[i]))
			reached := ids(queue)[:test.reach[i]]
			list.Services = list.left(queue, func(id string) bool { return slices.Contains(reached, id) })
			got = append(got, strings.Join(ids(queue), " ")+": "+strings.Join(list.Services, " "))
		}
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", test.name, diff)
		}
	}
}

// E8: jobs are put in the order A (regular), B (high), C (regular), D (low).
func TestPriorities(t *testing.T) {
	services := named("D A B C", -1, 0, 1, 0)
	if got := strings.Join(ids((&jobs{}).queue(services)), " "); got != "B A C D" {
		t.Errorf("got %s", got)
	}
	if got := strings.Join(ids((&jobs{Services: []string{"C", "D"}}).queue(services)), " "); got != "C D B A" {
		t.Errorf("with what was left: %s", got)
	}
}

// A run whose time is always up makes one dump, or stores one volume. Many of
// them in a row still back everything up.
func TestTimeLimit(t *testing.T) {
	b := newBench(t, "BACKUP_TIME_LIMIT=1s", "BACKUP_DUMP_WORKERS=1", "BACKUP_DUPLICITY_VOLSIZE=1")
	for _, name := range []string{"one", "two", "three"} {
		b.engine.list = append(b.engine.list, container(name, "store"))
	}
	noise := rand.NewChaCha8([32]byte{1})
	big := make([]byte, 6<<20)
	if _, err := noise.Read(big); err != nil {
		t.Fatal(err)
	}
	b.must(t, os.WriteFile(filepath.Join(b.root, "source", "big"), big, 0o600))
	dumped := map[string]bool{}
	var last *Run
	for n := 0; last == nil || last.Result != Complete; n++ {
		if n > 20 {
			t.Fatalf("no end after %d runs: %+v\n%s", n, last, b.log)
		}
		var err error
		last, err = b.Run(t.Context(), RunOptions{Trigger: BySchedule})
		if last == nil || last.Result != Complete && last.Result != Incomplete {
			t.Fatalf("run %d: %+v, %v", n, last, err)
		}
		if last.Result == Incomplete && !strings.Contains(fmt.Sprint(last.Errors), "the time limit of 1s came before ") {
			t.Errorf("run %d: %q", n, last.Errors)
		}
		for _, s := range last.Services {
			dumped[s.ID] = true
		}
		if ended := last.Ended.Sub(last.Started); ended > time.Minute {
			t.Errorf("run %d took %s", n, ended)
		}
		if n == 0 && (len(last.Services) != 1 || last.Backup != nil) {
			t.Errorf("the first run: %+v", last)
		}
		b.clock = b.clock.Add(time.Hour)
	}
	if len(dumped) != 3 {
		t.Errorf("only %v were dumped", dumped)
	}
	if j, err := b.state.loadJobs(); err != nil || len(j.Services) > 0 || j.Backup {
		t.Errorf("jobs that are left: %+v, %v", j, err)
	}
	for _, name := range []string{"one", "two", "three"} {
		if got := b.restored(t, "dump/_/"+name+"/all.sql"); got != "dump of _/"+name+"\n" {
			t.Errorf("the backup holds %q of %s", got, name)
		}
	}
	if got := b.restored(t, "big"); !bytes.Equal([]byte(got), big) {
		t.Errorf("the backup holds %d bytes of the big file", len(got))
	}
}

// A command that only backs up has no limit, and finishes what a run has left.
func TestBackupFinishesWhatTheLimitLeft(t *testing.T) {
	b := newBench(t, "BACKUP_TIME_LIMIT=1s", "BACKUP_MODULE_DATABASE=false", "BACKUP_DUPLICITY_VOLSIZE=1")
	noise := rand.NewChaCha8([32]byte{2})
	big := make([]byte, 4<<20)
	if _, err := noise.Read(big); err != nil {
		t.Fatal(err)
	}
	b.must(t, os.WriteFile(filepath.Join(b.root, "source", "big"), big, 0o600))
	b.run(t, Incomplete, "the time limit of 1s came before the end of the backup")
	if j, err := b.state.loadJobs(); err != nil || !j.Backup {
		t.Errorf("jobs: %+v, %v", j, err)
	}
	b.clock = b.clock.Add(time.Hour)
	_, err := b.Backup(t.Context(), false, "")
	b.must(t, err)
	if j, err := b.state.loadJobs(); err != nil || j.Backup {
		t.Errorf("jobs: %+v, %v", j, err)
	}
	b.run(t, Complete)
	if got := b.restored(t, "big"); !bytes.Equal([]byte(got), big) {
		t.Errorf("the backup holds %d bytes of the big file", len(got))
	}
}

// incompressible gives n bytes of noise.
func incompressible(t *testing.T, n int) []byte {
	t.Helper()
	b := make([]byte, n)
	if _, err := rand.NewChaCha8([32]byte{3}).Read(b); err != nil {
		t.Fatal(err)
	}
	return b
}
