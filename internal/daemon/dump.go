package daemon

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/purser-backup/purser/dumpers"
	"github.com/purser-backup/purser/internal/bug"
)

// Dump dumps the services with the given identities, or all that a recipe
// matches. Errors are those of Run.
func (d *Daemon) Dump(ctx context.Context, ids []string) ([]ServiceDump, error) {
	r, err := d.begin(commandDump, RunOptions{Trigger: ByCommand})
	if err != nil {
		return nil, err
	}
	defer r.lock.unlock()
	err = r.withDumper(ctx, func(docker *dockerEngine, dumper *dumpers.Dumper) error {
		return r.dumpOnly(ctx, docker, dumper, ids)
	})
	saved := r.close()
	return r.record.Services, join(append(r.missing, err, saved)...)
}

// withDumper connects to the Engine, removes what a dead run has left, and calls
// do with what then makes dumps and loads them.
func (r *run) withDumper(ctx context.Context, do func(*dockerEngine, *dumpers.Dumper) error) error {
	docker, err := r.connect(ctx)
	if err != nil {
		return err
	}
	defer r.closing("the connection to Docker", docker.close)
	dumper, err := r.prepare(ctx, docker)
	if err != nil {
		return err
	}
	defer r.closing("the source path", dumper.Close)
	return do(docker, dumper)
}

func (r *run) dumpOnly(ctx context.Context, docker *dockerEngine, dumper *dumpers.Dumper, ids []string) error {
	all, err := r.discover(ctx, docker)
	if err != nil {
		return err
	}
	wanted := all.wanted()
	if len(ids) == 0 {
		r.noteDiscovery(all)
	} else if wanted, err = pick(all, ids); err != nil {
		if all.blind {
			r.noteProblems(all)
		}
		return err
	}
	if err := r.phase(PhaseDump); err != nil {
		return err
	}
	r.dump(ctx, dumper, wanted)
	return ctx.Err()
}

// pick finds the services that the user named.
func pick(all Discovery, ids []string) ([]Found, error) {
	var list []Found
	var faults []error
	for _, id := range ids {
		i := slices.IndexFunc(all.Services, func(s Found) bool { return s.ID == id })
		switch {
		case i < 0:
			faults = append(faults, withHint(fmt.Errorf("no such service: %s", id), "`purser discover` lists them"))
		case all.Services[i].Action == ActionSkip || all.Services[i].Action == ActionNone:
			faults = append(faults, withHint(fmt.Errorf("%s can't be dumped: %s", id, all.Services[i].Reason),
				"`purser discover` explains what would be done with each service"))
		default:
			list = append(list, all.Services[i])
		}
	}
	return list, errors.Join(faults...)
}

// dump dumps services side by side, in their order. A failure concerns its
// service alone: it goes to r.missing, and the others go on. Those that the time
// limit leaves no time for are left to the next run.
func (r *run) dump(ctx context.Context, dumper *dumpers.Dumper, services []Found) {
	var plans []dumpers.Plan
	var names []string
	for _, s := range services {
		if s.match.Err == nil {
			plans = append(plans, dumpers.Plan{Service: s.service, Recipe: s.match.Recipe})
			names = append(names, s.ID)
		}
	}
	if len(names) > 0 {
		r.log.Info("dumping", "services", strings.Join(names, ","))
	}
	ended, failures, skipped := r.dumpAll(ctx, dumper, plans)
	var dumps []ServiceDump
	for _, s := range services {
		d, ok := ended[s.ID]
		switch {
		case skipped[s.ID]:
			continue
		case !ok:
			if s.match.Err != nil {
				failures[s.ID] = s.match.Err
			}
			d = ServiceDump{ID: s.ID, Outcome: DumpFailed, Started: r.now(), Ended: r.now(), Error: r.cfg.Scrub(oneLine(failures[s.ID]))}
		}
		d.Previous = r.history.lastSize(s.ID)
		d.Recipe, d.Certain = s.Recipe, s.Certain || s.match.Err != nil
		switch d.Outcome {
		case DumpFailed:
			r.fail(d, failures[d.ID])
		case Dumped:
			d.Warning = r.warn(d.ID, d.Warning, r.shrunken(d))
		}
		dumps = append(dumps, d)
	}
	r.record.Services = append(r.record.Services, dumps...)
	r.history.note(dumps)
	if r.journal.Command == commandRun {
		r.leave(services, skipped)
	}
}

// dumpAll makes the dumps and their records, which are filled as dumps end, so
// that times are those of each one. However short the time, it makes one.
func (r *run) dumpAll(ctx context.Context, dumper *dumpers.Dumper, plans []dumpers.Plan) (ended map[string]ServiceDump, failures map[string]error, skipped map[string]bool) {
	ended, failures, skipped = map[string]ServiceDump{}, map[string]error{}, map[string]bool{}
	var mu sync.Mutex
	var begun atomic.Bool
	results := dumper.DumpAll(ctx, plans, dumpers.Pool{
		Parallel: r.cfg.DumpWorkers,
		Begin:    func() bool { return begun.CompareAndSwap(false, true) || !r.timeUp() },
		Done: func(res dumpers.Result) {
			d := r.ended(ctx, res)
			mu.Lock()
			defer mu.Unlock()
			ended[d.ID] = d
		},
	})
	for _, res := range results {
		id := res.Plan.Service.ID()
		skipped[id], failures[id] = res.Skipped, res.Err
	}
	return ended, failures, skipped
}

// ended makes the record of one dump, and its line in the log. The error
// itself is left to whoever the run reports to.
func (r *run) ended(ctx context.Context, res dumpers.Result) ServiceDump {
	now := r.now()
	d := ServiceDump{ID: res.Plan.Service.ID(), Started: now.Add(-res.Report.Duration), Ended: now}
	switch {
	case res.Err == nil:
		d.Outcome, d.Files, d.Bytes = Dumped, res.Report.Files, res.Report.Bytes
		if said := res.Report.Complaint; said != "" {
			d.Warning = r.cfg.Scrub("its commands succeeded, and said: " + said)
		}
		r.log.Info("dump done", "service", d.ID, "files", d.Files, "bytes", d.Bytes, "took", res.Report.Duration)
	case ctx.Err() != nil:
		d.Outcome = DumpCancelled
		r.log.Info("dump cancelled", "service", d.ID, "took", res.Report.Duration)
	default:
		d.Outcome, d.Error = DumpFailed, r.cfg.Scrub(oneLine(res.Err))
		r.log.Warn("dump failed", "service", d.ID, "took", res.Report.Duration)
	}
	return d
}

// shrunken warns of a dump that is far smaller than the last one: it may be
// whole, and the service may have lost what it held.
func (r *run) shrunken(d ServiceDump) string {
	if d.Bytes >= d.Previous/2 {
		return ""
	}
	warning := fmt.Sprintf("the dump has %d bytes, the last one had %d: look whether the service has lost data", d.Bytes, d.Previous)
	r.log.Warn("dump is far smaller than the last one", "service", d.ID, "bytes", d.Bytes, "last", d.Previous)
	return warning
}

// warn notes what there is to say of a dump that is whole, and joins it. The
// log has it already.
func (r *run) warn(id string, warnings ...string) string {
	warnings = slices.DeleteFunc(warnings, func(w string) bool { return w == "" })
	for _, w := range warnings {
		r.record.Problems = append(r.record.Problems, id+": "+w)
	}
	return strings.Join(warnings, "; ")
}

// fail decides what a failed dump means for the run. A recipe that was guessed
// from the image's name and has never worked may simply be the wrong one.
func (r *run) fail(d ServiceDump, err error) {
	if d.Certain || r.history.hasSucceeded(d.ID) || bug.Stack(err) != "" {
		r.missing = append(r.missing, &incomplete{err})
		return
	}
	r.log.Warn("dump by a guessed recipe failed, which doesn't count: set the label backup.type or backup.disable",
		"service", d.ID, "recipe", d.Recipe, "error", err)
	r.record.Problems = append(r.record.Problems, "guess: "+oneLine(err))
}
