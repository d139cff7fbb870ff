package dumpers

import (
	"errors"
	"fmt"
	"strings"
)

// bindScript puts a reference to a variable in the place of each value in a
// shell script, quoted as the place demands. The shell never reads the
// result of an expansion as code, so at worst a place that this reader takes
// for another kind gets a wrong word, never a command.
func bindScript(script string, values []found) (string, error) {
	if len(values) == 0 {
		return script, nil
	}
	r := scriptReader{text: script, stack: []scope{{}}}
	var out strings.Builder
	last := 0
	for _, v := range values {
		r.advance(v.start)
		ref, err := r.reference(slot(v.index))
		if err != nil {
			return "", err
		}
		out.WriteString(script[last:v.start])
		out.WriteString(ref)
		last = v.end
		r.skip(v.end)
	}
	out.WriteString(script[last:])
	return out.String(), nil
}

// place is the kind of text that the reader is in.
type place byte

const (
	plain      place = iota // code, where words are split
	single                  // '…'
	double                  // "…"
	ansi                    // $'…'
	arithmetic              // $((…))
	brace                   // ${…}
	comment                 // # …
)

// scope is one level of nesting.
type scope struct {
	place  place
	end    byte     // that closes a nested plain scope: ')' or '`'
	quoted bool     // a brace within double quotes
	words  []string // of the simple command so far
	word   string   // the word being read
}

// scriptReader follows quoting and nesting through a shell script.
type scriptReader struct {
	text    string
	pos     int
	stack   []scope
	heredoc bool
}

func (r *scriptReader) top() *scope  { return &r.stack[len(r.stack)-1] }
func (r *scriptReader) push(s scope) { r.stack = append(r.stack, s) }
func (r *scriptReader) pop() {
	if len(r.stack) > 1 {
		r.stack = r.stack[:len(r.stack)-1]
	}
}

// skip moves over a value, which is part of the current word.
func (r *scriptReader) skip(to int) {
	r.command().word += "x"
	r.pos = to
}

// command returns the innermost scope of code, whose words are being read.
func (r *scriptReader) command() *scope {
	for i := len(r.stack) - 1; i > 0; i-- {
		if r.stack[i].place == plain {
			return &r.stack[i]
		}
	}
	return &r.stack[0]
}

func (r *scriptReader) reference(name string) (string, error) {
	code := r.command()
	if len(code.words) > 0 && (takesCode(code.words[len(code.words)-1]) || code.words[0] == "eval") || assignsCode(code.word) {
		return "", fmt.Errorf("a value of the service would become part of the code after %q", strings.Join(code.words, " "))
	}
	if r.heredoc {
		return "", errors.New("a value of the service follows a here-document")
	}
	bare, quoted := "${"+name+"}", `"${`+name+`}"`
	switch s := r.top(); {
	case s.place == plain, s.place == brace && !s.quoted:
		return quoted, nil
	case s.place == double, s.place == brace, s.place == comment:
		return bare, nil
	case s.place == single:
		return "'" + quoted + "'", nil
	default:
		return "", errors.New("a value of the service stands in an arithmetic expression or in $'…'")
	}
}

// advance reads up to a position.
func (r *scriptReader) advance(to int) {
	for r.pos < to {
		switch s := r.top(); s.place {
		case single, ansi:
			r.literal(s)
		case comment:
			if r.text[r.pos] == '\n' {
				r.pop()
			}
			r.pos++
		case arithmetic:
			if strings.HasPrefix(r.text[r.pos:], "))") {
				r.pop()
				r.pos++
			}
			r.pos++
		case double, brace:
			r.quotedText(s)
		default:
			r.code(s)
		}
	}
	// A two-byte token may end beyond the value's start only by misreading.
	r.pos = to
}

func (r *scriptReader) literal(s *scope) {
	c := r.text[r.pos]
	if c == '\'' {
		r.pop()
	} else {
		r.command().word += string(c)
	}
	if s.place == ansi && c == '\\' {
		r.pos++
	}
	r.pos++
}

func (r *scriptReader) quotedText(s *scope) {
	c := r.text[r.pos]
	switch {
	case c == '\\':
		r.pos++
	case s.place == double && c == '"', s.place == brace && c == '}':
		r.pop()
	case s.place == brace && c == '"':
		r.push(scope{place: double})
	case s.place == brace && c == '\'' && !s.quoted:
		r.push(scope{place: single})
	case r.expansion(s.place == double || s.quoted):
		return
	default:
		r.command().word += string(c)
	}
	r.pos++
}

// expansion enters $(…), $((…)), ${…} and `…`, and reports whether it did.
func (r *scriptReader) expansion(quoted bool) bool {
	rest := r.text[r.pos:]
	switch {
	case strings.HasPrefix(rest, "$(("):
		r.push(scope{place: arithmetic})
		r.pos += 3
	case strings.HasPrefix(rest, "$("):
		r.push(scope{place: plain, end: ')'})
		r.pos += 2
	case strings.HasPrefix(rest, "${"):
		r.push(scope{place: brace, quoted: quoted})
		r.pos += 2
	case rest[0] == '`':
		if code := r.command(); code.end == '`' {
			for r.top().end != '`' {
				r.pop()
			}
			r.pop()
		} else {
			r.push(scope{place: plain, end: '`'})
		}
		r.pos++
	default:
		return false
	}
	return true
}

// code reads one token outside of quotes.
func (r *scriptReader) code(s *scope) {
	rest := r.text[r.pos:]
	c := rest[0]
	switch {
	case c == '\\':
		r.pos++
	case c == '\'':
		r.push(scope{place: single})
	case c == '"':
		r.push(scope{place: double})
	case strings.HasPrefix(rest, "$'"):
		r.push(scope{place: ansi})
		r.pos++
	case r.expansion(false):
		return
	case c == '#' && s.word == "":
		r.push(scope{place: comment})
	case strings.HasPrefix(rest, "<<<"):
		r.pos += 2
	case strings.HasPrefix(rest, "<<"):
		r.heredoc = true
		r.pos++
	case c == '(':
		r.push(scope{place: plain, end: ')'})
	case c == ')' && s.end == ')':
		r.pop()
	case strings.IndexByte(" \t", c) >= 0:
		if s.word != "" {
			s.words, s.word = append(s.words, s.word), ""
		}
	case strings.IndexByte(";&|\n", c) >= 0:
		s.words, s.word = nil, ""
	default:
		s.word += string(c)
	}
	r.pos++
}
