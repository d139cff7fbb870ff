package daemon

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/purser-backup/purser/engine"
	"github.com/purser-backup/purser/internal/config"
	"github.com/purser-backup/purser/internal/retention"
)

// PruneOptions say which sets Prune deletes. Of duplicity's three policies, any
// that is given deletes; what Policy selects stays whatever they say. If none of
// the four is given, those of the configuration apply, as after a run.
type PruneOptions struct {
	OlderThan         time.Time        // delete chains that ended before it; zero is no policy
	KeepFull          int              // keep this many of the newest chains; 0 is no policy
	KeepIncrementalOf int              // keep the increments of this many of them; 0 is no policy
	Policy            retention.Policy // keep what it selects; zero is no policy
	Execute           bool             // without it, nothing is deleted
}

// Pruned is what a pruning is about to delete, or has deleted.
type Pruned struct {
	Plan   engine.Plan
	Done   bool // Plan was carried out, and Result tells how
	Result engine.PruneResult
}

// Prune applies retention policies to the repository. A set that holds the
// last good dump of a service is kept whatever they say, unless a newer
// complete set holds it too, and so are those that BACKUP_RETENTION_HOLD names and the
// newest BACKUP_RETENTION_MIN. Neither recipes nor Docker play a part. Errors
// are ErrLocked and those of the engine.
func Prune(ctx context.Context, o Options, p PruneOptions) (Pruned, error) {
	now, execute := o.Now(), p.Execute
	if p.isZero() {
		p = configured(o.Config, now)
	}
	return change(ctx, o, execute, true, func(c *engine.Collection, h *history) engine.Plan {
		for _, t := range unheld(o.Config, c) {
			o.Log.Warn("BACKUP_RETENTION_HOLD: there is no set as old as that", "time", t)
		}
		return p.plan(o.Config, c, h, now)
	})
}

// Cleanup deletes what no restore can use: sets without a manifest, and
// increments whose predecessor is missing. Without execute nothing is deleted.
// Errors are those of Prune.
func Cleanup(ctx context.Context, o Options, execute bool) (Pruned, error) {
	plan := func(c *engine.Collection, _ *history) engine.Plan { return engine.Cleanup(c) }
	return change(ctx, o, execute, false, plan)
}

// judged is what a plan is made of. Policies go by what the targets hold; what
// is useless may lie anywhere.
func judged(ctx context.Context, repo *engine.Repository, policies bool) (engine.Collection, error) {
	if policies {
		return repo.Sent(ctx)
	}
	return repo.Collection(ctx)
}

// change makes a plan of what the target holds and carries it out, if execute
// says so, while no run is under way.
func change(ctx context.Context, o Options, execute, policies bool, plan func(*engine.Collection, *history) engine.Plan) (out Pruned, err error) {
	s := newState(o.Config.ArchiveDir)
	if execute {
		if err := s.create(); err != nil {
			return Pruned{}, err
		}
		lock, err := s.lockRun()
		if err != nil {
			return Pruned{}, err
		}
		defer lock.unlock()
	}
	h, err := s.loadHistory()
	if err != nil {
		return Pruned{}, err
	}
	repo, err := OpenRepository(ctx, o)
	if err != nil {
		return Pruned{}, err
	}
	defer func() { err = join(err, repo.Close()) }()
	c, err := judged(ctx, repo, policies)
	if err != nil {
		return Pruned{}, err
	}
	out.Plan = plan(&c, &h)
	if execute {
		out.Result, err = repo.Prune(ctx, out.Plan)
		out.Done = err == nil
	}
	return out, err
}

// prune is the step of a run after its backup. Its failure leaves a good
// backup, but the user must know of it.
func (r *run) prune(ctx context.Context, p place, repo *engine.Repository) error {
	if err := r.phase(PhasePrune); err != nil {
		return err
	}
	if len(repo.Behind()) > 0 { // the run is incomplete for that
		r.log.Warn("nothing was pruned, since a target lacks what the others hold")
		return nil
	}
	res, err := r.pruneTarget(ctx, p.opt.Config, repo)
	switch {
	case ctx.Err() != nil:
		return err
	case errors.Is(err, fs.ErrPermission):
		// That is how some want it: who gets hold of this host can't delete backups.
		r.log.Warn("nothing was pruned: these credentials may not delete; leave it to the target's own rules or to another host", "error", err)
		return nil
	case err != nil:
		r.missing = append(r.missing, &incomplete{&pruneError{err}})
		return nil
	}
	r.record.Prune = &Pruning{Sets: res.Sets, Objects: res.Objects, Bytes: res.Bytes}
	if res.Sets > 0 {
		r.log.Info("pruned", "sets", res.Sets, "objects", res.Objects, "bytes", res.Bytes, "took", r.took(r.journal.Since))
	}
	return nil
}

func (r *run) pruneTarget(ctx context.Context, cfg *config.Config, repo *engine.Repository) (engine.PruneResult, error) {
	c, err := repo.Sent(ctx)
	if err != nil {
		return engine.PruneResult{}, err
	}
	for _, t := range unheld(cfg, &c) {
		r.log.Warn("BACKUP_RETENTION_HOLD: there is no set as old as that", "time", t)
	}
	now := r.now()
	keep := configured(cfg, now)
	plan := keep.plan(cfg, &c, &r.history, now)
	for _, d := range plan {
		r.log.Debug("retention", "set", d.Set.Time, "delete", d.Delete, "why", d.Reason)
	}
	return repo.Prune(ctx, plan)
}

// pruneError says what the failure did not touch.
type pruneError struct{ err error }

func (e *pruneError) Error() string {
	return "the backup is good, but pruning failed: " + e.err.Error()
}
func (e *pruneError) Unwrap() error { return e.err }

// Hint is the cause's, if that has one.
func (e *pruneError) Hint() string {
	var inner interface{ Hint() string }
	if errors.As(e.err, &inner) && inner.Hint() != "" {
		return inner.Hint()
	}
	return "the next run tries again, and so does `purser prune --execute`"
}

// dumpsInTree lists the services whose last good dump lies in the source path
// now, so that a set made of it holds that dump.
func (r *run) dumpsInTree() []string {
	var ids []string
	for _, s := range r.history.Services {
		if s.LastGood.IsZero() {
			continue
		}
		info, err := os.Lstat(filepath.Join(r.cfg.SourcePath, dumpPath(s.ID)))
		if err == nil && info.IsDir() {
			ids = append(ids, s.ID)
		}
	}
	return ids
}

// dumpPath is where the dumps of a service lie below the source path.
func dumpPath(id string) string {
	if id == rancherDatabaseID {
		return rancherDatabaseDir
	}
	return "dump/" + id
}

// noteSet records that the set holds the last good dumps of these services,
// less those of which something could not be read.
func (h *history) noteSet(set time.Time, ids, unreadable []string) {
	for _, id := range ids {
		if !touches(dumpPath(id), unreadable) {
			h.service(id).LastSet = set
		}
	}
}

// touches reports whether one of the lines "PATH: what is wrong" is about dir,
// about something in it, or about a directory that it is in.
func touches(dir string, lines []string) bool {
	for _, line := range lines {
		if strings.HasPrefix(line, dir+"/") {
			return true
		}
		for above := dir; above != "."; above = filepath.Dir(above) {
			if strings.HasPrefix(line, above+": ") {
				return true
			}
		}
		if strings.HasPrefix(line, ": ") || strings.HasPrefix(line, ".: ") {
			return true
		}
	}
	return false
}

// protected are the sets that must not be deleted: of each service the newest
// one that holds its last good dump.
func (h *history) protected() []time.Time {
	var sets []time.Time
	for _, s := range h.Services {
		if !s.LastSet.IsZero() {
			sets = append(sets, s.LastSet)
		}
	}
	return sets
}
