package daemon

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestServe lets a whole Daemon work for three days of fake time, with real
// backups in it.
func TestServe(t *testing.T) {
	b := newBench(t, "BACKUP_MODULE_DATABASE=false", "BACKUP_CRON_SCHEDULE=0 3 * * *")
	synctest.Test(t, func(t *testing.T) {
		b.now = func() time.Time { return time.Now().Round(0).UTC() }
		b.opt.Now = b.now
		ctx, cancel := context.WithTimeout(t.Context(), 72*time.Hour)
		defer cancel()
		done := make(chan error)
		go func() { done <- b.Serve(ctx, func(err error) { t.Errorf("reported: %v", err) }) }()

		time.Sleep(time.Hour)
		if err := b.Serve(ctx, nil); !errors.Is(err, ErrLocked) {
			t.Errorf("a second daemon: %v", err)
		}
		if err := Health(b.cfg, b.now()); err != nil {
			t.Errorf("health: %v", err)
		}
		status, err := ReadStatus(b.cfg, b.now())
		b.must(t, err)
		if want := time.Date(2000, 1, 1, 3, 0, 0, 0, time.UTC); !status.Daemon || !status.NextRun.Equal(want) || status.LastRun.Trigger != BySchedule {
			t.Errorf("status: %+v", status)
		}
		b.write(t, "source/volumes.txt", "changed after an hour\n")
		b.must(t, <-done)
	})
	repo, err := OpenRepository(t.Context(), b.opt)
	b.must(t, err)
	defer repo.Close()
	c, err := repo.Collection(t.Context())
	b.must(t, err)
	var got []string
	for _, s := range c.Chains[0].Sets {
		got = append(got, s.Time.UTC().Format("02 15:04"))
	}
	// Nothing changed on the later days, so no set was written.
	if diff := cmp.Diff([]string{"01 00:00", "01 03:00"}, got); diff != "" {
		t.Errorf("sets (-want +got):\n%s", diff)
	}
}
