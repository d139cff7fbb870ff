package storage

import (
	"errors"
	"fmt"
	"strings"
)

// Error is a failed call on a target.
type Error struct {
	Op   string // "store", "read", "look at", "list", "delete", "open", "close", "validate"
	Name string // the object; for a list the prefix and "*"; empty where there is none
	URL  string // the target, less the password
	Err  error
	hint string
}

func (e *Error) Error() string {
	if e.Name == "" {
		return fmt.Sprintf("%s %s: %v", e.Op, e.URL, e.Err)
	}
	return fmt.Sprintf("%s %s on %s: %v", e.Op, e.Name, e.URL, e.Err)
}

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Err }

// Hint says what the user can do, or is empty.
func (e *Error) Hint() string {
	var inner interface{ Hint() string }
	if e.hint == "" && errors.As(e.Err, &inner) {
		return inner.Hint()
	}
	return e.hint
}

// Redact replaces the password in a URL by "xxxxx". It works on malformed URLs
// too and would rather hide too much: what it returns may be logged.
func Redact(rawURL string) string {
	scheme, rest, ok := strings.Cut(rawURL, "://")
	if !ok {
		// No URL; if an @ says that there is a user part, show none of it.
		if at := strings.LastIndexByte(rawURL, '@'); at >= 0 {
			return "xxxxx" + rawURL[at:]
		}
		return rawURL
	}
	authority, _, _ := strings.Cut(rest, "/")
	at := strings.LastIndexByte(authority, '@')
	if at < 0 && strings.Contains(authority, ":") {
		at = strings.LastIndexByte(rest, '@') // a password with a bare slash in it
	}
	if at >= 0 {
		if user, _, ok := strings.Cut(rest[:at], ":"); ok {
			rest = user + ":xxxxx" + rest[at:]
		}
	}
	return scheme + "://" + rest
}
