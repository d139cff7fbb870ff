package engine_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
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
