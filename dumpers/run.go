package dumpers

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/purser-backup/purser/discovery"
	"github.com/purser-backup/purser/internal/bug"
)

var (
	errIdle     = errors.New("no progress")
	errDeadline = errors.New("deadline passed")
	errExit     = errors.New("exit status") // a script failed, and the Engine didn't
)

// printout is what the commands of a dump printed.
type printout struct {
	end        tail // of all, in an error
	complaints complaints
}

// dump makes the dump, with a watch on its progress, and returns what the
// commands printed.
func (d *Dumper) dump(ctx context.Context, s discovery.Service, spec Spec, stage *stage) (*printout, error) {
	output := &printout{complaints: complaints{rules: spec.Stderr}}
	if spec.Output != "" {
		return output, d.dumpReplicas(ctx, s, spec, stage, &output.complaints)
	}
	idle, job := d.idle(s), d.job(s, spec, spec.Script, stage)
	return output, d.supervise(ctx, s, spec, &output.end, func(ctx context.Context, finished <-chan struct{}) error {
		return watch(ctx, finished, idle, func() int64 { return output.end.total() + stage.size() })
	}, func(ctx context.Context) (int, error) {
		return d.options.Runtime.Run(ctx, job, &output.end, io.MultiWriter(&output.end, &output.complaints))
	})
}

func (d *Dumper) idle(s discovery.Service) time.Duration {
	if s.Settings.IdleTimeout > 0 {
		return s.Settings.IdleTimeout
	}
	return d.options.IdleTimeout
}

// watcher fails when a run makes no progress. It ends with the run.
type watcher func(ctx context.Context, finished <-chan struct{}) error

// run runs a script of the spec in a one-shot.
func (d *Dumper) run(ctx context.Context, s discovery.Service, spec Spec, script string, stage *stage, stdout, stderr *tail) error {
	job := d.job(s, spec, script, stage)
	return d.supervise(ctx, s, spec, stderr, nil, func(ctx context.Context) (int, error) {
		return d.options.Runtime.Run(ctx, job, stdout, stderr)
	})
}

// job is what runs a script of the spec.
func (d *Dumper) job(s discovery.Service, spec Spec, script string, stage *stage) Job {
	c := s.Primary()
	job := Job{Service: s.ID(), Container: c.ID, Image: cmp.Or(spec.Image, c.ImageID, c.Image), Script: script, Env: spec.Env,
		Dir: stage.path, Target: targetDir}
	if c.Elsewhere != nil {
		job.Container = ""
	}
	return job
}

// supervise runs a script with a deadline. A watch that fails ends it.
func (d *Dumper) supervise(ctx context.Context, s discovery.Service, spec Spec, stderr *tail, watch watcher, run func(context.Context) (int, error)) error {
	timeout := d.options.Timeout
	if s.Settings.Timeout > 0 {
		timeout = s.Settings.Timeout
	}
	limited, cancel := context.WithTimeoutCause(ctx, timeout, fmt.Errorf("%w after %s", errDeadline, timeout))
	defer cancel()

	status := 0
	group, watched := errgroup.WithContext(limited)
	finished := make(chan struct{})
	group.Go(bug.Guard(func() error {
		defer close(finished)
		var err error
		status, err = run(watched)
		return err
	}))
	if watch != nil {
		group.Go(bug.Guard(func() error { return watch(watched, finished) }))
	}
	err := group.Wait()
	if err == nil && status == 0 {
		return nil
	}
	return d.runError(ctx, limited, s, spec, status, err, stderr)
}

// watch fails when progress stands still for longer than idle.
func watch(ctx context.Context, finished <-chan struct{}, idle time.Duration, progress func() int64) error {
	ticker := time.NewTicker(max(idle/8, 10*time.Millisecond))
	defer ticker.Stop()
	last, at := progress(), time.Now()
	for {
		select {
		case <-finished:
			return nil
		case <-ctx.Done():
			return nil
		case now := <-ticker.C:
			if p := progress(); p != last {
				last, at = p, now
			} else if now.Sub(at) >= idle {
				return fmt.Errorf("%w for %s", errIdle, idle)
			}
		}
	}
}

// runError says why a run failed, with the end of its output.
func (d *Dumper) runError(ctx, limited context.Context, s discovery.Service, spec Spec, status int, err error, output *tail) error {
	e := &Error{Service: s.ID(), Op: "run", Err: err}
	text := output.redacted(spec.secrets)
	var hinted interface{ Hint() string }
	switch {
	case ctx.Err() != nil:
		e.Err = context.Cause(ctx)
		return e
	case limited.Err() != nil:
		e.Err = context.Cause(limited)
		e.Advice = "a longer time is set with the label " + discovery.LabelTimeout
	case errors.Is(err, errIdle):
		e.Advice = "a longer time is set with the label " + discovery.LabelIdleTimeout
	case errors.As(err, &hinted):
		e.Advice = hinted.Hint()
	case err == nil:
		e.Err = fmt.Errorf("%w %d", errExit, status)
		e.Advice, e.unexplained = advice(status, s, spec, text)
	}
	if strings.Contains(text, saysNoRoom) {
		e.Advice, e.unexplained = diskHint(syscall.ENOSPC, d.options.Source), false
	}
	if name := s.Primary().Name; name != "" && unready(e.Err, text) {
		e.Advice = "the server doesn't answer, or not yet: see docker logs " + name + "\n" + e.Advice
		e.unexplained = false
	}
	if rest, hint := splitHint(text); hint != "" {
		text, e.Advice, e.unexplained = rest, hint, false
	}
	if err == nil && (refused.MatchString(text) || strings.Contains(e.Advice, lookedFor)) {
		e.Advice += "\n" + d.options.Secrets.where(s)
	}
	if text != "" {
		e.Err = fmt.Errorf("%w: %s", e.Err, text)
	}
	return e
}

// splitHint takes the lines out of a script's output that begin with "hint: ".
func splitHint(text string) (rest, hint string) {
	var others, hints []string
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\r\n")
		if h, ok := strings.CutPrefix(line, "hint: "); ok {
			hints = append(hints, h)
		} else {
			others = append(others, line)
		}
	}
	return strings.Join(others, "\n"), strings.Join(hints, "\n")
}

// refused is what clients say where a server lets them in, or do something, only
// with another name or password.
var refused = regexp.MustCompile(`(?i)denied|authenti|authori[sz]|noauth|wrongpass|password|credential|log-?in\b|user name|permission|privilege|\b40[13]\b`)

// lookedFor is how recipes begin to say which variables they know.
const lookedFor = "looked for"

// advice says what can be done where commands failed that said this, and whether
// that is no more than where to look.
func advice(status int, s discovery.Service, spec Spec, said string) (text string, unexplained bool) {
	if status == 127 {
		image := cmp.Or(spec.Image, s.Primary().Image)
		return "the image " + image + " lacks a program that the recipe needs; a recipe of your own can name another image", false
	}
	const look = "what the recipe's commands printed is in the error"
	var uses []string
	for _, u := range spec.Used {
		uses = append(uses, u.Name+" from "+u.Origin)
	}
	switch used := "it used " + strings.Join(uses, ", "); {
	case len(uses) == 0:
		return look + "; `purser discover` names the recipe", true
	case refused.MatchString(said):
		return used + "; a database keeps the password of its first start", false
	default:
		return look + "; " + used, true
	}
}
