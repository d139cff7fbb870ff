package file_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/purser-backup/purser/engine/storage/driver"
	"github.com/purser-backup/purser/engine/storage/internal/file"
	"github.com/purser-backup/purser/internal/hint"
)

// A folder must be on a mount, at the start and at each put; one that is yet to
// be made may be below it, and a symbolic link may lead there.
func TestRequireMount(t *testing.T) {
	// On the root file system: the tests' own directory may be on another.
	dir, err := os.MkdirTemp("/var/tmp", "purser test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	point := filepath.Join(dir, "mount")
	if err := errors.Join(os.Mkdir(point, 0o755), os.Symlink(point, filepath.Join(dir, "link"))); err != nil {
		t.Fatal(err)
	}
	refused := func(path string) {
		t.Helper()
		_, err := file.OpenMounted(t.Context(), path, time.Now)
		wantNoMount(t, err)
	}
	refused(point)
	refused(filepath.Join(point, "not/there"))
	if err := syscall.Mount("purser-test", point, "tmpfs", 0, "size=1m"); err != nil {
		t.Fatalf("mount a file system: %v", err)
	}
	mounted := true
	unmount := func() {
		if err := syscall.Unmount(point, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
		mounted = false
	}
	t.Cleanup(func() {
		if mounted {
			unmount()
		}
	})
	refused(dir)
	refused(dir + "/mount2")
	for _, path := range []string{point, filepath.Join(point, "not/there"), filepath.Join(dir, "link/x")} {
		if _, err := file.OpenMounted(t.Context(), path, time.Now); err != nil {
			t.Errorf("%s: %v", path, err)
		}
	}
	b, err := file.OpenMounted(t.Context(), point, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Put(t.Context(), "object", strings.NewReader("x"), 1); err != nil {
		t.Error(err)
	}
	unmount()
	wantNoMount(t, b.Put(t.Context(), "object", strings.NewReader("x"), 1))
	if entries, err := os.ReadDir(point); err != nil || len(entries) != 0 {
		t.Errorf("written below the mount: %v, %v", entries, err)
	}
}

func wantNoMount(t *testing.T, err error) {
	t.Helper()
	if err == nil || !strings.Contains(hint.Text(err), "BACKUP_TARGET_REQUIRE_MOUNT") || !driver.IsPermanent(err) {
		t.Errorf("got %v, want that it is not on a mount", err)
	}
}
