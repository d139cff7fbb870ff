package daemon

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/purser-backup/purser/engine/storage"
	"github.com/purser-backup/purser/internal/api"
	"github.com/purser-backup/purser/internal/bug"
	"github.com/purser-backup/purser/internal/hint"
	"github.com/purser-backup/purser/internal/notify"
)

// The kinds of alerts. They are interface: templates branch on them.
const (
	kindRun     = "run"
	kindStart   = "start"   // the daemon can't start, or has ended
	kindLock    = "lock"    // a due run can't begin
	kindEngine  = "engine"  // Docker can't be reached
	kindNothing = "nothing" // no service is dumped
	kindGone    = "gone"    // a service that was dumped is gone
	kindMissed  = "missed"  // a run was due while no daemon was there
	kindStale   = "stale"   // no good run for too long
	kindFull    = "full"    // little room on the target
)

// alertKinds lists those that can be active.
func alertKinds() []string {
	return []string{kindStart, kindLock, kindEngine, kindNothing, kindGone, kindMissed, kindStale, kindFull}
}

const pingService = "ping"

// settle and raise are those of the notices, for a reader of Serve.
func (d *Daemon) settle(ctx context.Context, key string) { d.notices.settle(ctx, key) }

// pingStart tells the dead man's switch, beside the run, that one has begun.
// What it returns waits for that.
func (d *Daemon) pingStart(ctx context.Context) (wait func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		err := bug.Guard(func() error {
			d.notices.ping(ctx, notify.Started, "")
			return nil
		})()
		if err != nil {
			d.log.Warn("the dead man's switch could not be told", "error", err, stackOf(err))
		}
	}()
	return func() { <-done }
}

func (n *notices) ping(ctx context.Context, signal notify.Signal, body string) {
	if n.cfg.Notices.Ping.IsZero() {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, tellLimit)
	defer cancel()
	failed := n.Ping(ctx, signal, body)
	if failed != nil {
		n.log.Warn("the dead man's switch could not be told", "error", failed)
	}
	err := n.update(func(t *told) bool {
		before := len(t.Failures)
		if failed != nil {
			t.fail(pingService, oneLine(failed), n.now())
			return true
		}
		t.Failures = slices.DeleteFunc(t.Failures, func(f NoticeFailure) bool { return f.Service == pingService })
		return len(t.Failures) != before
	})
	if err != nil {
		n.log.Warn("what people were told can't be noted", "error", err)
	}
}

// tellNoRun tells of a run that could not begin. One that waits for another
// purser to end is told of by the monitor, if it waits for long.
func (d *Daemon) tellNoRun(ctx context.Context, err error) {
	if errors.Is(err, ErrLocked) || ctx.Err() != nil {
		return
	}
	record := newRecord()
	record.Started, record.Ended, record.Result, record.Target = d.now(), d.now(), Failed, d.URL()
	record.Errors, record.Hints = []string{oneLine(err)}, hint.OfAll(err)
	d.tellResult(ctx, &record)
}

// tellRun tells how a run has ended, and what it has found. One that was
// interrupted is made up for, and so is nothing to be told of.
func (d *Daemon) tellRun(ctx context.Context, r *run, err error) {
	if ctx.Err() != nil {
		return
	}
	d.notices.flush(ctx)
	d.tellResult(ctx, &r.record)
	d.tellServices(ctx, r)
	d.tellRoom(ctx, r, err)
}

func (d *Daemon) tellResult(ctx context.Context, record *Run) {
	e := &notify.Event{Kind: kindRun, Severity: severity(record.Result), Run: record, Hints: record.Hints, Lines: record.Lines()[1:]}
	e.Subject = "backup " + string(record.Result)
	e.Text = upperFirst(record.Lines()[0]) + "."
	err := d.notices.update(func(t *told) bool {
		e.Changed = t.LastResult != record.Result
		t.LastResult = record.Result
		return e.Changed
	})
	if err != nil {
		d.log.Warn("what people were told can't be noted, they may be told again", "error", err)
	}
	signal := notify.Failing
	if record.Result == Complete {
		signal = notify.Succeeded
	}
	d.notices.ping(ctx, signal, strings.Join(record.Lines(), "\n"))
	d.notices.tell(ctx, e)
}

func severity(r Result) notify.Severity {
	switch r {
	case Complete:
		return notify.Success
	case Incomplete:
		return notify.Incomplete
	}
	return notify.Failure
}

// tellServices tells of services that are gone, and of a run that found
// nothing to dump.
func (d *Daemon) tellServices(ctx context.Context, r *run) {
	if !r.seen {
		return
	}
	if len(r.record.Services) == 0 {
		d.notices.raise(ctx, Alert{
			Kind: kindNothing, Severity: notify.Incomplete, Subject: "nothing is dumped",
			Text: fmt.Sprintf("No recipe fits any of %s that run; only the files below %s are backed up. `purser discover` says why, BACKUP_MODULE_DATABASE=false says that this is as it should be.",
				api.Count(len(r.record.Missed)+len(r.record.Skipped), "service"), d.cfg.SourcePath),
		})
	} else {
		d.settle(ctx, kindNothing)
	}
	for _, s := range r.history.Services {
		key := kindGone + ":" + s.ID
		if s.GoneSince.IsZero() {
			d.settle(ctx, key)
			continue
		}
		d.notices.raise(ctx, Alert{
			Key: key, Kind: kindGone, Severity: notify.Incomplete, Subject: s.ID + " is gone",
			Text: fmt.Sprintf("%s was dumped before and does not run any more. Its last dump is kept in %s until %s.",
				s.ID, d.cfg.SourcePath, s.staleFrom(d.cfg.StaleAfter).Format("2006-01-02")),
		})
	}
}

// room is the space of a file system.
type room struct{ free, total uint64 } // bytes

func statfs(dir string) (room, error) {
	var s unix.Statfs_t
	if err := unix.Statfs(dir, &s); err != nil {
		return room{}, fmt.Errorf("ask for the free space of %s: %w", dir, err)
	}
	return room{s.Bavail * uint64(s.Bsize), s.Blocks * uint64(s.Bsize)}, nil
}

// minFree is the part of a target that should stay free, in percent.
const minFree = 5

// tellRoom tells of a target that is full, or nearly so.
func (d *Daemon) tellRoom(ctx context.Context, r *run, err error) {
	if isFull(err) {
		d.notices.raise(ctx, Alert{
			Kind: kindFull, Severity: notify.Failure, Subject: "the target is full",
			Text: "Nothing more fits on the target " + d.URL() + ". Make room there, or keep less.",
		})
		return
	}
	low, known := d.lowTarget()
	switch {
	case low != "":
		d.notices.raise(ctx, Alert{
			Kind: kindFull, Severity: notify.Incomplete, Subject: "the target is nearly full",
			Text: low + ". Make room there, or keep less.",
		})
	case known || r.record.Result != Failed:
		d.settle(ctx, kindFull)
	}
}

// lowTarget describes the first of the local targets that is nearly full. known
// is false if the room of none of them is.
func (d *Daemon) lowTarget() (low string, known bool) {
	for _, raw := range d.cfg.Targets() {
		dir := localTarget(raw.Reveal())
		if dir == "" {
			continue
		}
		left, err := d.room(dir)
		switch {
		case errors.Is(err, os.ErrNotExist):
		case err != nil:
			d.log.Warn("the free space of the target is unknown", "error", err)
		case left.low():
			return fmt.Sprintf("%s of %s are free on the target %s",
				api.Size(int64(left.free)), api.Size(int64(left.total)), storage.Redact(raw.Reveal())), true
		default:
			known = true
		}
	}
	return "", known
}

func (r room) low() bool { return r.free < r.total/100*minFree }

// isFull reports whether the target, or what stands between, has refused for
// want of space. Servers say it in words of their own.
func isFull(err error) bool {
	if err == nil {
		return false
	}
	if errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) {
		return true
	}
	text := strings.ToLower(err.Error())
	for _, words := range []string{"no space left", "quota exceeded", "insufficient storage", "disk full", "quotaexceeded"} {
		if strings.Contains(text, words) {
			return true
		}
	}
	return false
}

// TellStart tells that a daemon could not start, or has ended by a fault. The
// configuration may be one that is good only in part.
func TellStart(ctx context.Context, o Options, fault error) {
	n, _ := newNotices(o) // its own fault is in the other one
	if !n.Active() && n.cfg.Notices.Ping.IsZero() {
		return
	}
	text := n.cfg.Scrub(oneLine(fault))
	hints := hint.OfAll(fault)
	n.ping(ctx, notify.Failing, strings.Join(append([]string{text}, hints...), "\n"))
	n.raise(ctx, Alert{Kind: kindStart, Severity: notify.Failure, Subject: "the daemon can't run", Text: "No backups are made: " + text, Hints: hints})
}

func upperFirst(s string) string { return strings.ToUpper(s[:1]) + s[1:] }
