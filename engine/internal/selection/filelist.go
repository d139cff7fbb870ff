package selection

import (
	"strings"
	"unicode"
)

// line is one entry of a file list.
type line struct {
	number int // counted from 1
	text   string
}

// lines splits a file list. With null, entries end with NUL; else with a line
// feed, a carriage return, or both.
func lines(data []byte, null bool) []line {
	text, sep := string(data), "\x00"
	if !null {
		text, sep = strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(text), "\n"
	}
	var all []line
	for i, s := range strings.Split(text, sep) {
		all = append(all, line{i + 1, s})
	}
	return all
}

// parseLine reads an entry of a list that includes or excludes by default. It
// reports false for one that says nothing.
func parseLine(s string, include bool) (pattern string, inc, ok bool) {
	s = strings.TrimFunc(s, isSpace)
	if s == "" || s[0] == '#' {
		return "", false, false
	}
	switch {
	case strings.HasPrefix(s, "+ "):
		s, include = s[2:], true
	case strings.HasPrefix(s, "- "):
		s, include = s[2:], false
	}
	if q := s[0]; (q == '"' || q == '\'') && s[len(s)-1] == q {
		s = s[1:max(1, len(s)-1)]
	}
	return s, include, s != ""
}

// isSpace is Python's white space: Unicode's, and the four separators of ASCII.
func isSpace(r rune) bool {
	return unicode.IsSpace(r) || r >= 0x1c && r <= 0x1f
}
