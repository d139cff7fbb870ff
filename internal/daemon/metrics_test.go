package daemon

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	"go.yaml.in/yaml/v3"

	"github.com/purser-backup/purser/discovery"
)

// scraped gives the page of metrics, less those of the Go runtime and the process.
func (b *bench) scraped(t *testing.T) string {
	t.Helper()
	status, page, err := b.newMetrics().answer(t.Context())
	if err != nil || status != http.StatusOK {
		t.Fatalf("scrape: %d, %v", status, err)
	}
	var ours strings.Builder
	for line := range strings.Lines(string(page)) {
		if strings.Contains(line, "purser_") {
			ours.WriteString(strings.ReplaceAll(line, b.root, "ROOT"))
		}
	}
	return ours.String()
}

// has checks that a scrape has all these series.
func has(t *testing.T, page string, want ...string) {
	t.Helper()
	for _, w := range want {
		if !strings.Contains("\n"+page, "\n"+w+"\n") {
			t.Errorf("no %s in:\n%s", w, page)
		}
	}
}

func TestMetrics(t *testing.T) {
	b := newBench(t)
	b.Daemon.room = func(string) (room, error) { return room{free: 600, total: 1000}, nil }
	b.engine.list = []discovery.Container{container("one", "store"), container("two", "store")}
	page := b.scraped(t)
	has(t, page, `purser_backup_runs_total{status="complete",target="file://ROOT/target/"} 0`, `purser_services{state="good"} 0`)
	if strings.Contains(page, "last_success_timestamp") {
		t.Errorf("what never was has a time:\n%s", page)
	}
	b.run(t, Complete)
	b.engine.fail = map[string]string{"_/two": "denied"}
	b.run(t, Incomplete, "denied")
	b.must(t, NoteVerification(b.cfg, b.now(), false))
	const target = `{target="file://ROOT/target/"}`
	page = b.scraped(t)
	has(t, page,
		`purser_service_last_dump_success{service="_/one"} 1`, `purser_service_last_dump_success{service="_/two"} 0`,
		`purser_service_dump_bytes{service="_/two"} 14`,
		`purser_services{state="failed"} 1`, `purser_services{state="good"} 1`, `purser_services_omitted 0`,
		`purser_backup_last_status{status="complete",target="file://ROOT/target/"} 0`,
		`purser_backup_last_status{status="incomplete",target="file://ROOT/target/"} 1`,
		`purser_backup_runs_total{status="complete",target="file://ROOT/target/"} 1`,
		`purser_backup_runs_total{status="incomplete",target="file://ROOT/target/"} 1`,
		"purser_target_chains"+target+" 1", "purser_target_sets"+target+" 2",
		"purser_target_free_bytes"+target+" 600", "purser_target_size_bytes"+target+" 1000",
		"purser_verify_last_success"+target+" 0", "purser_backup_running"+target+" 0", "purser_backup_healthy"+target+" 0",
		`purser_alert_active{kind="full"} 0`, "purser_notifications_pending 0", "purser_docker_up 0",
	)
	h, err := b.state.loadHistory()
	b.must(t, err)
	has(t, page, fmt.Sprintf("purser_backup_last_success_timestamp_seconds%s %v", target, float64(h.LastComplete.Ended.Unix())))
}

// Names and help are as Prometheus wants them.
func TestMetricNames(t *testing.T) {
	b := newBench(t)
	b.engine.list = []discovery.Container{container("one", "store")}
	b.run(t, Complete)
	problems, err := promlint.New(strings.NewReader(b.scraped(t))).Lint()
	b.must(t, err)
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
}

// The example rules and the board ask for metrics that there are.
func TestExamplesAskForWhatThereIs(t *testing.T) {
	known := map[string]bool{}
	for _, one := range described() {
		known[one.name] = true
	}
	read := func(path string) []byte {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	const rules, board = "../../compose/prometheus/purser.rules.yml", "../../compose/grafana/purser.json"
	var parsed struct {
		Groups []struct {
			Rules []struct{ Alert, Expr string }
		}
	}
	if err := yaml.Unmarshal(read(rules), &parsed); err != nil || len(parsed.Groups) != 1 || len(parsed.Groups[0].Rules) < 5 {
		t.Errorf("%s: %+v, %v", rules, parsed, err)
	}
	if !json.Valid(read(board)) {
		t.Errorf("%s is no JSON", board)
	}
	for _, path := range []string{rules, board, "../../compose/prometheus/purser.rules.test.yml"} {
		for _, name := range regexp.MustCompile(`purser_[a-z_]*[a-z]`).FindAllString(string(read(path)), -1) {
			if !known[name] && name != "purser_token" {
				t.Errorf("%s: there is no %s", path, name)
			}
		}
	}
	promtool, err := exec.LookPath("promtool")
	if err != nil {
		t.Log("promtool is not there: the rules are not run")
		return
	}
	var out bytes.Buffer
	cmd := exec.CommandContext(t.Context(), promtool, "test", "rules", "purser.rules.test.yml")
	cmd.Dir, cmd.Stdout, cmd.Stderr = "../../compose/prometheus", &out, &out
	if err := cmd.Run(); err != nil {
		t.Errorf("promtool: %v\n%s", err, &out)
	}
}

// A scrape of many services is quick and small, and of too many it is bounded.
func TestScrapeOfManyServices(t *testing.T) {
	const limit = slowdown * 20 * time.Millisecond
	for _, test := range []struct{ services, series int }{{200, 200}, {maxServices + 500, maxServices}} {
		b := newBench(t)
		b.must(t, b.state.create())
		now := b.now()
		record := newRecord()
		record.Started, record.Ended, record.Result = now, now, Complete
		h := history{LastRun: &record, LastComplete: &record}
		for i := range test.services {
			s := h.service(fmt.Sprintf("stack-%04d/service", i))
			s.Recipe, s.LastGood, s.LastTried, s.Bytes = "mysql", now, now, 1<<30
			record.Services = append(record.Services, ServiceDump{ID: s.ID, Recipe: "mysql", Outcome: Dumped, Started: now, Ended: now})
		}
		b.must(t, b.state.saveHistory(h))
		b.must(t, b.state.addRun(record))
		m := b.newMetrics()
		best, size := time.Hour, 0
		for try := 0; try < 20 && (try < 5 || best > limit); try++ { // other tests share the processors
			start := time.Now()
			_, page, err := m.answer(t.Context())
			b.must(t, err)
			best, size = min(best, time.Since(start)), len(page)
		}
		t.Logf("%d services: %v, %d bytes", test.services, best, size)
		if test.services == 200 && (best > limit || size > 5<<20) {
			t.Errorf("a scrape takes %v and has %d bytes", best, size)
		}
		if n := strings.Count(b.scraped(t), "purser_service_dump_bytes{"); n != test.series {
			t.Errorf("%d services have %d series, want %d", test.services, n, test.series)
		}
	}
}
