package dumpers

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/purser-backup/purser/discovery"
)

// room keeps account of what the dumps under way are expected to take.
type room struct {
	mu       sync.Mutex
	expected int64
	short    bool // a dump found too little: none is kept any more
}

// reserve refuses a dump for which there is no room: as much as the last one
// took, beside the last one and what others have yet to write. Replaced dumps
// that are kept give way. The returned function gives the room back.
func (d *Dumper) reserve(s discovery.Service) (release func(), err error) {
	last := treeSize(d.tree.root.FS(), dumpPath(s))
	d.room.mu.Lock()
	defer d.room.mu.Unlock()
	others := max(0, d.room.expected-treeSize(d.tree.root.FS(), d.tree.staging))
	left, known := free(d.tree.path)
	if known && last > 0 && last+others > left {
		if err := DropPrevious(d.tree.path); err != nil { // another purser may be at it
			d.options.Warn("the replaced dumps can't be removed", "error", err)
		}
		left, known = free(d.tree.path)
	}
	if known && last > 0 && last+others > left {
		return nil, &Error{Service: s.ID(), Op: "look for room", Advice: diskHint(syscall.ENOSPC, d.options.Source),
			Err: fmt.Errorf("the last dump has %s, other dumps need about %s, and %s has %s free", size(last), size(others), d.options.Source, size(left))}
	}
	d.room.expected += last
	return func() {
		d.room.mu.Lock()
		defer d.room.mu.Unlock()
		d.room.expected -= last
	}, nil
}

// treeSize is the size of all files below a directory, 0 if it isn't there.
// Files may come and go meanwhile, so errors are no news.
func treeSize(fsys fs.FS, dir string) int64 {
	var sum int64
	_ = fs.WalkDir(fsys, path.Clean(dir), func(_ string, e fs.DirEntry, err error) error {
		if err != nil {
			return nil
		}
		if info, err := e.Info(); err == nil && info.Mode().IsRegular() {
			sum += info.Size()
		}
		return nil
	})
	return sum
}

// size writes bytes for people.
func size(n int64) string {
	if n < 1<<20 {
		return fmt.Sprintf("%.1f KiB", float64(n)/(1<<10))
	}
	return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
}

// notYet is what clients say of a server that doesn't listen yet, or only to say so.
var notYet = regexp.MustCompile(`(?i:connection refused|ECONNREFUSED|can't connect|could not connect|not connect to|is starting up|not yet accepting)|\bLOADING\b`)

// unready reports whether a client that said this failed for want of a server that answers.
func unready(failure error, said string) bool {
	return errors.Is(failure, errExit) && notYet.MatchString(said)
}

// noRoom reports whether a failure says that the disk is full, purser's own or that
// of a client, whose text it has.
func noRoom(failure error) bool {
	return errors.Is(failure, syscall.ENOSPC) || errors.Is(failure, syscall.EDQUOT) || strings.Contains(failure.Error(), saysNoRoom)
}

// saysNoRoom is what clients say of a full disk.
const saysNoRoom = "No space left on device"

// starting reports whether a dump failed because the service has just
// started, and waits a little if so.
func (d *Dumper) starting(ctx context.Context, s discovery.Service, failure error) bool {
	if ctx.Err() != nil || !unready(failure, failure.Error()) {
		return false
	}
	state, err := d.options.Runtime.State(ctx, s.Primary().ID)
	if err != nil || !state.Running {
		return false
	}
	left := d.options.Grace - d.options.Now().Sub(state.StartedAt)
	if left <= 0 {
		return false
	}
	d.options.Warn("service has just started and isn't ready; trying again", "service", s.ID(), "started", state.StartedAt)
	timer := time.NewTimer(min(left, graceStep))
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// graceStep is the time between two tries with a service that is starting.
const graceStep = 5 * time.Second
