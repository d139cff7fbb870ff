package atomicfile_test

import (
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/purser-backup/purser/internal/atomicfile"
)

func TestLink(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "name")
	for _, text := range []string{"first", "and a second one in its place"} {
		f, err := os.OpenFile(dir, os.O_RDWR|unix.O_TMPFILE, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if _, err := f.WriteString(text); err != nil {
			t.Fatal(err)
		}
		linked, err := atomicfile.Link(f, path)
		if !linked || err != nil {
			t.Fatalf("Link: %v, %v", linked, err)
		}
		if got, err := os.ReadFile(path); err != nil || string(got) != text {
			t.Errorf("%q, %v, want %q", got, err, text)
		}
	}
	if names, err := os.ReadDir(dir); err != nil || len(names) != 1 {
		t.Errorf("%d files are there, %v", len(names), err)
	}
}

// A file that has a name is left to its owner.
func TestLinkOfNamedFile(t *testing.T) {
	dir := t.TempDir()
	f, err := os.Create(filepath.Join(dir, "mine"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if linked, err := atomicfile.Link(f, filepath.Join(dir, "other")); linked || err != nil {
		t.Errorf("Link: %v, %v", linked, err)
	}
	if names, err := os.ReadDir(dir); err != nil || len(names) != 1 {
		t.Errorf("%d files are there, %v", len(names), err)
	}
}
