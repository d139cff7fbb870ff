package file

import (
	"errors"
	"io/fs"
	"strings"
	"syscall"
	"testing"

	"github.com/purser-backup/purser/engine/storage/driver"
	"github.com/purser-backup/purser/internal/hint"
)

func TestExplain(t *testing.T) {
	if explain("/target", nil) != nil {
		t.Error("nil becomes an error")
	}
	for _, errno := range []syscall.Errno{syscall.EIO, syscall.EMFILE, syscall.ENOENT} {
		err := &fs.PathError{Op: "open", Path: "/target/x", Err: errno}
		if got := explain("/target", err); got != error(err) {
			t.Errorf("%v becomes %v", err, got)
		}
	}
	for errno, word := range map[syscall.Errno]string{
		syscall.EROFS: "read-only", syscall.EACCES: "let the user", syscall.EPERM: "let the user", syscall.ENOTDIR: "folder",
		syscall.ENOSPC: "space", syscall.EDQUOT: "quota", syscall.ENAMETOOLONG: "too long", syscall.ELOOP: "link",
	} {
		cause := &fs.PathError{Op: "open", Path: "/target/x", Err: errno}
		err := explain("/target", cause)
		if advice := hint.Text(err); !strings.Contains(advice, word) || !strings.Contains(advice, "/target") {
			t.Errorf("%v: hint is missing %q", err, word)
		}
		if !driver.IsPermanent(err) || !errors.Is(err, errno) || err.Error() != cause.Error() {
			t.Errorf("%v: not a permanent %v", err, errno)
		}
	}
}
