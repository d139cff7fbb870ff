package engine

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

// byName is a path that leads to name in the open directory dir: extended
// attributes of what must not be followed have no call that takes a descriptor.
func byName(dir *os.File, name string) string {
	return "/proc/self/fd/" + strconv.Itoa(int(dir.Fd())) + "/" + name
}

// xattrs returns the extended attributes of the object name. Most have none, and
// one call of newer kernels (6.13) tells that in a third of the time of a path
// through /proc.
func (d *directory) xattrs(name string) (map[string]string, error) {
	if !d.listless.Load() {
		n, err := listXattrAt(d.fd, name)
		if err == nil && n == 0 || errors.Is(err, unix.ENOTSUP) {
			return nil, nil
		}
		// A container's rules may forbid a call that they don't know.
		if errors.Is(err, unix.ENOSYS) || errors.Is(err, unix.EPERM) {
			d.listless.Store(true)
		}
	}
	return readXattrs(byName(d.File, name))
}

// listXattrAt returns the length of the list of an object's extended attributes. It
// follows no symbolic link.
func listXattrAt(dir int, name string) (int, error) {
	p, err := unix.BytePtrFromString(name)
	if err != nil {
		return 0, err
	}
	n, _, errno := unix.Syscall6(unix.SYS_LISTXATTRAT, uintptr(dir), uintptr(unsafe.Pointer(p)), unix.AT_SYMLINK_NOFOLLOW, 0, 0, 0)
	if errno != 0 {
		return 0, errno
	}
	return int(n), nil
}

// readXattrs returns the extended attributes of an object, access control
// lists among them; nil if it has none or the file system knows none.
func readXattrs(path string) (map[string]string, error) {
	list, err := sized(func(b []byte) (int, error) { return unix.Llistxattr(path, b) })
	if err != nil || len(list) == 0 {
		return nil, ignorable(err)
	}
	attrs := map[string]string{}
	for name := range strings.SplitSeq(strings.TrimSuffix(string(list), "\x00"), "\x00") {
		value, err := sized(func(b []byte) (int, error) { return unix.Lgetxattr(path, name, b) })
		if errors.Is(err, unix.ENODATA) {
			continue // gone since it was listed
		}
		if err != nil {
			return nil, fmt.Errorf("read attribute %s: %w", name, err)
		}
		attrs[name] = string(value)
	}
	return attrs, nil
}

// sized calls read with a buffer that is large enough.
func sized(read func([]byte) (int, error)) ([]byte, error) {
	for {
		n, err := read(nil)
		if err != nil || n == 0 {
			return nil, err
		}
		b := make([]byte, n)
		n, err = read(b)
		if errors.Is(err, unix.ERANGE) {
			continue // grown meanwhile
		}
		return b[:max(n, 0)], err
	}
}

func ignorable(err error) error {
	if errors.Is(err, unix.ENOTSUP) || errors.Is(err, unix.EPERM) || errors.Is(err, unix.EACCES) {
		return nil
	}
	return err
}
