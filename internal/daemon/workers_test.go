package daemon

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
)

// A run makes as many dumps side by side as BACKUP_DUMP_WORKERS says.
func TestDumpWorkers(t *testing.T) {
	for set, want := range map[string]int32{"": 2, "1": 1, "4": 4} {
		t.Run("set to "+set, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var env []string
				if set != "" {
					env = append(env, "BACKUP_DUMP_WORKERS="+set)
				}
				b := newBench(t, env...)
				for i := range 6 {
					b.engine.list = append(b.engine.list, container(fmt.Sprint("db", i), "store"))
				}
				var begun atomic.Int32
				b.engine.hung = func() { begun.Add(1) }
				ctx, cancel := context.WithCancel(t.Context())
				ended := make(chan error)
				go func() {
					_, err := b.Run(ctx, RunOptions{Trigger: BySchedule})
					ended <- err
				}()
				synctest.Wait() // until nothing moves any more
				if got := begun.Load(); got != want {
					t.Errorf("%d dumps run, want %d", got, want)
				}
				cancel()
				if err := <-ended; !errors.Is(err, context.Canceled) {
					t.Error(err)
				}
			})
		})
	}
}
