package filter

import (
	"errors"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// tree makes files whose names rsync's patterns can be tried on.
func tree(t *testing.T) string {
	t.Helper()
	root := filepath.Join(t.TempDir(), "src")
	for _, name := range []string{
		"a", "a.tmp", "b/a", "b/c/a", "b/c/d.tmp", "b/c/e/f", "cache/x", "b/cache/y", "var/lib/db/data", "var/lib/other",
		"var/log/messages", "var/log/old/messages.1", "keep", "keep.d/keep", "sub/var/lib/db/data", "x[1]", "x1", "x\\y", "ä/ö", "b/.hidden",
	} {
		path := filepath.Join(root, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

// ours lists what the filter lets through, as a walk would.
func ours(t *testing.T, root string, f Filter) []string {
	t.Helper()
	var list []string
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || path == root {
			return err
		}
		rel, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		if f.Excludes(rel, d.IsDir()) {
			if d.IsDir() {
				return fs.SkipDir
			}
			return nil
		}
		if d.IsDir() {
			rel += "/"
		}
		list = append(list, rel)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(list)
	return list
}

// theirs lists what the real rsync would copy.
func theirs(t *testing.T, root string, rules []string) []string {
	t.Helper()
	args := []string{"-a", "-n", "-8", "--out-format=%n"}
	for _, r := range rules {
		args = append(args, "--filter="+r)
	}
	cmd := exec.CommandContext(t.Context(), "rsync", append(args, root+"/", t.TempDir()+"/")...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("rsync %q: %v\n%s", rules, err, out)
	}
	var list []string
	for _, line := range strings.Split(strings.TrimSpace(string(out)), "\n") {
		if line != "" && line != "./" {
			// It shows a backslash before # and digits only; our names have none such.
			list = append(list, line)
		}
	}
	slices.Sort(list)
	return list
}

func patterns() []string {
	return []string{
		"*.tmp", "a", "/a", "b/a", "/b/a", "c/", "cache", "cache/", "/cache/", "b/**", "**/a", "/**/a", "b/*", "*", "/*", "/*/", "**",
		"/var/***", "var/lib/***", "lib/db", "/var/lib/db/", "messages*", "keep", "keep/", "keep*", "x?", "x[12]", "x[!2]", "x\\[1]", "x\\y", "[a-c]",
		"b/c/**f", "**c/*", "b**a", "/b/**/f", "/sub/var", "db/data", "*/data", ".*", "?", "???", "var/*/", "/var/*", "l*g", "ä/*", "data/",
	}
}

// What rsync itself makes of the same rules.
func TestAsRsync(t *testing.T) {
	root := tree(t)
	var lists [][]string
	for _, p := range patterns() {
		lists = append(lists, []string{"- " + p}, []string{"+ " + p, "- *"}, []string{"+ */", "+ " + p, "- *"})
	}
	random := rand.New(rand.NewPCG(1, 2))
	for range 150 {
		var list []string
		for range 1 + random.IntN(4) {
			verb := []string{"- ", "+ ", "exclude ", "include "}[random.IntN(4)]
			list = append(list, verb+patterns()[random.IntN(len(patterns()))])
		}
		lists = append(lists, list)
	}
	for _, list := range lists {
		f, err := Parse(strings.Join(list, "\n"), "", "")
		if err != nil {
			t.Errorf("%q: %v", list, err)
			continue
		}
		if diff := cmp.Diff(theirs(t, root, list), ours(t, root, f)); diff != "" {
			t.Errorf("%q (-rsync +ours):\n%s", list, diff)
		}
	}
}

// E3: the rules come first, those of a set in the place that names it, and the
// patterns last.
func TestOrder(t *testing.T) {
	sets := "[common]\n- /cache/\n+ /var/***\n[all]\nmerge common\n. more\n[more]\n- *.o"
	for _, c := range []struct{ rules, exclude, want string }{
		{"merge common; + /keep", "*.tmp", "- /cache/, + /var/***, + /keep, - *.tmp"},
		{"merge all", "", "- /cache/, + /var/***, - *.o"},
		{". common\n. common", "", "- /cache/, + /var/***, - /cache/, + /var/***"},
		{"exclude *.bak ; include  *.b", "a b;/c", "- *.bak, + *.b, - a b, - /c"},
		{"", "", ""},
	} {
		f, err := Parse(c.rules, sets, c.exclude)
		if err != nil {
			t.Errorf("%q: %v", c.rules, err)
			continue
		}
		if got := strings.Join(f.Rules(), ", "); got != c.want {
			t.Errorf("%q: %s, want %s", c.rules, got, c.want)
		}
		if f.IsZero() != (c.want == "") {
			t.Errorf("%q: IsZero is %v", c.rules, f.IsZero())
		}
	}
}

// laughs are sets each of which names the next one twice.
func laughs() string {
	var b strings.Builder
	for c := 'a'; c < 'z'; c++ {
		next := string(c + 1)
		b.WriteString("[" + string(c) + "]\nmerge " + next + "\nmerge " + next + "\n")
	}
	return b.String() + "[z]\n- x"
}

// T10, E3: what rsync's language has and this one hasn't is refused, and so is
// a set that is in itself.
func TestParseRefuses(t *testing.T) {
	for _, c := range []struct{ rules, sets, exclude, want string }{
		{"- *.tmp; frobnicate x", "", "", `rule 2 "frobnicate x": unknown rule frobnicate`},
		{"nowhitespace", "", "", `rule 1 "nowhitespace": it is no rule with a pattern behind it`},
		{"-", "", "", `rule 1 "-": it is no rule with a pattern behind it`},
		{"merge unknown", "[known]\n- a", "", `rule 1 "merge unknown": there is no set unknown`},
		{": .f", "", "", `rule 1 ": .f": unknown rule :`},
		{"dir-merge .f", "", "", `rule 1 "dir-merge .f": unknown rule dir-merge`},
		{"-! /a", "", "", `rule 1 "-! /a": unknown rule -!`},
		{"merge a", "[a]\n- x\nmerge a", "", `rule 2 of the set a "merge a": the set a is in itself`},
		{"", "[a]\nmerge b\n[b]\nmerge c\n[c]\nmerge a", "", `rule 1 of the set c "merge a": the set a is in itself`},
		{"", "[a]\n- x\n[a]\n- y", "", `line 3 of the sets "[a]": the set has no name, or another's`},
		{"", "- x", "", `line 1 of the sets "- x": the rule is in no set`},
		{"", "[a]\nmerge f", "", `rule 1 of the set a "merge f": there is no set f`},
		{"merge a", laughs(), "", `rule 1 of the set t "merge u": with all sets there are more than 10000 rules`},
		{"- /", "", "", `rule 1 "- /": the pattern is empty`},
		{"- [a", "", "", `rule 1 "- [a": a bracket is not closed`},
		{"", "", "*.o;x[", `pattern 2 "x[": a bracket is not closed`},
		{"- *\\", "", "", `rule 1 "- *\\": a backslash stands at the end`},
		{"- [[:nothing:]]", "", "", `rule 1 "- [[:nothing:]]": "[[:nothing:]]" can't be read`},
	} {
		_, err := Parse(c.rules, c.sets, c.exclude)
		var e *Error
		if !errors.As(err, &e) || err.Error() != c.want || e.Hint() == "" {
			t.Errorf("%q, %q, %q: %v, want %s", c.rules, c.sets, c.exclude, err, c.want)
		}
	}
}
