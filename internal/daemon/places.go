package daemon

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/purser-backup/purser/engine"
	"github.com/purser-backup/purser/engine/storage"
	"github.com/purser-backup/purser/internal/api"
	"github.com/purser-backup/purser/internal/config"
)

// A Target is one of those that the configuration names.
type Target struct {
	URL   string         // without its password
	ID    string         // as that of a Store
	Store *storage.Store // nil if it is away
	Err   error          // why
}

// OpenTargets opens the targets that the configuration names. One that is away,
// while there are others, is no error. The caller closes each Store.
func OpenTargets(ctx context.Context, o Options) ([]Target, error) {
	if err := o.Config.CheckTarget(); err != nil {
		return nil, err
	}
	settings := storageOptions(o)
	settings.Limit = storage.NewLimit(settings.UploadRate)
	var list []Target
	var faults []error
	for _, raw := range o.Config.Targets() {
		t := Target{URL: storage.Redact(raw.Reveal()), ID: storage.ID(raw.Reveal())}
		settings.Programs = programs(o, raw.Reveal())
		t.Store, t.Err = storage.Open(ctx, raw.Reveal(), settings)
		switch {
		case t.Err == nil && o.wrap != nil:
			t.Store = o.wrap(t.Store)
		case t.Err != nil && (len(o.Config.More) == 0 || !isAway(raw.Reveal(), t.Err)):
			faults = append(faults, &ConfigError{t.Err})
		}
		list = append(list, t)
	}
	if len(faults) > 0 {
		return nil, errors.Join(append(faults, closeTargets(list))...)
	}
	return list, nil
}

// isAway reports whether a folder can't be opened now; other kinds of targets
// are not asked for anything before they are used.
func isAway(url string, err error) bool {
	var path *fs.PathError
	return localTarget(url) != "" && errors.As(err, &path)
}

func closeTargets(list []Target) error {
	var errs []error
	for _, t := range list {
		if t.Store != nil {
			errs = append(errs, t.Store.Close())
		}
	}
	return errors.Join(errs...)
}

// openPlaces opens the targets, and the place nearby if there is one.
func openPlaces(ctx context.Context, o Options) ([]engine.Place, error) {
	targets, err := OpenTargets(ctx, o)
	if err != nil {
		return nil, err
	}
	var list []engine.Place
	dir := liveDir(o.Config, targets[0].ID)
	leaving := o.Config.LiveKeep == 0 && holdsSets(dir)
	if (o.Config.LiveKeep > 0 || leaving) && o.Config.Archive == "" {
		live, err := storage.Open(ctx, "file://"+escapePath(dir), storage.Options{Warn: o.Log.Warn})
		if err != nil {
			return nil, errors.Join(err, closeTargets(targets))
		}
		list = append(list, engine.Place{Store: live, URL: live.URL(), ID: live.ID(), Live: o.Config.LiveKeep, Leaving: leaving})
	}
	for _, t := range targets {
		list = append(list, engine.Place{Store: t.Store, URL: t.URL, ID: t.ID, Err: t.Err, Deferred: len(list) > 0 && list[0].Live > 0 && !o.Config.UploadLatest})
	}
	return list, nil
}

// holdsSets reports whether the place nearby was used before, and has not been
// emptied since.
func holdsSets(dir string) bool {
	entries, err := os.ReadDir(dir)
	return err == nil && slices.ContainsFunc(entries, func(e fs.DirEntry) bool { return strings.Contains(e.Name(), "duplicity-") })
}

// liveDir is where the newest sets for a target stay.
func liveDir(cfg *config.Config, id string) string { return filepath.Join(cfg.ArchiveDir, "live", id) }

// escapePath writes a path so that a URL of the kind file means it.
func escapePath(path string) string {
	return strings.NewReplacer("%", "%25", "?", "%3F", "#", "%23").Replace(path)
}

// URLs are all targets of a configuration, without their passwords.
func URLs(cfg *config.Config) string {
	var list []string
	for _, raw := range cfg.Targets() {
		list = append(list, storage.Redact(raw.Reveal()))
	}
	return strings.Join(list, " ")
}

// noteBehind makes a run incomplete in which a target doesn't get all that it
// is to hold.
func (r *run) noteBehind(repo *engine.Repository) {
	for _, err := range repo.Behind() {
		// A run that goes on with the last one's backup makes two.
		if !slices.ContainsFunc(r.missing, func(known error) bool { return known.Error() == err.Error() }) {
			r.missing = append(r.missing, &incomplete{err})
		}
	}
}

// noteTargets records what became of each of several targets. Those of a profile
// come to those of the others.
func (r *run) noteTargets(ctx context.Context, p place, repo *engine.Repository) {
	reports, err := repo.Report(ctx)
	if err != nil {
		r.log.Warn("what each target holds now could not be counted", "error", err)
		return
	}
	before := slices.Clone(r.record.Targets)
	if p.profile == "" {
		r.record.Targets, r.history.Targets = nil, nil
	}
	for _, one := range reports {
		t := api.Target{
			URL: one.URL, Live: one.Live, UploadedBytes: one.UploadedBytes, CopiedSets: one.CopiedSets,
			Kept: api.Kept{Chains: one.Chains, Sets: one.Sets, Bytes: one.Bytes},
		}
		for _, b := range before {
			if b.URL == t.URL {
				t.UploadedBytes, t.CopiedSets = t.UploadedBytes+b.UploadedBytes, t.CopiedSets+b.CopiedSets
			}
		}
		if one.Err != nil {
			t.Error = r.cfg.Scrub(oneLine(one.Err))
		}
		if r.record.Prune != nil && one.Err == nil && !one.Live {
			t.PrunedSets = r.record.Prune.Sets
		}
		r.record.Targets = withTarget(r.record.Targets, t)
		r.history.Targets = withTarget(r.history.Targets, t)
	}
}

// withTarget is a list in which a target replaces what was known of it.
func withTarget(list []api.Target, t api.Target) []api.Target {
	if i := slices.IndexFunc(list, func(old api.Target) bool { return old.URL == t.URL }); i >= 0 {
		list[i] = t
		return list
	}
	return append(list, t)
}
