package dumpers

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestSplitCommand(t *testing.T) {
	for in, want := range map[string][]string{
		"":                     nil,
		"  a  b\tc\nd ":        {"a", "b", "c", "d"},
		`sh -c 'a "b" c'`:      {"sh", "-c", `a "b" c`},
		`a "b c" d\ e ''`:      {"a", "b c", "d e", ""},
		`"a\"b\$c\x" 'd\e'`:    {`a"b$c\x`, `d\e`},
		"a\\\nb":               {"ab"},
		`x'y'"z"`:              {"xyz"},
		`$HOME ~ * # x`:        {"$HOME", "~", "*", "#", "x"},
		`a ';' "|" \&\& '>' x`: {"a", ";", "|", "&&", ">", "x"},
	} {
		got, output, err := splitCommand(in)
		if diff := cmp.Diff(want, got); diff != "" || err != nil || output != "" {
			t.Errorf("%q: %v %s, output %q", in, err, diff, output)
		}
	}
	for in, want := range map[string]string{"dump -a > f": "f", "dump -a>f": "f", "dump -a >'f g'": "f g", `dump -a >  "/d/f"`: "/d/f"} {
		if got, output, err := splitCommand(in); err != nil || !slices.Equal(got, []string{"dump", "-a"}) || output != want {
			t.Errorf("%q: %q > %q, %v", in, got, output, err)
		}
	}
	for _, in := range []string{
		`'a`, `"a`, `a\`, `"a\"`, "a | b", "a > f b", "a > f > g", "a >> f", "a 2> f", "a < f", "a & b", "a; b", "a && b", "> f", "a >", "a > f; b", "a 2>&1 > f",
	} {
		if words, output, err := splitCommand(in); err == nil {
			t.Errorf("%q: %q > %q", in, words, output)
		}
	}
}

func TestIsScript(t *testing.T) {
	for in, want := range map[string]int{ // index of the script, -1 for none
		"sh -c S": 2, "/bin/bash -ec S a b": 2, "bash -e -o pipefail -c S": 5, "busybox sh -c S": 3,
		"timeout 5 sh -c S": 4, "tar -c S": -1, "sh S": -1, "psql -c S": -1, "sh -c S -c T": 2,
	} {
		argv := strings.Fields(in)
		got := -1
		for i := range argv {
			if isScript(argv, i) {
				got = i
			}
		}
		if got != want {
			t.Errorf("%s: %d, want %d", in, got, want)
		}
	}
}

// FuzzQuote: what is quoted is read back as one word.
func FuzzQuote(f *testing.F) {
	for _, s := range []string{"", "a b", "it's", "\n", `\'"$(x)`, "-n"} {
		f.Add(s, s+"x")
	}
	f.Fuzz(func(t *testing.T, a, b string) {
		got, output, err := splitCommand(quoteWord(a) + " " + quoteWord(b))
		if err != nil || !slices.Equal(got, []string{a, b}) || output != "" {
			t.Errorf("%q, %q: %q, %v", a, b, got, err)
		}
	})
}

// FuzzBindScript: whatever the script, it ends, and only references come in.
func FuzzBindScript(f *testing.F) {
	for _, s := range []string{"echo V", `"V$(V'V'`, "`\"V`", "${x:-V}", "$((V))", "#V\nV", "<<E\nV", `$'\'V'`, "a)V", "sh -c 'V'", `\V`, "$(`${\"V"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, script string) {
		var values []found
		for i := range len(script) {
			if script[i] == 'V' {
				values = append(values, found{start: i, end: i + 1, index: 7})
			}
		}
		bound, err := bindScript(script, values)
		if err != nil {
			return
		}
		if n := strings.Count(bound, "${PURSER_7}"); n < len(values) {
			t.Errorf("%q became %q with %d references", script, bound, n)
		}
		plain := strings.ReplaceAll(strings.ReplaceAll(strings.ReplaceAll(bound, `'"${PURSER_7}"'`, "V"), `"${PURSER_7}"`, "V"), "${PURSER_7}", "V")
		quotes := func(s string) string { return strings.NewReplacer("'", "", `"`, "").Replace(s) }
		if quotes(plain) != quotes(script) {
			t.Errorf("%q became %q", script, bound)
		}
	})
}
