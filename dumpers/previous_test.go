package dumpers

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// replace makes the dump of testService hold text.
func replace(t *testing.T, tr *tree, text string, swap func(*stage) error) {
	t.Helper()
	st, err := tr.stage(testService)
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(st.path, "all.sql"), text)
	if err := errors.Join(swap(st), st.keep(), st.remove()); err != nil {
		t.Fatal(err)
	}
}

// What the last backup holds is kept, not what has replaced it since.
func TestPrevious(t *testing.T) {
	for name, swap := range map[string]func(*stage) error{"exchange": (*stage).swap, "two steps": func(st *stage) error {
		return errors.Join(st.tree.root.MkdirAll("dump/shop", 0o755), st.replace())
	}} {
		source := t.TempDir()
		tr := newTree(t, source)
		kept := filepath.Join(Previous(source), "dump/shop/db/all.sql")
		replace(t, tr, "first", swap)
		if _, err := os.Stat(kept); err == nil {
			t.Errorf("%s: the first dump has replaced one", name)
		}
		replace(t, tr, "second", swap)
		replace(t, tr, "third", swap)
		if got := content(t, kept); got != "first" {
			t.Errorf("%s: kept is the %s", name, got)
		}
		if err := tr.recover(); err != nil || content(t, kept) != "first" {
			t.Errorf("%s: a new process has removed it, %v", name, err)
		}
		if err := DropPrevious(source); err != nil {
			t.Error(err)
		}
		replace(t, tr, "fourth", swap)
		if got := content(t, kept); got != "third" || content(t, source+"/dump/shop/db/all.sql") != "fourth" {
			t.Errorf("%s: kept is the %s", name, got)
		}
	}
	if err := DropPrevious(filepath.Join(t.TempDir(), "none")); err != nil {
		t.Error(err)
	}
}

// A replaced dump is kept only where there is room for two more, and gives way to
// a dump that needs it.
func TestPreviousNeedsRoom(t *testing.T) {
	source := t.TempDir()
	if err := syscall.Mount("purser-test", source, "tmpfs", 0, "size=9m"); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := syscall.Unmount(source, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	}()
	tr := newTree(t, source)
	d := &Dumper{options: Options{Source: source}, tree: tr}
	mebi := func(n int) string { return fmt.Sprint(n, strings.Repeat("x", n<<20)) }
	there := func() bool {
		_, err := os.Stat(Previous(source) + "/dump/shop/db")
		return err == nil
	}
	replace(t, tr, mebi(2), (*stage).swap)
	replace(t, tr, mebi(3), (*stage).swap)
	if there() {
		t.Error("2 MiB are kept where 4 are free")
	}
	replace(t, tr, mebi(1), (*stage).swap)
	if there() {
		t.Error("3 MiB are kept where 5 are free")
	}
	replace(t, tr, mebi(4), (*stage).swap)
	if !there() {
		t.Error("1 MiB is not kept where 4 are free")
	}
	release, err := d.reserve(testService)
	if err != nil || there() {
		t.Errorf("a dump of 4 MiB beside one of 4, with 1 kept: %v", err)
		return
	}
	release()
}

// Where nothing is kept there is nothing to remove, on a read-only source too.
func TestDropPreviousReadOnly(t *testing.T) {
	source := t.TempDir()
	if err := syscall.Mount("purser-test", source, "tmpfs", 0, "size=1m"); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := syscall.Unmount(source, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	}()
	if err := os.Mkdir(filepath.Join(source, stagingDir), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("purser-test", source, "tmpfs", syscall.MS_REMOUNT|syscall.MS_RDONLY, ""); err != nil {
		t.Fatal(err)
	}
	if err := DropPrevious(source); err != nil {
		t.Error(err)
	}
}
