package api_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/purser-backup/purser/internal/api"
)

func TestLines(t *testing.T) {
	at := time.Date(2026, 5, 20, 10, 0, 0, 0, time.UTC)
	run := api.Run{
		Trigger: api.BySchedule, Started: at, Ended: at.Add(90 * time.Second), Result: api.Incomplete, Target: "file:///target/",
		Errors: []string{"dump of shop/mongo: exit status 2"}, Hints: []string{"set MONGO_PASSWORD"}, Problems: []string{"a label\nwith a line break"},
		Services: []api.ServiceDump{
			{ID: "shop/db", Recipe: "mysql", Outcome: api.Dumped, Bytes: 3 << 20, Previous: 2 << 20, Started: at, Ended: at.Add(time.Second)},
			{ID: "shop/new", Recipe: "mysql", Outcome: api.Dumped, Bytes: 5, Started: at, Ended: at.Add(time.Second)},
			{ID: "shop/mongo", Outcome: api.DumpFailed},
		},
		Skipped: []api.PassedOver{{ID: "shop/cache"}}, Missed: []api.PassedOver{{ID: "shop/web"}, {ID: "shop/proxy"}},
		Backup: &api.Backup{Kind: "incremental", New: 1, Changed: 2, Deleted: 3, UploadedBytes: 4096},
		Prune:  &api.Pruning{Sets: 1, Objects: 3, Bytes: 1 << 30}, Kept: &api.Kept{Chains: 1, Sets: 2, Bytes: 5 << 30},
	}
	want := []string{
		"run incomplete, started by schedule at 2026-05-20T10:00:00Z, took 1m30s",
		"error: dump of shop/mongo: exit status 2",
		"hint: set MONGO_PASSWORD",
		`note: a label\nwith a line break`,
		"shop/db: dumped as mysql, 3.00 MiB, last time 2.00 MiB, took 1s",
		"shop/new: dumped as mysql, 5 B, took 1s",
		"shop/mongo: dump failed",
		"skipped by label: shop/cache",
		"not covered: shop/web, shop/proxy",
		"backup to file:///target/: incremental, 1 new, 2 changed, 3 deleted, 4.00 KiB uploaded",
		"pruned: 1 set, 1.00 GiB",
		"kept: 1 chain, 2 sets, 5.00 GiB",
	}
	if diff := cmp.Diff(want, run.Lines()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	run.Missed = make([]api.PassedOver, 25)
	if text := strings.Join(run.Lines(), "\n"); !strings.Contains(text, " and 5 more\n") {
		t.Errorf("a long list is not cut: %s", text)
	}
}
