package file

import (
	"errors"
	"fmt"
	"io/fs"
	"syscall"

	"github.com/purser-backup/purser/engine/storage/driver"
)

// hintError is a fault of the folder that its owner can mend.
type hintError struct {
	err  error
	hint string
}

func (e *hintError) Error() string { return e.err.Error() }
func (e *hintError) Unwrap() error { return e.err }

// Hint says what to do about it.
func (e *hintError) Hint() string { return e.hint }

// explain marks the faults that trying again won't mend, and says what would.
// Other errors, and nil, come back as they are.
func explain(dir string, err error) error {
	for _, k := range known {
		if errors.Is(err, k.is) {
			return driver.Permanent(&hintError{err: err, hint: fmt.Sprintf(k.hint, dir)})
		}
	}
	return err
}

var known = []struct {
	is   error
	hint string
}{
	{syscall.EROFS, "%s is on a file system that is mounted read-only; mount it read-write"},
	{fs.ErrPermission, "let the user that purser runs as read and write the folder %s"},
	{syscall.ENOTDIR, "the target must be a folder, and so must all that is above it; %s is not such a path"},
	{syscall.ENOSPC, "free some space on the file system of %s"},
	{syscall.EDQUOT, "the quota on the file system of %s is used up; raise it or free some space"},
	{syscall.ENAMETOOLONG, "the path %s is too long for its file system"},
	{syscall.ELOOP, "a symbolic link in the path %s leads back to itself"},
}
