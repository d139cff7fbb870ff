package selection

import (
	"strings"
	"testing"
	"unicode/utf8"
)

// naive matches s against a pattern the slow way, straight from the rules.
func naive(pattern, s string) bool {
	rest := func(s string) string { _, n := decode(s); return s[n:] }
	switch {
	case pattern == "":
		return s == ""
	case strings.HasPrefix(pattern, "**"):
		for ; ; s = rest(s) {
			if naive(pattern[2:], s) {
				return true
			}
			if s == "" {
				return false
			}
		}
	case pattern[0] == '*':
		for ; ; s = rest(s) {
			if naive(pattern[1:], s) {
				return true
			}
			if s == "" || s[0] == '/' {
				return false
			}
		}
	case s == "":
		return false
	case pattern[0] == '?':
		return s[0] != '/' && naive(pattern[1:], rest(s))
	case pattern[0] == '[':
		if in, after, ok := naiveSet(pattern[1:], s); ok {
			return in && naive(after, rest(s))
		}
	}
	p, n := decode(pattern)
	c, m := decode(s)
	return p == c && naive(pattern[n:], s[m:])
}

// naiveSet says whether the first character of s is in the set that pattern
// begins with, and what comes after that. ok is false if it isn't closed.
func naiveSet(pattern, s string) (in bool, after string, ok bool) {
	negated := strings.HasPrefix(pattern, "!") || strings.HasPrefix(pattern, "^")
	if negated {
		pattern = pattern[1:]
	}
	if pattern == "" {
		return false, "", false
	}
	end := strings.Index(pattern[1:], "]") + 1
	if end == 0 {
		return false, "", false
	}
	var chars []rune
	for set := pattern[:end]; set != ""; {
		r, n := decode(set)
		chars, set = append(chars, r), set[n:]
	}
	c, _ := decode(s)
	for i := 0; i < len(chars); i++ {
		if i+2 < len(chars) && chars[i+1] == '-' {
			in = in || chars[i] <= c && c <= chars[i+2]
			i += 2
		} else {
			in = in || c == chars[i]
		}
	}
	return in != negated, pattern[end+1:], true
}

// naiveJudge is what glob.judge shall say, without ignorecase.
func naiveJudge(pattern, path string, dir, include bool) verdict {
	slash := pattern != "/" && strings.HasSuffix(pattern, "/")
	if slash {
		pattern = pattern[:len(pattern)-1]
	} else if pattern == "/" {
		pattern = "/**"
	}
	// A final line feed counts or doesn't.
	whole := func(pattern string) bool {
		return naive(pattern, path) || strings.HasSuffix(path, "\n") && naive(pattern, path[:len(path)-1])
	}
	exact, below := whole(pattern), false
	for i := range len(path) {
		below = below || path[i] == '/' && naive(pattern, path[:i])
	}
	switch {
	case exact && slash && !dir:
		return unknown
	case (exact || below) && include:
		return yes
	case exact || below:
		return no
	case !include:
		return unknown
	}
	if i := strings.Index(pattern, "**"); i >= 0 {
		pattern = pattern[:i+2]
	}
	for i := range len(pattern) + 1 {
		if (i == len(pattern) || pattern[i] == '/') && whole(pattern[:max(i, 1)]) {
			return scan
		}
	}
	return unknown
}

func FuzzGlob(f *testing.F) {
	for _, pattern := range []string{
		"src/*.txt", "**.txt", "src/a/", "/", "**/", "*/b/**", "src/[a-c]", "[!x]*", "[]x]", "[a/b]c", "[**]/x", "x[**", "src/a[/]b/**/c",
		"\xff", "[\xff-\xff]?", "é?", "[é-ü]", "a//", "***", "[^]", "[!]", "?*?", "/a/b", "[a-]", "[--/]", "**a**b**c",
	} {
		for _, path := range []string{"src", "src/a", "src/a/b.txt", "/", "/a", "é\xff", "a\n", "]x/é", "x[ab", "aaabbbccc\n"} {
			f.Add(pattern, path, true)
		}
	}
	f.Fuzz(func(t *testing.T, pattern, path string, dir bool) {
		if path == "" || len(path) > 40 || len(pattern) > 20 || strings.Count(pattern, "*") > 6 || strings.HasPrefix(strings.ToLower(pattern), "ignorecase:") {
			return
		}
		g, err := compile(pattern)
		if err != nil {
			return
		}
		for _, include := range []bool{true, false} {
			if got, want := g.judge(path, dir, include), naiveJudge(pattern, path, dir, include); got != want {
				t.Errorf("%q on %q, directory %v, include %v: %d, want %d", pattern, path, dir, include, got, want)
			}
		}
		// Without regard to case nothing less matches; a bracket may negate, and
		// a final slash asks more of an exact match.
		if c, err := compile("ignorecase:" + pattern); err != nil {
			t.Errorf("%q is refused without regard to case: %v", pattern, err)
		} else if c.judge(path, dir, false) == unknown && g.judge(path, dir, false) != unknown && !strings.ContainsAny(pattern, "[") && !strings.HasSuffix(pattern, "/") {
			t.Errorf("%q on %q matches only with regard to case", pattern, path)
		}
	})
}

func TestGlobFaults(t *testing.T) {
	for _, pattern := range []string{"", "ignorecase:", "a//b", "//a", "[b-a]", "x/[é-a]"} {
		if _, err := compile(pattern); err == nil {
			t.Errorf("%q is accepted", pattern)
		}
	}
	for _, pattern := range []string{"//", "a//", "**//a", "[", "[]", "[!]", "]", "\\", "[a-"} {
		if _, err := compile(pattern); err != nil {
			t.Errorf("%q: %v", pattern, err)
		}
	}
}

// A pattern that is longer than the states on the stack, and one that would
// take a backtracking matcher for ever.
func TestGlobLong(t *testing.T) {
	long := strings.Repeat("component/", 100)
	g, err := compile(long + "x")
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]verdict{long + "x": yes, long + "x/y": yes, long + "y": unknown, long[:len(long)-1]: scan, "component": scan} {
		if got := g.judge(path, true, true); got != want {
			t.Errorf("%q: %d, want %d", path, got, want)
		}
	}
	// States cross from one word to the next in every way.
	for n := 60; n < 132; n++ {
		front, back := strings.Repeat("é", n), strings.Repeat("ü", 70)
		for star, path := range map[string]string{"*": front + "any" + back, "**": front + "a/b" + back, "?": front + "x" + back, "*/*": front + "/" + back, "**/": front + "/x/" + back} {
			if g, err = compile(front + star + back); err != nil {
				t.Fatal(err)
			}
			if got := g.judge(path, false, false); got != no {
				t.Errorf("%d letters and %q: %d", n, star, got)
			}
			if got := g.judge(path+"x", false, false); got != unknown {
				t.Errorf("%d letters and %q, with one more: %d", n, star, got)
			}
		}
	}
	g, err = compile(strings.Repeat("**a", 60) + "b")
	if err != nil {
		t.Fatal(err)
	}
	if got := g.judge(strings.Repeat("a", 4096), false, false); got != unknown {
		t.Errorf("got %d", got)
	}
}

// Python's families of case, of which the last four are none in Unicode's
// simple folding.
func TestFoldCase(t *testing.T) {
	for _, family := range []string{"aA", "kK\u212a", "sS\u017f", "éÉ", "σςΣ", "iIİı", "\u0390\u1fd3", "\u03b0\u1fe3", "\ufb05\ufb06"} {
		first, _ := utf8.DecodeRuneInString(family)
		for _, r := range family {
			if foldCase(r) != foldCase(first) {
				t.Errorf("%q and %q differ", r, first)
			}
			for _, other := range "[^" + family + "]" {
				s := set{ranges: [][2]rune{{other, other}}}
				if want := strings.ContainsRune(family, other); s.has(r, true) != want {
					t.Errorf("%q in [%q]: %v", r, other, !want)
				}
			}
		}
	}
	if foldCase('ß') == foldCase('ẞ') != true {
		t.Error("the sharp s has two cases in Python")
	}
}

func BenchmarkDecide(b *testing.B) {
	var rules []Rule
	for _, p := range []string{"/backup/a/b/c", "/backup/volumes/x/y", "**/*.tmp", "**/cache/**", "ignorecase:**/Thumbs.db", "/backup/*/log"} {
		rules = append(rules, Rule{"--exclude", p})
	}
	s, err := New("/backup", rules, Options{})
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		s.Decide(Object{Path: "volumes/project/service/data/0123456789/some-file.dat", Regular: true})
	}
}
