package engine

import (
	"context"
	"fmt"
	"iter"

	"github.com/purser-backup/purser/engine/internal/format"
	"github.com/purser-backup/purser/internal/bug"
)

// A walk goes through a source in a goroutine of its own.
type walk struct {
	entries chan []Entry // closed once all is sent
	cancel  context.CancelFunc
	done    chan struct{} // closed once err is set
	err     error
}

const (
	// scanned is how many entries are sent together: to hand over each by itself
	// would take longer than to find it.
	scanned = 16
	// walkedAhead is how many of these wait for the comparison.
	walkedAhead = 4
	// walkedEarly is how many may wait where the walk begins before the set is
	// planned. They take some 2 MB. It is no good where much is read of what they
	// name: it would be read long after it was looked at.
	walkedEarly = 512
)

// startWalk begins to walk src, up to ahead batches before who receives them.
// stop must be called.
func startWalk(ctx context.Context, src Source, ahead int) *walk {
	w := &walk{entries: make(chan []Entry, ahead), done: make(chan struct{})}
	ctx, w.cancel = context.WithCancel(ctx)
	go func() {
		defer close(w.done)
		if w.err = bug.Guard(func() error { return scan(ctx, src, w.entries) })(); w.err == nil {
			close(w.entries) // else it stays open: what was not walked is not deleted
		}
	}()
	return w
}

// wait returns once all is sent, or the walk has failed.
func (w *walk) wait() error {
	<-w.done
	return w.err
}

// stop ends the walk.
func (w *walk) stop() {
	w.cancel()
	<-w.done
}

// walked yields what scan sends, until all is sent or ctx ends.
func walked(ctx context.Context, entries <-chan []Entry) iter.Seq[Entry] {
	return func(yield func(Entry) bool) {
		for {
			select {
			case some, more := <-entries:
				if !more {
					return
				}
				for _, e := range some {
					if ctx.Err() != nil || !yield(e) {
						return
					}
				}
			case <-ctx.Done():
				return
			}
		}
	}
}

// scan sends the source's entries and refuses a walk that is out of order: a
// reader of the archive would lose what comes too late.
func scan(ctx context.Context, src Source, entries chan<- []Entry) error {
	last, first := "", true
	var some []Entry
	send := func() error {
		select {
		case entries <- some:
			some = make([]Entry, 0, scanned)
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	for e, err := range src.Walk(ctx) {
		if err != nil {
			return err
		}
		if e.Err == nil {
			if !first && format.Compare(e.Path, last) <= 0 {
				return fmt.Errorf("source yields %q after %q: not in index order", e.Path, last)
			}
			last, first = e.Path, false
		}
		if some = append(some, e); len(some) == scanned {
			if err := send(); err != nil {
				return err
			}
		}
	}
	return send()
}
