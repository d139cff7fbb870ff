package daemon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/purser-backup/purser/dumpers"
	"github.com/purser-backup/purser/engine"
	"github.com/purser-backup/purser/internal/config"
)

// stagingDir holds dumps on their way, below the source path.
const stagingDir = ".purser"

// Backup stores the source path without dumping anything; Docker is not
// needed. The backup is nil if none was made. Errors are those of Run.
//
// Of several profiles it is the last one's; profile names one, or is empty for all.
func (d *Daemon) Backup(ctx context.Context, full bool, profile string) (*Backup, error) {
	if err := join(d.checkProfile(profile), d.CheckTarget(ctx)); err != nil {
		return nil, err
	}
	r, err := d.begin(commandBackup, RunOptions{Trigger: ByCommand, Profile: profile})
	if err != nil {
		return nil, err
	}
	defer r.lock.unlock()
	err = r.backup(ctx, full, nil)
	saved := r.close()
	return r.record.Backup, join(append(r.missing, err, saved)...)
}

// after is what comes after a backup without an error.
type after func(context.Context, place, *engine.Repository) error

// backup stores the source path as a new set, or with profiles as one of each
// that is due.
func (r *run) backup(ctx context.Context, full bool, then after) error {
	defer r.dropPrevious()
	if len(r.cfg.Profiles) > 0 {
		err := r.backupProfiles(ctx, r.dueProfiles(), full, then)
		if err == nil && then != nil && len(r.missing) == 0 {
			r.nameProfiles(ctx)
		}
		return err
	}
	return r.backupTo(ctx, place{opt: r.opt}, full, then)
}

// dropPrevious removes the replaced dumps once the ones that are there now are
// stored, unless a backup is to be gone on with that has begun with them.
func (r *run) dropPrevious() {
	if r.stored && !r.jobs.Backup {
		r.closing("the replaced dumps", func() error { return dumpers.DropPrevious(r.cfg.SourcePath) })
	}
	r.stored = false
}

// backupTo stores the source path as a new set at one place.
func (r *run) backupTo(ctx context.Context, p place, full bool, then after) error {
	if err := r.phase(PhaseBackup); err != nil {
		return err
	}
	repo, err := OpenRepository(ctx, p.opt)
	if err != nil {
		return err
	}
	defer r.closing("the target", repo.Close)
	err = r.store(ctx, p, repo, full)
	if ctx.Err() == nil {
		r.noteBehind(repo)
	}
	if err != nil {
		return err
	}
	if then != nil {
		err = then(ctx, p, repo)
	}
	if ctx.Err() == nil {
		r.noteTargets(ctx, p, repo)
	}
	return err
}

func (r *run) store(ctx context.Context, p place, repo *engine.Repository, full bool) error {
	cfg := p.opt.Config
	src, err := OpenSource(p.opt)
	if err != nil {
		return err
	}
	defer r.closing("the source path", src.Close)
	started := []any{"source", r.cfg.SourcePath, "target", p.url()}
	if limit := cfg.BandwidthLimit; !limit.IsZero() {
		started = append(started, "upload_bytes_per_second", limit.At(r.now()), "limit_changes", limit.Changes())
	}
	r.log.Info("backup started", started...)
	held := r.dumpsInTree()
	res, err := repo.Backup(ctx, src, engine.BackupOptions{
		Full: full, FullIfOlderThan: fullAfter(cfg, r.now()), FullWhenGrown: cfg.FullWhenGrown,
		FullIfBefore: cfg.FullOn.Last(r.now()), Until: r.until(), Previous: dumpers.Previous(cfg.SourcePath),
	})
	if errors.Is(err, engine.ErrTimeLimit) {
		return r.cut(res)
	}
	if err != nil {
		return err
	}
	b := newBackup(res, r.now())
	r.record.Backup, r.stored = b, true
	var set slog.Attr // left out where nothing was written
	if !b.Time.IsZero() {
		set = slog.Time("set", b.Time)
	}
	r.log.Info("backup done", "kind", b.Kind, set, "files", b.Files, "new", b.New, "changed", b.Changed,
		"deleted", b.Deleted, "uploaded_bytes", b.UploadedBytes, "took", r.took(r.journal.Since))
	if len(b.Unreadable) > 0 {
		r.missing = append(r.missing, Unreadable(b.Unreadable))
	}
	r.history.noteBackup(p.profile, b)
	if r.jobs.stored(p.profile) {
		if err := r.state.saveJobs(r.jobs); err != nil {
			return err
		}
	}
	if !res.Unchanged { // else the sets that are noted hold the same
		r.history.noteSet(res.Set.Time, held, res.Unreadable)
	}
	return nil
}

// fullTolerance is how much earlier than after its interval a full backup may be
// made where runs are a day or more apart: a run that begins some seconds before
// the time of day of the last one would put it off to the next run.
const fullTolerance = time.Hour

// fullAfter is the age from which on a full backup is made anew.
func fullAfter(cfg *config.Config, now time.Time) time.Duration {
	const day = 23 * time.Hour // in which the clock is changed
	due := cfg.Schedule.Next(now)
	if cfg.FullIfOlderThan <= fullTolerance || cfg.Schedule.Next(due).Sub(due) < day {
		return cfg.FullIfOlderThan
	}
	return cfg.FullIfOlderThan - fullTolerance
}

// cut leaves the rest of a backup to the next run. If the set that an earlier
// run had begun is whole now, only what has changed since is left, and that comes
// with the next run's own backup: a big backup must not keep dumps off for ever.
func (r *run) cut(res engine.BackupResult) error {
	r.jobs.Backup = res.Set.Time.IsZero()
	if err := r.state.saveJobs(r.jobs); err != nil {
		return err
	}
	r.log.Warn("backup ended early: the time is up", "took", r.took(r.journal.Since))
	what := "the end of the backup"
	if !r.jobs.Backup {
		r.record.Backup, r.stored = newBackup(res, r.now()), true
		what = "the backup of what has changed since the last run"
	}
	r.overdue(what, "the next run goes on with it")
	return errTimeUp
}

// Unreadable makes one error of all that a backup could not read. It wraps
// ErrIncomplete.
func Unreadable(names []string) error {
	const shown = 5
	text := strings.Join(names[:min(len(names), shown)], "; ")
	if more := len(names) - shown; more > 0 {
		text += fmt.Sprintf("; and %d more", more)
	}
	noun := "1 entry"
	if len(names) != 1 {
		noun = fmt.Sprintf("%d entries", len(names))
	}
	return &incomplete{withHint(fmt.Errorf("%s of the source could not be read, the previous state is kept: %s", noun, text),
		"run purser as root, with the capability DAC_READ_SEARCH where capabilities are dropped")}
}

// OpenSource opens the source path as a backup sees it: without purser's
// staging, and without its own state and a local target where they lie below
// it, since a backup must not contain itself. The caller closes it.
func OpenSource(o Options) (*engine.DirSource, error) { return openSource(o, stagingDir) }

// OpenTree is OpenSource for a tree that purser makes no dumps in.
func OpenTree(o Options) (*engine.DirSource, error) { return openSource(o) }

func openSource(o Options, out ...string) (*engine.DirSource, error) {
	cfg := o.Config
	dirs := map[string]string{cfg.ArchiveDir: "the archive directory", cfg.Archive: "duplicity's archive directory"}
	for _, target := range cfg.Roots() {
		dirs[localTarget(target.Reveal())] = "the target"
	}
	for dir, what := range dirs {
		if rel, inside := below(cfg.SourcePath, dir); inside {
			o.Log.Warn(what+" lies below the source path and is left out of the backup", "path", dir)
			out = append(out, rel)
		}
	}
	src, err := engine.OpenDir(cfg.SourcePath, func(path string) bool { return slices.Contains(out, path) })
	if err != nil {
		return nil, err
	}
	if !cfg.Filter.IsZero() {
		src.Exclude(cfg.Filter.Excludes)
	}
	rules := make([]engine.Rule, len(cfg.Selection))
	for i, r := range cfg.Selection {
		rules[i] = engine.Rule(r)
	}
	if err := src.Select(rules, o.Now()); err != nil {
		return nil, errors.Join(err, src.Close())
	}
	return src, nil
}

// below returns dir relative to root if it lies there.
func below(root, dir string) (string, bool) {
	if dir == "" {
		return "", false
	}
	absRoot, err1 := filepath.Abs(root)
	absDir, err2 := filepath.Abs(dir)
	if errors.Join(err1, err2) != nil {
		return "", false
	}
	rel, err := filepath.Rel(absRoot, absDir)
	if err != nil || rel == "." || rel == ".." || strings.HasPrefix(rel, "../") {
		return "", false
	}
	return filepath.ToSlash(rel), true
}

// localTarget is the directory of a file URL, empty for other targets. What
// follows file:// may be a relative path.
func localTarget(target string) string {
	path, ok := strings.CutPrefix(target, "file:")
	if !ok {
		return ""
	}
	path = strings.TrimPrefix(path, "//")
	if plain, err := url.PathUnescape(path); err == nil {
		return plain
	}
	return path
}
