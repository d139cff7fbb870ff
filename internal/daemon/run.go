package daemon

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/purser-backup/purser/dumpers"
	"github.com/purser-backup/purser/internal/bug"
	"github.com/purser-backup/purser/internal/hint"
)

// ErrIncomplete marks the errors of a run that went on and made a backup from
// which something is missing.
var ErrIncomplete = errors.New("incomplete")

// incomplete marks an error as one that the run survived.
type incomplete struct{ err error }

func (e *incomplete) Error() string        { return e.err.Error() }
func (e *incomplete) Unwrap() error        { return e.err }
func (e *incomplete) Is(target error) bool { return target == ErrIncomplete }

// RunOptions say how a run is made.
type RunOptions struct {
	Trigger Trigger
	// Force backs up even if Docker can't be reached; the run is then incomplete.
	// BACKUP_GONOGO is not asked.
	Force bool
	// Partial leaves out the services that have no schedule of their own.
	Partial bool
	// Profile is the only one that is backed up. Empty is those that are due; a
	// person who starts a run wants all.
	Profile string
	// Due leaves out what is not due by its schedule, as a scheduled run does.
	Due bool
}

// wantsAll reports whether a person has asked for everything.
func (o RunOptions) wantsAll() bool { return o.Trigger == ByCommand && !o.Due }

// run is one run, dump or backup on its way. It holds the lock.
type run struct {
	*Daemon
	options RunOptions
	record  Run
	history history
	mu      sync.Mutex // guards journal while dumps run
	journal journal
	jobs    jobs // what the last run has left, and this one leaves
	lock    *fileLock
	missing []error  // what the run survived
	seen    bool     // the services were discovered
	stored  bool     // a backup was made
	served  []string // profiles that have had their turn
	// leftovers is the journal of a run that died, as long as the containers
	// that it left have not been removed.
	leftovers *journal
}

// Run makes one run: discover, dump, back up, prune. The record is nil if the run did
// not start, with an error that wraps ErrNoGo or ErrNotDue if it was not the time for one. The error joins everything that is wrong; each error that wraps
// ErrIncomplete is about a part that is missing while the rest is backed up.
func (d *Daemon) Run(ctx context.Context, o RunOptions) (*Run, error) {
	if err := join(d.checkProfile(o.Profile), d.checkDue(o)); err != nil {
		return nil, err
	}
	r, err := d.admit(ctx, o)
	if errors.Is(err, ErrNoGo) {
		return nil, err
	}
	if o.Due && errors.Is(err, ErrLocked) {
		return nil, fmt.Errorf("%w: %w", ErrNotDue, err)
	}
	if err != nil {
		d.tellNoRun(ctx, err)
		return nil, err
	}
	ping := d.pingStart(ctx)
	record, err := r.perform(ctx)
	ping()
	d.tellRun(ctx, r, err)
	return record, err
}

// admit begins a run if the target and whoever is asked allow it.
func (d *Daemon) admit(ctx context.Context, o RunOptions) (r *run, err error) {
	defer bug.Catch(&err)
	if err := d.CheckTarget(ctx); err != nil {
		return nil, err
	}
	if !o.Force {
		if err := d.goNoGo(ctx); err != nil {
			return nil, err
		}
	}
	return d.begin(commandRun, o)
}

// perform makes the run and gives the lock back.
func (r *run) perform(ctx context.Context) (*Run, error) {
	defer r.lock.unlock()
	return r.end(ctx, r.guarded(ctx))
}

// guarded makes the steps of a run. A bug in them ends the run, not the daemon.
func (r *run) guarded(ctx context.Context) (err error) {
	defer bug.Catch(&err)
	if err := r.steps(ctx); !errors.Is(err, errTimeUp) {
		return err
	}
	return nil
}

func (r *run) steps(ctx context.Context) error {
	if err := r.exportStacks(ctx); err != nil {
		return err
	}
	if r.jobs.Backup {
		if more, err := r.finishBackup(ctx); err != nil || !more {
			return err
		}
	}
	if r.dumps() {
		if err := r.discoverAndDump(ctx); err != nil {
			return err
		}
	}
	return r.backup(ctx, false, r.pruneAndCount)
}

// dumps reports whether there may be something to dump.
func (r *run) dumps() bool { return r.cfg.ModuleDatabase || r.cfg.ModuleRancherDB }

// begin takes the lock, reads what is known, and says in the journal that a
// run has begun.
func (d *Daemon) begin(command string, o RunOptions) (*run, error) {
	if err := d.state.create(); err != nil {
		return nil, err
	}
	lock, err := d.state.lockRun()
	if err != nil {
		return nil, err
	}
	opened := false
	defer func() {
		if !opened {
			lock.unlock()
		}
	}()
	d.giveWay()
	r := &run{Daemon: d, options: o, lock: lock}
	if err := r.open(command); err != nil {
		return nil, err
	}
	opened = true
	return r, nil
}

func (r *run) open(command string) error {
	var err error
	if r.history, err = r.state.loadHistory(); err != nil {
		return err
	}
	if r.jobs, err = r.state.loadJobs(); err != nil {
		return err
	}
	r.jobs.fit(r.cfg.Profiles)
	dead, found, err := r.state.loadJournal()
	if err != nil {
		return err
	}
	now := r.now()
	r.journal = journal{Command: command, Instance: r.history.Instance, Trigger: r.options.Trigger, Started: now}
	if found && len(dead.Created) > 0 {
		r.leftovers, r.journal.Created = &dead, dead.Created
	}
	if found {
		r.log.Warn("the last "+dead.Command+" was interrupted", "started", dead.Started, "phase", dead.Phase)
	}
	if last := r.history.LastRun; found && dead.Command == commandRun && (last == nil || dead.Started.After(last.Started)) {
		lost := newRecord()
		lost.Trigger, lost.Started, lost.Ended, lost.Result = dead.Trigger, dead.Started, dead.Since, Interrupted
		lost.Errors, lost.Target = []string{interruptedIn(dead.Phase)}, r.URL()
		r.history.LastRun = &lost
		if err := r.state.addRun(lost); err != nil {
			return err
		}
	}
	r.record = newRecord()
	r.record.Trigger, r.record.Partial, r.record.Started, r.record.Target = r.options.Trigger, r.options.Partial, now, r.URL()
	if command == commandRun {
		r.log.Info("run started", "trigger", r.options.Trigger, "partial", r.options.Partial)
	}
	return r.phase(PhaseDiscover)
}

// phase notes in the journal what the run is about to do.
func (r *run) phase(p Phase) error {
	r.journal.Phase, r.journal.Since = p, r.now()
	r.log.Debug("phase", "phase", p)
	return r.state.saveJournal(r.journal)
}

// discoverAndDump finds the services and dumps them. It fails only where going
// on would make a backup that looks complete and isn't.
func (r *run) discoverAndDump(ctx context.Context) error {
	docker, err := r.connect(ctx)
	if err != nil {
		if r.options.Force && ctx.Err() == nil {
			r.log.Warn("Docker can't be reached: backing up without dumps")
			r.missing = append(r.missing, &incomplete{withoutDocker(err)})
			return nil
		}
		return withoutDocker(err)
	}
	defer r.closing("the connection to Docker", docker.close)
	all, err := r.discover(ctx, docker)
	if err != nil {
		return err
	}
	r.noteDiscovery(all)
	r.dropStale(ctx)
	wanted := r.due(all.wanted())
	if len(wanted) == 0 && r.leftovers == nil {
		return nil // the source path may then be read-only
	}
	dumper, err := r.prepare(ctx, docker)
	if err != nil {
		return err
	}
	defer r.closing("the source path", dumper.Close)
	if err := r.phase(PhaseDump); err != nil {
		return err
	}
	r.dump(ctx, dumper, r.jobs.queue(wanted))
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return r.state.saveJobs(r.jobs)
}

// prepare removes what a dead run of this instance left on the Engine and in
// the source path.
func (r *run) prepare(ctx context.Context, docker *dockerEngine) (*dumpers.Dumper, error) {
	runtime, err := docker.runtime(ctx, r.created)
	if err != nil {
		return nil, err
	}
	r.history.Instance, r.journal.Instance = runtime.instance, runtime.instance
	swept, err := runtime.sweep(ctx)
	if err != nil {
		return nil, err
	}
	r.leftovers = nil
	if swept > 0 {
		r.log.Warn("containers of a dead run removed", "containers", swept)
	}
	return dumpers.Open(dumpers.Options{
		Source: r.cfg.SourcePath, Instance: runtime.instance, Runtime: runtime, Servers: runtime.servers,
		KeepReplaced: r.history.LastBackup != nil, Secrets: dumpers.Secrets(r.cfg.ServiceSecrets),
		Now: r.now, Rand: r.opt.Rand, Warn: r.log.Warn,
	})
}

// created notes a container in the journal before it exists. Dumps call it
// side by side.
func (r *run) created(_ context.Context, name string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.journal.Created = append(r.journal.Created, name)
	return r.state.saveJournal(r.journal)
}

func (r *run) closing(what string, done func() error) {
	if err := done(); err != nil {
		r.log.Warn("closing failed", "what", what, "error", err)
	}
}

// noteDiscovery logs what was found, and remembers which services are gone.
func (r *run) noteDiscovery(all Discovery) {
	r.noteUndumped(all)
	known := map[string]bool{}
	counts := map[Action]int{}
	for _, s := range all.Services {
		known[s.ID] = true
		counts[s.Action]++
		r.log.Debug("service", "service", s.ID, "image", s.Image, "action", s.Action, "why", s.Reason)
		if s.Action == ActionSkip || s.Action == ActionNone {
			r.history.forgive(s.ID)
		}
	}
	r.log.Info("services discovered", "dump", counts[ActionDump]+counts[ActionGuess]+counts[ActionFail],
		"skipped", counts[ActionSkip], "not_covered", counts[ActionNone])
	for _, p := range all.Problems {
		known[p.Subject] = true
	}
	r.noteProblems(all)
	if all.blind {
		return // what could not be seen is not gone
	}
	for _, gone := range r.history.noteGone(known, r.now()) {
		r.log.Warn("service is gone: its last dump is kept", "service", gone.ID, "since", gone.GoneSince, "until", gone.staleFrom(r.cfg.StaleAfter))
	}
}

// noteProblems logs warnings, and counts what is more than that.
func (r *run) noteProblems(all Discovery) {
	for _, p := range all.Problems {
		err := error(&problemError{p})
		if p.Warning {
			r.log.Warn("problem", "subject", p.Subject, "problem", p.Message, "hint", p.Hint)
			r.record.Problems = append(r.record.Problems, err.Error())
			continue
		}
		r.missing = append(r.missing, &incomplete{err})
	}
}

// problemError is a problem as an error.
type problemError struct{ p Problem }

func (e *problemError) Error() string { return e.p.Subject + ": " + e.p.Message }
func (e *problemError) Hint() string  { return e.p.Hint }

// end writes the record of the run and clears the journal.
func (r *run) end(ctx context.Context, err error) (*Run, error) {
	r.record.Ended = r.now()
	switch {
	case err != nil && ctx.Err() != nil:
		r.record.Result = Interrupted
	case err != nil:
		r.record.Result = Failed
	case len(r.missing) > 0:
		r.record.Result = Incomplete
	default:
		r.record.Result = Complete
	}
	wrong := r.missing
	if err != nil {
		wrong = append(wrong, err)
	}
	for _, e := range wrong {
		r.record.Errors = append(r.record.Errors, oneLine(e))
	}
	r.record.Hints = hint.OfAll(join(wrong...))
	if r.record.Result == Interrupted {
		r.record.Errors, r.record.Hints = []string{interruptedIn(r.journal.Phase)}, []string{}
	}
	if !r.record.Partial {
		r.history.LastWhole = r.record.Started
		r.noteServed()
	}
	if r.record.Result == Complete && !r.record.Partial {
		r.history.LastComplete = &r.record
	}
	saved := join(r.report(), r.close())
	r.log.Info("run ended", "result", r.record.Result, "took", r.record.Ended.Sub(r.record.Started))
	return &r.record, join(append(wrong, saved)...)
}

// close saves what is known and clears the journal; that of a dead run stays
// until its containers are gone.
func (r *run) close() error {
	saved := r.state.saveHistory(r.history)
	if r.leftovers != nil {
		return join(saved, r.state.saveJournal(*r.leftovers))
	}
	return join(saved, r.state.removeJournal())
}

func interruptedIn(p Phase) string { return fmt.Sprintf("the run was interrupted in the phase %s", p) }

// join is errors.Join, but leaves a single error as it is.
func join(errs ...error) error {
	var some []error
	for _, e := range errs {
		if e != nil {
			some = append(some, e)
		}
	}
	if len(some) == 1 {
		return some[0]
	}
	return errors.Join(some...)
}

func oneLine(err error) string { return strings.ReplaceAll(err.Error(), "\n", "; ") }

// wanted are the services that a run dumps, or should.
func (all Discovery) wanted() []Found {
	var list []Found
	for _, s := range all.Services {
		switch s.Action {
		case ActionDump, ActionGuess, ActionFail:
			list = append(list, s)
		}
	}
	return list
}

// took is the time since start, for log lines.
func (r *run) took(start time.Time) time.Duration { return r.now().Sub(start) }
