package file_test

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/purser-backup/purser/engine/storage/driver"
	"github.com/purser-backup/purser/engine/storage/driver/drivertest"
	"github.com/purser-backup/purser/engine/storage/internal/file"
	"github.com/purser-backup/purser/internal/hint"
)

func open(t *testing.T, dir string) *file.Backend {
	t.Helper()
	b, err := file.Open(t.Context(), dir, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestContract(t *testing.T) {
	drivertest.RunTarget(t, func(t *testing.T) drivertest.Target {
		dir := filepath.Join(t.TempDir(), "deep", "target")
		return drivertest.Target{
			Open:  func(t *testing.T) driver.Backend { return open(t, dir) },
			Plant: func(t *testing.T, name string, data []byte) { drivertest.Plant(t, filepath.Join(dir, name), data) },
			Names: func(t *testing.T) []string { return drivertest.Names(t, dir) },
		}
	})
}

func TestModes(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "b")
	if err := drivertest.PutText(t.Context(), open(t, dir), "object", "x"); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]fs.FileMode{
		filepath.Dir(dir): 0o700 | fs.ModeDir, dir: 0o700 | fs.ModeDir, filepath.Join(dir, "object"): 0o600,
	} {
		st, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if st.Mode() != want {
			t.Errorf("%s has mode %v, want %v", path, st.Mode(), want)
		}
	}
}

func TestReadingMakesNothing(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "target")
	b := open(t, dir)
	if list, err := b.List(t.Context(), ""); err != nil || len(list) != 0 {
		t.Errorf("list: %v, %v", list, err)
	}
	if err := b.Delete(t.Context(), "object"); err != nil {
		t.Errorf("delete: %v", err)
	}
	if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the folder is there: %v", err)
	}
}

// A dead upload's file goes after two days; a living one's stays, as do the
// files of others.
func TestSweep(t *testing.T) {
	now := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	dir := t.TempDir()
	for name, age := range map[string]time.Duration{
		".purser-dead": 49 * time.Hour, ".purser-alive": 47 * time.Hour, "old": 1000 * time.Hour, ".other-1": 1000 * time.Hour,
	} {
		path := filepath.Join(dir, name)
		drivertest.Plant(t, path, []byte("x"))
		if err := os.Chtimes(path, now.Add(-age), now.Add(-age)); err != nil {
			t.Fatal(err)
		}
	}
	b, err := file.Open(t.Context(), dir, func() time.Time { return now })
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.List(t.Context(), ""); err != nil {
		t.Fatal(err)
	}
	if !slices.Contains(drivertest.Names(t, dir), ".purser-dead") {
		t.Error("reading has swept")
	}
	if err := drivertest.PutText(t.Context(), b, "new", "x"); err != nil {
		t.Fatal(err)
	}
	if got, want := drivertest.Names(t, dir), []string{".other-1", ".purser-alive", "new", "old"}; !slices.Equal(got, want) {
		t.Errorf("left: %q, want %q", got, want)
	}
}

func TestSymlinks(t *testing.T) {
	dir := t.TempDir()
	drivertest.Plant(t, filepath.Join(dir, "elsewhere", "data"), []byte("12345"))
	for link, to := range map[string]string{"file": "elsewhere/data", "folder": "elsewhere", "dangling": "nowhere"} {
		if err := os.Symlink(to, filepath.Join(dir, link)); err != nil {
			t.Fatal(err)
		}
	}
	if err := syscall.Mkfifo(filepath.Join(dir, "pipe"), 0o600); err != nil {
		t.Fatal(err)
	}
	b := open(t, dir)
	list, err := b.List(t.Context(), "")
	if err != nil || len(list) != 1 || list[0].Name != "file" || list[0].Size != 5 {
		t.Errorf("list: %v, %v", list, err)
	}
	if _, err := b.Get(t.Context(), "pipe"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("get of a named pipe: %v", err)
	}
}

func TestNotAFolder(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	drivertest.Plant(t, path, nil)
	_, err := file.Open(t.Context(), path, time.Now)
	wantHint(t, err, syscall.ENOTDIR)
	_, err = file.Open(t.Context(), filepath.Join(path, "below"), time.Now)
	wantHint(t, err, syscall.ENOTDIR)
	// It can also become a file later.
	dir := filepath.Join(t.TempDir(), "target")
	b := open(t, dir)
	drivertest.Plant(t, dir, nil)
	wantHint(t, drivertest.PutText(t.Context(), b, "object", "x"), syscall.ENOTDIR)
}

func TestNotPermitted(t *testing.T) {
	dir := t.TempDir()
	b := open(t, dir)
	if err := drivertest.PutText(t.Context(), b, "object", "x"); err != nil {
		t.Fatal(err)
	}
	asNobody(t, dir, 0o555, func() {
		wantHint(t, drivertest.PutText(t.Context(), b, "new", "x"), fs.ErrPermission)
		wantHint(t, b.Delete(t.Context(), "object"), fs.ErrPermission)
	})
	asNobody(t, dir, 0o000, func() {
		_, err := b.List(t.Context(), "")
		wantHint(t, err, fs.ErrPermission)
		_, err = b.Get(t.Context(), "object")
		wantHint(t, err, fs.ErrPermission)
		_, err = file.Open(t.Context(), filepath.Join(dir, "below"), time.Now)
		wantHint(t, err, fs.ErrPermission)
	})
	if got := drivertest.Names(t, dir); !slices.Equal(got, []string{"object"}) {
		t.Errorf("left: %q", got)
	}
}

// asNobody runs f with dir in the given mode, and for root, whom modes do not
// stop, with the file rights of another user.
func asNobody(t *testing.T, dir string, mode fs.FileMode, f func()) {
	t.Helper()
	if err := os.Chmod(dir, mode); err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		// Never unlocked: the thread with the changed rights ends with f.
		runtime.LockOSThread()
		if os.Geteuid() == 0 {
			if err := unix.Setfsuid(65534); err != nil {
				t.Error(err)
				return
			}
		}
		f()
	}()
	<-done
	if err := os.Chmod(dir, 0o700); err != nil {
		t.Fatal(err)
	}
}

func TestTruncatedWhileRead(t *testing.T) {
	dir := t.TempDir()
	b := open(t, dir)
	if err := drivertest.PutText(t.Context(), b, "object", string(make([]byte, 1<<20))); err != nil {
		t.Fatal(err)
	}
	r, err := b.Get(t.Context(), "object")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(filepath.Join(dir, "object"), 1000); err != nil {
		t.Fatal(err)
	}
	var got bytes.Buffer
	if _, err := got.ReadFrom(r); err == nil {
		t.Errorf("%d bytes of a cut file pass for all", got.Len())
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
}

func TestOpenCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := file.Open(ctx, t.TempDir(), time.Now); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func wantHint(t *testing.T, err, cause error) {
	t.Helper()
	if !errors.Is(err, cause) || hint.Text(err) == "" || !driver.IsPermanent(err) {
		t.Errorf("got %v, want a permanent %v with a hint", err, cause)
	}
}
