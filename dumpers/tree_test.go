package dumpers

import (
	"crypto/rand"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/purser-backup/purser/discovery"
)

var testService = discovery.Service{Stack: "shop", Name: "db"}

func newTree(t *testing.T, source string) *tree {
	t.Helper()
	tr, err := openTree(source, "me", rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { tr.close() })
	return tr
}

func write(t *testing.T, name, content string) {
	t.Helper()
	if err := errors.Join(os.MkdirAll(filepath.Dir(name), 0o755), os.WriteFile(name, []byte(content), 0o644)); err != nil {
		t.Fatal(err)
	}
}

func content(t *testing.T, name string) string {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Error(err)
	}
	return string(data)
}

func TestSwap(t *testing.T) {
	for name, swap := range map[string]func(*stage) error{"exchange": (*stage).swap, "two steps": func(st *stage) error {
		return errors.Join(st.tree.root.MkdirAll("dump/shop", 0o755), st.replace())
	}} {
		source := t.TempDir()
		tr := newTree(t, source)
		for _, text := range []string{"first", "second", "third"} {
			st, err := tr.stage(testService)
			if err != nil {
				t.Fatal(err)
			}
			write(t, filepath.Join(st.path, text), text)
			if err := errors.Join(swap(st), st.remove()); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			entries, err := os.ReadDir(source + "/dump/shop/db")
			if err != nil || len(entries) != 1 || content(t, source+"/dump/shop/db/"+text) != text {
				t.Errorf("%s: %v, %v", name, entries, err)
			}
		}
		if left, _ := filepath.Glob(source + "/.purser/*/*"); len(left) > 0 {
			t.Errorf("%s: left %v", name, left)
		}
	}
}

// TestRecover stops a swap of two steps after each of its steps.
func TestRecover(t *testing.T) {
	const intent = `{"version":1,"stack":"shop","service":"db"}`
	for _, c := range []struct {
		name  string
		files map[string]string // below the staging directory
		dump  string            // present dump before, "" for none
		want  string            // dump after, "" for none
		fails bool
	}{
		{"while dumping", map[string]string{"new/f": "half"}, "good", "good", false},
		{"first dump, while dumping", map[string]string{"new/f": "half"}, "", "", false},
		{"before the first rename", map[string]string{"new/f": "new", "intent": intent}, "good", "good", false},
		{"between the renames", map[string]string{"new/f": "new", "old/f": "good", "intent": intent}, "", "new", false},
		{"after the second rename", map[string]string{"old/f": "good", "intent": intent}, "new", "new", false},
		{"new is lost", map[string]string{"old/f": "good", "intent": intent}, "", "good", false},
		{"intent written in part", map[string]string{"new/f": "new", "intent": `{"vers`}, "good", "good", false},
		{"intent of another version", map[string]string{"old/f": "good", "intent": `{"version":2}`}, "", "", true},
		{"intent that leads outside", map[string]string{"new/f": "x", "intent": `{"version":1,"stack":"../../..","service":"escaped"}`}, "good", "good", true},
	} {
		source := t.TempDir()
		for name, text := range c.files {
			write(t, filepath.Join(source, ".purser/me/0123", name), text)
		}
		write(t, source+"/.purser/other/4567/new/f", "another instance's")
		if err := os.MkdirAll(source+"/dump/shop", 0o755); err != nil {
			t.Fatal(err)
		}
		if c.dump != "" {
			write(t, source+"/dump/shop/db/f", c.dump)
		}
		d, err := Open(Options{Source: source, Instance: "me"})
		if (err != nil) != c.fails {
			t.Errorf("%s: %v", c.name, err)
		}
		if err == nil {
			d.Close()
			if left, _ := filepath.Glob(source + "/.purser/me/*"); len(left) > 0 {
				t.Errorf("%s: left %v", c.name, left)
			}
		}
		got, err := os.ReadFile(source + "/dump/shop/db/f")
		if string(got) != c.want || (c.want == "") != errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: dump %q, %v", c.name, got, err)
		}
		if content(t, source+"/.purser/other/4567/new/f") == "" {
			t.Errorf("%s: another instance's staging was swept", c.name)
		}
	}
}

// A link in the source directory must not lead a dump outside.
func TestLinksDontLeadOutside(t *testing.T) {
	outside := t.TempDir()
	for _, link := range []string{"dump", "dump/shop", ".purser"} {
		source := t.TempDir()
		if err := errors.Join(os.MkdirAll(filepath.Dir(filepath.Join(source, link)), 0o755), os.Symlink(outside, filepath.Join(source, link))); err != nil {
			t.Fatal(err)
		}
		tr := newTree(t, source)
		st, err := tr.stage(testService)
		if err == nil {
			write(t, filepath.Join(st.path, "f"), "x")
			err = st.swap()
		}
		if err == nil {
			t.Errorf("%s: followed", link)
		}
	}
	if entries, err := os.ReadDir(outside); err != nil || len(entries) > 0 {
		t.Errorf("outside: %v, %v", entries, err)
	}
	// The place of the dump itself is replaced, not followed.
	source := t.TempDir()
	if err := errors.Join(os.MkdirAll(source+"/dump/shop", 0o755), os.Symlink(outside, source+"/dump/shop/db")); err != nil {
		t.Fatal(err)
	}
	st, err := newTree(t, source).stage(testService)
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(st.path, "f"), "x")
	if err := errors.Join(st.swap(), st.remove()); err != nil {
		t.Fatal(err)
	}
	if content(t, source+"/dump/shop/db/f") != "x" {
		t.Error("not swapped")
	}
	if _, err := os.Stat(outside + "/f"); !errors.Is(err, fs.ErrNotExist) {
		t.Error("written outside")
	}
}

func TestCheck(t *testing.T) {
	trailers := []Trailer{{"globals.sql", "-- cluster done"}, {"*.sql", "-- done"}}
	for _, c := range []struct {
		name  string
		files map[string]string
		want  string // part of the error
	}{
		{"good", map[string]string{"globals.sql": "x\n-- cluster done\n", "a.sql": "x\n-- done on monday\n\n\\unrestrict abc\n", "note": "x"}, ""},
		{"trailer alone", map[string]string{"globals.sql": "-- cluster done", "a.sql": "-- done"}, ""},
		{"other trailer", map[string]string{"globals.sql": "x\n-- done\n", "a.sql": "-- done"}, "globals.sql is incomplete"},
		{"cut", map[string]string{"globals.sql": "-- cluster done", "a.sql": "x\n-- don"}, "a.sql is incomplete"},
		{"within a line", map[string]string{"globals.sql": "-- cluster done", "a.sql": "insert '-- done'"}, "a.sql is incomplete"},
		{"far from the end", map[string]string{"globals.sql": "-- cluster done", "a.sql": "-- done\n" + strings.Repeat("x\n", 4096)}, "a.sql is incomplete"},
		{"one missing", map[string]string{"globals.sql": "-- cluster done"}, "no file *.sql"},
		{"empty file", map[string]string{"globals.sql": "-- cluster done", "a.sql": ""}, "a.sql is incomplete"},
	} {
		st, err := newTree(t, t.TempDir()).stage(testService)
		if err != nil {
			t.Fatal(err)
		}
		for name, text := range c.files {
			write(t, filepath.Join(st.path, name), text)
		}
		_, _, err = st.check(trailers)
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

func TestComponent(t *testing.T) {
	seen := map[string]string{}
	for _, id := range []string{"me", "ABC-1_2", "..", "a/b", "", "a b", strings.Repeat("x", 65), "ENGINE:ID/shop/purser"} {
		c := component(id)
		if strings.ContainsAny(c, "/. ") || len(c) > 64 || seen[c] != "" {
			t.Errorf("%q: %q, as %q", id, c, seen[c])
		}
		seen[c] = "of " + id
	}
}

func TestDiskHint(t *testing.T) {
	for _, err := range []error{syscall.ENOSPC, syscall.EXDEV, syscall.EROFS, syscall.EACCES} {
		if hint := diskHint(&fs.PathError{Op: "x", Path: "y", Err: err}, "/backup"); !strings.Contains(hint, "/backup") {
			t.Errorf("%v: %q", err, hint)
		}
	}
}

func TestTail(t *testing.T) {
	for _, c := range []struct {
		name, in string
		secrets  []string
		want     string
	}{
		{"short", " oops\n", nil, "oops"},
		{"secret", "login with pass'word failed", []string{"pass'word"}, "login with [redacted] failed"},
		{"one within the other", "abcdef abc", []string{"abcdef", "abc"}, "[redacted] [redacted]"},
		{"long", strings.Repeat("x", 10*tailSize) + "end", nil, "…" + strings.Repeat("x", tailSize-3) + "end"},
		{"secrets only", strings.Repeat("secret", tailSize), []string{"secret"}, ""},
	} {
		var tl tail
		for _, b := range []byte(c.in) {
			if _, err := tl.Write([]byte{b}); err != nil {
				t.Fatal(err)
			}
		}
		got := tl.redacted(c.secrets)
		if c.name == "secrets only" {
			if strings.Trim(strings.ReplaceAll(got, "[redacted]", ""), "…redact[]") != "" {
				t.Errorf("%s: %.100q", c.name, got)
			}
			continue
		}
		if got != c.want {
			t.Errorf("%s: %.100q", c.name, got)
		}
	}
}
