package engine

import (
	"errors"
	"os"
	"path"

	"github.com/purser-backup/purser/engine/internal/format"
)

// openDir is a directory that still gets contents. It is kept open, so that
// what is made in it needs no way through the directories above.
type openDir struct {
	rel    string
	header *format.Header // nil if the archive has lost it
	root   *os.Root       // nil until it is needed, and for the destination itself
	file   *os.File       // nil until it is needed
}

func (d *openDir) close() error {
	var err error
	if d.file != nil {
		err = d.file.Close()
	}
	if d.root != nil {
		err = errors.Join(err, d.root.Close())
	}
	d.root, d.file = nil, nil
	return err
}

// place returns the directory that holds rel, which is the innermost open one,
// and rel's name in it.
func (t *tree) place(rel string) (*os.Root, string, error) {
	if rel == "" {
		return t.root, t.base, nil
	}
	dir, err := t.rootOf(len(t.open) - 1)
	return dir, path.Base(rel), err
}

// rootOf returns the i-th open directory.
func (t *tree) rootOf(i int) (*os.Root, error) {
	d := &t.open[i]
	if d.rel == "" {
		return t.root, nil // begin has opened it
	}
	if d.root == nil {
		above, err := t.rootOf(i - 1)
		if err != nil {
			return nil, err
		}
		if d.root, err = above.OpenRoot(path.Base(d.rel)); err != nil {
			return nil, err
		}
	}
	return d.root, nil
}

// inParent calls do with the descriptor of rel's directory and rel's last name.
func (t *tree) inParent(rel string, do func(dir *os.File, name string) error) error {
	dir, name, err := t.place(rel)
	if err != nil {
		return err
	}
	if rel == "" {
		f, err := dir.Open(".")
		if err != nil {
			return err
		}
		defer f.Close()
		return do(f, name)
	}
	d := &t.open[len(t.open)-1]
	if d.file == nil {
		if d.file, err = dir.Open("."); err != nil {
			return err
		}
	}
	return do(d.file, name)
}
