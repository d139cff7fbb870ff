package dumpers

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/purser-backup/purser/discovery"
)

// Trial is a recipe to try, and the server to try it on.
type Trial struct {
	Kind   string
	Recipe *Recipe
	Server Server
	Step   func(name string) // is told of each step that begins; may be nil
}

// Tried describes a trial that went well.
type Tried struct {
	Files    int // of the dump
	Bytes    int64
	Checked  int      // lines that were the same before the dump and after the load
	Summary  []string // what the recipe said that it has loaded
	Duration time.Duration
}

// Trial returns the recipe of an index entry, with what its server is started
// with but for the image.
func (c *Catalog) Trial(kind string) (Trial, bool) {
	for _, layer := range c.layers {
		for _, r := range layer {
			if r.kind == kind {
				return Trial{Kind: kind, Recipe: r.recipe, Server: r.server}, true
			}
		}
	}
	return Trial{}, false
}

// Try proves that what a recipe dumps loads again: it starts a server, seeds
// it, dumps it, removes it, loads the dump into a second one, and compares.
// Nothing is left of all that. An error of its own is an *Error.
func (d *Dumper) Try(ctx context.Context, t Trial) (Tried, error) {
	start := d.options.Now()
	s := discovery.Service{Stack: "recipe", Name: component(t.Kind)}
	tried, err := d.try(ctx, t, s)
	tried.Duration = d.options.Now().Sub(start)
	return tried, err
}

func (d *Dumper) try(ctx context.Context, t Trial, s discovery.Service) (tried Tried, err error) {
	for _, key := range []string{"load", "test"} {
		if !t.Recipe.declares(key) {
			return tried, trialError(s, "read "+t.Recipe.file, fmt.Errorf("the recipe has no %s", key),
				"a recipe that is tried needs load and test, see the README; purser's own in templates/ are examples")
		}
	}
	outer, err := d.tree.stage(s)
	if err != nil {
		return tried, d.diskError(s, "stage", err)
	}
	defer d.discard(outer)
	// The dump is none of the user's: it gets a source directory of its own, and
	// no service's secrets.
	o := d.options
	o.Source, o.Secrets = outer.path, ""
	inner, err := Open(o)
	if err != nil {
		return tried, d.diskError(s, "stage", err)
	}
	defer func() { err = errors.Join(err, inner.Close()) }()
	trial := &trial{Trial: t, dumper: inner, service: s,
		advice: "test in the index says with which environment and command the image is started; `docker run` shows whether they do"}
	trial.Server.Service = s.ID()
	if err := trial.serve(ctx, trial.dump); err != nil {
		return tried, err
	}
	err = trial.serve(ctx, trial.load)
	return trial.tried, err
}

// trial is one on its way.
type trial struct {
	Trial
	dumper  *Dumper
	service discovery.Service
	report  Report
	advice  string // where the server ends by itself
	want    string
	tried   Tried
}

func trialError(s discovery.Service, op string, err error, advice string) *Error {
	return &Error{Task: "test of", Service: s.ID(), Op: op, Err: err, Advice: advice}
}

func (t *trial) step(format string, args ...any) {
	if t.Step != nil {
		t.Step(fmt.Sprintf(format, args...))
	}
}

// serve starts a server for a part of the trial. One that ends by itself is
// the reason for whatever fails then.
func (t *trial) serve(ctx context.Context, part func(context.Context, discovery.Service, Spec) error) error {
	t.step("start a new %s", t.Server.Image)
	var output tail
	var spec Spec
	ended := false
	err := t.dumper.options.Servers.Serve(ctx, t.Server, &output, func(ctx context.Context, c discovery.Container) error {
		s := t.service
		s.Containers = []discovery.Container{c}
		var err error
		if spec, err = t.dumper.spec(ctx, s, t.Recipe); err == nil {
			err = part(ctx, s, spec)
		}
		if err != nil && ctx.Err() == nil {
			state, e := t.dumper.options.Runtime.State(ctx, c.ID)
			ended = e == nil && !state.Running
		}
		return err
	})
	if !ended {
		return err
	}
	printed := cmp.Or(output.redacted(spec.secrets), "nothing")
	return trialError(t.service, "serve", fmt.Errorf("the server ended by itself; it printed: %s; %w", printed, err), t.advice)
}

// dump seeds the server and dumps it.
func (t *trial) dump(ctx context.Context, s discovery.Service, spec Spec) (err error) {
	if text, err := t.holds(ctx, s, spec); err != nil || text != "" {
		return t.unexpected(err, "empty", "a new server holds nothing, but it printed: "+text)
	}
	t.step("seed it")
	if _, err := t.run(ctx, s, spec, "seed", spec.Seed); err != nil {
		return err
	}
	if text, err := t.holds(ctx, s, spec); err != nil || text == "" && spec.Empty != "" {
		return t.unexpected(err, "empty", "it prints nothing of a server that was seeded: a load would go over what a server holds")
	}
	if t.want, err = t.run(ctx, s, spec, "check", spec.Check); err != nil {
		return err
	}
	if t.want == "" {
		return t.unexpected(nil, "check", "it prints nothing, which proves nothing")
	}
	t.step("dump it")
	t.report, err = t.dumper.Dump(ctx, s, t.Recipe)
	t.tried.Files, t.tried.Bytes = t.report.Files, t.report.Bytes
	return err
}

// unexpected is err, or else what was wrong with a script's output.
func (t *trial) unexpected(err error, op, text string) error {
	if err != nil {
		return err
	}
	return trialError(t.service, op, errors.New(text), "correct "+op+" in "+t.Recipe.file)
}

// load loads the dump into a new server, and compares.
func (t *trial) load(ctx context.Context, s discovery.Service, spec Spec) error {
	// As soon as it answers.
	if _, err := t.holds(ctx, s, spec); err != nil {
		return err
	}
	t.step("load the dump")
	dump := filepath.Join(t.dumper.tree.path, filepath.FromSlash(t.report.Path))
	loaded, err := t.dumper.Load(ctx, s, t.Recipe, LoadOptions{Fill: func(dir string) error { return moveAll(dump, dir) }})
	if err != nil {
		advise(err, "see load in "+t.Recipe.file)
		return err
	}
	t.tried.Summary = loaded.Summary
	t.step("compare")
	got, err := t.run(ctx, s, spec, "check", spec.Check)
	if err != nil {
		return err
	}
	if got != t.want {
		return trialError(t.service, "compare", fmt.Errorf("the server differs after the load: %s", difference(t.want, got)),
			"what check prints must be in the dump, and load must bring it back; see commands, load and check in "+t.Recipe.file)
	}
	t.tried.Checked = strings.Count(got, "\n") + 1
	return nil
}

// moveAll moves what is in one directory into another.
func moveAll(from, to string) error {
	entries, err := os.ReadDir(from)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if err := os.Rename(filepath.Join(from, e.Name()), filepath.Join(to, e.Name())); err != nil {
			return err
		}
	}
	return nil
}

// holds is what the server holds, by the recipe's empty. A server that has
// just started is given the time that a dump gives it; without an empty, the
// recipe's check finds out whether it answers.
func (t *trial) holds(ctx context.Context, s discovery.Service, spec Spec) (string, error) {
	op, script := "empty", spec.Empty
	if script == "" {
		op, script = "check", spec.Check
	}
	if script == "" {
		return "", nil
	}
	for {
		text, err := t.run(ctx, s, spec, op, script)
		switch {
		case err != nil && t.dumper.starting(ctx, s, err):
		case spec.Empty == "":
			return "", ctx.Err() // a check of a new server may well fail
		default:
			return text, err
		}
	}
}

// run runs a script of the recipe, where its commands run, and returns what it
// prints, less the secrets.
func (t *trial) run(ctx context.Context, s discovery.Service, spec Spec, op, script string) (string, error) {
	stage, err := t.dumper.tree.stage(s)
	if err != nil {
		return "", t.dumper.diskError(s, "stage", err)
	}
	defer t.dumper.discard(stage)
	stdout, stderr := &printed{}, &tail{}
	job := t.dumper.job(s, spec, script, stage)
	do := t.dumper.options.Runtime.Run
	if spec.Output != "" && op != "empty" {
		do = t.dumper.options.Runtime.Exec
	}
	err = t.dumper.supervise(ctx, s, spec, stderr, nil, func(ctx context.Context) (int, error) { return do(ctx, job, stdout, stderr) })
	if err == nil && stdout.over {
		err = trialError(s, op, fmt.Errorf("it prints more than %s", size(maxPrinted)), "let it print a checksum in place of the whole")
	}
	var e *Error
	if errors.As(err, &e) {
		e.Task, e.Op = "test of", op
		e.Advice = strings.TrimPrefix(e.Advice+"\nsee "+op+" in "+t.Recipe.file, "\n")
	}
	text := stdout.text.String()
	for _, secret := range spec.secrets {
		text = strings.ReplaceAll(text, secret, "[redacted]")
	}
	return strings.TrimRight(text, "\n"), err
}

// maxPrinted is how much a check may print, in bytes.
const maxPrinted = 1 << 20

// printed is a writer that keeps what is written, up to a limit.
type printed struct {
	mu   sync.Mutex
	text strings.Builder
	over bool
}

func (p *printed) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.over = p.over || p.text.Len()+len(b) > maxPrinted; !p.over {
		p.text.Write(b)
	}
	return len(b), nil
}

var _ io.Writer = (*printed)(nil)

// maxDifferences is how many lines an error shows.
const maxDifferences = 5

// difference says in which lines two texts differ.
func difference(want, got string) string {
	was, is := strings.Split(want, "\n"), strings.Split(got, "\n")
	line := func(lines []string, i int) (text, shown string) {
		if i >= len(lines) {
			return "", "missing"
		}
		return lines[i], fmt.Sprintf("%.200q", lines[i])
	}
	var found []string
	n := 0
	for i := range max(len(was), len(is)) {
		a, before := line(was, i)
		b, after := line(is, i)
		if a == b && i < min(len(was), len(is)) {
			continue
		}
		if n++; n <= maxDifferences {
			found = append(found, fmt.Sprintf("line %d was %s and is %s", i+1, before, after))
		}
	}
	if n > maxDifferences {
		found = append(found, fmt.Sprintf("and %d more lines", n-maxDifferences))
	}
	return strings.Join(found, "; ")
}
