package dumpers

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/purser-backup/purser/discovery"
	"github.com/purser-backup/purser/internal/secret"
)

// LoadOptions say what is loaded. Fill is required.
type LoadOptions struct {
	// Fill puts the dump into an empty directory; its files belong to this
	// process's user. Its error is returned as it is.
	Fill func(dir string) error
	// Force loads over what the service holds, and over a check of versions
	// that the recipe makes.
	Force bool
}

// Loaded describes a dump that was loaded.
type Loaded struct {
	Files    int
	Bytes    int64
	Summary  []string // lines that the recipe printed: what it has loaded
	Duration time.Duration
}

// ErrNotEmpty says that the service already holds data.
var ErrNotEmpty = errors.New("the service is not empty")

// Where a recipe's load finds out that it is forced.
const forceVariable = "PURSER_FORCE"

// Load loads a dump back into a running service, with its recipe. It stops at
// the first error; what was loaded until then may stay. An error of its own is an
// *Error.
func (d *Dumper) Load(ctx context.Context, s discovery.Service, r *Recipe, o LoadOptions) (Loaded, error) {
	start := d.options.Now()
	loaded, err := d.load(ctx, s, r, o)
	loaded.Duration = d.options.Now().Sub(start)
	var e *Error
	if errors.As(err, &e) {
		e.Task = "load into"
	}
	return loaded, err
}

func (d *Dumper) load(ctx context.Context, s discovery.Service, r *Recipe, o LoadOptions) (loaded Loaded, err error) {
	before, err := d.ready(ctx, s)
	if err != nil {
		return loaded, err
	}
	spec, err := d.spec(ctx, s, r)
	if err != nil {
		return loaded, err
	}
	if spec.Load == "" {
		return loaded, &Error{Service: s.ID(), Op: "render " + r.file, Err: errors.New("the recipe has no load"),
			Advice: "get the dump with `purser restore --path " + dumpPath(s) + " DEST` and load it with the database's own client"}
	}
	if o.Force {
		spec.Env = append(spec.Env, Variable{Name: forceVariable, Value: secret.New("yes")})
	}
	stage, err := d.tree.stage(s)
	if err != nil {
		return loaded, d.diskError(s, "stage", err)
	}
	defer d.discard(stage)
	if !o.Force {
		if err := d.empty(ctx, s, spec, stage); err != nil {
			return loaded, err
		}
	}
	if err := o.Fill(stage.path); err != nil {
		return loaded, err
	}
	if loaded.Files, loaded.Bytes, err = stage.check(spec.Trailers); err != nil {
		return loaded, &Error{Service: s.ID(), Op: "check the dump", Err: err,
			Advice: "the dump must be one that this recipe has made: " + r.file}
	}
	var stdout, stderr tail
	err = d.run(ctx, s, spec, spec.Load, stage, &stdout, &stderr)
	advise(err, "what was refused, or is missing, is in the error, and may be in the service's log: docker logs "+s.Primary().Name+
		"\nwhat was loaded until then may stay: load again with --force, an older dump with --time, or into a new service with --to")
	if err == nil {
		err = d.unchanged(ctx, s, before)
	}
	loaded.Summary = stdout.lines(spec.secrets)
	return loaded, err
}

// empty refuses a service that holds data.
func (d *Dumper) empty(ctx context.Context, s discovery.Service, spec Spec, stage *stage) error {
	if spec.Empty == "" {
		return nil
	}
	var stdout, stderr tail
	if err := d.run(ctx, s, spec, spec.Empty, stage, &stdout, &stderr); err != nil {
		return err
	}
	if text := stdout.redacted(spec.secrets); text != "" {
		return &Error{Service: s.ID(), Op: "look what it holds", Err: fmt.Errorf("%w: %s", ErrNotEmpty, text),
			Advice: "load into a new service with --to, or replace what is there with --force"}
	}
	return nil
}
