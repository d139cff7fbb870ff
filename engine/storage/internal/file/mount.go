package file

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/purser-backup/purser/engine/storage/driver"
)

// mountInfo lists the mounts that this process sees.
const mountInfo = "/proc/self/mountinfo"

// checkMount makes sure that dir is on a mount of its own, or below one: not on
// the root file system, where it lies when the mount that should be there has
// failed.
func checkMount(dir string) error {
	path, err := existing(dir)
	if err != nil {
		return explain(dir, err)
	}
	table, err := os.ReadFile(mountInfo)
	if err != nil {
		return fmt.Errorf("see whether %s is a mount: %w", dir, err)
	}
	if point := mountPoint(table, path); point == "/" || point == "" {
		return driver.Permanent(driver.WithHint(&fs.PathError{Op: "use", Path: dir, Err: errors.New("it is not on a mount")},
			"mount the file system for the backups there or above it, in a container as a volume, or unset BACKUP_TARGET_REQUIRE_MOUNT"))
	}
	return nil
}

// existing gives dir, or the nearest folder above it that is there, absolute and
// without symbolic links.
func existing(dir string) (string, error) {
	path, err := filepath.Abs(dir)
	for err == nil {
		var resolved string
		if resolved, err = filepath.EvalSymlinks(path); err == nil {
			return resolved, nil
		}
		if !errors.Is(err, fs.ErrNotExist) || path == "/" {
			break
		}
		path, err = filepath.Dir(path), nil
	}
	return "", err
}

// mountPoint finds the mount that a path is on in a table of mounts. Later
// lines lie over earlier ones. An automounter's own mount is none: it stands for
// one that isn't there.
func mountPoint(table []byte, path string) string {
	best := ""
	for lines := bufio.NewScanner(bytes.NewReader(table)); lines.Scan(); {
		fields, kind, _ := strings.Cut(lines.Text(), " - ")
		words := strings.Fields(fields)
		if len(words) < 5 || strings.HasPrefix(kind, "autofs ") {
			continue
		}
		point := unescape(words[4])
		if len(point) >= len(best) && (point == "/" || path == point || strings.HasPrefix(path, point+"/")) {
			best = point
		}
	}
	return best
}

// unescape reads a path as the kernel prints it: \ooo for blanks and the like.
func unescape(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+3 < len(s) {
			if n, err := strconv.ParseUint(s[i+1:i+4], 8, 8); err == nil {
				b.WriteByte(byte(n))
				i += 3
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}
