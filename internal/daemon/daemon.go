package daemon

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"math/big"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/purser-backup/purser/discovery"
	"github.com/purser-backup/purser/dumpers"
	"github.com/purser-backup/purser/engine"
	"github.com/purser-backup/purser/engine/storage"
	"github.com/purser-backup/purser/internal/bug"
	"github.com/purser-backup/purser/internal/config"
	"github.com/purser-backup/purser/templates"
)

// Options are what a Daemon is made of. All exported fields are required.
type Options struct {
	Config  *config.Config
	Log     *slog.Logger
	Now     func() time.Time // in the time zone of the schedule
	Rand    io.Reader
	Recipes string // directory of the user's recipes, which need not exist
	// NoRecipes leaves them out, for a command that looks at no services.
	NoRecipes bool
	KeyDir    string // directory of OpenPGP keys, which need not exist; those of SSH are in .ssh beside it

	wrap   func(*storage.Store) *storage.Store // lets tests put faults before a target
	pauses []time.Duration                     // lets tests not wait between tries to notify
}

// Daemon joins the parts of purser. Its methods may be called by several
// goroutines; of runs, dumps and backups on one archive directory only one is
// under way at a time, and another gets ErrLocked.
type Daemon struct {
	opt     Options
	cfg     *config.Config
	log     *slog.Logger
	now     func() time.Time
	state   state
	catalog *dumpers.Catalog
	scope   discovery.Scope
	rancher *rancherSource // nil where no server is configured
	notices *notices
	connect func(context.Context) (*dockerEngine, error)
	room    func(dir string) (room, error)
	listen  func() ([]listener, error)
}

// New compiles the recipes and makes ready; it connects to nothing. A fault in
// a recipe is a ConfigError; there may be several, joined.
func New(o Options) (*Daemon, error) {
	catalog := new(dumpers.Catalog)
	if !o.NoRecipes {
		var err error
		if catalog, err = loadCatalog(o.Recipes); err != nil {
			return nil, err
		}
	}
	scope, err := discovery.ParseScope(o.Config.Scope)
	if err != nil {
		return nil, &ConfigError{fmt.Errorf("BACKUP_SCOPE: %w", err)}
	}
	d := &Daemon{
		opt: o, cfg: o.Config, log: o.Log, now: o.Now,
		state: newState(o.Config.ArchiveDir), catalog: catalog, scope: scope,
		rancher: newRancherSource(o.Config, o.Log),
	}
	if d.notices, err = newNotices(o); err != nil {
		return nil, err
	}
	d.connect, d.room, d.listen = d.connectDocker, statfs, d.listenAll // tests connect to something else
	return d, nil
}

// ConfigError is a fault in what the user configured.
type ConfigError struct{ err error }

func (e *ConfigError) Error() string { return e.err.Error() }
func (e *ConfigError) Unwrap() error { return e.err }

// loadCatalog reads the user's recipes, where there are any, and ours.
func loadCatalog(dir string) (*dumpers.Catalog, error) {
	layers := []fs.FS{templates.FS()}
	if info, err := os.Stat(dir); err == nil && info.IsDir() {
		layers = []fs.FS{os.DirFS(dir), templates.FS()}
	} else if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("look for recipes: %w", err)
	}
	catalog, err := dumpers.Load(layers...)
	var faults *dumpers.LoadError
	if !errors.As(err, &faults) {
		return catalog, err
	}
	var all []error
	for _, f := range faults.Faults {
		all = append(all, &ConfigError{f})
	}
	return nil, errors.Join(all...)
}

// URL is the target, or all of them, without passwords.
func (d *Daemon) URL() string { return URLs(d.cfg) }

// SourcePath is the directory that is backed up.
func (d *Daemon) SourcePath() string { return d.cfg.SourcePath }

// CheckTarget finds out what can be known of the target without asking it for
// anything: a kind of URL that nobody knows, a place that can't be one.
func (d *Daemon) CheckTarget(ctx context.Context) error {
	list, err := OpenTargets(ctx, d.opt)
	if err != nil {
		return err
	}
	return closeTargets(list)
}

// OpenRepository opens the repository that the configuration names. Neither
// recipes nor Docker play a part: a restore must not depend on them.
func OpenRepository(ctx context.Context, o Options) (*engine.Repository, error) {
	hostname, err := hostname(o.Config)
	if err != nil {
		return nil, err
	}
	places, err := openPlaces(ctx, o)
	if err != nil {
		return nil, err
	}
	repo, err := engine.OpenPlaces(ctx, places, engine.Options{
		ArchiveDir: o.Config.ArchiveDir, Archive: o.Config.Archive, Passphrase: o.Config.Passphrase, NoEncryption: o.Config.NoEncryption,
		EncryptKeys: o.Config.EncryptKeys, HiddenKeys: o.Config.HiddenKeys, SignKey: o.Config.SignKey,
		SignPassphrase: o.Config.SignPassphrase, KeyDir: o.KeyDir, Prefixes: engine.Prefixes(o.Config.Prefixes),
		VolumeSize: o.Config.VolumeSize, Hostname: hostname, Localdir: o.Config.SourcePath,
		Now: o.Now, Rand: o.Rand, Warn: o.Log.Warn,
	})
	if err != nil {
		for _, p := range places {
			if p.Store != nil {
				err = errors.Join(err, p.Store.Close())
			}
		}
		return nil, err
	}
	return repo, nil
}

// hostname is what the manifests of a new chain record. It must not need
// Docker, unlike the instance id.
func hostname(cfg *config.Config) (string, error) {
	if cfg.Instance != "" {
		return cfg.Instance, nil
	}
	name, err := os.Hostname()
	if err != nil {
		return "", fmt.Errorf("ask for the host name: %w", err)
	}
	return name, nil
}

// Serve makes runs on schedule until ctx is cancelled, which is no error, and
// watches the services meanwhile for what `purser status` shows. report is told of every run that was not good, with its error; Serve itself
// logs only what happens. Of two daemons on one archive directory the second
// gets ErrLocked.
func (d *Daemon) Serve(ctx context.Context, report func(error)) error {
	if err := d.CheckTarget(ctx); err != nil {
		return err
	}
	if err := d.state.create(); err != nil {
		return err
	}
	lock, err := lockFile(d.state.daemonLock())
	if errors.Is(err, ErrLocked) {
		return withHint(err, "one daemon on one BACKUP_ARCHIVE_DIR; give this one a directory of its own")
	}
	if err != nil {
		return err
	}
	defer lock.unlock()
	l, err := d.newLoop(report)
	if err != nil {
		return err
	}
	listeners, err := d.listen()
	if err != nil {
		return err
	}
	d.settle(ctx, kindStart)
	d.log.Info("daemon started", "schedule", d.cfg.CronSchedule, "time_zone", d.now().Location(),
		"source", d.cfg.SourcePath, "target", d.URL(), "archive_dir", filepath.Clean(d.cfg.ArchiveDir))
	w, err := d.newWatcher()
	if err != nil {
		return err
	}
	m, err := d.newMonitor()
	if err != nil {
		return err
	}
	return d.together(ctx, l, m, w, listeners)
}

// together lets the parts of a daemon work side by side until the loop ends or
// one of them fails.
func (d *Daemon) together(ctx context.Context, l *loop, m *monitor, w *watcher, listeners []listener) error {
	g, gctx := errgroup.WithContext(ctx)
	gctx, stop := context.WithCancel(gctx)
	defer stop()
	g.Go(bug.Guard(func() error {
		defer stop()
		return l.serve(gctx)
	}))
	for _, one := range listeners {
		g.Go(bug.Guard(func() error { return one.serve(gctx) }))
	}
	g.Go(bug.Guard(func() error {
		m.watch(gctx)
		return nil
	}))
	if d.cfg.ModuleDatabase {
		g.Go(bug.Guard(func() error {
			w.watch(gctx)
			return nil
		}))
	}
	return g.Wait()
}

// delay is a random time of up to BACKUP_SPLAY.
func (d *Daemon) delay() (time.Duration, error) {
	if d.cfg.Splay == 0 {
		return 0, nil
	}
	n, err := rand.Int(d.opt.Rand, big.NewInt(int64(d.cfg.Splay)+1))
	if err != nil {
		return 0, err
	}
	return time.Duration(n.Int64()).Round(time.Second), nil
}

// newLoop makes the loop that goes on where the last daemon stopped.
func (d *Daemon) newLoop(report func(error)) (*loop, error) {
	beat, err := d.state.loadHeartbeat()
	if err != nil {
		return nil, err
	}
	h, err := d.state.loadHistory()
	if err != nil {
		return nil, err
	}
	beat.Started = d.now()
	if beat.First.IsZero() {
		beat.First = beat.Started
	}
	l := &loop{
		schedule: d.cfg.Schedule, delay: d.delay, now: d.now, log: d.log, report: report,
		services: d.nextOfServices,
		run: func(ctx context.Context, partial bool) error {
			_, err := d.Run(ctx, RunOptions{Trigger: BySchedule, Partial: partial})
			return err
		},
		planned: func(due time.Time) error {
			beat.Next = due
			return d.state.saveHeartbeat(beat)
		},
	}
	if h.LastRun != nil {
		l.last, l.lastAny, l.again = h.lastWhole(), h.LastRun.Started, h.LastRun.Result == Interrupted
	}
	dead, found, err := d.state.loadJournal()
	if err != nil {
		return nil, err
	}
	if found && dead.Command == commandRun {
		l.again = true
	}
	return l, nil
}
