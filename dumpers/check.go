package dumpers

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
)

// size is what has been written so far, for watching progress only.
func (st *stage) size() int64 { return treeSize(st.tree.root.FS(), path.Join(st.dir, newName)) }

// check refuses a dump that is empty, holds something else than regular
// files, or lacks a trailer; and makes all of it durable.
func (st *stage) check(trailers []Trailer) (files int, size int64, err error) {
	root, err := st.tree.root.OpenRoot(path.Join(st.dir, newName))
	if err != nil {
		return 0, 0, err
	}
	defer root.Close()
	matched := make([]bool, len(trailers))
	err = fs.WalkDir(root.FS(), ".", func(name string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if !e.IsDir() && !e.Type().IsRegular() {
			return fmt.Errorf("%s is not a regular file", name)
		}
		f, err := root.Open(name)
		if err != nil {
			return err
		}
		defer f.Close()
		if !e.IsDir() {
			info, err := f.Stat()
			if err != nil {
				return err
			}
			files++
			size += info.Size()
			if err := checkTrailer(f, name, info.Size(), trailers, matched); err != nil {
				return err
			}
		}
		return f.Sync()
	})
	if err != nil {
		return 0, 0, err
	}
	if size == 0 {
		return 0, 0, errors.New("the commands succeeded, but wrote nothing into the target directory")
	}
	for i, ok := range matched {
		if !ok {
			return 0, 0, fmt.Errorf("no file %s was written", trailers[i].File)
		}
	}
	return files, size, nil
}

// checkTrailer applies the first trailer whose pattern matches the name.
func checkTrailer(f *os.File, name string, size int64, trailers []Trailer, matched []bool) error {
	for i, t := range trailers {
		ok, err := path.Match(t.File, name)
		if err != nil {
			return err
		}
		if !ok {
			continue
		}
		matched[i] = true
		end := make([]byte, min(size, trailerWindow))
		if _, err := f.ReadAt(end, size-int64(len(end))); err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		if !bytes.HasPrefix(end, []byte(t.Contains)) && !bytes.Contains(end, []byte("\n"+t.Contains)) {
			return fmt.Errorf("%s is incomplete: no line near its end starts with %q", name, t.Contains)
		}
		return nil
	}
	return nil
}

// trailerWindow is how far before the end a trailer may stand, in bytes.
const trailerWindow = 4 << 10
