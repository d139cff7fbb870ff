package selection

import (
	"errors"
	"fmt"
	"regexp/syntax"
	"strings"
	"unicode"
)

// A regex is a Python regular expression, as far as it can be matched in one
// pass. It is searched for anywhere in a path.
type regex struct {
	prog *syntax.Prog
}

// parseRegexp compiles an expression that Python and Go both know. Where the
// same text means something else in the two, it means what it means in Python.
func parseRegexp(expr string) (*regex, error) {
	t := translator{rest: expr}
	if err := t.run(); err != nil {
		return nil, err
	}
	// Without OneLine, ^ and $ stay apart from \A and \z; see search.
	re, err := syntax.Parse(t.out.String(), syntax.Perl&^syntax.OneLine)
	if err != nil {
		return nil, err
	}
	prog, err := syntax.Compile(re.Simplify())
	if err != nil {
		return nil, err
	}
	return &regex{prog}, nil
}

// translator writes Python's syntax as Go's. What it doesn't know it leaves to
// Go's parser, which refuses it.
type translator struct {
	rest string
	out  strings.Builder
	any  bool // something has been written
}

// run translates the whole expression.
func (t *translator) run() error {
	for t.rest != "" {
		var err error
		switch t.rest[0] {
		case '\\':
			err = t.escape(false)
		case '[':
			err = t.class()
		case '(':
			err = t.group()
		case '{':
			t.repeat()
		default:
			t.copyRune()
		}
		if err != nil {
			return err
		}
		t.any = true
	}
	return nil
}

// take moves n bytes to the output as they are.
func (t *translator) take(n int) {
	t.out.WriteString(t.rest[:n])
	t.rest = t.rest[n:]
}

// put writes s for the next n bytes.
func (t *translator) put(s string, n int) {
	t.out.WriteString(s)
	t.rest = t.rest[n:]
}

// copyRune writes one character; a byte that is not UTF-8 by its number.
func (t *translator) copyRune() {
	r, n := decode(t.rest)
	if n == 1 && r >= 0x80 {
		t.put(fmt.Sprintf(`\x{%x}`, r), 1)
		return
	}
	t.take(n)
}

// group reads what opens a group.
func (t *translator) group() error {
	if !strings.HasPrefix(t.rest, "(?") {
		t.take(1)
		return nil
	}
	if strings.HasPrefix(t.rest, "(?#") {
		end := strings.IndexByte(t.rest, ')')
		if end < 0 {
			return errors.New("a comment is not closed")
		}
		t.put("", end+1)
		return nil
	}
	if strings.HasPrefix(t.rest, "(?P<") {
		t.take(len("(?P<"))
		return nil
	}
	flags := t.rest[2:]
	end := strings.IndexFunc(flags, func(r rune) bool { return (r < 'a' || r > 'z') && r != '-' })
	if end < 0 || flags[end] != ')' && flags[end] != ':' || strings.Trim(flags[:end], "isu-") != "" {
		return fmt.Errorf("%.5q is not supported", t.rest)
	}
	if flags[end] == ')' && (t.any || end == 0) {
		return errors.New("flags stand not at the start")
	}
	t.put("(?"+strings.ReplaceAll(flags[:end], "u", "")+flags[end:end+1], 2+end+1)
	return nil
}

// repeat reads a brace; {,n} is {0,n}.
func (t *translator) repeat() {
	n := len(t.rest) - len(strings.TrimLeft(t.rest[1:], ",0123456789")) // to the end of the figures
	if strings.HasPrefix(t.rest, "{,") && n < len(t.rest) && t.rest[n] == '}' {
		t.put("{0,", len("{,"))
		return
	}
	t.take(1)
}

// class reads a set in brackets.
func (t *translator) class() error {
	t.take(1)
	if strings.HasPrefix(t.rest, "^") {
		t.take(1)
	}
	for first := true; ; first = false {
		switch {
		case t.rest == "":
			return errors.New("a bracket is not closed")
		case t.rest[0] == ']' && !first:
			t.take(1)
			return nil
		case t.rest[0] == '\\':
			if err := t.escape(true); err != nil {
				return err
			}
		case strings.IndexByte(`[]&~|`, t.rest[0]) >= 0:
			// Go takes [: for the start of a named class.
			t.put(`\`+t.rest[:1], 1)
		default:
			t.copyRune()
		}
	}
}

// escape reads what a backslash begins.
func (t *translator) escape(class bool) error {
	if len(t.rest) == 1 {
		return errors.New("a backslash stands at the end")
	}
	switch c := t.rest[1]; {
	case strings.IndexByte("dDwWsS", c) >= 0:
		return t.named(c, class)
	case c == 'b' && class:
		t.put(`\x08`, 2)
	case c == 'Z' && !class:
		t.put(`\z`, 2)
	case c == 'u' || c == 'U' || c == 'x':
		return t.number(c)
	case c == '0' || isOctal(t.rest[1:]):
		return t.octal(class)
	case c >= '1' && c <= '9':
		return fmt.Errorf("%q refers back to a group", t.rest[:2])
	case strings.IndexByte("afnrtv", c) >= 0, strings.IndexByte("AbB", c) >= 0 && !class:
		t.take(2)
	case c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z':
		return fmt.Errorf("unknown escape %q", t.rest[:2])
	case c >= 0x80:
		t.rest = t.rest[1:]
		t.copyRune()
	case c < ' ' || c == 0x7f || c == ' ':
		t.put(fmt.Sprintf(`\x{%x}`, c), 2)
	default:
		t.take(2)
	}
	return nil
}

func isOctal(s string) bool {
	return len(s) >= 3 && s[0] >= '0' && s[0] <= '3' && strings.Trim(s[:3], "01234567") == ""
}

// octal reads \0, \07, \012 and, with three figures, any other.
func (t *translator) octal(class bool) error {
	n, value := 1, 0
	for n < min(4, len(t.rest)) && t.rest[n] >= '0' && t.rest[n] <= '7' {
		value = value*8 + int(t.rest[n]-'0')
		n++
	}
	t.put(fmt.Sprintf(`\x{%x}`, value), n)
	return nil
}

// number reads \xHH, \uHHHH and \UHHHHHHHH.
func (t *translator) number(c byte) error {
	n := map[byte]int{'x': 2, 'u': 4, 'U': 8}[c]
	if len(t.rest) < 2+n || strings.Trim(t.rest[2:2+n], "0123456789abcdefABCDEF") != "" {
		return fmt.Errorf(`\%c needs %d hexadecimal figures`, c, n)
	}
	t.put(`\x{`+t.rest[2:2+n]+`}`, 2+n)
	return nil
}

// named writes one of \d \w \s and their opposites as ranges: in Python they
// cover all of Unicode.
func (t *translator) named(c byte, class bool) error {
	is := map[byte]func(rune) bool{'d': unicode.IsDigit, 'w': isWord, 's': isSpace}[c|0x20]
	ranges := rangesOf(func(r rune) bool { return is(r) == (c >= 'a') })
	if class {
		if len(t.rest) > 3 && t.rest[2] == '-' && t.rest[3] != ']' {
			return fmt.Errorf("bad range %q", t.rest[:4])
		}
		t.put(ranges, 2)
		return nil
	}
	t.put("["+ranges+"]", 2)
	return nil
}

// rangesOf writes the characters that is accepts, for use within brackets.
func rangesOf(is func(rune) bool) string {
	var b strings.Builder
	for lo := rune(0); lo <= unicode.MaxRune; lo++ {
		if !is(lo) {
			continue
		}
		hi := lo
		for hi < unicode.MaxRune && is(hi+1) {
			hi++
		}
		fmt.Fprintf(&b, `\x{%x}-\x{%x}`, lo, hi)
		lo = hi
	}
	return b.String()
}

// isWord is Python's \w.
func isWord(r rune) bool {
	return r == '_' || unicode.IsLetter(r) || unicode.IsNumber(r)
}
