package daemon

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/purser-backup/purser/internal/atomicfile"
)

// jobs is what a run has left to the next one because its time was up.
type jobs struct {
	Version  int      `json:"version"`
	Services []string `json:"services"`           // still to be dumped, in this order
	Backup   bool     `json:"backup"`             // the backup is to be gone on with, before anything is dumped
	Profiles []string `json:"profiles,omitempty"` // to be backed up, due or not; Backup is of the first
}

func (s state) jobsPath() string { return filepath.Join(s.dir, "jobs.json") }

func (s state) loadJobs() (jobs, error) {
	var j jobs
	_, err := load(s.jobsPath(), &j)
	return j, err
}

// saveJobs removes the file where there is nothing left to do.
func (s state) saveJobs(j jobs) error {
	if len(j.Services) > 0 || j.Backup || len(j.Profiles) > 0 {
		j.Version = stateVersion
		return save(s.jobsPath(), j)
	}
	err := os.Remove(s.jobsPath())
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("remove the list of jobs: %w", err)
	}
	return atomicfile.SyncDir(s.dir)
}

// errTimeUp ends a run early; the record tells of it already.
var errTimeUp = errors.New("the time limit has come")

// until is when the time of a run is up, zero if never.
func (r *run) until() time.Time {
	if r.cfg.TimeLimit == 0 || r.journal.Command != commandRun {
		return time.Time{}
	}
	return r.record.Started.Add(r.cfg.TimeLimit)
}

func (r *run) timeUp() bool {
	until := r.until()
	return !until.IsZero() && !r.now().Before(until)
}

// overdue makes the run incomplete: something waits for the next one.
func (r *run) overdue(what, next string) {
	err := withHint(fmt.Errorf("the time limit of %s came before %s", r.cfg.TimeLimit, what),
		"%s; BACKUP_TIME_LIMIT is the limit", next)
	r.missing = append(r.missing, &incomplete{err})
}

// queue puts services into the order in which they are dumped: first those that
// the last run has left, then the others by their priority.
func (j *jobs) queue(services []Found) []Found {
	place := func(s Found) int {
		if i := slices.Index(j.Services, s.ID); i >= 0 {
			return i - len(j.Services)
		}
		return 0
	}
	queue := slices.Clone(services)
	slices.SortStableFunc(queue, func(a, b Found) int {
		return cmp.Or(cmp.Compare(place(a), place(b)), cmp.Compare(b.service.Settings.Priority, a.service.Settings.Priority))
	})
	return queue
}

// left are the services of a queue that a run has left to the next. What the
// run before had left is a round of its own: a new round, in which all are
// dumped, begins after its end.
func (j *jobs) left(queue []Found, reached func(id string) bool) []string {
	var old, all []string
	begun := len(j.Services) == 0
	for _, s := range queue {
		carried := slices.Contains(j.Services, s.ID)
		switch {
		case reached(s.ID):
			begun = begun || !carried
		case carried:
			old = append(old, s.ID)
			fallthrough
		default:
			all = append(all, s.ID)
		}
	}
	switch {
	case len(old) > 0:
		return old
	case begun:
		return all
	}
	return nil
}

// leave carries to the next run what was not reached in this one. Services of a
// new round that hasn't begun wait for nothing.
func (r *run) leave(queue []Found, skipped map[string]bool) {
	var names []string
	if r.options.Partial { // they just stay due
		for _, s := range queue {
			if skipped[s.ID] {
				names = append(names, s.ID)
			}
		}
	} else {
		names = r.jobs.left(queue, func(id string) bool { return !skipped[id] })
		r.jobs.Services = names
	}
	if len(names) > 0 {
		r.overdue("the dumps of "+strings.Join(names, ", "), "the next run begins with them")
	}
}

// finishBackup goes on with a backup that the last run had to end early, before
// any dump changes what is being stored. It reports whether there is time for more.
func (r *run) finishBackup(ctx context.Context) (more bool, err error) {
	backup := r.backup
	if len(r.cfg.Profiles) > 0 {
		backup = r.finishProfile
	}
	if err := backup(ctx, false, r.prune); err != nil || !r.dumps() && len(r.cfg.Profiles) == 0 {
		return false, err
	}
	if r.timeUp() {
		r.overdue("all dumps: it was for the backup of the last run", "the next run makes them")
		return false, nil
	}
	return true, nil
}
