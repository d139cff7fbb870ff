// Package hint finds the advice that errors carry. An error has some if it, or
// one that it wraps, has a method Hint() string.
package hint

import (
	"errors"
	"slices"
	"strings"
)

// Of returns the outermost advice of err that isn't empty, line by line.
func Of(err error) []string {
	var hinter interface {
		error
		Hint() string
	}
	for errors.As(err, &hinter) {
		if advice := strings.TrimSpace(hinter.Hint()); advice != "" {
			return strings.Split(advice, "\n")
		}
		if err = errors.Unwrap(hinter); err == nil {
			break
		}
	}
	return nil
}

// Text is what Of returns, in one.
func Text(err error) string { return strings.Join(Of(err), "\n") }

// OfAll returns the advice of each error that was joined into err, each line
// once. It is never nil.
func OfAll(err error) []string {
	all := []string{}
	for _, e := range Flatten(err) {
		for _, line := range Of(e) {
			if !slices.Contains(all, line) {
				all = append(all, line)
			}
		}
	}
	return all
}

// Flatten takes apart what errors.Join put together, and leaves alone an error
// that merely wraps several causes in a sentence of its own.
func Flatten(err error) []error {
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
		all = append(all, Flatten(e)...)
		lines = append(lines, e.Error())
	}
	if err.Error() != strings.Join(lines, "\n") {
		return []error{err}
	}
	return all
}
