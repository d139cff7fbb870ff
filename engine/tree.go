package engine

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/purser-backup/purser/engine/internal/format"
)

// A tree is the destination of a restore. Objects come in index order; a
// directory gets its permissions and time once everything in it is there. What
// an archive calls a parent must be a directory that this restore has made, so
// that nothing is written through a symbolic link or outside dest.
type tree struct {
	dest string
	root *os.Root // dest, or its parent where dest itself is no directory
	base string   // name of the restored object in root: "." or that of a file
	open []openDir
	opt  *RestoreOptions
	warn func(string, ...any)

	links map[string]linked
	small [smallFile]byte // content of the file that is being read
	makes makers

	mu     sync.Mutex // of the following
	ids    *comparer
	warned map[string]bool // of what can't be restored here, by kind
}

// linked is the first restored name of a hard-linked file.
type linked struct {
	rel    string
	sha256 []byte
}

func openTree(dest string, o *RestoreOptions, warn func(string, ...any)) (*tree, error) {
	names, err := os.ReadDir(dest)
	occupied := err == nil && len(names) > 0 || errors.Is(err, unix.ENOTDIR)
	switch {
	case occupied && !o.Overwrite:
		return nil, withHint(fmt.Errorf("restore to %s: %w", dest, ErrNotEmpty),
			"restore into a new or an empty directory, or replace what is there with --force")
	case err != nil && !occupied && !errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("restore to %s: %w", dest, err)
	}
	return &tree{dest: dest, opt: o, warn: warn, makes: newMakers(), ids: newComparer(), links: map[string]linked{}, warned: map[string]bool{}}, nil
}

// Close releases the destination.
func (t *tree) Close() error {
	if t.root == nil {
		return nil
	}
	err := t.made()
	for i := range t.open {
		err = errors.Join(err, t.open[i].close())
	}
	return errors.Join(err, t.root.Close())
}

// begin opens the destination for its first object.
func (t *tree) begin(dir bool) error {
	where := t.dest
	t.base = "."
	if dir {
		if err := os.MkdirAll(t.dest, 0o700); err != nil {
			return fmt.Errorf("restore: %w", err)
		}
	} else {
		where, t.base = filepath.Split(filepath.Clean(t.dest))
		if where == "" {
			where = "."
		}
		if err := os.MkdirAll(where, 0o700); err != nil {
			return fmt.Errorf("restore: %w", err)
		}
		// An empty directory may be there; the file takes its place.
		if !t.opt.Overwrite {
			if err := os.Remove(t.dest); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return fmt.Errorf("restore: %w", err)
			}
		}
	}
	var err error
	if t.root, err = os.OpenRoot(where); err != nil {
		return fmt.Errorf("restore: %w", err)
	}
	return nil
}

// enter completes the directories that are left behind and checks that rel's
// parent is one that is still open.
func (t *tree) enter(rel string, dir bool) error {
	if rel == "" {
		return t.begin(dir)
	}
	parent := path.Dir(rel)
	if parent == "." {
		parent = ""
	}
	for len(t.open) > 0 && !within(parent, t.open[len(t.open)-1].rel) {
		if err := t.leave(); err != nil {
			return err
		}
	}
	if len(t.open) > 0 && t.open[len(t.open)-1].rel == parent {
		return nil
	}
	if !t.opt.Damaged {
		return corrupt(rel, "it has no directory in the archive")
	}
	return t.imply(parent)
}

// imply makes the directories down to rel, of which the archive has lost what
// it knew.
func (t *tree) imply(rel string) error {
	if len(t.open) == 0 {
		if err := t.begin(true); err != nil {
			return err
		}
		t.open = append(t.open, openDir{rel: ""})
	}
	for at := t.open[len(t.open)-1].rel; at != rel; {
		rest := rel
		if at != "" {
			rest = rel[len(at)+1:]
		}
		name, _, _ := strings.Cut(rest, "/")
		at = path.Join(at, name)
		if err := t.mkdir(at); err != nil {
			return fmt.Errorf("restore %s: %w", t.name(at), err)
		}
		t.open = append(t.open, openDir{rel: at})
	}
	return nil
}

func (t *tree) leave() error {
	if err := t.made(); err != nil {
		return err
	}
	d := t.open[len(t.open)-1]
	t.open = t.open[:len(t.open)-1]
	if err := d.close(); err != nil {
		return fmt.Errorf("restore %s: %w", t.name(d.rel), err)
	}
	if d.header == nil {
		return nil
	}
	return t.metadata(d.rel, d.header)
}

// finish completes the directories that are still open.
func (t *tree) finish() error {
	for len(t.open) > 0 {
		if err := t.leave(); err != nil {
			return err
		}
	}
	return nil
}

// at is the name of rel in root.
func (t *tree) at(rel string) string { return path.Join(t.base, rel) }

// object implements sink.
func (t *tree) object(rel string, h *format.Header) error {
	if err := t.enter(rel, h.Type == format.Dir); err != nil {
		return err
	}
	var err error
	if h.Type != format.Dir {
		err = t.clear(rel)
	}
	switch {
	case err != nil:
	case h.Type == format.Dir:
		if rel != "" {
			err = t.mkdir(rel)
		}
		t.open = append(t.open, openDir{rel: rel, header: h})
	case h.Type == format.Symlink:
		err = t.symlink(rel, h.Linkname)
	default:
		err = t.node(rel, h)
	}
	if err != nil {
		return fmt.Errorf("restore %s: %w", t.name(rel), err)
	}
	if h.Type == format.Dir {
		return nil
	}
	return t.metadata(rel, h)
}

func (t *tree) symlink(rel, to string) error {
	dir, name, err := t.place(rel)
	if err != nil {
		return err
	}
	return dir.Symlink(to, name)
}

// clear makes room for rel. Only what is asked to be replaced can be there.
func (t *tree) clear(rel string) error {
	if !t.opt.Overwrite {
		return nil
	}
	dir, name, err := t.place(rel)
	if err != nil {
		return err
	}
	if err := dir.Remove(name); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// mkdir makes a directory, or takes the one that may be replaced: never what a
// symbolic link leads to.
func (t *tree) mkdir(rel string) error {
	dir, name, err := t.place(rel)
	if err != nil {
		return err
	}
	err = dir.Mkdir(name, 0o700)
	if !t.opt.Overwrite || !errors.Is(err, fs.ErrExist) {
		return err
	}
	info, err := dir.Lstat(name)
	if err != nil || info.IsDir() {
		return err
	}
	if err := dir.Remove(name); err != nil {
		return err
	}
	return dir.Mkdir(name, 0o700)
}

// name is rel as the user sees it.
func (t *tree) name(rel string) string { return filepath.Join(t.dest, rel) }

func (t *tree) node(rel string, h *format.Header) error {
	mode, dev := uint32(unix.S_IFIFO), 0
	switch h.Type {
	case format.CharDevice:
		mode, dev = unix.S_IFCHR, int(unix.Mkdev(h.Major, h.Minor))
	case format.BlockDevice:
		mode, dev = unix.S_IFBLK, int(unix.Mkdev(h.Major, h.Minor))
	}
	return t.inParent(rel, func(dir *os.File, name string) error {
		return unix.Mknodat(int(dir.Fd()), name, mode|0o600, dev)
	})
}

// metadata sets owner, extended attributes, permissions and time, in this
// order: a change of owner clears the set-user-ID bit and capabilities, and an
// access control list changes permissions.
func (t *tree) metadata(rel string, h *format.Header) error {
	err := t.chown(rel, h, func(uid, gid int) error {
		dir, name, err := t.place(rel)
		if err != nil {
			return err
		}
		return dir.Lchown(name, uid, gid)
	})
	if err != nil {
		return err
	}
	err = t.xattrs(rel, h, func(attr string, value []byte) error {
		return t.inParent(rel, func(dir *os.File, name string) error { return unix.Lsetxattr(byName(dir, name), attr, value, 0) })
	})
	if err != nil {
		return err
	}
	if h.Type != format.Symlink {
		dir, name, err := t.place(rel)
		if err == nil {
			err = dir.Chmod(name, fileMode(h.Mode))
		}
		if err != nil {
			return fmt.Errorf("restore mode of %s: %w", t.name(rel), err)
		}
	}
	return t.setTime(rel, h)
}

func (t *tree) setTime(rel string, h *format.Header) error {
	err := t.inParent(rel, func(dir *os.File, name string) error { return setTime(int(dir.Fd()), name, h.ModTime) })
	if err != nil {
		return fmt.Errorf("restore time of %s: %w", t.name(rel), err)
	}
	return nil
}

// setTime sets the modification time of name in the directory fd.
func setTime(fd int, name string, mtime time.Time) error {
	stamp, err := unix.TimeToTimespec(mtime) // it has 32 bits on some machines
	if err != nil {
		return err
	}
	omit := unix.Timespec{Nsec: unix.UTIME_OMIT} // the access time
	return unix.UtimesNanoAt(fd, name, []unix.Timespec{omit, stamp}, unix.AT_SYMLINK_NOFOLLOW)
}

// chown gives the object to the account of its stored name, or else of its
// stored number. Without the right to do so it warns once and goes on.
func (t *tree) chown(rel string, h *format.Header, set func(uid, gid int) error) error {
	if t.opt.NoOwner {
		return nil
	}
	err := set(t.owner(h))
	if errors.Is(err, fs.ErrPermission) {
		t.warnOnce("owners", rel, err)
		return nil
	}
	if err != nil {
		return fmt.Errorf("restore owner of %s: %w", t.name(rel), err)
	}
	return nil
}

// owner is the account here that an object belongs to.
func (t *tree) owner(h *format.Header) (uid, gid int) {
	if t.opt.NumericOwner {
		return h.UID, h.GID
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return localID(t.ids.uids, h.User, h.UID, lookupUID), localID(t.ids.gids, h.Group, h.GID, lookupGID)
}

// xattrs sets extended attributes. What this file system or this user can't
// have is left out, with a warning.
func (t *tree) xattrs(rel string, h *format.Header, set func(attr string, value []byte) error) error {
	if len(h.Xattrs) == 0 {
		return nil
	}
	for _, attr := range slices.Sorted(maps.Keys(h.Xattrs)) {
		err := set(attr, []byte(h.Xattrs[attr]))
		if ignorable(err) != nil {
			return fmt.Errorf("restore attribute %s of %s: %w", attr, t.name(rel), err)
		}
		if err != nil {
			t.warnOnce("extended attributes", rel, err)
		}
	}
	return nil
}

// warnOnce tells of the first object that loses something.
func (t *tree) warnOnce(what, rel string, err error) {
	t.mu.Lock()
	known := t.warned[what]
	t.warned[what] = true
	t.mu.Unlock()
	if !known {
		t.warn(what+" can't be restored here", "first", t.name(rel), "error", err)
	}
}

// fileMode turns the 12 permission bits into Go's.
func fileMode(bits uint32) fs.FileMode {
	m := fs.FileMode(bits & 0o777)
	if bits&unix.S_ISUID != 0 {
		m |= fs.ModeSetuid
	}
	if bits&unix.S_ISGID != 0 {
		m |= fs.ModeSetgid
	}
	if bits&unix.S_ISVTX != 0 {
		m |= fs.ModeSticky
	}
	return m
}
