package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/purser-backup/purser/engine"
	"github.com/purser-backup/purser/internal/config"
	"github.com/purser-backup/purser/internal/daemon"
)

// The exit codes. They are interface: scripts branch on them.
const (
	exitDone        = 0
	exitFailed      = 1
	exitUsage       = 2 // the command line or the configuration
	exitSick        = 2 // of `purser check`, as monitoring systems have it
	exitIncomplete  = 3
	exitNoBackup    = 10
	exitLocked      = 11
	exitWrongKey    = 12
	exitDamage      = 20
	exitInterrupted = 130
)

var (
	errInterrupted = errors.New("interrupted")
	errDamage      = errors.New("damage found")
)

// exitCode is the one place where an error becomes an exit code. Of several
// joined errors the one that says most about what to do decides.
func exitCode(err error) int {
	var usage *usageError
	var fault *config.Error
	var wrong *daemon.ConfigError
	var rule *engine.RuleError
	var damage *engine.CorruptError
	switch {
	case err == nil:
		return exitDone
	case errors.Is(err, errInterrupted):
		return exitInterrupted
	case onlyIncomplete(err): // before its causes: the work was done
		return exitIncomplete
	case errors.Is(err, errSick):
		return exitSick
	case errors.As(err, &usage), errors.As(err, &fault), errors.As(err, &wrong), errors.As(err, &rule):
		return exitUsage
	case errors.Is(err, engine.ErrWrongKey), errors.Is(err, engine.ErrNoEncryption):
		return exitWrongKey
	case errors.Is(err, engine.ErrLocked), errors.Is(err, daemon.ErrLocked):
		return exitLocked
	case errors.Is(err, engine.ErrNoBackup):
		return exitNoBackup
	case errors.As(err, &damage), errors.Is(err, errDamage):
		return exitDamage
	}
	return exitFailed
}

// onlyIncomplete reports whether the work was done but for what err names.
func onlyIncomplete(err error) bool {
	all := flatten(err)
	for _, e := range all {
		if !errors.Is(e, daemon.ErrIncomplete) {
			return false
		}
	}
	return len(all) > 0
}

func isCancelled(err error) bool {
	return errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}

// usageError is a fault in the command line or in the configuration.
type usageError struct {
	err  error
	hint string
}

func usagef(hint, format string, args ...any) error {
	return &usageError{err: fmt.Errorf(format, args...), hint: hint}
}

func (e *usageError) Error() string { return e.err.Error() }
func (e *usageError) Unwrap() error { return e.err }
func (e *usageError) Hint() string  { return e.hint }

// hinted is any other error with advice.
type hinted struct {
	err  error
	hint string
}

func (e *hinted) Error() string { return e.err.Error() }
func (e *hinted) Unwrap() error { return e.err }
func (e *hinted) Hint() string  { return e.hint }

// printErrors prints one `error:` line for each error that was joined into
// err, each followed by the `hint:` lines that it carries. scrub takes out secrets.
func printErrors(w io.Writer, err error, scrub func(string) string) {
	for _, e := range flatten(err) {
		if errors.Is(e, errSick) {
			continue // the result says it
		}
		fmt.Fprintf(w, "error: %s\n", scrub(oneLine(e.Error())))
		for _, hint := range hints(e) {
			fmt.Fprintf(w, "hint: %s\n", scrub(hint))
		}
	}
}

// hints returns the outermost hint of err that isn't empty, line by line. An
// error with several causes has the hints of all of them.
func hints(err error) []string {
	var hinter interface {
		error
		Hint() string
	}
	for errors.As(err, &hinter) {
		if hint := strings.TrimSpace(hinter.Hint()); hint != "" {
			return strings.Split(hint, "\n")
		}
		if err = errors.Unwrap(hinter); err == nil {
			break
		}
	}
	return nil
}

// flatten takes apart what errors.Join put together, and leaves alone an error
// that merely wraps several causes in a sentence of its own.
func flatten(err error) []error {
	if err == nil {
		return nil
	}
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return []error{err}
	}
	var all []error
	var lines []string
	for _, e := range joined.Unwrap() {
		all = append(all, flatten(e)...)
		lines = append(lines, e.Error())
	}
	if err.Error() != strings.Join(lines, "\n") {
		return []error{err}
	}
	return all
}

func oneLine(s string) string {
	return strings.Join(strings.FieldsFunc(s, func(r rune) bool { return r == '\n' || r == '\r' }), "; ")
}

// join keeps a single error as it is: errors.Join would hide its type behind
// a list of one.
func join(first, second error) error {
	switch {
	case first == nil:
		return second
	case second == nil:
		return first
	}
	return errors.Join(first, second)
}

func joinAll(errs []error) (all error) {
	for _, err := range errs {
		all = join(all, err)
	}
	return all
}
