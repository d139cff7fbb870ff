package dumpers

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"syscall"

	"crypto/sha256"

	"github.com/purser-backup/purser/discovery"
)

// Names below the source directory, and within one staging directory.
const (
	dumpDir    = "dump"
	stagingDir = ".purser" // never backed up
	newName    = "new"     // the dump being made
	oldName    = "old"     // the dump being replaced, where directories can't be exchanged
	intentName = "intent"  // what is being replaced
)

func dumpPath(s discovery.Service) string {
	if s.Dir != "" {
		return s.Dir
	}
	return path.Join(dumpDir, s.Stack, s.Name)
}

// tree is the source directory, of which only the places of dumps and the own
// staging directories are touched. All paths go through an os.Root, so that no link
// in it leads outside.
type tree struct {
	root    *os.Root
	path    string
	staging string // of this instance, below root
	rand    io.Reader
}

func openTree(source, instance string, rand io.Reader) (*tree, error) {
	if instance == "" {
		return nil, errors.New("open dump directory: the instance has no id")
	}
	absolute, err := filepath.Abs(source)
	if err != nil {
		return nil, fmt.Errorf("open source directory %s: %w", source, err)
	}
	root, err := os.OpenRoot(absolute)
	if err != nil {
		return nil, fmt.Errorf("open source directory: %w", err)
	}
	t := &tree{root: root, path: absolute, staging: path.Join(stagingDir, component(instance)), rand: rand}
	return t, nil
}

func (t *tree) close() error { return t.root.Close() }

// component makes one path component of an instance's id.
func component(instance string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '_'
	}
	if len(instance) <= 64 && strings.IndexFunc(instance, func(r rune) bool { return !plain(r) }) < 0 {
		return instance
	}
	sum := sha256.Sum256([]byte(instance))
	return hex.EncodeToString(sum[:16])
}

// intent is what stands in for a swap in two steps, so that it can be
// finished after a crash.
type intent struct {
	Version int    `json:"version"`
	Stack   string `json:"stack"`
	Service string `json:"service"`
	Dir     string `json:"dir,omitempty"`
}

const intentVersion = 1

// recover finishes what a crashed process left and removes its staging.
func (t *tree) recover() error {
	entries, err := fs.ReadDir(t.root.FS(), t.staging)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, entry := range entries {
		dir := path.Join(t.staging, entry.Name())
		if err := t.finish(dir); err != nil {
			return err
		}
		if err := t.root.RemoveAll(dir); err != nil {
			return err
		}
	}
	return nil
}

// finish completes the swap of a staging directory, if there is one half done.
func (t *tree) finish(dir string) error {
	data, err := t.root.ReadFile(path.Join(dir, intentName))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	var i intent
	if err := json.Unmarshal(data, &i); err != nil || i.Version != intentVersion {
		if t.exists(path.Join(dir, oldName)) {
			return fmt.Errorf("%s holds a dump, but its intent is of an unknown version; move the dump back by hand", dir)
		}
		// Written in part: the swap had not begun.
		return nil
	}
	target := dumpPath(discovery.Service{Stack: i.Stack, Name: i.Service, Dir: i.Dir})
	if t.exists(target) {
		return nil
	}
	// Before the intent was written, the new dump had passed all checks.
	for _, name := range []string{newName, oldName} {
		if from := path.Join(dir, name); t.exists(from) {
			if err := t.root.Rename(from, target); err != nil {
				return err
			}
			return t.sync(path.Dir(target))
		}
	}
	return nil
}

func (t *tree) exists(name string) bool {
	_, err := t.root.Lstat(name)
	return err == nil
}

// sync makes a directory's entries durable.
func (t *tree) sync(dir string) error {
	f, err := t.root.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// stage is a fresh staging directory.
type stage struct {
	tree    *tree
	service discovery.Service
	dir     string // below the root
	path    string // of the dump in it, as this process sees it
}

func (t *tree) stage(s discovery.Service) (*stage, error) {
	var random [8]byte
	if _, err := io.ReadFull(t.rand, random[:]); err != nil {
		return nil, fmt.Errorf("draw directory name: %w", err)
	}
	dir := path.Join(t.staging, hex.EncodeToString(random[:]))
	if err := t.root.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	if err := t.root.Mkdir(path.Join(dir, newName), 0o700); err != nil {
		return nil, errors.Join(err, t.root.RemoveAll(dir))
	}
	return &stage{tree: t, service: s, dir: dir, path: filepath.Join(t.path, dir, newName)}, nil
}

// remove removes the staging directory with what is in it: an unfinished
// dump, or the one that was replaced.
func (st *stage) remove() error { return st.tree.root.RemoveAll(st.dir) }

// swap puts the new dump in the place of the old one as a whole. Where the
// file system can, that is one step; else two, with the intent written first.
func (st *stage) swap() error {
	t := st.tree
	parent := path.Dir(dumpPath(st.service))
	if err := t.root.MkdirAll(parent, 0o755); err != nil {
		return err
	}
	if err := errors.Join(t.sync("."), t.sync(path.Dir(parent)), t.sync(st.dir)); err != nil {
		return err
	}
	err := st.exchange(parent)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		err = t.root.Rename(path.Join(st.dir, newName), dumpPath(st.service))
	case errors.Is(err, errors.ErrUnsupported), errors.Is(err, syscall.EINVAL):
		err = st.replace()
	}
	if err != nil {
		return err
	}
	return errors.Join(t.sync(parent), t.sync(st.dir))
}

func (st *stage) exchange(parent string) error {
	from, err := st.tree.root.Open(st.dir)
	if err != nil {
		return err
	}
	defer from.Close()
	to, err := st.tree.root.Open(parent)
	if err != nil {
		return err
	}
	defer to.Close()
	return exchange(from, newName, to, path.Base(dumpPath(st.service)))
}

// replace swaps in two steps.
func (st *stage) replace() error {
	t, target := st.tree, dumpPath(st.service)
	data, err := json.Marshal(intent{Version: intentVersion, Stack: st.service.Stack, Service: st.service.Name, Dir: st.service.Dir})
	if err != nil {
		return err
	}
	f, err := t.root.Create(path.Join(st.dir, intentName))
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err := errors.Join(err, f.Sync(), f.Close(), t.sync(st.dir)); err != nil {
		return err
	}
	if err := t.root.Rename(target, path.Join(st.dir, oldName)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := t.root.Rename(path.Join(st.dir, newName), target); err != nil {
		return errors.Join(err, t.finish(st.dir))
	}
	return nil
}

// diskHint says what to do about a failure on the source directory.
func diskHint(err error, source string) string {
	switch {
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return "free space on the file system of " + source + "; a dump needs room beside the one that it replaces"
	case errors.Is(err, syscall.EXDEV):
		return filepath.Join(source, dumpDir) + " must be on the file system of " + source
	case errors.Is(err, syscall.EROFS):
		return source + " must be mounted writable"
	case errors.Is(err, fs.ErrPermission):
		return source + " must be writable for purser's user"
	}
	return ""
}
