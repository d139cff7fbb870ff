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
	Plan   Plan
	Report Report
	Err    error
}

// DumpAll makes all dumps, at most parallel at once, and returns their
// results in the order of the plans. A failure doesn't stop the others; after
// the end of ctx those not yet started fail with its cause. done, if not nil,
// is called as each one ends, from several goroutines.
func (d *Dumper) DumpAll(ctx context.Context, plans []Plan, parallel int, done func(Result)) []Result {
	results := make([]Result, len(plans))
	var group errgroup.Group
	group.SetLimit(max(1, parallel))
	for i, plan := range plans {
		group.Go(func() error {
			results[i] = d.dumpOne(ctx, plan)
			if done != nil {
				done(results[i])
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
