package atomicfile_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/purser-backup/purser/internal/atomicfile"
)

func content(t *testing.T, path string) string {
	t.Helper()
	p, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(p)
}

func wantNames(t *testing.T, dir string, want ...string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range entries {
		got = append(got, e.Name())
	}
	if strings.Join(got, " ") != strings.Join(want, " ") {
		t.Errorf("folder holds %q, want %q", got, want)
	}
}

func TestCommit(t *testing.T) {
	for _, perm := range []fs.FileMode{0o600, 0o644, 0o777, 0o400} {
		dir := t.TempDir()
		path := filepath.Join(dir, "file")
		if err := os.WriteFile(path, []byte("old"), 0o640); err != nil {
			t.Fatal(err)
		}
		f, err := atomicfile.Create(path, perm)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range []string{"new ", "content"} {
			if n, err := f.Write([]byte(s)); n != len(s) || err != nil {
				t.Fatalf("write: %d, %v", n, err)
			}
		}
		if got := content(t, path); got != "old" {
			t.Errorf("before commit: %q", got)
		}
		if err := f.Commit(); err != nil {
			t.Fatal(err)
		}
		f.Cancel()
		if got := content(t, path); got != "new content" {
			t.Errorf("after commit: %q", got)
		}
		st, err := os.Stat(path)
		if err != nil || st.Mode() != perm {
			t.Errorf("mode is %v, want %v (%v)", st.Mode(), perm, err)
		}
		if err := f.Commit(); !errors.Is(err, fs.ErrClosed) {
			t.Errorf("second commit: %v", err)
		}
		if _, err := f.Write([]byte("x")); !errors.Is(err, fs.ErrClosed) {
			t.Errorf("write after commit: %v", err)
		}
		wantNames(t, dir, "file")
	}
}

func TestCancel(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "file")
	f, err := atomicfile.Create(path, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	f.Cancel()
	f.Cancel()
	if err := f.Commit(); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("commit after cancel: %v", err)
	}
	wantNames(t, dir)
}

// Until Commit there is one file, whose name says what it is.
func TestTemporaryName(t *testing.T) {
	dir := t.TempDir()
	f, err := atomicfile.Create(filepath.Join(dir, "file"), 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Cancel()
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 1 || !strings.HasPrefix(entries[0].Name(), atomicfile.TempPrefix) {
		t.Errorf("folder holds %v (%v)", entries, err)
	}
}

// A full device fails the write, and then Commit too, though that alone would work.
func TestFailedWriteIsRemembered(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "file")
	var old syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &old); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: 1000, Max: old.Max}); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &old); err != nil {
			t.Error(err)
		}
	}()
	f, err := atomicfile.Create(path, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Write(make([]byte, 2000)); !errors.Is(err, syscall.EFBIG) {
		t.Fatalf("write: %v", err)
	}
	if err := f.Commit(); !errors.Is(err, syscall.EFBIG) {
		t.Errorf("commit: %v", err)
	}
	if err := atomicfile.WriteFile(path, make([]byte, 2000), 0o600); !errors.Is(err, syscall.EFBIG) {
		t.Errorf("WriteFile: %v", err)
	}
	wantNames(t, dir)
}

// Where the final name can't be taken, Commit fails and leaves nothing.
func TestFailedRename(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "folder")
	if err := os.MkdirAll(filepath.Join(path, "inside"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := atomicfile.WriteFile(path, []byte("x"), 0o600); err == nil {
		t.Error("a file replaces a folder")
	}
	wantNames(t, dir, "folder")
}

func TestWriteFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "file")
	for _, s := range []string{"one", "", "three"} {
		if err := atomicfile.WriteFile(path, []byte(s), 0o600); err != nil {
			t.Fatal(err)
		}
		if got := content(t, path); got != s {
			t.Errorf("got %q, want %q", got, s)
		}
	}
	err := atomicfile.WriteFile(filepath.Join(dir, "missing", "file"), nil, 0o600)
	if !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("missing folder: %v", err)
	}
}

func TestMkdirAll(t *testing.T) {
	dir := t.TempDir()
	deep := filepath.Join(dir, "a", "b", "c")
	for range 2 {
		if err := atomicfile.MkdirAll(deep, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if st, err := os.Stat(filepath.Dir(deep)); err != nil || st.Mode() != fs.ModeDir|0o700 {
		t.Errorf("middle folder: %v (%v)", st, err)
	}
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{file, filepath.Join(file, "below")} {
		if err := atomicfile.MkdirAll(path, 0o700); !errors.Is(err, syscall.ENOTDIR) {
			t.Errorf("%s: %v", path, err)
		}
	}
}

func TestSyncDir(t *testing.T) {
	if err := atomicfile.SyncDir(t.TempDir()); err != nil {
		t.Error(err)
	}
	if err := atomicfile.SyncDir(filepath.Join(t.TempDir(), "missing")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("missing folder: %v", err)
	}
}
