package dumpers

import (
	"cmp"
	"errors"
	"fmt"
	"strings"
)

// Error says what failed for which service. The text holds no secret.
type Error struct {
	Task    string // "dump of", if it is empty, or "load into"
	Service string // identity
	Op      string // "match", "credentials", "render", "run", "check", "swap", ...
	Err     error
	Advice  string // what the user can do, may be empty

	unexplained bool // nothing is known of why commands failed; Advice is general
}

// advise gives an error of unexplained commands the advice that suits what was
// under way.
func advise(err error, advice string) {
	var e *Error
	if errors.As(err, &e) && e.unexplained {
		e.Advice = advice
	}
}

func (e *Error) Error() string {
	return fmt.Sprintf("%s %s: %s: %v", cmp.Or(e.Task, "dump of"), e.Service, e.Op, e.Err)
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Hint says what the user can do about it.
func (e *Error) Hint() string { return e.Advice }

// FileError is a fault in a recipe or an index file. A Line of 0 is unknown.
type FileError struct {
	File   string
	Line   int
	Reason string
	Advice string
}

func (e *FileError) Error() string {
	if e.Line == 0 {
		return e.File + ": " + e.Reason
	}
	return fmt.Sprintf("%s:%d: %s", e.File, e.Line, e.Reason)
}

// Hint says what the user can do about it.
func (e *FileError) Hint() string {
	if e.Advice == "" {
		return "correct " + e.File + " in the directory of your recipes, or take it out"
	}
	return e.Advice
}

// LoadError is every fault that Load found.
type LoadError struct{ Faults []*FileError }

func (e *LoadError) Error() string {
	lines := make([]string, len(e.Faults))
	for i, f := range e.Faults {
		lines[i] = f.Error()
	}
	return "recipes: " + strings.Join(lines, "; ")
}

// Unwrap returns the faults one by one.
func (e *LoadError) Unwrap() []error {
	errs := make([]error, len(e.Faults))
	for i, f := range e.Faults {
		errs[i] = f
	}
	return errs
}

// Hint returns the hints of the faults, each once, one a line.
func (e *LoadError) Hint() string {
	var hints []string
	seen := map[string]bool{}
	for _, f := range e.Faults {
		if hint := f.Hint(); !seen[hint] {
			seen[hint] = true
			hints = append(hints, hint)
		}
	}
	return strings.Join(hints, "\n")
}
