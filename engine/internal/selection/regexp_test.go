package selection

import (
	"encoding/hex"
	"encoding/json"
	"os/exec"
	"strings"
	"testing"
)

// oracle is what Python says: for each expression and path whether it is
// found, null for an expression that it refuses.
const oracle = `
import json, os, re, sys, warnings
warnings.simplefilter("ignore")
expressions, paths = ([bytes.fromhex(s).decode("utf-8", "surrogateescape") for s in l] for l in json.load(sys.stdin))
def found(e):
    try:
        r = re.compile(e)
    except (re.error, OverflowError):
        return None
    return [r.search(p) is not None for p in paths]
json.dump([found(e) for e in expressions], sys.stdout)
`

// both are expressions that both languages know.
var both = []string{
	"a", "^a", "a$", "^a$", "a|b", "", "()", "(a)(b)?", "a*", "a+?", "a??", "a{2}", "a{,2}b", "a{,}b", "a{1,}", "a{", "a{x}", "a{,x", "{", "x{1,2", ".", "^.$", "..", "(?s).\\Z",
	`\.`, `\/`, `\-`, `\ `, `\#`, `\_`, `\é`, `\d`, `\D`, `\w`, `\W`, `\s`, `\S`, `^\w+$`, `^\W$`, `\bb`, `b\b`, `\Bb`, `\b`, `\B`, `\A`, `\Z`, `a\Z`, `\Aa`, `\t`, `\n`, `\r$`, `\a`, `\f`, `\v`,
	`\x61`, `\x{61}`, `\u0061`, `\u00e9`, `\U000000e9`, `\0`, `\061`, `\141`, `\08`, "[a]", "[^a]", "[]a]", "[^]a]", "[a-c]", "[-a]", "[a-]", "[[]", "[[:alpha:]]", "[a&&b]", "[a||b]", "[a~~b]",
	`[\]]`, `[\\]`, `[\d]`, `[\D]`, `[^\d]`, `[^\D]`, `[\w.]`, `^[^\w/]`, `[\W]`, `[\s]`, `[^\s]`, `[\b]`, `[\n]`, `[\x61-\x63]`, `[\u00e0-\u00ff]`, `[\141-\143]`, `[\-a]`, `[\w-]`, "[é]", "[à-ü]", "é+",
	"(?i)A", "(?i)É", "(?i)ς", "(?i)[A-C]", "(?i:A)b", "(?u)a", "(?si)A.B", "(?P<name>a)b", "(?:a|b)c", "(?#note)a", "a(?#note)*", "(a*)*", "(|a)+b", "a$|b", "$", "^", "^$", "(^a|b$)", "a$\\n", "$\\n", "\\n$", "x|", "|",
	"\xff", "[\xff]", "[\xfe-\xff]", "\xff+$", "\xc3", "~", "&", "a#b", " ", "a b", "]", "}", "a}", "^[^/]*/[^/]*$", `/\.[^/]+$`, `\$\^\*`, `(?i)[^a]`, `(?i)\W`, "\\\xff",
}

// pythonOnly are expressions that are refused here.
var pythonOnly = []string{
	"a(?=b)", "a(?!b)", "(?<=a)b", "(?<!a)b", `(a)\1`, "(?P<n>a)(?P=n)", "(a)?(?(1)b|c)", "a++", "(?>a)b", `\N{BULLET}`, "(?x)a b", "(?m)^a", "(?a)\\w", "a{2000}", "(?m:^a)",
}

// goOnly are expressions that Python refuses, or takes otherwise than Go.
var goOnly = []string{
	`\z`, `\pL`, `\p{Greek}`, `\Qa\E`, `\C`, "(?U)a", "a(?i)b", "(?<n>a)", "(", ")", "[", "[a", "*", "a**", "+a", "?", `\`, "[b-a]", `[\w-x]`, "(?", "(?P<", "(?P<a", "(?#", `\x6`, `\u12`, `\8`, `\e`, "(?z)a", "[]", `[\z]`, `[\Z]`, `[\A]`,
}

var regexpPaths = []string{
	"a", "b", "ab", "aa", "aab", "src/a", "src/a/b", "A", "aB", "é", "É", "éa", "σ", "a\n", "\n", "a\nb", "b\n", "a b", "a.b", ".", "-", "[", "]", "\\", "^", "$", "{", "}", "a{", "a}", "a{x}", "a{,x", "x{1,2", "_", "1", "٣",
	"½", "日本", "\xff", "\xfe", "a\xffb", "\xc3", "\xc3\xa9", "\t", "\r", "\x00", "\a", "\f", "\v", "\x1c", "\u00a0", "\u2003", "\b", ":", "alpha:]", "&", "a&&b", "|", "~", "#", "a#b", "/", "src/.hidden", "$^*", "08", "é b", "éb", "bé", "b-é", "ab\n\n", "İ", "ß",
}

func hexAll(texts []string) []string {
	all := make([]string, len(texts))
	for i, s := range texts {
		all[i] = hex.EncodeToString([]byte(s))
	}
	return all
}

func python(t *testing.T, expressions []string) [][]bool {
	t.Helper()
	in, err := json.Marshal([][]string{hexAll(expressions), hexAll(regexpPaths)})
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "python3", "-c", oracle)
	cmd.Stdin = strings.NewReader(string(in))
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	var found [][]bool
	if err := json.Unmarshal(out, &found); err != nil {
		t.Fatal(err)
	}
	return found
}

func TestRegexpAsPython(t *testing.T) {
	refusedBoth := 0
	for i, found := range python(t, both) {
		re, err := parseRegexp(both[i])
		switch {
		case found == nil && err != nil:
			refusedBoth++
		case found == nil || err != nil:
			t.Errorf("%q: Python accepts it: %v, here: %v", both[i], found != nil, err)
		default:
			for j, want := range found {
				if got := re.search(regexpPaths[j]); got != want {
					t.Errorf("%q in %q: %v, Python %v", both[i], regexpPaths[j], got, want)
				}
			}
		}
	}
	if refusedBoth > 2 {
		t.Errorf("%d expressions are refused by both", refusedBoth)
	}
}

func TestRegexpRefused(t *testing.T) {
	for i, found := range python(t, pythonOnly) {
		if found == nil {
			t.Errorf("Python refuses %q", pythonOnly[i])
		}
		if _, err := parseRegexp(pythonOnly[i]); err == nil {
			t.Errorf("%q is accepted", pythonOnly[i])
		}
	}
	for i, found := range python(t, goOnly) {
		if found != nil {
			t.Errorf("Python accepts %q", goOnly[i])
		}
		if _, err := parseRegexp(goOnly[i]); err == nil {
			t.Errorf("%q is accepted", goOnly[i])
		}
	}
}

func FuzzRegexp(f *testing.F) {
	for _, list := range [][]string{both, pythonOnly, goOnly} {
		for _, e := range list {
			f.Add(e, "src/a\n")
		}
	}
	f.Fuzz(func(t *testing.T, expr, path string) {
		if len(expr) > 100 {
			return
		}
		if re, err := parseRegexp(expr); err == nil {
			re.search(path)
		}
	})
}
