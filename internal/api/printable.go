package api

import (
	"strconv"
	"unicode/utf8"
)

// Printable makes a text from a foreign source safe for a terminal and for one
// line: control characters and broken UTF-8 are shown escaped.
func Printable(s string) string {
	for _, r := range s {
		if r < ' ' || r == 0x7f || (r >= 0x80 && r < 0xa0) || r == utf8.RuneError {
			quoted := strconv.Quote(s)
			return quoted[1 : len(quoted)-1]
		}
	}
	return s
}
