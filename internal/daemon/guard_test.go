package daemon

import (
	"slices"
	"strings"
	"testing"

	"github.com/purser-backup/purser/discovery"
)

// A dump far smaller than the last one is kept, and told about until the next
// one is like it.
func TestFarSmallerDumpIsFlagged(t *testing.T) {
	b := newBench(t)
	b.engine.list = []discovery.Container{container("db", "store"), container("other", "store")}
	flagged := func() bool {
		t.Helper()
		record := b.run(t, Complete)
		status, err := ReadStatus(b.cfg, b.now())
		b.must(t, err)
		const what = "the last one had 1013: look whether the service has lost data"
		told := func(s string) bool { return strings.HasPrefix(s, "_/db: the dump has ") && strings.HasSuffix(s, what) }
		i := slices.IndexFunc(record.Services, func(d ServiceDump) bool { return strings.HasSuffix(d.Warning, what) })
		if slices.ContainsFunc(record.Problems, told) != (i >= 0) || slices.ContainsFunc(status.Wrong, told) != (i >= 0) || len(record.Problems) > 1 {
			t.Errorf("warning of service %d, problems %q, status %q", i, record.Problems, status.Wrong)
		}
		return i >= 0
	}
	for i, c := range []struct {
		more int
		want bool
	}{{1000, false}, {500, false}, {1000, false}, {400, true}, {400, false}, {390, false}} {
		b.engine.more = map[string]string{"_/db": strings.Repeat("x", c.more)}
		if got := flagged(); got != c.want {
			t.Errorf("run %d: flagged %v", i+1, got)
		}
	}
}

// A whole dump whose commands complained is kept, and told about until one
// comes without a word.
func TestComplaintOfADumpIsTold(t *testing.T) {
	b := newBench(t)
	b.engine.list = []discovery.Container{container("db", "store"), container("other", "store")}
	b.engine.says = map[string]string{"_/db": strings.Repeat("one of many\n", 100) + "WARNING: collation mismatch\r\n"}
	const want = "its commands succeeded, and said: …; one of many; one of many; one of many; one of many; WARNING: collation mismatch"
	record := b.run(t, Complete)
	status, err := ReadStatus(b.cfg, b.now())
	b.must(t, err)
	for _, d := range record.Services {
		if d.Outcome != Dumped || (d.Warning == want) != (d.ID == "_/db") {
			t.Errorf("%+v", d)
		}
	}
	if told := []string{"_/db: " + want}; !slices.Equal(record.Problems, told) || !slices.Contains(status.Wrong, told[0]) {
		t.Errorf("problems %q, status %q", record.Problems, status.Wrong)
	}
	b.engine.says = nil
	if record = b.run(t, Complete); len(record.Problems) > 0 || record.Services[0].Warning != "" {
		t.Errorf("told again: %+v", record)
	}
}
