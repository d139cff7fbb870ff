package daemon

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/purser-backup/purser/engine"
	"github.com/purser-backup/purser/internal/config"
	"github.com/purser-backup/purser/internal/retention"
)

// T23, on a real repository: after each of 15 daily runs the policy is closed
// over the chains, and duplicity finds what is left whole.
func TestRetentionAfterEachRun(t *testing.T) {
	b := newBench(t, "BACKUP_DUPLICITY_FULL_IF_OLDER_THAN=6D12h", "BACKUP_RETENTION=last 5 days, earliest of month", "BACKUP_RETENTION_HOLD=2026-05-02T12:00:00")
	b.clock = time.Date(2026, 5, 1, 3, 0, 0, 0, time.UTC)
	for n := range 15 {
		b.write(t, "source/volumes.txt", strings.Repeat("x", n))
		b.run(t, Complete)
		b.days(1)
	}
	const want = "F01 I02 F08 I09 I10 I11 I12 I13 I14 F15"
	if got := b.sets(t); got != want {
		t.Errorf("sets: %s, want %s", got, want)
	}
	status := b.duplicity(t, "collection-status", b.cfg.URL.Reveal())
	for _, line := range []string{"Number of contained backup sets: 2\n", "Number of contained backup sets: 7\n", "Number of contained backup sets: 1\n", "No orphaned or incomplete backup sets found.\n"} {
		if !strings.Contains(status, line) {
			t.Errorf("duplicity doesn't say %q:\n%s", line, status)
		}
	}
	for day, size := range map[int]int{1: 0, 2: 1, 10: 9, 15: 14} {
		out := filepath.Join(t.TempDir(), "restored")
		b.duplicity(t, "restore", "-t", fmt.Sprintf("2026-05-%02dT12:00:00Z", day), "--file-to-restore", "volumes.txt", b.cfg.URL.Reveal(), out)
		if text, err := os.ReadFile(out); err != nil || len(text) != size {
			t.Errorf("duplicity restores %d bytes of the %dth, want %d: %v", len(text), day, size, err)
		}
	}
}

func (b *bench) duplicity(t *testing.T, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "duplicity", append(args, "--no-encryption", "--archive-dir", t.TempDir())...)
	cmd.Env = append(os.Environ(), "HOME="+t.TempDir(), "TZ=UTC")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("duplicity %v: %v\n%s", args, err, out)
	}
	return string(out)
}

// collectionOf makes chains of so many daily sets each, from 1 May on.
func collectionOf(lengths ...int) (*engine.Collection, time.Time) {
	c := &engine.Collection{}
	at := time.Date(2026, 5, 1, 3, 0, 0, 0, time.UTC)
	for _, n := range lengths {
		var chain engine.Chain
		for i := range n {
			s := engine.Set{Time: at}
			if i > 0 {
				s.Start = chain.End()
			}
			chain.Sets = append(chain.Sets, s)
			at = at.AddDate(0, 0, 1)
		}
		c.Chains = append(c.Chains, chain)
	}
	return c, at.AddDate(0, 0, -1).Add(5 * time.Minute)
}

func rules(t testing.TB, text string) retention.Policy {
	t.Helper()
	p, err := retention.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// What each part of the settings keeps, and why: d is deleted, n is kept only
// since something builds on it.
func TestRetentionPlan(t *testing.T) {
	day := func(n int) time.Time { return time.Date(2026, 5, n, 3, 0, 0, 0, time.UTC) }
	for _, test := range []struct {
		name    string
		chains  []int
		prune   PruneOptions
		min     int
		holds   []time.Time
		dump    time.Time // of the set with a last good dump
		want    string
		reasons map[int]string // of some sets
	}{
		{name: "rules alone", chains: []int{3, 3, 3}, prune: PruneOptions{Policy: rules(t, "last 2 days")}, want: "ddd ddd nkk",
			reasons: map[int]string{1: "no rule selects it", 7: "a kept set builds on it", 9: "it is of the last 2 days"}},
		{name: "limits alone", chains: []int{3, 3, 3}, prune: PruneOptions{KeepFull: 2, KeepIncrementalOf: 1}, want: "ddd kdd kkk",
			reasons: map[int]string{1: "there are 2 newer full sets", 5: "an increment on a full set with 1 newer ones", 9: "it is in the newest chain"}},
		{name: "rules keep what limits delete", chains: []int{3, 3, 3}, prune: PruneOptions{KeepFull: 1, Policy: rules(t, "earliest of month")}, want: "kdd ddd kkk",
			reasons: map[int]string{1: "it is the earliest of the month", 2: "neither the rules nor the limits keep it"}},
		{name: "limits keep what no rule selects", chains: []int{3, 3, 3}, prune: PruneOptions{KeepFull: 2, Policy: rules(t, "last 1 snapshot")}, want: "ddd kkk kkk"},
		{name: "rules that select nothing", chains: []int{3, 3}, prune: PruneOptions{Policy: rules(t, "last 1 days")}, want: "kkk kkk",
			reasons: map[int]string{1: "no rule selects any set, so all stay"}},
		{name: "the newest few", chains: []int{3, 3, 1}, prune: PruneOptions{Policy: rules(t, "last 1 snapshot")}, min: 3, want: "ddd nkk k",
			reasons: map[int]string{5: "it is one of the newest, which always stay"}},
		{name: "a hold", chains: []int{3, 3}, prune: PruneOptions{KeepFull: 1}, holds: []time.Time{day(2).Add(time.Hour)}, want: "nkd kkk",
			reasons: map[int]string{1: "a kept set builds on it", 2: "it is held for 2026-05-02T04:00:00Z"}},
		{name: "a hold before all", chains: []int{3, 3}, prune: PruneOptions{KeepFull: 1}, holds: []time.Time{day(1).Add(-time.Hour)}, want: "ddd kkk"},
		{name: "a last good dump", chains: []int{3, 3}, prune: PruneOptions{Policy: rules(t, "last 1 snapshot")}, dump: day(3), want: "nnk nnk",
			reasons: map[int]string{3: "it holds the last good dump of a service"}},
		{name: "older than", chains: []int{3, 3, 3}, prune: PruneOptions{OlderThan: day(5)}, want: "ddd kkk kkk"},
		{name: "nothing", prune: PruneOptions{KeepFull: 1, Policy: rules(t, "last 1 snapshot")}, holds: []time.Time{day(1)}, want: ""},
	} {
		c, now := collectionOf(test.chains...)
		if test.name == "rules that select nothing" {
			now = now.AddDate(0, 1, 0)
		}
		cfg := &config.Config{RetentionMin: test.min, Holds: test.holds}
		h := &history{Services: []ServiceRecord{{ID: "a/b", LastSet: test.dump}}}
		plan := test.prune.plan(cfg, c, h, now)
		if got := drawn(c, plan); got != test.want {
			t.Errorf("%s: got %s, want %s", test.name, got, test.want)
		}
		for n, want := range test.reasons {
			if got := plan[n-1].Reason; got != want {
				t.Errorf("%s: set %d: %q, want %q", test.name, n, got, want)
			}
		}
	}
}

// drawn writes a plan with a letter for each set.
func drawn(c *engine.Collection, plan engine.Plan) string {
	var chains []string
	for _, chain := range c.Chains {
		word := ""
		for range chain.Sets {
			switch d := plan[0]; {
			case d.Delete:
				word += "d"
			case d.Needed:
				word += "n"
			default:
				word += "k"
			}
			plan = plan[1:]
		}
		chains = append(chains, word)
	}
	return strings.Join(chains, " ")
}

// Without rules, holds and so on the plan is what duplicity's policies say.
func TestRetentionPlanAsDuplicity(t *testing.T) {
	for fulls := range 4 {
		for increments := range 4 {
			for older := range 12 {
				p := PruneOptions{KeepFull: fulls, KeepIncrementalOf: increments}
				if older > 0 {
					p.OlderThan = time.Date(2026, 5, older, 3, 0, 0, 0, time.UTC)
				}
				if p.isZero() {
					continue
				}
				c, now := collectionOf(2, 3, 1, 4)
				if diff := cmp.Diff(fmt.Sprint(p.limits(c)), fmt.Sprint(p.plan(&config.Config{}, c, &history{}, now))); diff != "" {
					t.Errorf("%+v (-engine +daemon):\n%s", p, diff)
				}
			}
		}
	}
}

func TestHoldWithoutASetIsTold(t *testing.T) {
	b := newRetentionBench(t, "one")
	b.cfg.Holds = []time.Time{time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)}
	b.run(t, Complete)
	if want := `BACKUP_RETENTION_HOLD: there is no set as old as that`; strings.Count(b.log.String(), want) != 1 {
		t.Errorf("log:\n%s", b.log)
	}
}

func BenchmarkPlanOfTenThousandSets(b *testing.B) {
	c, now := collectionOf(slicesOf(1000, 10)...)
	p := PruneOptions{KeepFull: 3, KeepIncrementalOf: 1, Policy: rules(b, "last 5 days, earliest of month, daily 7, weekly 4, monthly 12, yearly 3, daily;30")}
	cfg := &config.Config{RetentionMin: 3, Holds: []time.Time{now.AddDate(-1, 0, 0)}}
	for b.Loop() {
		if got := p.plan(cfg, c, &history{}, now); len(got) != 10_000 {
			b.Fatalf("%d decisions", len(got))
		}
	}
}

func slicesOf(n, value int) []int {
	list := make([]int, n)
	for i := range list {
		list[i] = value
	}
	return list
}

// C6: a full backup on the first run of each Sunday, or as soon as can be
// after it; the time of the day plays no part.
func TestFullOn(t *testing.T) {
	b := newBench(t, "BACKUP_FULL_ON=sunday", "BACKUP_RETENTION=last 100 days")
	var want []string
	for n, hour := range []int{5, 3, 4, 2, 6, 5, 4, 3, -1, 23, 1, 0, 2, 3, -1, 5, 4} {
		if hour < 0 {
			continue // no run on that day
		}
		b.clock = time.Date(2026, 5, 1+n, hour, 0, 0, 0, time.UTC) // the 1st is a Friday
		b.write(t, "source/volumes.txt", strings.Repeat("x", n))
		b.run(t, Complete)
		kind := "I"
		if n == 0 || n == 2 || n == 9 || n == 16 {
			kind = "F"
		}
		want = append(want, kind+b.clock.Format("02"))
	}
	if got, want := b.sets(t), strings.Join(want, " "); got != want {
		t.Errorf("sets: %s, want %s", got, want)
	}
	b.clock = time.Date(2026, 5, 26, 3, 0, 0, 0, time.UTC) // Tuesday, after a Sunday without a run
	b.write(t, "source/volumes.txt", "late")
	b.run(t, Complete)
	if got := b.sets(t); !strings.HasSuffix(got, "F17 F26") {
		t.Errorf("sets: %s", got)
	}
}

// C-a: a full backup a week. Runs a day apart need not be so to the second;
// where they are closer, the interval is duplicity's.
func TestFullEachWeek(t *testing.T) {
	for _, c := range []struct{ schedule, runs, want string }{
		{"0 0 3 * * *", "06T03:00:05 07T03:00:05 13T03:00:01 14T03:00:05 20T02:59:40", "F06 I07 F13 I14 F20"},
		{"0 0 3 * * *", "06T03:00:05 07T03:00:05 13T01:00:05 14T03:00:05", "F06 I07 I13 F14"}, // by hand
		{"0 0 */6 * * *", "06T03:00:05 07T03:00:05 13T03:00:01 14T03:00:05", "F06 I07 I13 F14"},
		{"0 0 */6 * * *", "06T03:00:05 07T03:00:05 13T03:00:10", "F06 I07 F13"},
	} {
		b := newBench(t, "BACKUP_CRON_SCHEDULE="+c.schedule, "BACKUP_RETENTION=last 100 days", "BACKUP_MODULE_DATABASE=false")
		for n, run := range strings.Fields(c.runs) {
			at, err := time.Parse("2006-01-02T15:04:05", "2024-05-"+run)
			b.must(t, err)
			b.clock = at
			b.write(t, "source/volumes.txt", strings.Repeat("x", n))
			b.run(t, Complete)
		}
		if got := b.sets(t); got != c.want {
			t.Errorf("%s: %s gives %s, want %s", c.schedule, c.runs, got, c.want)
		}
	}
}
