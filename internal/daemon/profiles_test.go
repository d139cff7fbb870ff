package daemon

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/purser-backup/purser/engine/storage"
	"github.com/purser-backup/purser/engine/storage/driver/drivertest"
	"github.com/purser-backup/purser/internal/config"
	"github.com/purser-backup/purser/internal/schedule"
)

// inProfile gives the bench as a plain one on the directory of a profile.
func (b *bench) inProfile(t *testing.T, name string) *bench {
	t.Helper()
	p, ok := b.cfg.Find(name)
	if !ok {
		t.Fatalf("no profile %s", name)
	}
	d := *b.Daemon
	d.opt = b.opt.at(p).opt
	d.cfg = d.opt.Config
	return &bench{Daemon: &d, root: b.root, log: b.log}
}

// due makes a run on schedule and names the profiles that it has served.
func (b *bench) due(t *testing.T, o RunOptions) string {
	t.Helper()
	record, err := b.Run(t.Context(), o)
	if record == nil {
		t.Fatalf("no run: %v", err)
	}
	return names(record)
}

// names tells which profiles a run has served.
func names(record *Run) string {
	var list []string
	for _, p := range record.Profiles {
		name := p.Profile
		if p.Error != "" {
			name += " failed"
		}
		list = append(list, name)
	}
	return strings.Join(list, " ")
}

// B2, B6, T23: three days of hourly;4 and daily;2 with a run whenever a schedule
// comes due. Each profile is a plain repository that holds what it promises, and
// nothing of the other.
func TestProfilesEachForItself(t *testing.T) {
	b := newBench(t, "BACKUP_RETENTION=hourly;4, daily;2", "BACKUP_INSTANCE=a", "BACKUP_DUPLICITY_FULL_IF_OLDER_THAN=3h30m")
	b.engine.list = append(b.engine.list, container("one", "store"))
	served := map[string]int{}
	end := b.clock.Add(3 * 24 * time.Hour)
	n := 0
	for due := b.cfg.Schedule.Next(b.clock); due.Before(end); due = b.cfg.Schedule.Next(due) {
		b.clock = due
		b.write(t, "source/volumes.txt", strings.Repeat("x", n))
		n++
		record, err := b.Run(t.Context(), RunOptions{Trigger: BySchedule})
		if err != nil || len(record.Services) != 1 {
			t.Fatalf("run %d: %+v, %v", n, record, err)
		}
		for _, p := range record.Profiles {
			served[p.Profile]++
		}
		if k := record.Kept; k == nil || k.Sets != b.history(t).profile("hourly").Kept.Sets+b.history(t).profile("daily").Kept.Sets {
			t.Fatalf("run %d: kept %+v", n, k)
		}
	}
	// Daily was due at the very first run, too.
	if n != 72 || served["hourly"] != 72 || served["daily"] != 4 {
		t.Fatalf("%d runs served %v", n, served)
	}
	for profile, most := range map[string]time.Duration{"hourly": 4*time.Hour + 4*time.Hour, "daily": 48 * time.Hour} {
		own := b.inProfile(t, profile)
		c, err := collect(t.Context(), own.opt)
		b.must(t, err)
		oldest, sets := c.Chains[0].Sets[0].Time, 0
		for _, chain := range c.Chains {
			sets += len(chain.Sets)
		}
		if age := b.clock.Sub(oldest); age > most+time.Minute {
			t.Errorf("%s keeps what is %s old", profile, age)
		}
		if least := map[string]int{"hourly": 4, "daily": 2}[profile]; sets < least {
			t.Errorf("%s keeps %d sets", profile, sets)
		}
		status := b.duplicity(t, "collection-status", own.cfg.URL.Reveal())
		if !strings.Contains(status, "No orphaned or incomplete backup sets found.\n") || !strings.Contains(status, fmt.Sprintf("Number of contained backup sets: %d\n", len(c.Chains[len(c.Chains)-1].Sets))) {
			t.Errorf("%s: duplicity says\n%s", profile, status)
		}
		out := filepath.Join(t.TempDir(), "restored")
		b.duplicity(t, "restore", "--file-to-restore", "dump/_/one/all.sql", own.cfg.URL.Reveal(), out)
		if text, err := os.ReadFile(out); err != nil || string(text) != "dump of _/one\n" {
			t.Errorf("%s: duplicity restores %q: %v", profile, text, err)
		}
	}
	if entries, err := os.ReadDir(filepath.Join(b.root, "target")); err != nil || len(entries) != 3 { // and what it tells of them
		t.Errorf("the target has %v: %v", entries, err)
	}
}

func (b *bench) history(t *testing.T) *history {
	t.Helper()
	h, err := b.state.loadHistory()
	b.must(t, err)
	return &h
}

// every is a configuration with profiles that come after certain times.
func every(t *testing.T, intervals string) *config.Config {
	t.Helper()
	cfg := &config.Config{}
	for _, item := range strings.Fields(intervals) {
		name, interval, _ := strings.Cut(item, "=")
		plan, err := schedule.Parse("@every "+interval, "")
		if err != nil {
			t.Fatal(err)
		}
		cfg.Profiles = append(cfg.Profiles, config.Profile{Name: name, Schedule: plan})
	}
	return cfg
}

// B4: a profile whose newest backup is young has nothing to do; each goes by its own.
func TestYoungProfiles(t *testing.T) {
	cfg := every(t, "hourly=1h daily=24h weekly=168h monthly=720h")
	for _, c := range []struct {
		profile, last, now string
		due                bool
	}{
		{"daily", "05-14T03:00:00", "05-15T02:59:59", false},
		{"daily", "05-14T03:00:00", "05-15T03:00:00", true},
		{"hourly", "05-15T02:05:00", "05-15T03:00:00", false},
		{"hourly", "", "05-15T03:00:00", true}, // only a daily one exists
		{"weekly", "05-08T03:00:01", "05-15T03:00:00", false},
		{"monthly", "04-15T03:00:00", "05-15T03:00:00", true},
		{"daily", "05-20T03:00:00", "05-15T03:00:00", false}, // the clock was set back
	} {
		at := func(text string) time.Time {
			moment, err := time.Parse("2006-01-02T15:04:05", "2024-"+text)
			if err != nil {
				t.Fatal(err)
			}
			return moment
		}
		h := &history{Profiles: []ProfileRecord{{Name: "other", LastServed: at("05-15T02:55:00")}}}
		if c.last != "" {
			h.profile(c.profile).LastServed = at(c.last)
		}
		p, _ := cfg.Find(c.profile)
		if got := h.isProfileDue(p, at(c.now)); got != c.due {
			t.Errorf("%s of %s at %s: due %v", c.profile, c.last, c.now, got)
		}
	}
}

// Which profiles a run serves.
func TestProfilesOfARun(t *testing.T) {
	b := newBench(t, "BACKUP_PROFILES=[often]\nschedule: 0 0 */6 * * *\n[daily]\nschedule: 0 0 0 * * *")
	step := func(hours int, o RunOptions, want string) {
		t.Helper()
		b.clock = time.Date(2026, 5, 20, hours, 0, 0, 0, time.UTC)
		if got := b.due(t, o); got != want {
			t.Errorf("at %d hours, %+v: %q, want %q", hours, o, got, want)
		}
	}
	scheduled, partial := RunOptions{Trigger: BySchedule}, RunOptions{Trigger: BySchedule, Partial: true}
	step(0, scheduled, "often daily")
	step(6, scheduled, "often")
	step(9, partial, "often")
	step(10, RunOptions{Trigger: ByCommand, Profile: "Daily"}, "daily")
	step(11, RunOptions{Trigger: ByCommand}, "often daily")
	step(12, scheduled, "often")
	step(13, scheduled, "often") // none is due: the one that comes most often
	step(31, scheduled, "often daily")
	if _, err := b.Run(t.Context(), RunOptions{Profile: "dayly"}); err == nil || !strings.Contains(err.Error(), `no profile "dayly"`) {
		t.Errorf("an unknown profile: %v", err)
	}
	if _, err := b.Backup(t.Context(), false, "dayly"); err == nil || !strings.Contains(err.Error(), `no profile "dayly"`) {
		t.Errorf("an unknown profile: %v", err)
	}
	if backup, err := b.Backup(t.Context(), true, "daily"); err != nil || backup == nil || backup.Kind != "full" {
		t.Errorf("a backup of one profile: %+v, %v", backup, err)
	}
	page := b.page(t)
	for _, want := range []string{
		`purser_profile_last_backup_timestamp_seconds{profile="daily"} 1.779`, `purser_profile_sets{profile="often"} 1`,
	} {
		if !strings.Contains(page, want) {
			t.Errorf("the metrics lack %s:\n%s", want, page)
		}
	}
}

// A profile that can't be backed up doesn't keep the others off, and is told of.
func TestProfileThatFails(t *testing.T) {
	b := newBench(t, "BACKUP_PROFILES=[first]\nschedule: @hourly\n[second]\nschedule: @hourly")
	b.must(t, os.MkdirAll(filepath.Join(b.root, "target"), 0o755))
	b.write(t, "target/first", "in the way")
	record := b.run(t, Incomplete, "profile first: ")
	if len(record.Profiles) != 2 || record.Profiles[0].Error == "" || record.Profiles[1].Error != "" || record.Backup == nil {
		t.Errorf("the run: %+v", record)
	}
	b.must(t, os.RemoveAll(filepath.Join(b.root, "target", "second")))
	b.write(t, "target/second", "in the way")
	record = b.run(t, Failed, "profile first: ", "profile second: ")
	if record.Backup != nil {
		t.Errorf("the run: %+v", record)
	}
	lines := strings.Join(record.Lines(), "\n")
	if !strings.Contains(lines, "error: profile first: ") || !strings.Contains(lines, "profile second: ") || strings.Contains(lines, "kept: ") {
		t.Errorf("the report:\n%s", lines)
	}
}

// E6, T13: a profile that has failed stays due, one that was backed up waits for
// its next turn.
func TestFailedProfileStaysDue(t *testing.T) {
	b := newBench(t, "BACKUP_PROFILES=[often]\nschedule: 0 0 * * * *\n[weekly]\nschedule: wednesday, 0000")
	b.must(t, os.MkdirAll(filepath.Join(b.root, "target"), 0o755))
	b.write(t, "target/weekly", "in the way")
	b.clock = time.Date(2026, 5, 20, 0, 0, 0, 0, time.UTC) // a Wednesday
	for n, want := range []string{"often weekly failed", "often weekly failed", "often weekly", "often"} {
		if n == 2 {
			b.must(t, os.Remove(filepath.Join(b.root, "target", "weekly")))
		}
		if got := b.due(t, RunOptions{Trigger: BySchedule}); got != want {
			t.Errorf("run %d: %q, want %q", n, got, want)
		}
		b.clock = b.clock.Truncate(time.Hour).Add(time.Hour)
	}
}

// E13, B5: what an increment builds on. Each profile has a full set of its own.
func TestIncrementBaseOfProfiles(t *testing.T) {
	b := newBench(t, "BACKUP_PROFILES=[hourly]\nschedule: 0 0 * * * *\n[daily]\nschedule: 0 0 0 * * *")
	b.clock = time.Date(2026, 5, 20, 0, 0, 0, 0, time.UTC)
	first := b.run(t, Complete)
	if first.Profiles[0].Backup.Kind != "full" || first.Profiles[1].Backup.Kind != "full" {
		t.Errorf("the first run: %+v", first.Profiles)
	}
	at := func(hour, minute int) time.Time { return time.Date(2026, 5, 20, hour, minute, 0, 0, time.UTC) }
	for _, p := range b.cfg.Profiles {
		if b.history(t).isProfileDue(p, at(0, 10)) {
			t.Errorf("%s is due after ten minutes", p.Name)
		}
	}
	hourly := b.inProfile(t, "hourly")
	step := func(hour int, wrap func(*storage.Store) *storage.Store) (*Backup, error) {
		b.clock = at(hour, 0)
		b.write(t, "source/volumes.txt", strings.Repeat("x", hour))
		b.opt.wrap = wrap
		record, err := b.Run(t.Context(), RunOptions{Trigger: BySchedule})
		if len(record.Profiles) != 1 || record.Profiles[0].Profile != "hourly" {
			t.Errorf("at %d hours: %+v", hour, record.Profiles)
		}
		return record.Backup, err
	}
	lost := drivertest.Fault{Verb: drivertest.Put, Call: 1, Mode: drivertest.Before, Err: errors.New("connection lost"), Down: true}
	_, err := step(1, func(s *storage.Store) *storage.Store {
		return storage.New(drivertest.NewFaulty(s, lost), hourly.cfg.URL.Reveal(), storage.Options{Retries: -1})
	})
	if err == nil || !strings.Contains(err.Error(), "connection lost") {
		t.Errorf("the transfer that fails: %v", err)
	}
	second, err := step(2, nil)
	b.must(t, err)
	c, err := collect(t.Context(), hourly.opt)
	b.must(t, err)
	if sets := c.Chains[0].Sets; second.Kind != "incremental" || len(sets) != 2 || !sets[1].Start.Equal(first.Profiles[0].Backup.Time) {
		t.Errorf("after the failure: %+v, sets %+v", second, sets)
	}
	// What it would build on is gone from the target.
	gone, err := filepath.Glob(filepath.Join(b.root, "target", "hourly", "duplicity-full.*.manifest"))
	if err != nil || len(gone) != 1 {
		t.Fatalf("manifests: %q, %v", gone, err)
	}
	b.must(t, os.Remove(gone[0]))
	third, err := step(3, nil)
	if err != nil || third.Kind != "full" {
		t.Errorf("without its base: %+v, %v", third, err)
	}
}

// A restore without a profile takes the newest backup of all, as of a time.
func TestNearestProfile(t *testing.T) {
	b := newBench(t, "BACKUP_PROFILES=[often]\nschedule: 0 0 */6 * * *\n[daily]\nschedule: 0 0 0 * * *")
	if o, err := Nearest(t.Context(), b.opt, time.Time{}); err != nil || o.Config.Profile != "often" {
		t.Errorf("of nothing: %s, %v", o.Config.Profile, err)
	}
	day := time.Date(2026, 5, 20, 0, 0, 0, 0, time.UTC)
	for n, name := range []string{"often", "daily", "often"} {
		b.clock = day.Add(time.Duration(n) * time.Hour)
		b.write(t, "source/volumes.txt", strings.Repeat("x", n+1))
		_, err := b.Backup(t.Context(), false, name)
		b.must(t, err)
	}
	for hours, want := range map[int]string{0: "often", 1: "daily", 2: "often", 100: "often"} {
		at := day.Add(time.Duration(hours)*time.Hour + 30*time.Minute)
		o, err := Nearest(t.Context(), b.opt, at)
		if err != nil || o.Config.Profile != want {
			t.Errorf("at %d hours: %s, %v, want %s", hours, o.Config.Profile, err, want)
		}
	}
	if o, err := Nearest(t.Context(), b.opt, time.Time{}); err != nil || o.Config.Profile != "often" {
		t.Errorf("the newest of all: %s, %v", o.Config.Profile, err)
	}
	// What was there before there were profiles.
	old := b.opt.Whole()
	b.must(t, os.RemoveAll(filepath.Join(b.root, "target", "often")))
	b.clock = day.Add(10 * time.Hour)
	_, err := (&bench{Daemon: func() *Daemon { d := *b.Daemon; d.opt, d.cfg = old, old.Config; return &d }()}).Backup(t.Context(), false, "")
	b.must(t, err)
	for hours, want := range map[int]string{9: "daily", 10: "", 100: ""} {
		o, err := Nearest(t.Context(), b.opt, day.Add(time.Duration(hours)*time.Hour+30*time.Minute))
		if err != nil || o.Config.Profile != want || len(o.Config.Profiles) > 0 {
			t.Errorf("at %d hours: %q, %v, want %q", hours, o.Config.Profile, err, want)
		}
	}
	plain := newBench(t)
	if o, err := Nearest(t.Context(), plain.opt, time.Time{}); err != nil || o.Config != plain.cfg {
		t.Errorf("without profiles: %+v, %v", o.Config, err)
	}
}

// Each of several targets has the directories of all profiles.
func TestProfilesOnTwoTargets(t *testing.T) {
	b, first, second := twoTargets(t, "BACKUP_RETENTION=daily;30, hourly;48")
	record := b.run(t, Complete)
	for _, name := range []string{"daily", "hourly"} {
		sameFiles(t, first+name, second+name)
		if entries, err := os.ReadDir(second + name); err != nil || len(entries) < 3 {
			t.Errorf("%s on the second target: %v, %v", name, entries, err)
		}
	}
	if len(record.Profiles) != 2 || record.Kept == nil || record.Kept.Sets != 2 {
		t.Errorf("the run: %+v", record)
	}
}

// A local target below the source is left out as a whole.
func TestProfilesLeaveOutTheTarget(t *testing.T) {
	b := newBench(t, "BACKUP_RETENTION=hourly;4, daily;3")
	target := filepath.Join(b.root, "source", "target")
	b.must(t, os.Mkdir(target, 0o755))
	cfg, err := config.Load([]string{
		"BACKUP_DUPLICITY_URL=file://" + target, "BACKUP_RETENTION=hourly;4, daily;3", "BACKUP_DUPLICITY_OPTIONS=--no-encryption",
		"BACKUP_DUPLICITY_SOURCE_PATH=" + b.cfg.SourcePath, "BACKUP_ARCHIVE_DIR=" + b.cfg.ArchiveDir,
	}, nil, "")
	b.must(t, err)
	b.cfg, b.opt.Config = cfg, cfg
	b.run(t, Complete)
	record := b.run(t, Complete)
	for _, p := range record.Profiles {
		if p.Backup.Kind != "unchanged" {
			t.Errorf("the second backup of %s: %+v", p.Profile, p.Backup)
		}
	}
}

// B16: each profile is judged by its own schedule.
func TestCheckOfProfiles(t *testing.T) {
	start := time.Date(2026, 5, 20, 0, 0, 0, 0, time.UTC)
	cfg := every(t, "hourly=1h daily=24h")
	cfg.ArchiveDir, cfg.Schedule = t.TempDir(), schedule.Union(cfg.Profiles[0].Schedule, cfg.Profiles[1].Schedule)
	s := newState(cfg.ArchiveDir)
	if err := s.create(); err != nil {
		t.Fatal(err)
	}
	lock, err := lockFile(s.daemonLock())
	if err != nil {
		t.Fatal(err)
	}
	defer lock.unlock()
	for _, c := range []struct {
		hourly, daily time.Duration
		want          []string
	}{
		{0, 0, nil},
		{75 * time.Minute, 30 * time.Hour, nil},
		{75*time.Minute + time.Second, 0, []string{"profile hourly: its last backup is of 2026-05-19T22:44:59Z"}},
		{0, 30*time.Hour + time.Second, []string{"profile daily: its last backup is of 2026-05-18T17:59:59Z"}},
	} {
		h := history{LastBackup: &Backup{Ended: start}, Profiles: []ProfileRecord{
			{Name: "hourly", LastServed: start, LastBackup: &Backup{Ended: start.Add(-c.hourly)}},
			{Name: "daily", LastServed: start, LastBackup: &Backup{Ended: start.Add(-c.daily)}},
		}}
		if err := s.saveHistory(h); err != nil {
			t.Fatal(err)
		}
		verdict, err := Check(cfg, start)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, s := range verdict.Sick {
			got = append(got, s.Subject+": "+s.Message)
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%v, %v (-want +got):\n%s", c.hourly, c.daily, diff)
		}
		status, err := ReadStatus(cfg, start.Add(time.Minute))
		if err != nil || len(status.Profiles) != 2 || !status.Profiles[1].Next.Equal(start.Add(24*time.Hour)) {
			t.Errorf("status: %+v, %v", status.Profiles, err)
		}
	}
}
