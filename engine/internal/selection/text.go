package selection

import (
	"iter"
	"unicode"
	"unicode/utf8"
)

// decode gives the first character of s and its length in bytes. A byte that
// is not UTF-8 is a character of its own, that no valid one equals: as in
// Python, one of the surrogates.
func decode(s string) (rune, int) {
	if s[0] < utf8.RuneSelf {
		return rune(s[0]), 1
	}
	r, n := utf8.DecodeRuneInString(s)
	if r == utf8.RuneError && n == 1 {
		return 0xdc00 + rune(s[0]), 1
	}
	return r, n
}

// foldCase gives the same for all characters that differ in case only.
func foldCase(r rune) rune {
	if r < utf8.RuneSelf {
		if 'a' <= r && r <= 'z' {
			return r - 'a' + 'A'
		}
		return r
	}
	least := r
	for v := range variants(r) {
		least = min(least, v)
	}
	return least
}

// variants are the characters that Python takes for r when case doesn't count:
// those of Unicode's simple folding, and four families more.
func variants(r rune) iter.Seq[rune] {
	return func(yield func(rune) bool) {
		for _, family := range [...][4]rune{{'I', 'i', 'İ', 'ı'}, {0x390, 0x1fd3}, {0x3b0, 0x1fe3}, {0xfb05, 0xfb06}} {
			for _, v := range family {
				if v != r || r == 0 {
					continue
				}
				for _, v := range family {
					if v != 0 && !yield(v) {
						return
					}
				}
				return
			}
		}
		if !yield(r) {
			return
		}
		for v := unicode.SimpleFold(r); v != r; v = unicode.SimpleFold(v) {
			if !yield(v) {
				return
			}
		}
	}
}
