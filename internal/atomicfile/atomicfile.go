// Package atomicfile writes files that are complete or absent.
//
// The data goes to a temporary file in the same folder, is synced, renamed to
// its final name, and the folder is synced too. A reader sees the old file or
// the new one, never a part, also after a crash of the machine.
package atomicfile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// TempPrefix begins the name of every temporary file that this package makes.
// What bears it belongs to a write that is under way or to one that died.
const TempPrefix = ".purser-"

// File is a file on its way to its final name. Exactly one of Commit and
// Cancel decides what becomes of it. A File is not for concurrent use.
type File struct {
	f    *os.File // nil once committed or cancelled
	path string
	err  error // first failed write; Commit refuses after it
}

// Create starts a file that Commit will put at path with the permission bits
// perm (the umask does not apply). The folder must exist.
func Create(path string, perm fs.FileMode) (*File, error) {
	f, err := os.CreateTemp(filepath.Dir(path), TempPrefix+"*")
	if err != nil {
		return nil, fmt.Errorf("create temporary file for %s: %w", path, err)
	}
	file := &File{f: f, path: path}
	if err := f.Chmod(perm); err != nil {
		return nil, errors.Join(fmt.Errorf("set mode of temporary file for %s: %w", path, err), file.discard())
	}
	return file, nil
}

// Write appends p. After a failed write, Commit fails too.
func (f *File) Write(p []byte) (int, error) {
	if f.f == nil {
		return 0, fmt.Errorf("write %s: %w", f.path, fs.ErrClosed)
	}
	n, err := f.f.Write(p)
	if err != nil {
		f.err = fmt.Errorf("write %s: %w", f.path, err)
		return n, f.err
	}
	return n, nil
}

// Commit makes the file durable under its final name, in place of what was
// there. When it fails before the rename, nothing is left behind; when only
// the last sync of the folder fails, the new file is there but may not survive
// a crash.
func (f *File) Commit() error {
	if f.f == nil {
		return fmt.Errorf("commit %s: %w", f.path, fs.ErrClosed)
	}
	if f.err != nil {
		return errors.Join(f.err, f.discard())
	}
	if err := f.f.Sync(); err != nil {
		return errors.Join(fmt.Errorf("sync %s: %w", f.path, err), f.discard())
	}
	temp := f.f.Name()
	err := f.f.Close()
	f.f = nil
	if err != nil {
		return errors.Join(fmt.Errorf("close %s: %w", f.path, err), remove(temp))
	}
	if err := os.Rename(temp, f.path); err != nil {
		return errors.Join(fmt.Errorf("put %s in place: %w", f.path, err), remove(temp))
	}
	return SyncDir(filepath.Dir(f.path))
}

// Cancel drops the file. After Commit or a first Cancel it does nothing, so it
// suits defer. A temporary file that cannot be removed is left for whoever
// sweeps names with TempPrefix.
func (f *File) Cancel() {
	_ = f.discard()
}

func (f *File) discard() error {
	if f.f == nil {
		return nil
	}
	temp := f.f.Name()
	err := f.f.Close()
	f.f = nil
	return errors.Join(err, remove(temp))
}

func remove(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove temporary file: %w", err)
	}
	return nil
}

// WriteFile puts data at path with the permission bits perm, complete and
// durable, or leaves what was there.
func WriteFile(path string, data []byte, perm fs.FileMode) error {
	f, err := Create(path, perm)
	if err != nil {
		return err
	}
	defer f.Cancel()
	if _, err := f.Write(data); err != nil {
		return err
	}
	return f.Commit()
}

// MkdirAll makes the folder path and what is missing above it, with the
// permission bits perm, and makes the new entries durable. A folder that is
// there already keeps its mode.
func MkdirAll(path string, perm fs.FileMode) error {
	info, err := os.Stat(path)
	switch {
	case err == nil && info.IsDir():
		return nil
	case err == nil:
		return fmt.Errorf("make folder: %w", &fs.PathError{Op: "mkdir", Path: path, Err: errNotDir})
	case !errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("make folder: %w", err)
	}
	parent := filepath.Dir(path)
	if err := MkdirAll(parent, perm); err != nil {
		return err
	}
	if err := os.Mkdir(path, perm); err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("make folder: %w", err)
	}
	return SyncDir(parent)
}

// SyncDir makes the names in a folder durable: call it after a rename or a
// removal that must survive a crash.
func SyncDir(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("sync folder: %w", err)
	}
	err = d.Sync()
	if isSyncUnsupported(err) {
		err = nil
	}
	if err := errors.Join(err, d.Close()); err != nil {
		return fmt.Errorf("sync folder %s: %w", path, err)
	}
	return nil
}
