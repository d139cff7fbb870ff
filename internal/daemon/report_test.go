package daemon

import (
	"errors"
	"strings"
	"testing"

	"github.com/purser-backup/purser/discovery"
)

func TestReportsOfRuns(t *testing.T) {
	b := newBench(t)
	if list, err := ReadRuns(b.cfg); err != nil || list == nil || len(list) != 0 {
		t.Errorf("before the first run: %v, %v", list, err)
	}
	off := container("off", "store")
	off.Labels = map[string]string{"backup.disable": "true"}
	b.engine.list = []discovery.Container{container("one", "store"), container("web", "nginx"), off}
	b.run(t, Complete)
	b.run(t, Complete)
	b.engine.down = errors.New("no socket")
	b.run(t, Failed, "no socket")
	list, err := ReadRuns(b.cfg)
	b.must(t, err)
	if len(list) != 3 || list[0].Result != Failed || list[0].Kept != nil || list[1].Services[0].Previous != 14 || list[2].Services[0].Previous != 0 {
		t.Fatalf("runs: %+v", list)
	}
	last := list[1]
	if len(last.Skipped) != 1 || last.Skipped[0].ID != "_/off" || len(last.Missed) != 1 || last.Missed[0].Image != "nginx" || last.Kept.Sets != 2 {
		t.Errorf("report: %+v", last)
	}
	for _, want := range []string{
		"report: run complete", "report: _/one: dumped as store, 14 B, last time 14 B", "report: skipped by label: _/off",
		"report: not covered: _/web", "report: kept: 1 chain, 2 sets", "report: error: no socket",
	} {
		if !strings.Contains(b.log.String(), want) {
			t.Errorf("the log lacks %q:\n%s", want, b.log)
		}
	}
}

// Reports don't grow without bound, in number or in size.
func TestReportsAreBounded(t *testing.T) {
	b := newBench(t)
	b.must(t, b.state.create())
	for range maxRuns + 5 {
		b.must(t, b.state.addRun(newRecord()))
	}
	past, err := b.state.loadRuns()
	b.must(t, err)
	if len(past.Runs) != maxRuns || past.Counts[""] != maxRuns+5 {
		t.Errorf("%d runs are kept, %v counted", len(past.Runs), past.Counts)
	}
	big := newRecord()
	big.Problems = []string{strings.Repeat("x", maxRunBytes-1000)}
	b.must(t, b.state.addRun(big))
	b.must(t, b.state.addRun(big))
	if past, err = b.state.loadRuns(); err != nil || len(past.Runs) != 1 {
		t.Errorf("%d big runs are kept, %v", len(past.Runs), err)
	}
}
