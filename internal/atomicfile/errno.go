package atomicfile

import (
	"errors"
	"syscall"
)

const errNotDir = syscall.ENOTDIR

// isSyncUnsupported tells the answer of file systems (some FUSE and network
// ones) that cannot sync a folder: there is nothing more to do there.
func isSyncUnsupported(err error) bool {
	return errors.Is(err, syscall.EINVAL) || errors.Is(err, syscall.ENOTSUP)
}
