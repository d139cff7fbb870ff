package engine_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/purser-backup/purser/engine"
)

// A restore into an occupied directory replaces what has the same name, leaves
// the rest, and follows no link that lies in its way.
func TestRestoreReplaces(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	s := newSite(t, "", f.dir)
	s.backup(f.dir)
	want := snapshot(t, f.dir, exact)
	outside := t.TempDir()
	dest := filepath.Join(t.TempDir(), "dest")
	check(t, os.MkdirAll(filepath.Join(dest, "void/below"), 0o755))
	check(t, os.Symlink(outside, filepath.Join(dest, "dir")))
	check(t, os.Symlink(filepath.Join(outside, "file"), filepath.Join(dest, "a")))
	check(t, os.WriteFile(filepath.Join(dest, "big"), []byte("old"), 0o644))
	check(t, os.WriteFile(filepath.Join(dest, "link"), []byte("old"), 0o644))
	check(t, os.WriteFile(filepath.Join(dest, "theirs"), []byte("kept"), 0o644))
	if _, err := s.open().Restore(t.Context(), dest, engine.RestoreOptions{Overwrite: true}); err != nil {
		t.Fatal(err)
	}
	got := snapshot(t, dest, exact)
	for _, rel := range []string{"theirs", "void/below"} {
		if _, ok := got[rel]; !ok {
			t.Errorf("%s is gone", rel)
		}
		delete(got, rel)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if names, err := os.ReadDir(outside); err != nil || len(names) > 0 {
		t.Errorf("written through a link: %v, %v", names, err)
	}
	// One file over another, and never over a directory that holds something.
	file := filepath.Join(dest, "theirs")
	if _, err := s.open().Restore(t.Context(), file, engine.RestoreOptions{Path: "a.b", Overwrite: true}); err != nil {
		t.Error(err)
	}
	if info, err := os.Stat(file); err != nil || info.Size() != 200 {
		t.Errorf("%v, %v", info, err)
	}
	if _, err := s.open().Restore(t.Context(), filepath.Join(dest, "void"), engine.RestoreOptions{Path: "a.b", Overwrite: true}); err == nil {
		t.Error("a directory with something in it was replaced by a file")
	}
}

// Owners are restored by number, or not at all.
func TestRestoreOwners(t *testing.T) {
	t.Parallel()
	f := small(t)
	check(t, os.Lchown(f.path("big"), 4321, 1234))
	s := newSite(t, "", f.dir)
	s.backup(f.dir)
	for _, c := range []struct {
		o   engine.RestoreOptions
		uid uint32
	}{{engine.RestoreOptions{NumericOwner: true}, 4321}, {engine.RestoreOptions{NoOwner: true}, uint32(os.Getuid())}} {
		dest := filepath.Join(t.TempDir(), "dest")
		if _, err := s.open().Restore(t.Context(), dest, c.o); err != nil {
			t.Fatal(err)
		}
		if got := snapshot(t, dest, exact)["big"].UID; got != c.uid {
			t.Errorf("%+v: owner %d, want %d", c.o, got, c.uid)
		}
	}
}

// Where there is no room for a file, the error says for which.
func TestRestoreWithoutRoom(t *testing.T) {
	for _, size := range []int{100, 300_000} {
		f := &fixture{t: t, dir: filepath.Join(t.TempDir(), "src"), rand: newRand()}
		f.write("data", size)
		s := newSite(t, "", f.dir)
		s.backup(f.dir)
		dest := t.TempDir()
		check(t, unix.Mount("purser-test", dest, "tmpfs", 0, "nr_inodes=2"))
		t.Cleanup(func() { check(t, unix.Unmount(dest, 0)) })
		check(t, os.WriteFile(filepath.Join(dest, "other"), nil, 0o600))
		_, err := s.open().Restore(t.Context(), dest, engine.RestoreOptions{Overwrite: true})
		if !errors.Is(err, unix.ENOSPC) || !strings.Contains(err.Error(), "data") {
			t.Errorf("restore of a file of %d bytes: %v", size, err)
		}
	}
}
