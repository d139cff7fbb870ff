package daemon

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/purser-backup/purser/dumpers"
	"github.com/purser-backup/purser/internal/config"
)

// What the time limit leaves of the profiles is carried to the next runs, the
// one that was cut first. The replaced dumps stay until it is at its end.
func TestTimeLimitOfProfiles(t *testing.T) {
	b := newBench(t, "BACKUP_TIME_LIMIT=1s", "BACKUP_MODULE_DATABASE=false", "BACKUP_DUPLICITY_VOLSIZE=1",
		"BACKUP_PROFILES=[a]\nschedule: @daily\n[b]\nschedule: @daily\n[c]\nschedule: @daily")
	b.must(t, os.WriteFile(filepath.Join(b.root, "source", "big"), incompressible(t, 3<<20), 0o600))
	kept := dumpers.Previous(filepath.Join(b.root, "source"))
	b.must(t, os.MkdirAll(kept, 0o700))
	var order []string
	for n := 0; ; n++ {
		if n > 30 {
			t.Fatalf("no end: %q\n%s", order, b.log)
		}
		served := b.due(t, RunOptions{Trigger: BySchedule})
		order = append(order, served)
		if _, err := os.Stat(kept); n == 0 && err != nil {
			t.Errorf("after a cut backup: %v", err)
		}
		if last := b.history(t).LastRun; last.Result == Complete {
			break
		} else if last.Result != Incomplete {
			t.Fatalf("run %d: %+v", n, last)
		}
		b.clock = b.clock.Add(time.Minute)
	}
	if _, err := os.Stat(kept); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("after the last backup: %v", err)
	}
	slices.Sort(order)
	if got := strings.Join(slices.Compact(order), ", "); !strings.Contains(got, "a") || len(order) < 6 {
		t.Errorf("the runs served %q", got)
	}
	if j, err := b.state.loadJobs(); err != nil || len(j.Profiles) > 0 || j.Backup {
		t.Errorf("jobs that are left: %+v, %v", j, err)
	}
	for _, name := range []string{"a", "b", "c"} {
		if got := b.inProfile(t, name).restored(t, "big"); len(got) != 3<<20 {
			t.Errorf("%s holds %d bytes of the big file", name, len(got))
		}
	}
}

// A profile that was cut and then fails keeps neither dumps nor others off.
func TestCutProfileThatFails(t *testing.T) {
	b := newBench(t, "BACKUP_PROFILES=[a]\nschedule: @daily\n[b]\nschedule: @daily")
	b.engine.list = append(b.engine.list, container("one", "store"))
	b.must(t, b.state.create())
	b.must(t, b.state.saveJobs(jobs{Backup: true, Profiles: []string{"a"}}))
	b.must(t, os.MkdirAll(filepath.Join(b.root, "target"), 0o755))
	b.write(t, "target/a", "in the way")
	record := b.run(t, Incomplete, "profile a: ")
	if got := names(record); got != "a failed a failed b" || len(record.Services) != 1 {
		t.Errorf("the run served %q and dumped %+v", got, record.Services)
	}
	b.must(t, os.Remove(filepath.Join(b.root, "target", "a")))
	if got := b.due(t, RunOptions{Trigger: BySchedule}); got != "a" {
		t.Errorf("the next run served %q", got)
	}
	if j, err := b.state.loadJobs(); err != nil || len(j.Profiles) > 0 || j.Backup {
		t.Errorf("jobs that are left: %+v, %v", j, err)
	}
}

// What a configuration no longer has is not carried on.
func TestJobsFitTheProfiles(t *testing.T) {
	cfg := every(t, "a=1h b=1h")
	for _, c := range []struct {
		jobs, want jobs
		profiles   []config.Profile
	}{
		{jobs{Backup: true, Profiles: []string{"a", "b"}}, jobs{Backup: true, Profiles: []string{"a", "b"}}, cfg.Profiles},
		{jobs{Backup: true, Profiles: []string{"gone", "b"}}, jobs{Profiles: []string{"b"}}, cfg.Profiles},
		{jobs{Backup: true}, jobs{}, cfg.Profiles},
		{jobs{Backup: true}, jobs{Backup: true}, nil},
		{jobs{Backup: true, Profiles: []string{"a"}}, jobs{Backup: true}, nil},
	} {
		got := c.jobs
		got.Profiles = slices.Clone(got.Profiles)
		got.fit(c.profiles)
		if got.Backup != c.want.Backup || !slices.Equal(got.Profiles, c.want.Profiles) {
			t.Errorf("%+v with %d profiles: %+v, want %+v", c.jobs, len(c.profiles), got, c.want)
		}
	}
}
