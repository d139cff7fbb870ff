package engine

import (
	"errors"
	"io/fs"
	"os"
)

// openPrevious opens BackupOptions.Previous, nil if there is no such directory.
// What can't be read of it makes differences larger, and nothing worse.
func (r *Repository) openPrevious(dir string) *os.Root {
	if dir == "" {
		return nil
	}
	root, err := os.OpenRoot(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		r.opt.Warn("the files of the last backup can't be used", "error", err)
	}
	return root
}

// previousFile opens what the newest set holds of a file, nil if that isn't at hand.
func (w *setWriter) previousFile(path string) *os.File {
	if w.previous == nil {
		return nil
	}
	f, err := openRegular(w.previous, path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		w.repo.opt.Warn("a file of the last backup can't be used", "error", err)
	}
	return f
}
