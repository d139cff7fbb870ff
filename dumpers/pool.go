package dumpers

import (
	"context"
	"errors"

	"golang.org/x/sync/errgroup"

	"github.com/purser-backup/purser/discovery"
	"github.com/purser-backup/purser/internal/bug"
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
			results[i] = Result{Plan: plan}
			err := bug.Guard(func() error {
				d.dumpOne(ctx, p, &results[i])
				return nil
			})()
			if err != nil {
				results[i].Err = buggy(plan, err)
			}
			return nil
		})
	}
	_ = group.Wait() // no function returns an error: each is in its result
	return results
}

// dumpOne fills in the result of a plan.
func (d *Dumper) dumpOne(ctx context.Context, p Pool, r *Result) {
	if p.Begin != nil && ctx.Err() == nil && !p.Begin() {
		r.Skipped = true
		return
	}
	if ctx.Err() != nil {
		r.Err = &Error{Service: r.Plan.Service.ID(), Op: "start", Err: context.Cause(ctx)}
	} else if err := bug.Guard(func() (err error) {
		r.Report, err = d.Dump(ctx, r.Plan.Service, r.Plan.Recipe)
		return err
	})(); err != nil {
		r.Err = buggy(r.Plan, err)
	}
	if p.Done != nil {
		p.Done(*r)
	}
}

// buggy names the service in the error of a panic. The other services go on.
func buggy(plan Plan, err error) error {
	var known *Error
	var caught *bug.Error
	if errors.As(err, &known) || !errors.As(err, &caught) {
		return err
	}
	return &Error{Service: plan.Service.ID(), Op: "dump", Err: err, Advice: caught.Hint()}
}
