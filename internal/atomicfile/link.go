package atomicfile

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// Link puts a file that was opened without a name (O_TMPFILE) at path, complete
// and durable, in place of what was there: without a copy of its bytes. It
// reports false, and has done nothing, where that can't be: the file has a name,
// or path is on another file system.
func Link(f *os.File, path string) (bool, error) {
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil || st.Nlink != 0 || st.Mode&unix.S_IFMT != unix.S_IFREG {
		return false, nil
	}
	temp := filepath.Join(filepath.Dir(path), fmt.Sprintf("%s%016x", TempPrefix, rand.Uint64()))
	// There is no call for this without privileges but the way through /proc.
	err := unix.Linkat(unix.AT_FDCWD, fmt.Sprintf("/proc/self/fd/%d", f.Fd()), unix.AT_FDCWD, temp, unix.AT_SYMLINK_FOLLOW)
	if err != nil {
		return false, nil
	}
	if err := f.Sync(); err != nil {
		return false, errors.Join(fmt.Errorf("sync %s: %w", path, err), remove(temp))
	}
	if err := os.Rename(temp, path); err != nil {
		return false, errors.Join(fmt.Errorf("put %s in place: %w", path, err), remove(temp))
	}
	return true, SyncDir(filepath.Dir(path))
}
