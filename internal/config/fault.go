package config

import (
	"errors"
	"fmt"
	"strings"
)

var errUnset = errors.New("not set")

// Error is all that is wrong with a configuration. errors.Is and errors.As
// look into every Fault.
type Error struct{ Faults []*Fault }

// Error gives one line for each fault.
func (e *Error) Error() string {
	lines := make([]string, len(e.Faults))
	for i, f := range e.Faults {
		lines[i] = f.Error()
	}
	return strings.Join(lines, "\n")
}

// Unwrap gives the faults.
func (e *Error) Unwrap() []error {
	list := make([]error, len(e.Faults))
	for i, f := range e.Faults {
		list[i] = f
	}
	return list
}

// Fault is one thing that is wrong.
type Fault struct {
	Name   string // the variable, canonical; empty where the file of settings is at fault
	Value  string // quoted in the message; empty for a secret
	Origin Origin
	Err    error
	hint   string
}

func (f *Fault) Error() string {
	where := ""
	switch {
	case f.Name == "": // of a file of settings as a whole
		return fmt.Sprintf("%s: %v", f.Origin, f.Err)
	case f.Origin.Kind == File, f.Origin.Kind == Document, f.Origin.Kind == Environment && f.Origin.Name != f.Name:
		where = fmt.Sprintf(" (from %s)", f.Origin)
	}
	if f.Value == "" {
		return fmt.Sprintf("%s%s: %v", f.Name, where, f.Err)
	}
	return fmt.Sprintf("%s=%q%s: %v", f.Name, f.Value, where, f.Err)
}

// Unwrap gives the cause.
func (f *Fault) Unwrap() error { return f.Err }

// Hint says what to do about it.
func (f *Fault) Hint() string {
	var inner interface{ Hint() string }
	if f.hint == "" && errors.As(f.Err, &inner) {
		return inner.Hint()
	}
	return f.hint
}

// Kind says what sort of place a value came from.
type Kind uint8

// The kinds.
const (
	Default Kind = iota
	Environment
	File // named by a variable that ends in _FILE
	Override
	Document // the file of settings
)

// Origin is where a value came from.
type Origin struct {
	Kind Kind
	Name string // the variable as it was spelt, or the file's path
	Line int    // in the file of settings, 0 if unknown
}

func (o Origin) String() string {
	switch o.Kind {
	case Environment:
		return "environment " + o.Name
	case File:
		return "file " + o.Name
	case Override:
		return "command line"
	case Document:
		if o.Line > 0 {
			return fmt.Sprintf("file %s line %d", o.Name, o.Line)
		}
		return "file " + o.Name
	}
	return "default"
}

// hinted is an error with advice.
type hinted struct {
	error
	hint string
}

func (h *hinted) Unwrap() error { return h.error }

// Hint says what to do about it.
func (h *hinted) Hint() string { return h.hint }

func withHint(hint, format string, args ...any) error {
	return &hinted{fmt.Errorf(format, args...), hint}
}
