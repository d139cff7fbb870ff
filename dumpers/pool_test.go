package dumpers

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"testing/fstest"
	"testing/synctest"

	"github.com/purser-backup/purser/discovery"
)

// held is a Runtime whose dumps wait to be released. It knows no container.
type held struct {
	engineless
	running atomic.Int32
	release chan struct{}
}

func (h *held) Run(ctx context.Context, job Job, _, _ io.Writer) (int, error) {
	h.running.Add(1)
	defer h.running.Add(-1)
	select {
	case <-h.release:
		return 0, os.WriteFile(filepath.Join(job.Dir, "all.sql"), []byte("dump\n"), 0o600)
	case <-ctx.Done():
		return 0, context.Cause(ctx)
	}
}

// As many dumps as may run side by side do, and never one more.
func TestDumpAllIsBounded(t *testing.T) {
	catalog, err := Load(fstest.MapFS{
		"index/store.yml":     {Data: []byte("store: {regex: store, template: store.yml}")},
		"templates/store.yml": {Data: []byte("commands: [dump]\n")},
	})
	if err != nil {
		t.Fatal(err)
	}
	recipe, _ := catalog.ByKind("store")
	const services = 7
	for parallel, bound := range map[int]int{0: 1, 1: 1, 2: 2, 3: 3, services: services, 100: services} {
		t.Run(fmt.Sprint(parallel), func(t *testing.T) {
			source := t.TempDir()
			synctest.Test(t, func(t *testing.T) {
				runtime := &held{release: make(chan struct{})}
				d, err := Open(Options{Source: source, Instance: "me", Runtime: runtime})
				if err != nil {
					t.Fatal(err)
				}
				defer d.Close()
				var plans []Plan
				for i := range services {
					s := discovery.Service{Stack: "shop", Name: fmt.Sprint("db", i), Containers: []discovery.Container{{Image: "store"}}}
					plans = append(plans, Plan{Service: s, Recipe: recipe})
				}
				results := make(chan []Result)
				go func() { results <- d.DumpAll(t.Context(), plans, Pool{Parallel: parallel}) }()
				for left := services; left > 0; left-- {
					synctest.Wait() // until nothing moves any more
					if got, want := int(runtime.running.Load()), min(bound, left); got != want {
						t.Errorf("%d dumps run with %d left to make, want %d", got, left, want)
					}
					runtime.release <- struct{}{}
				}
				for _, r := range <-results {
					if r.Err != nil {
						t.Error(r.Err)
					}
				}
			})
		})
	}
}
