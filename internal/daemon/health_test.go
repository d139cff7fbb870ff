package daemon

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/purser-backup/purser/internal/config"
	"github.com/purser-backup/purser/internal/schedule"
)

func TestJudge(t *testing.T) {
	day := func(hours float64) time.Time {
		return time.Date(2026, 5, 20, 0, 0, 0, 0, time.UTC).Add(time.Duration(hours * float64(time.Hour)))
	}
	run := func(hours, took float64, r Result, text string) *Run {
		record := &Run{Started: day(hours), Ended: day(hours + took), Result: r}
		if text != "" {
			record.Errors = []string{text}
		}
		return record
	}
	for _, test := range []struct {
		name     string
		expr     string
		complete *Run
		last     *Run
		first    float64 // hour of the daemon's first start
		running  float64 // hour at which the run under way began, 0 if there is none
		now      float64
		want     string
	}{
		{name: "fresh start", expr: "@daily", now: 0.1},
		{name: "first start, two due times and the grace have passed", expr: "@daily", first: 0.5, now: 49.1,
			want: "no run has been complete yet"},
		{name: "first start, within the grace", expr: "@daily", first: 0.5, now: 48.9},
		{name: "one due time missed", expr: "@daily", complete: run(0, 1, Complete, ""), now: 47},
		{name: "two missed, within grace and length of the last run", expr: "@daily", complete: run(0, 1, Complete, ""), last: run(0, 1, Complete, ""), now: 49.9},
		{name: "two missed", expr: "@daily", complete: run(0, 1, Complete, ""), last: run(0, 1, Complete, ""), now: 50.1,
			want: "no run has been complete since 2026-05-20T00:00:00Z"},
		{name: "an incomplete run is not a good one", expr: "@daily", complete: run(0, 1, Complete, ""), last: run(48, 1, Incomplete, "dump of a/b: x"), now: 50.1,
			want: "no run has been complete since 2026-05-20T00:00:00Z; the last one: dump of a/b: x"},
		{name: "a long run that began in time", expr: "@daily", complete: run(0, 1, Complete, ""), running: 48, now: 100},
		{name: "a run that takes more than three days", expr: "@daily", complete: run(0, 1, Complete, ""), running: 48, now: 121,
			want: "no run has been complete since 2026-05-20T00:00:00Z"},
		{name: "the clock was set back behind the last complete run", expr: "@daily", complete: run(240, 1, Complete, ""), last: run(240, 1, Complete, ""), first: 200, now: 24},
		{name: "the clock was set forward over many due times", expr: "@daily", complete: run(0, 1, Complete, ""), last: run(0, 1, Complete, ""), now: 24000,
			want: "no run has been complete since 2026-05-20T00:00:00Z"},
		{name: "every minute, half a minute of grace", expr: "0 * * * * *", complete: run(0, 0, Complete, ""), now: 2.6 / 60,
			want: "no run has been complete since 2026-05-20T00:00:00Z"},
		{name: "every minute, within it", expr: "0 * * * * *", complete: run(0, 0, Complete, ""), now: 2.4 / 60},
	} {
		t.Run(test.name, func(t *testing.T) {
			plan, err := schedule.Parse(test.expr, "")
			if err != nil {
				t.Fatal(err)
			}
			var running *journal
			if test.running > 0 {
				running = &journal{Started: day(test.running)}
			}
			err = judge(plan, 0, &history{LastComplete: test.complete, LastRun: test.last}, heartbeat{First: day(test.first)}, running, day(test.now))
			got := ""
			if err != nil {
				got = err.Error()
			}
			if got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

// TestHealthFollowsTheDaemon has a real Daemon serve, look well, and stop.
func TestHealthFollowsTheDaemon(t *testing.T) {
	b := newBench(t, "BACKUP_MODULE_DATABASE=false")
	err := Health(b.cfg, b.now())
	if err == nil || err.Error() != "the daemon is not running" {
		t.Errorf("before the start: %v", err)
	}
	b.must(t, b.state.create())
	lock, err := lockFile(b.state.daemonLock())
	b.must(t, err)
	b.must(t, b.state.saveHeartbeat(heartbeat{First: b.now(), Started: b.now(), Next: b.now()}))
	b.run(t, Complete)
	if err := Health(b.cfg, b.now()); err != nil {
		t.Errorf("after a good run: %v", err)
	}
	if err := Health(b.cfg, b.now().Add(72*time.Hour)); err == nil {
		t.Error("healthy after three days without a run")
	}
	lock.unlock()
	err = Health(b.cfg, b.now())
	if err == nil || err.Error() != "the daemon is not running" {
		t.Errorf("after the stop: %v", err)
	}
}

func TestStatusTellsWhatIsWrong(t *testing.T) {
	at := time.Date(2026, 5, 20, 0, 0, 0, 0, time.UTC)
	s := newState(t.TempDir())
	if err := s.create(); err != nil {
		t.Fatal(err)
	}
	h := history{
		Instance: "test",
		LastRun:  &Run{Started: at, Result: Incomplete, Errors: []string{"dump of shop/db: exit status 2", "shop/x: conflict"}, Problems: []string{"shop/web: label is unknown"}},
		Services: []ServiceRecord{
			{ID: "shop/cache", LastGood: at, GoneSince: at},
			{ID: "shop/db", LastGood: at, Error: "dump of shop/db: exit status 2"},
			{ID: "shop/good", LastGood: at},
		},
	}
	if err := s.saveHistory(h); err != nil {
		t.Fatal(err)
	}
	plan, err := schedule.Parse("@daily", "")
	if err != nil {
		t.Fatal(err)
	}
	status, err := ReadStatus(&config.Config{ArchiveDir: s.dir[:len(s.dir)-len("/state")], Schedule: plan}, at)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"the daemon is not running",
		"the last run is incomplete",
		"shop/x: conflict",
		"shop/web: label is unknown",
		"shop/cache: gone since 2026-05-20T00:00:00Z, its last dump is kept until 2026-05-20T00:00:00Z",
		"dump of shop/db: exit status 2",
	}
	if diff := cmp.Diff(want, status.Wrong); diff != "" {
		t.Errorf("wrong (-want +got):\n%s", diff)
	}
}
