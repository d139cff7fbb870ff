package daemon

import (
	"context"
	"slices"
	"time"

	"github.com/purser-backup/purser/dumpers"
	"github.com/purser-backup/purser/engine"
)

// LoadOptions say which dump is loaded, and into what.
type LoadOptions struct {
	Service string    // whose dump
	Time    time.Time // the newest backup at or before it; zero: the newest of all
	Into    string    // identity of a service, or name of a container; empty: Service
	Force   bool      // replace what the service holds
	Profile string    // whose backup; empty: the one with the newest
}

// Load is a dump that was loaded back.
type Load struct {
	Service string    `json:"service"` // whose dump
	Into    string    `json:"into"`    // identity of the service
	Time    time.Time `json:"time"`    // of the backup
	Started time.Time `json:"started"`
	Ended   time.Time `json:"ended"`
	Files   int       `json:"files"`
	Bytes   int64     `json:"bytes"`
	Summary []string  `json:"summary"` // what the recipe says that it has loaded
}

// Load takes the dump of a service out of the backup and loads it into a
// running service. It keeps out runs meanwhile.
func (d *Daemon) Load(ctx context.Context, o LoadOptions) (load Load, err error) {
	r, err := d.begin(commandLoad, RunOptions{Trigger: ByCommand})
	if err != nil {
		return Load{}, err
	}
	defer r.lock.unlock()
	load, err = r.load(ctx, o)
	return load, join(append(r.missing, err, r.close())...)
}

func (r *run) load(ctx context.Context, o LoadOptions) (Load, error) {
	load := Load{Service: o.Service, Summary: []string{}}
	err := r.withService(ctx, o, func(dumper *dumpers.Dumper, into Found) error {
		load.Into, load.Started = into.ID, r.now()
		loaded, err := dumper.Load(ctx, into.service, into.match.Recipe, dumpers.LoadOptions{
			Force: o.Force,
			Fill: func(dir string) (err error) {
				load.Time, err = r.restoreDump(ctx, dir, o)
				return err
			},
		})
		load.Ended, load.Files, load.Bytes = r.now(), loaded.Files, loaded.Bytes
		load.Summary = append(load.Summary, loaded.Summary...)
		return err
	})
	return load, err
}

// withService calls do with the service that a dump goes into.
func (r *run) withService(ctx context.Context, o LoadOptions, do func(*dumpers.Dumper, Found) error) error {
	return r.withDumper(ctx, func(docker *dockerEngine, dumper *dumpers.Dumper) error {
		all, err := r.discover(ctx, docker)
		if err != nil {
			return err
		}
		into, err := pick(all, []string{all.named(o.Into, o.Service)})
		if err != nil {
			return err
		}
		if into[0].match.Err != nil {
			return into[0].match.Err
		}
		if err := r.phase(PhaseLoad); err != nil {
			return err
		}
		return do(dumper, into[0])
	})
}

// named is the identity of the service that the user means by into: that of a
// service, or the name of one of its containers.
func (all Discovery) named(into, otherwise string) string {
	if into == "" {
		return otherwise
	}
	for _, s := range all.Services {
		if slices.Contains(s.Containers, into) {
			return s.ID
		}
	}
	return into
}

// restoreDump restores a service's dump into an empty directory and returns
// the time of its backup.
func (r *run) restoreDump(ctx context.Context, dir string, o LoadOptions) (t time.Time, err error) {
	from, err := r.opt.profile(ctx, o.Profile, o.Time)
	if err != nil {
		return time.Time{}, err
	}
	repo, err := OpenRepository(ctx, from)
	if err != nil {
		return time.Time{}, err
	}
	defer func() { err = join(err, repo.Close()) }()
	// What the archive says of owners may not be for the one-shot to read.
	res, err := repo.Restore(ctx, dir, engine.RestoreOptions{Time: o.Time, Path: dumpPath(o.Service), NoOwner: true})
	if err != nil {
		return time.Time{}, err
	}
	if n := len(res.Torn); n > 0 {
		r.log.Warn("newer backups can't be restored: a set that they build on is missing", "sets", n, "restored", res.Time)
	}
	r.log.Info("dump restored", "service", o.Service, "backup", res.Time, "files", res.Files, "bytes", res.Bytes)
	return res.Time, nil
}
