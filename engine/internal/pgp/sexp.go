package pgp

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
)

// sexp is an S-expression as GnuPG keeps secret keys in: a list, or an atom.
type sexp struct {
	atom   []byte
	list   []*sexp
	isList bool
}

// maxDepth is far above what a key needs.
const maxDepth = 16

var errSexp = errors.New("no S-expression")

// parseSexp reads one expression in the canonical or the advanced form
// (libgcrypt's manual, "S-expressions") and returns what is behind it.
func parseSexp(b []byte) (*sexp, []byte, error) {
	return parseNode(skipSpace(b), 0)
}

func parseNode(b []byte, depth int) (*sexp, []byte, error) {
	if len(b) == 0 || b[0] != '(' {
		atom, rest, err := parseAtom(b)
		return &sexp{atom: atom}, rest, err
	}
	if depth == maxDepth {
		return nil, nil, fmt.Errorf("%w: too deep", errSexp)
	}
	n := &sexp{isList: true}
	for b = skipSpace(b[1:]); len(b) > 0; b = skipSpace(b) {
		if b[0] == ')' {
			return n, b[1:], nil
		}
		child, rest, err := parseNode(b, depth+1)
		if err != nil {
			return nil, nil, err
		}
		n.list, b = append(n.list, child), rest
	}
	return nil, nil, fmt.Errorf("%w: a list is open at the end", errSexp)
}

func parseAtom(b []byte) (atom, rest []byte, err error) {
	if len(b) == 0 {
		return nil, nil, fmt.Errorf("%w: nothing there", errSexp)
	}
	switch c := b[0]; {
	case c >= '0' && c <= '9':
		return parseCounted(b)
	case c == '#':
		return parseEncoded(b[1:], '#', hex.Decode)
	case c == '|':
		return parseEncoded(b[1:], '|', base64.StdEncoding.Decode)
	case c == '"':
		return parseQuoted(b[1:])
	}
	n := 0
	for n < len(b) && isToken(b[n]) {
		n++
	}
	if n == 0 {
		return nil, nil, fmt.Errorf("%w: byte %#x", errSexp, b[0])
	}
	return b[:n], b[n:], nil
}

// parseCounted reads an atom of the canonical form: length, colon, bytes.
func parseCounted(b []byte) (atom, rest []byte, err error) {
	digits, _, ok := bytes.Cut(b[:min(len(b), 10)], []byte(":"))
	n, err := strconv.ParseUint(string(digits), 10, 31)
	if !ok || err != nil {
		return nil, nil, fmt.Errorf("%w: bad length %.10q", errSexp, digits)
	}
	rest = b[len(digits)+1:]
	if n > uint64(len(rest)) {
		return nil, nil, fmt.Errorf("%w: %d bytes where %d are announced", errSexp, len(rest), n)
	}
	return rest[:n], rest[n:], nil
}

func parseEncoded(b []byte, end byte, decode func(dst, src []byte) (int, error)) (atom, rest []byte, err error) {
	n := bytes.IndexByte(b, end)
	if n < 0 {
		return nil, nil, fmt.Errorf("%w: an atom is open at the end", errSexp)
	}
	text := make([]byte, 0, n)
	for _, c := range b[:n] {
		if !isSpace(c) {
			text = append(text, c)
		}
	}
	atom = make([]byte, len(text))
	k, err := decode(atom, text)
	if err != nil {
		return nil, nil, fmt.Errorf("%w: %w", errSexp, err)
	}
	return atom[:k], b[n+1:], nil
}

// parseQuoted reads up to the closing quote. Escapes are those of C.
func parseQuoted(b []byte) (atom, rest []byte, err error) {
	for i := 0; i < len(b); i++ {
		switch b[i] {
		case '"':
			return atom, b[i+1:], nil
		case '\\':
			c, n, ok := unescape(b[i+1:])
			if !ok {
				return nil, nil, fmt.Errorf("%w: bad escape", errSexp)
			}
			atom = append(atom, c)
			i += n
		default:
			atom = append(atom, b[i])
		}
	}
	return nil, nil, fmt.Errorf("%w: a text is open at the end", errSexp)
}

// unescape reads what is behind a backslash, and how long that is.
func unescape(b []byte) (c byte, n int, ok bool) {
	if len(b) == 0 {
		return 0, 0, false
	}
	if i := bytes.IndexByte([]byte("btvnfr\"'\\"), b[0]); i >= 0 {
		return "\b\t\v\n\f\r\"'\\"[i], 1, true
	}
	digits, base := b, 8
	if b[0] == 'x' {
		digits, base, n = b[1:], 16, 1
	}
	width := 3 - n // three octal digits, or two hexadecimal ones
	if len(digits) < width {
		return 0, 0, false
	}
	v, err := strconv.ParseUint(string(digits[:width]), base, 8)
	return byte(v), n + width, err == nil
}

func isToken(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || bytes.IndexByte([]byte("-./_:*+="), c) >= 0
}

func isSpace(c byte) bool { return c == ' ' || c >= '\t' && c <= '\r' }

func skipSpace(b []byte) []byte {
	for len(b) > 0 && isSpace(b[0]) {
		b = b[1:]
	}
	return b
}

// canonical appends the canonical form, in which GnuPG authenticates keys.
func (s *sexp) canonical(b []byte) []byte {
	if !s.isList {
		b = strconv.AppendInt(b, int64(len(s.atom)), 10)
		return append(append(b, ':'), s.atom...)
	}
	b = append(b, '(')
	for _, child := range s.list {
		b = child.canonical(b)
	}
	return append(b, ')')
}

// name is the first atom of a list.
func (s *sexp) name() string { return string(s.at(0)) }

// at returns the atom at i, nil if there is none.
func (s *sexp) at(i int) []byte {
	if s == nil || i >= len(s.list) || s.list[i].isList {
		return nil
	}
	return s.list[i].atom
}

// sub returns the list at i, nil if there is none.
func (s *sexp) sub(i int) *sexp {
	if s == nil || i >= len(s.list) || !s.list[i].isList {
		return nil
	}
	return s.list[i]
}

// find returns the first list in s that is called name, nil if there is none.
func (s *sexp) find(name string) *sexp {
	if s == nil {
		return nil
	}
	for _, child := range s.list {
		if child.isList && child.name() == name {
			return child
		}
	}
	return nil
}
