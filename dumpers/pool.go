package dumpers

import (
	"context"

	"golang.org/x/sync/errgroup"

	"github.com/purser-backup/purser/discovery"
)

// Plan is one dump to make.
type Plan struct {
	Service discovery.Service
	Recipe  *Recipe
}

// Result is the outcome of one plan. Err is nil or an *Error.
type Result struct {
	Plan    Plan
	Report  Report
	Skipped bool // Begin said no; nothing was done
	Err     error
}

// Pool says how DumpAll goes about its work.
type Pool struct {
	Parallel int          // most dumps at once, at least one
	Begin    func() bool  // asked before each dump, by several goroutines; nil is always yes
	Done     func(Result) // called as each dump ends, from several goroutines; may be nil
}

// DumpAll makes all dumps and returns their results in the order of the plans,
// which is that in which they are begun. A failure doesn't stop the others;
// after the end of ctx those not yet started fail with its cause.
func (d *Dumper) DumpAll(ctx context.Context, plans []Plan, p Pool) []Result {
	results := make([]Result, len(plans))
	var group errgroup.Group
	group.SetLimit(max(1, p.Parallel))
	for i, plan := range plans {
		group.Go(func() error {
			if p.Begin != nil && ctx.Err() == nil && !p.Begin() {
				results[i] = Result{Plan: plan, Skipped: true}
				return nil
			}
			results[i] = d.dumpOne(ctx, plan)
			if p.Done != nil {
				p.Done(results[i])
			}
			return nil
		})
	}
	_ = group.Wait() // no function returns an error: each is in its result
	return results
}

func (d *Dumper) dumpOne(ctx context.Context, plan Plan) Result {
	if ctx.Err() != nil {
		return Result{Plan: plan, Err: &Error{Service: plan.Service.ID(), Op: "start", Err: context.Cause(ctx)}}
	}
	report, err := d.Dump(ctx, plan.Service, plan.Recipe)
	return Result{Plan: plan, Report: report, Err: err}
}
