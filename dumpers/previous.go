package dumpers

import (
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"

	"github.com/purser-backup/purser/discovery"
)

// previousDir holds replaced dumps under their paths in the source. No instance's
// staging can have its name.
const previousDir = stagingDir + "/.previous"

// Previous is the directory below the source where replaced dumps are kept until
// the next backup is stored, each under its path in the source: with what the last
// backup holds at hand, the next one takes less. It may be missing, and so may any
// dump in it.
func Previous(source string) string { return filepath.Join(source, previousDir) }

// DropPrevious removes the replaced dumps that are kept below a source.
func DropPrevious(source string) error {
	root, err := os.OpenRoot(source)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	// A file system that is read-only refuses also to remove what isn't there.
	if _, err := root.Lstat(previousDir); errors.Is(err, fs.ErrNotExist) {
		return root.Close()
	}
	return errors.Join(root.RemoveAll(previousDir), root.Close())
}

// keep keeps the dump that was replaced, but not while others are making room.
func (d *Dumper) keep(st *stage) error {
	d.room.mu.Lock()
	defer d.room.mu.Unlock()
	if !d.options.KeepReplaced || d.room.short {
		return nil
	}
	return st.keep()
}

// makeRoom removes the replaced dumps if a dump has failed for want of room beside
// them, and reports whether it is to be tried again.
func (d *Dumper) makeRoom(s discovery.Service, failure error) bool {
	d.room.mu.Lock()
	defer d.room.mu.Unlock()
	if !noRoom(failure) || !d.tree.exists(previousDir) {
		return false
	}
	d.room.short = true
	err := DropPrevious(d.tree.path)
	d.options.Warn("no room for a dump beside replaced ones; these are removed", "service", s.ID(), "error", err)
	return err == nil
}

// keep moves the dump that was replaced to where the next backup finds it, if
// there is none yet, since the oldest is the one that was stored, and if twice
// its size is free.
func (st *stage) keep() error {
	t := st.tree
	old, kept := st.replaced(), path.Join(previousDir, dumpPath(st.service))
	if !t.exists(old) || t.exists(kept) {
		return nil
	}
	if left, known := free(t.path); known && left < 2*treeSize(t.root.FS(), old) {
		return nil
	}
	if err := t.root.MkdirAll(path.Dir(kept), 0o700); err != nil {
		return err
	}
	return t.root.Rename(old, kept)
}

// replaced is where the dump is that swap has replaced.
func (st *stage) replaced() string {
	if old := path.Join(st.dir, oldName); st.tree.exists(old) {
		return old
	}
	return path.Join(st.dir, newName)
}
