package engine_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/purser-backup/purser/engine"
)

// A directory of several rounds of looks is walked in order, each object with
// what belongs to it, until the walk is cancelled.
func TestWalkOfALargeDirectory(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	want := []string{""}
	for i := range 700 {
		name := fmt.Sprintf("%03d", i)
		want = append(want, name)
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, make([]byte, i), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := unix.Setxattr(path, "user.name", []byte(name), 0); err != nil {
			t.Fatal(err)
		}
	}
	src, err := engine.OpenDir(dir, nil)
	check(t, err)
	defer src.Close()
	var got []string
	for e, err := range src.Walk(t.Context()) {
		check(t, err)
		got = append(got, e.Path)
		if e.Path != "" && (fmt.Sprintf("%03d", e.Size) != e.Path || e.Xattrs["user.name"] != e.Path) {
			t.Errorf("%s has %d bytes and the attributes %v", e.Path, e.Size, e.Xattrs)
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("the walk yields %d entries: %q", len(got), got)
	}

	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	n, last := 0, error(nil)
	for _, err := range src.Walk(ctx) {
		if last = err; err == nil {
			n++
			cancel()
		}
	}
	if n != 1 || last == nil {
		t.Errorf("cancelled at its first entry, the walk yields %d and then %v", n, last)
	}
}

// What changes while the directory before it is walked is what it is by then, and
// a directory that has become a symbolic link is not walked.
func TestWalkOfAChangingDirectory(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	for _, name := range []string{"a", "gone", "replaced"} {
		check(t, os.Mkdir(at(name), 0o700))
	}
	check(t, os.WriteFile(at("a/data"), nil, 0o600))
	check(t, os.Symlink("nowhere", at("lock")))
	check(t, os.Symlink("nowhere", at("turned")))
	src, err := engine.OpenDir(dir, nil)
	check(t, err)
	defer src.Close()
	var got []string
	for e, err := range src.Walk(t.Context()) {
		check(t, err)
		if e.Path == "a/data" {
			for _, name := range []string{"gone", "lock", "replaced", "turned"} {
				check(t, os.Remove(at(name)))
			}
			check(t, os.WriteFile(at("turned"), []byte("x"), 0o600))
			check(t, os.Symlink("a", at("replaced")))
		}
		got = append(got, fmt.Sprintf("%s %c %s %v", e.Path, e.Type, e.Linkname, e.Err))
	}
	want := []string{
		fmt.Sprintf(" %c  <nil>", engine.TypeDir), fmt.Sprintf("a %c  <nil>", engine.TypeDir), fmt.Sprintf("a/data %c  <nil>", engine.TypeFile),
		fmt.Sprintf("replaced %c a <nil>", engine.TypeSymlink), fmt.Sprintf("turned %c  <nil>", engine.TypeFile),
	}
	if !slices.Equal(got, want) {
		t.Errorf("the walk yields\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}
