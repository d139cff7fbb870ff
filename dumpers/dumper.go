package dumpers

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"regexp"
	"time"

	"github.com/purser-backup/purser/discovery"
)

// Where the dump is mounted in a one-shot, and where it reaches the service
// whose network it shares.
const (
	targetDir = "/purser"
	serviceIP = "127.0.0.1"
)

// Defaults of Options.
const (
	DefaultTimeout     = 6 * time.Hour
	DefaultIdleTimeout = 15 * time.Minute
	DefaultGrace       = 2 * time.Minute
)

// Options configure a Dumper. Source, Instance and Runtime are required.
type Options struct {
	Source      string // directory that is backed up; dumps go to its "dump"
	Instance    string // this purser's id; only its own staging is swept
	Runtime     Runtime
	Servers     Servers       // for Try only
	Timeout     time.Duration // deadline of one dump; 0: DefaultTimeout
	IdleTimeout time.Duration // longest time without progress; 0: DefaultIdleTimeout
	Grace       time.Duration // how long after its start a service may still not answer; 0: DefaultGrace
	Secrets     Secrets       // that the operator binds to services; may be empty
	// KeepReplaced keeps the dump that a new one replaces in [Previous], for a
	// backup that will be stored and then removes it.
	KeepReplaced bool
	Now          func() time.Time
	Rand         io.Reader
	Warn         func(msg string, args ...any) // in the manner of slog; may be nil
}

// Dumper makes dumps. It is safe for concurrent use, but two dumps of one
// service at a time are not.
type Dumper struct {
	options Options
	tree    *tree
	room    room
}

// Open prepares the source directory and puts right what a crashed process of
// this instance left there: unfinished dumps are removed, and a dump that was
// being replaced is completed or put back. No other process of this instance
// may be dumping. Close releases the directory.
func Open(o Options) (*Dumper, error) {
	if o.Timeout == 0 {
		o.Timeout = DefaultTimeout
	}
	if o.IdleTimeout == 0 {
		o.IdleTimeout = DefaultIdleTimeout
	}
	if o.Grace == 0 {
		o.Grace = DefaultGrace
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Rand == nil {
		o.Rand = rand.Reader
	}
	if o.Warn == nil {
		o.Warn = func(string, ...any) {}
	}
	t, err := openTree(o.Source, o.Instance, o.Rand)
	if err != nil {
		return nil, err
	}
	if err := t.recover(); err != nil {
		return nil, errors.Join(fmt.Errorf("recover dumps in %s: %w", o.Source, err), t.close())
	}
	return &Dumper{options: o, tree: t}, nil
}

// Close releases the source directory.
func (d *Dumper) Close() error { return d.tree.close() }

// Report describes a dump that was made.
type Report struct {
	Service  string
	Recipe   string
	Path     string // below the source directory
	Files    int
	Bytes    int64
	Duration time.Duration
	Attempts int
	// Complaint is the end of what the commands wrote to their standard error
	// although they succeeded, less what the recipe ignores, with secrets replaced.
	Complaint string
}

// Dump makes a dump of the service and swaps it in as a whole directory; the one
// that it replaces may be kept in [Previous]. On
// error the previous dump is as it was, and nothing else is left behind. An
// error is an *Error. If the service restarts meanwhile, the dump is tried
// once more; if it has just started and doesn't answer yet, until the grace
// time is over. A dump for which the disk has no room is not begun.
func (d *Dumper) Dump(ctx context.Context, s discovery.Service, r *Recipe) (Report, error) {
	start := d.options.Now()
	report := Report{Service: s.ID(), Recipe: r.Name(), Path: dumpPath(s)}
	for {
		report.Attempts++
		err := d.attempt(ctx, s, r, &report)
		report.Duration = d.options.Now().Sub(start)
		if err == nil {
			if report.Complaint != "" {
				d.options.Warn("dump is whole, but its commands complained", "service", s.ID(), "stderr", report.Complaint)
			}
			return report, nil
		}
		if d.starting(ctx, s, err) || ctx.Err() == nil && d.makeRoom(s, err) {
			continue
		}
		if !errors.Is(err, errRestarted) || report.Attempts > 1 || ctx.Err() != nil {
			return report, err
		}
		d.options.Warn("service restarted during its dump; trying once more", "service", s.ID())
	}
}

var errRestarted = errors.New("the service restarted meanwhile")

// attempt makes the dump, and says in the report what it has.
func (d *Dumper) attempt(ctx context.Context, s discovery.Service, r *Recipe, report *Report) error {
	before, err := d.ready(ctx, s)
	if err != nil {
		return err
	}
	spec, err := d.spec(ctx, s, r)
	if err != nil {
		return err
	}
	release, err := d.reserve(s)
	if err != nil {
		return err
	}
	defer release()
	stage, err := d.tree.stage(s)
	if err != nil {
		return d.diskError(s, "stage", err)
	}
	defer d.discard(stage)
	output, runErr := d.dump(ctx, s, spec, stage)
	if err := d.unchanged(ctx, s, before); err != nil {
		return err
	}
	if runErr != nil {
		return runErr
	}
	files, bytes, err := stage.check(spec.Trailers)
	if text := output.end.redacted(spec.secrets); err != nil && text != "" {
		err = fmt.Errorf("%w; the commands succeeded, and printed: %s", err, text)
	}
	failure, said := output.complaints.told(spec.secrets)
	if err == nil && failure != "" {
		err = fmt.Errorf("the commands succeeded, but said: %s", failure)
	}
	if err != nil {
		return &Error{Service: s.ID(), Op: "check", Err: err, Advice: "the dump that was there before is kept"}
	}
	if err := ctx.Err(); err != nil {
		return &Error{Service: s.ID(), Op: "swap", Err: err}
	}
	if err := stage.swap(); err != nil {
		return d.diskError(s, "swap", err)
	}
	if err := d.keep(stage); err != nil {
		d.options.Warn("the replaced dump can't be kept for the next backup, which takes more", "service", s.ID(), "error", err)
	}
	report.Files, report.Bytes, report.Complaint = files, bytes, said
	return nil
}

// discard removes a staging directory.
func (d *Dumper) discard(st *stage) {
	if err := st.remove(); err != nil {
		d.options.Warn("staging directory stays until the next start", "service", st.service.ID(), "error", err)
	}
}

// hostName is what {{ ip }} may be: it stands in commands as it is.
var hostName = regexp.MustCompile(`^[0-9A-Za-z:][0-9A-Za-z_.:-]*$`)

// ready checks that the service can be dumped now.
func (d *Dumper) ready(ctx context.Context, s discovery.Service) (discovery.State, error) {
	c := s.Primary()
	e := &Error{Service: s.ID(), Op: "service"}
	if c.Elsewhere != nil && c.Elsewhere.Address == "" {
		e.Err = fmt.Errorf("container %s on host %s has no address", c.Name, c.Elsewhere.Host)
		e.Advice = "put the service on the managed network, or start it on the host of purser"
		return discovery.State{}, e
	}
	if c.Elsewhere != nil && !hostName.MatchString(c.Elsewhere.Address) {
		e.Err = fmt.Errorf("the address %q of container %s is none", c.Elsewhere.Address, c.Name)
		return discovery.State{}, e
	}
	if c.ID == "" {
		return discovery.State{}, nil // a server in no container: its dump tells
	}
	state, err := d.options.Runtime.State(ctx, c.ID)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		e.Err = fmt.Errorf("container %s is gone", c.Name)
	case err != nil:
		e.Err = err
	case state.Paused:
		e.Err, e.Advice = fmt.Errorf("container %s is paused", c.Name), "docker unpause "+c.Name
	case state.Restarting:
		e.Err, e.Advice = fmt.Errorf("container %s is restarting", c.Name), "see docker logs "+c.Name
	case !state.Running:
		e.Err, e.Advice = fmt.Errorf("container %s is not running", c.Name), "see docker logs "+c.Name
	default:
		return state, nil
	}
	return state, e
}

// unchanged checks that the container is still the process that it was: a
// dump across a restart may hold two states of the data.
func (d *Dumper) unchanged(ctx context.Context, s discovery.Service, before discovery.State) error {
	if s.Primary().ID == "" {
		return nil
	}
	after, err := d.options.Runtime.State(ctx, s.Primary().ID)
	if err != nil {
		if ctx.Err() != nil {
			return &Error{Service: s.ID(), Op: "run", Err: context.Cause(ctx)}
		}
		return &Error{Service: s.ID(), Op: "service", Err: fmt.Errorf("look at it after the dump: %w", err)}
	}
	switch {
	case !after.StartedAt.Equal(before.StartedAt), after.Starts != before.Starts:
		return &Error{Service: s.ID(), Op: "run", Err: errRestarted, Advice: "see docker logs " + s.Primary().Name}
	case !after.Running || after.Restarting:
		return &Error{Service: s.ID(), Op: "run", Err: errors.New("the service stopped meanwhile"), Advice: "see docker logs " + s.Primary().Name}
	case after.Paused:
		return &Error{Service: s.ID(), Op: "run", Err: errors.New("the service was paused meanwhile")}
	}
	return nil
}

func (d *Dumper) diskError(s discovery.Service, op string, err error) error {
	e := &Error{Service: s.ID(), Op: op, Err: err}
	e.Advice = diskHint(err, d.options.Source)
	return e
}
