// Package format reads and writes duplicity's bytes: the names of objects, the
// manifest, the tar dialect of volumes (difftar) and signatures (sigtar), and the
// ways to write a time. It knows neither encryption nor compression nor storage.
//
// A path is the slash-joined bytes of a name relative to the source's root, whose
// own path is "". Paths need not be UTF-8. Entries of a set are in index order, see
// [Compare].
package format

import (
	"errors"
	"fmt"
	"strings"
)

// Compare orders paths as duplicity orders its indexes: component by component, by
// unsigned bytes, a prefix first. It returns -1, 0 or +1. This is not the order of
// the plain strings, since a slash sorts before every other byte.
func Compare(a, b string) int {
	n := min(len(a), len(b))
	for i := range n {
		x, y := a[i], b[i]
		if x == y {
			continue
		}
		switch {
		case x == '/':
			return -1
		case y == '/':
			return 1
		case x < y:
			return -1
		}
		return 1
	}
	switch {
	case len(a) < len(b):
		return -1
	case len(a) > len(b):
		return 1
	}
	return 0
}

// CheckPath tells whether a path may stand in an archive: relative, no empty
// component, no "." and "..", no NUL. The root's path, "", is fine.
func CheckPath(path string) error {
	if path == "" {
		return nil
	}
	if strings.IndexByte(path, 0) >= 0 {
		return fmt.Errorf("path %q holds a NUL byte", path)
	}
	for c := range strings.SplitSeq(path, "/") {
		switch c {
		case "":
			return fmt.Errorf("path %q has an empty component", path)
		case ".", "..":
			return fmt.Errorf("path %q has the component %q", path, c)
		}
	}
	return nil
}

// ErrCorrupt is what errors about bytes that break the format wrap. An error of
// the underlying reader does not wrap it.
var ErrCorrupt = errors.New("damaged archive data")

func corrupt(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrCorrupt, fmt.Sprintf(format, args...))
}
