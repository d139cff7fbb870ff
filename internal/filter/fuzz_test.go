package filter

import (
	"slices"
	"strings"
	"testing"
)

// Whatever is accepted reads the same when it is written out.
func FuzzParse(f *testing.F) {
	for _, p := range patterns() {
		f.Add("- "+p, "[a]\n+ "+p, "*.tmp", "b/c/a")
	}
	f.Add("merge a", "[a]\n. b\n[b]\n- x", "", "x")
	f.Fuzz(func(t *testing.T, rules, sets, exclude, path string) {
		p, err := Parse(rules, sets, exclude)
		if err != nil {
			return
		}
		again, err := Parse(strings.Join(p.Rules(), "\n"), "", "")
		if err != nil || !slices.Equal(p.Rules(), again.Rules()) {
			t.Fatalf("%q became %q: %v", p.Rules(), again.Rules(), err)
		}
		for _, dir := range []bool{false, true} {
			if p.Excludes(path, dir) != again.Excludes(path, dir) {
				t.Errorf("%q: two verdicts on %q", p.Rules(), path)
			}
		}
	})
}
