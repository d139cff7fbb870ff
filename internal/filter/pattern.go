package filter

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
)

// pattern is one of rsync's.
type pattern struct {
	expr    *regexp.Regexp
	dirOnly bool // it ends in a slash
	base    bool // it is matched with the last component alone
}

func (p *pattern) matches(path string, dir bool) bool {
	if p.dirOnly && !dir {
		return false
	}
	if p.base {
		path = path[strings.LastIndexByte(path, '/')+1:]
	}
	return p.expr.MatchString(bytewise(path))
}

// bytewise makes a character of each byte, since rsync's wildcards stand for
// bytes.
func bytewise(s string) string {
	if !strings.ContainsFunc(s, func(r rune) bool { return r >= 0x80 }) {
		return s
	}
	chars := make([]rune, len(s))
	for i := range len(s) {
		chars[i] = rune(s[i])
	}
	return string(chars)
}

// compile reads a pattern. One that begins with a slash is matched from the
// root of the tree on; else one with a slash or ** with the end of the path, from
// any component on, and any other with the last component.
func compile(text string) (pattern, error) {
	var p pattern
	rest, anchored := strings.CutPrefix(text, "/")
	// dir/*** is dir and all that is in it.
	rest, all := strings.CutSuffix(rest, "/***")
	if !all {
		rest, p.dirOnly = strings.CutSuffix(rest, "/")
	}
	if rest == "" {
		return p, errors.New("the pattern is empty")
	}
	body, err := translate(rest)
	if err != nil {
		return p, err
	}
	p.base = !anchored && !all && !strings.Contains(rest, "/") && !strings.Contains(rest, "**")
	start, end := "^", "$"
	if !anchored && !p.base {
		start = "^(?:.*/)?"
		body = strings.TrimPrefix(body, ".*/") // **/ at the start may stand for nothing
	}
	if all {
		end = "(?:/.*)?$"
	}
	p.expr, err = regexp.Compile("(?s)" + start + "(?:" + body + ")" + end)
	if err != nil {
		return p, fmt.Errorf("%q can't be read", text)
	}
	return p, nil
}

// translate turns wildcards into a regular expression.
func translate(glob string) (string, error) {
	wild := strings.ContainsAny(glob, "*?[") // a backslash counts only beside these
	var b strings.Builder
	for i := 0; i < len(glob); i++ {
		switch c := glob[i]; {
		case c == '*':
			n := len(glob[i:]) - len(strings.TrimLeft(glob[i:], "*"))
			i += n - 1
			b.WriteString(map[bool]string{true: ".*", false: "[^/]*"}[n > 1])
		case c == '?':
			b.WriteString("[^/]")
		case c == '[':
			class, n, err := class(glob[i:])
			if err != nil {
				return "", err
			}
			b.WriteString(class)
			i += n - 1
		case c == '\\' && wild:
			if i++; i == len(glob) {
				return "", errors.New("a backslash stands at the end")
			}
			b.WriteString(regexp.QuoteMeta(string(rune(glob[i]))))
		default:
			b.WriteString(regexp.QuoteMeta(string(rune(c))))
		}
	}
	return b.String(), nil
}

// class reads a set of characters in brackets, and how long it is.
func class(glob string) (expr string, n int, err error) {
	i := 1
	negated := i < len(glob) && (glob[i] == '!' || glob[i] == '^')
	if negated {
		i++
	}
	first := i
	var b strings.Builder
	for ; i < len(glob); i++ {
		switch c := glob[i]; {
		case c == ']' && i > first:
			set := b.String()
			if negated {
				return "[^/" + set + "]", i + 1, nil
			}
			return "[" + set + "]", i + 1, nil
		case strings.HasPrefix(glob[i:], "[:"):
			end := strings.Index(glob[i:], ":]")
			if end < 0 {
				return "", 0, errors.New("a class is not closed")
			}
			b.WriteString(glob[i : i+end+2])
			i += end + 1
		case c == '\\' && i+1 < len(glob):
			i++
			b.WriteString(regexp.QuoteMeta(string(rune(glob[i]))))
		case c == '[' || c == ']' || c == '^' || c == '&' || c == '~' || c == '\\':
			b.WriteString(`\` + string(c))
		default:
			b.WriteRune(rune(c))
		}
	}
	return "", 0, errors.New("a bracket is not closed")
}
