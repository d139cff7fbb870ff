package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/purser-backup/purser/engine"
	"github.com/purser-backup/purser/internal/bug"
	"github.com/purser-backup/purser/internal/config"
	"github.com/purser-backup/purser/internal/daemon"
	"github.com/purser-backup/purser/internal/hint"
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
	all := hint.Flatten(err)
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
	for _, e := range hint.Flatten(err) {
		if errors.Is(e, errSick) {
			continue // the result says it
		}
		fmt.Fprintf(w, "error: %s\n", scrub(oneLine(e.Error())))
		for _, line := range hint.Of(e) {
			fmt.Fprintf(w, "hint: %s\n", scrub(line))
		}
		fmt.Fprint(w, scrub(bug.Stack(e)))
	}
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
