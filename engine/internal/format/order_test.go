package format_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/purser-backup/purser/engine/internal/format"
)

func TestCompareOrder(t *testing.T) {
	sorted := []string{
		"", "a", "a/b", "a/b/c", "a/x", "a\x01", "a b", "a b/x", "a!", "a-", "a.b", "a.b/y", "a0", "aa", "b", "\xc3\xa9", "\xff",
	}
	for i, a := range sorted {
		for j, b := range sorted {
			want := 0
			if i < j {
				want = -1
			} else if i > j {
				want = 1
			}
			if got := format.Compare(a, b); got != want {
				t.Errorf("Compare(%q, %q) = %d, want %d", a, b, got, want)
			}
		}
	}
}

func FuzzCompare(f *testing.F) {
	f.Add("a/x", "a.b")
	f.Add("a", "a/x")
	f.Fuzz(func(t *testing.T, a, b string) {
		if strings.ContainsRune(a+b, 0) {
			return
		}
		want := slices.Compare(strings.Split(a, "/"), strings.Split(b, "/"))
		if got := format.Compare(a, b); got != want {
			t.Errorf("Compare(%q, %q) = %d, component by component %d", a, b, got, want)
		}
	})
}

func TestCheckPath(t *testing.T) {
	for _, good := range []string{"", "a", "a/b", "..a", "a..", "...", " ", "\n", "\xff", "a\\b"} {
		if err := format.CheckPath(good); err != nil {
			t.Errorf("%q is refused: %v", good, err)
		}
	}
	for _, bad := range []string{"/", "/a", "a/", "a//b", ".", "..", "a/../b", "./a", "a/.", "a\x00b"} {
		if format.CheckPath(bad) == nil {
			t.Errorf("%q is accepted", bad)
		}
	}
}
