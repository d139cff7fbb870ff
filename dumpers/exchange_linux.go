package dumpers

import (
	"os"

	"golang.org/x/sys/unix"
)

// exchange swaps two directory entries in one step. Errors: fs.ErrNotExist
// when one is missing, errors.ErrUnsupported or EINVAL when the kernel or the
// file system can't.
func exchange(from *os.File, fromName string, to *os.File, toName string) error {
	return unix.Renameat2(int(from.Fd()), fromName, int(to.Fd()), toName, unix.RENAME_EXCHANGE)
}
