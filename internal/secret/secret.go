// Package secret holds text that must not be printed: passphrases, passwords,
// tokens. A String gives its value only to a caller that asks for it by name.
package secret

import (
	"crypto/subtle"
	"fmt"
	"io"
	"log/slog"
)

const redacted = "[redacted]"

// String is a secret text. It prints as "[redacted]" with every verb of fmt, in
// JSON and other text encodings, and in slog. The zero value is the empty secret.
// Values are immutable and safe for concurrent use.
//
// Two Strings are compared with Equal; == compares identity.
type String struct {
	// A pointer, since fmt prints unexported fields of a foreign struct by
	// reflection, without asking Format: it then shows an address.
	s *string
}

// New returns s as a secret.
func New(s string) String {
	if s == "" {
		return String{}
	}
	return String{&s}
}

// Reveal returns the secret text itself.
func (s String) Reveal() string {
	if s.s == nil {
		return ""
	}
	return *s.s
}

// IsZero reports whether the secret is empty.
func (s String) IsZero() bool { return s.s == nil }

// Equal reports whether both hold the same text. The time it takes depends on
// the lengths only.
func (s String) Equal(o String) bool {
	return subtle.ConstantTimeCompare([]byte(s.Reveal()), []byte(o.Reveal())) == 1
}

// String returns "[redacted]".
func (s String) String() string { return redacted }

// Format implements fmt.Formatter, so that no verb or flag shows the text.
func (s String) Format(f fmt.State, _ rune) {
	// fmt.State has nowhere to report an error to.
	_, _ = io.WriteString(f, redacted)
}

// MarshalText implements encoding.TextMarshaler, and so JSON, XML and YAML keys.
func (s String) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// MarshalJSON implements json.Marshaler.
func (s String) MarshalJSON() ([]byte, error) { return []byte(`"` + redacted + `"`), nil }

// MarshalYAML implements the marshaler of the YAML package.
func (s String) MarshalYAML() (any, error) { return redacted, nil }

// LogValue implements slog.LogValuer.
func (s String) LogValue() slog.Value { return slog.StringValue(redacted) }
