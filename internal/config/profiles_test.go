package config_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/purser-backup/purser/internal/config"
)

// described has what matters of the profiles, a line each.
func described(c *config.Config) string {
	var lines []string
	for _, p := range c.Profiles {
		own := c.For(p)
		lines = append(lines, fmt.Sprintf("%s: %s; keep %s, %d, %d; full after %s, on %s; %s", p.Name, own.CronSchedule, own.Retention,
			own.RemoveAllButNFull, own.RemoveAllIncOfButNFull, own.FullIfOlderThan, own.FullOn, own.URL.Reveal()))
	}
	return strings.Join(lines, "\n")
}

// B2: what the words mean, from the environment and from the file.
func TestProfiles(t *testing.T) {
	const target = "BACKUP_DUPLICITY_URL=file:///target"
	for _, test := range []struct {
		name string
		env  []string
		file string
		want string
	}{
		{name: "none", env: []string{"BACKUP_RETENTION=daily 30, hourly 48"}},
		{name: "as rules", env: []string{"BACKUP_RETENTION=daily;30, hourly;48"}, want: `
daily: cron @daily; keep daily;30, 0, 0; full after 168h0m0s, on ; file:///target/daily
hourly: cron @hourly; keep hourly;48, 0, 0; full after 168h0m0s, on ; file:///target/hourly`},
		{name: "with limits", env: []string{"BACKUP_RETENTION=daily;30", "BACKUP_DUPLICITY_REMOVE_ALL_BUT_N_FULL=5", "BACKUP_FULL_ON=sunday"}, want: `
daily: cron @daily; keep daily;30, 5, 0; full after 0s, on sunday; file:///target/daily`},
		{name: "as text", env: []string{"BACKUP_PROFILES=# two\n[Daily]\n\nretention: last 5 days\n[off-site]\nSchedule: sunday, 0200-0400\nfull_on: 1st"}, want: `
daily: cron @daily; keep last 5 days, 0, 0; full after 168h0m0s, on ; file:///target/daily
off-site: sunday, 0200-0400; keep , 3, 1; full after 0s, on 1st; file:///target/off-site`},
		{name: "in the file", file: "backup_profiles:\n  hourly:\n  nightly:\n    schedule: daily, 0200-0400\n    full_if_older_than: 30D\n    full_on: sunday\n    retention: last 30 days\n", want: `
hourly: cron @hourly; keep , 3, 1; full after 168h0m0s, on ; file:///target/hourly
nightly: daily, 0200-0400; keep last 30 days, 0, 0; full after 720h0m0s, on sunday; file:///target/nightly`},
		{name: "one retention for all", env: []string{"BACKUP_RETENTION=last 9 days", "BACKUP_PROFILES=[hourly]\n[daily]\nretention: last 60 days", "BACKUP_DUPLICITY_FULL_IF_OLDER_THAN=2D"}, want: `
hourly: cron @hourly; keep last 9 days, 0, 0; full after 48h0m0s, on ; file:///target/hourly
daily: cron @daily; keep last 60 days, 0, 0; full after 48h0m0s, on ; file:///target/daily`},
	} {
		c, err := config.Load(append(test.env, target), nil, settingsFile(t, test.file))
		if err != nil {
			t.Errorf("%s: %v", test.name, err)
			continue
		}
		// The target path is put behind the URL.
		if diff := cmp.Diff(strings.TrimPrefix(test.want, "\n"), described(c)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", test.name, diff)
		}
		if len(c.Profiles) > 0 && !c.Retention.IsZero() {
			t.Errorf("%s: the whole has the policy %s", test.name, c.Retention)
		}
	}
}

// Growth in place of age, for one and for all.
func TestProfilesThatGrow(t *testing.T) {
	c := load(t, "BACKUP_PROFILES=[hourly]\nfull_if_older_than: auto\n[daily]")
	if own := c.For(c.Profiles[0]); !own.FullWhenGrown || own.FullIfOlderThan != 0 || c.For(c.Profiles[1]).FullWhenGrown {
		t.Errorf("the profiles: %+v", c.Profiles)
	}
	c = load(t, "BACKUP_PROFILES=[hourly]\nfull_if_older_than: 2D\n[daily]", "BACKUP_DUPLICITY_FULL_IF_OLDER_THAN=auto")
	if own := c.For(c.Profiles[0]); own.FullWhenGrown || own.FullIfOlderThan != 48*time.Hour || !c.For(c.Profiles[1]).FullWhenGrown {
		t.Errorf("the profiles: %+v", c.Profiles)
	}
}

// The whole comes due when any of its profiles does.
func TestScheduleOfProfiles(t *testing.T) {
	c := load(t, "BACKUP_RETENTION=hourly;48, daily;30", "BACKUP_INSTANCE=a")
	now := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	runs, met := 0, 0
	daily := c.Profiles[1].Schedule
	for due := c.Schedule.Next(now); due.Before(now.AddDate(0, 0, 28)); due = c.Schedule.Next(due) {
		runs++
		if daily.Next(due.Add(-time.Second)).Equal(due) {
			met++
		}
	}
	if runs != 28*24 || met != 28 {
		t.Errorf("%d runs in 28 days, %d of them for both", runs, met)
	}
	if want := "hourly: cron @hourly; daily: cron @daily"; c.CronSchedule != want {
		t.Errorf("schedule %q, want %q", c.CronSchedule, want)
	}
}

// A profile may be read that only the target knows.
func TestReadingAProfile(t *testing.T) {
	c := load(t, "BACKUP_DUPLICITY_URL=file:///target", "BACKUP_RETENTION=daily;30")
	for name, want := range map[string]string{"daily": "file:///target/daily", "DAILY": "file:///target/daily", "weekly": "file:///target/weekly"} {
		own, err := c.Reading(name)
		if err != nil || own.URL.Reveal() != want || own.Roots()[0].Reveal() != "file:///target/" || len(own.Profiles) != 0 || own.Profile != strings.ToLower(name) {
			t.Errorf("%s: %+v, %v", name, own, err)
		}
	}
	for _, name := range []string{"", "../x", "a/b", "a b", ".hidden", "backup;daily", "it's", strings.Repeat("x", 64)} {
		if own, err := c.Reading(name); err == nil {
			t.Errorf("%q: %s", name, own.URL.Reveal())
		}
	}
	if root := c.Roots()[0].Reveal(); root != "file:///target/" {
		t.Errorf("the root of the whole is %s", root)
	}
}

func TestProfilesRefused(t *testing.T) {
	for _, test := range []struct {
		env        []string
		file, want string
	}{
		{env: []string{"BACKUP_RETENTION=daily;30, last 5 days"}, want: `BACKUP_RETENTION="daily;30, last 5 days": at character 11: a rule can't stand beside profiles`},
		{env: []string{"BACKUP_RETENTION=daily;30, daily;365"}, want: `at character 11: daily; is given twice`}, // E12 of one place
		{env: []string{"BACKUP_RETENTION=fortnightly;3"}, want: `at character 1: unknown profile "fortnightly"`},
		{env: []string{"BACKUP_RETENTION=daily;30", "BACKUP_CRON_SCHEDULE=@daily"}, want: `BACKUP_CRON_SCHEDULE="@daily": the profiles have schedules of their own`},
		{env: []string{"BACKUP_RETENTION=daily;30", "BACKUP_PROFILES=[weekly]"}, want: `BACKUP_RETENTION="daily;30": there are profiles already`},
		{env: []string{"BACKUP_PROFILES=[daily]\n[Daily]"}, want: `BACKUP_PROFILES: line 2: the profile daily is given twice`},
		{env: []string{"BACKUP_PROFILES=[daily]\nschedule: hourly\nschedule: daily"}, want: `line 3: schedule is given twice`},
		{env: []string{"BACKUP_PROFILES=schedule: hourly"}, want: `line 1: a profile must begin with its name, not with "schedule: hourly"`},
		{env: []string{"BACKUP_PROFILES=[backup;daily]"}, want: `line 1: "backup;daily" is no name of a profile`},
		{env: []string{"BACKUP_PROFILES=[nightly]"}, want: `BACKUP_PROFILES: the profile nightly has no schedule`},
		{env: []string{"BACKUP_PROFILES=# none"}, want: `BACKUP_PROFILES: there is no profile`},
		{env: []string{"BACKUP_PROFILES=[a]\nschedule: dayly"}, want: `line 2: schedule of the profile a: `},
		{env: []string{"BACKUP_PROFILES=[daily]\nretention: last 5 days, last 0 snapshots"}, want: `line 2: retention of the profile daily: at character 14: `},
		{env: []string{"BACKUP_PROFILES=[daily]\nretentoin: last 5 days"}, want: `line 2: unknown setting "retentoin" of the profile daily`},
		{env: []string{"BACKUP_PROFILES=[daily]\nfull_on: someday"}, want: `full_on of the profile daily: `},
		{env: []string{"BACKUP_PROFILES=[daily]\nfull_if_older_than: long"}, want: `full_if_older_than of the profile daily: not an interval`},
		{file: "DEBUG: true\nBACKUP_PROFILES:\n  daily: {schedule: dayly}", want: `BACKUP_PROFILES (from file FILE line 2): schedule of the profile daily: `},
		{file: "BACKUP_PROFILES: {daily: [x]}", want: `not a mapping of names to settings`},
		{file: "BACKUP_PROFILES: {daily: {schedule: [x]}}", want: `schedule of the profile daily is no plain value`},
		{file: "BACKUP_PROFILES: {daily: {schedule: \"daily\\nretention: last 5 days\"}}", want: `schedule of the profile daily is no plain value`},
		{file: "BACKUP_PROFILES: [daily]", want: `not a plain value`},
	} {
		path := settingsFile(t, test.file)
		_, err := config.Load(test.env, nil, path)
		if err == nil || !strings.Contains(strings.ReplaceAll(err.Error(), path, "FILE"), test.want) {
			t.Errorf("%q %s: %v, want %q", test.env, test.file, err, test.want)
			continue
		}
		if f, ok := err.(*config.Error); !ok || len(f.Faults) != 1 || f.Faults[0].Hint() == "" {
			t.Errorf("%q %s: %v: not one fault with a hint", test.env, test.file, err)
		}
	}
}
