package selection

import "fmt"

// A Fault is a kind of [Error].
type Fault uint8

const (
	// BadOption is an option that doesn't exist, or doesn't fit here.
	BadOption Fault = iota
	// BadValue is a value that can't be read: a time, a regular expression.
	BadValue
	// BadList is a file list that can't be read. duplicity exits with 7.
	BadList
	// Outside is a pattern that matches nothing at or below the source.
	// duplicity exits with 14.
	Outside
	// BadGlob is a malformed pattern. duplicity exits with 15.
	BadGlob
	// Redundant is a last condition that includes, what is the default anyway.
	// duplicity exits with 16.
	Redundant
)

// An Error says what is wrong with one rule.
type Error struct {
	Fault  Fault
	Rule   Rule
	Line   int    // of the file list, counted from 1; 0 if the rule itself is wrong
	Reason string // empty for Outside and Redundant
	Source string // for Outside: the path that patterns are matched against
	Err    error  // cause, if there is one
	hint   string
	text   string // the pattern, if it comes from a file list
}

func (e *Error) Error() string {
	rule := e.Rule.Option
	if e.Rule.Value != "" {
		rule += fmt.Sprintf(" %q", e.Rule.Value)
	}
	if e.Line > 0 {
		rule += fmt.Sprintf(", line %d: %q", e.Line, e.text)
	}
	switch e.Fault {
	case Outside:
		return fmt.Sprintf("%s matches nothing at or below the source %q", rule, e.Source)
	case Redundant:
		return fmt.Sprintf("%s has no effect: it is the last rule, and what no rule knows is included anyway", rule)
	}
	if e.Err != nil {
		return fmt.Sprintf("%s: %s: %v", rule, e.Reason, e.Err)
	}
	return fmt.Sprintf("%s: %s", rule, e.Reason)
}

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Err }

// Hint says what to write instead.
func (e *Error) Hint() string { return e.hint }
