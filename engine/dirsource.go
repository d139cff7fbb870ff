package engine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"os/user"
	"slices"
	"strconv"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

	"github.com/purser-backup/purser/engine/internal/selection"
	"github.com/purser-backup/purser/internal/bug"
)

// A DirSource is a directory tree as a Source. It never leaves the tree:
// symbolic links are stored, not followed.
type DirSource struct {
	root  *os.Root
	skip  func(path string) bool
	owner owners

	excluded func(path string, dir bool) bool // nil: nothing

	chosen *selection.Selection // nil: everything
	device uint64               // file system of the root, if chosen is set
	held   selection.Held[Entry]
}

// OpenDir opens the directory at path as a Source. Entries for which skip
// returns true are left out with all that is below them; nil skips nothing.
func OpenDir(path string, skip func(path string) bool) (*DirSource, error) {
	root, err := os.OpenRoot(path)
	if err != nil {
		return nil, withHint(fmt.Errorf("open source %s: %w", path, err),
			"set BACKUP_DUPLICITY_SOURCE_PATH or --source to a directory that exists")
	}
	if skip == nil {
		skip = func(string) bool { return false }
	}
	return &DirSource{root: root, skip: skip, owner: owners{users: map[uint32]string{}, groups: map[uint32]string{}}}, nil
}

// Exclude leaves out the entries for which excluded returns true, with all that
// is below them, before the rules of Select are asked. It must not be called
// during a walk.
func (s *DirSource) Exclude(excluded func(path string, dir bool) bool) { s.excluded = excluded }

// Close releases the directory.
func (s *DirSource) Close() error { return s.root.Close() }

// Walk implements Source. It must not be called concurrently.
func (s *DirSource) Walk(ctx context.Context) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		root, err := openDirectory(s.root, new(atomic.Bool))
		if err != nil {
			yield(Entry{}, fmt.Errorf("read source %s: %w", s.root.Name(), err))
			return
		}
		defer root.Close()
		s.held = selection.Held[Entry]{}
		if s.visit(ctx, root, "", ".", look(root, "."), yield) {
			s.walk(ctx, root, "", yield)
		}
	}
}

// walk yields what is below dir, whose own path is parent. It reports whether
// the walk shall go on.
func (s *DirSource) walk(ctx context.Context, dir *directory, parent string, yield func(Entry, error) bool) bool {
	names, err := dir.Readdirnames(-1)
	if err != nil {
		// Says to the reader that everything below keeps its previous state.
		return s.emit(Entry{Path: parent, Err: err}, yield)
	}
	names = slices.DeleteFunc(names, func(name string) bool { return s.skip(joined(parent, name)) })
	slices.Sort(names)
	n := lookFirst
	for len(names) > 0 {
		some := names[:min(n, len(names))]
		n = min(2*n, lookMost)
		looks, err := lookAll(dir, some)
		for i := 0; i < len(some) && err == nil; i++ {
			if err = ctx.Err(); err == nil && !s.visit(ctx, dir, joined(parent, some[i]), some[i], &looks[i], yield) {
				return false
			}
			if looks[i].isDir() { // to walk it may have taken long: the others are looked at again
				some, n = some[:i+1], 1
			}
		}
		if err != nil {
			yield(Entry{}, err)
			return false
		}
		names = names[len(some):]
	}
	return true
}

// aLook is what the system says of an object. Asking for it is most of the work
// of a walk.
type aLook struct {
	stat     unix.Stat_t
	linkname string
	err      error // of stat and linkname
	xattrs   map[string]string
	xerr     error
}

// found reports whether there is anything known of the object: its type is, even
// where more could not be asked for.
func (l *aLook) found() bool { return l.stat.Mode != 0 }

func (l *aLook) kind() uint32 { return l.stat.Mode & unix.S_IFMT }

func (l *aLook) isDir() bool { return l.err == nil && l.kind() == unix.S_IFDIR }

// look looks at the object name in dir, itself and no other: name has no slash, and
// what is a symbolic link isn't followed.
func look(dir *directory, name string) *aLook {
	l := new(aLook)
	l.at(dir, name)
	return l
}

func (l *aLook) at(dir *directory, name string) {
	if err := lstatAt(dir.fd, name, &l.stat); err != nil {
		l.err = &fs.PathError{Op: "lstat", Path: name, Err: err}
		return
	}
	if l.kind() == unix.S_IFLNK {
		if l.linkname, l.err = dir.root.Readlink(name); l.err != nil {
			return
		}
	}
	l.xattrs, l.xerr = dir.xattrs(name)
}

// lstatAt is what os.Root.Lstat does for a name without a slash, in half of the time.
func lstatAt(dir int, name string, st *unix.Stat_t) error {
	for {
		err := unix.Fstatat(dir, name, st, unix.AT_SYMLINK_NOFOLLOW)
		if err != unix.EINTR {
			return err
		}
	}
}

// joined is path.Join for a clean path and a name.
func joined(parent, name string) string {
	if parent == "" {
		return name
	}
	return parent + "/" + name
}

// How many objects are looked at before the first of them is yielded: more after
// so many that were no directories, one after a directory.
const (
	lookFirst = 8
	lookMost  = 64
	lookAlone = 16 // so many are not worth a goroutine
)

// lookAll looks at objects of dir, half of them beside the others.
func lookAll(dir *directory, names []string) ([]aLook, error) {
	list := make([]aLook, len(names))
	part := func(from, to int) {
		for i := from; i < to; i++ {
			list[i].at(dir, names[i])
		}
	}
	if len(names) < lookAlone {
		part(0, len(names))
		return list, nil
	}
	var g errgroup.Group
	middle := len(names) / 2
	g.Go(bug.Guard(func() error { part(0, middle); return nil }))
	part(middle, len(names))
	return list, g.Wait()
}

// visit yields the object name in dir and what is below it.
func (s *DirSource) visit(ctx context.Context, dir *directory, p, name string, l *aLook, yield func(Entry, error) bool) bool {
	err := l.err
	if errors.Is(err, fs.ErrNotExist) {
		return true
	}
	if err == nil && p != "" && s.excluded != nil && s.excluded(p, l.isDir()) {
		return true
	}
	decision := s.decide(dir, p, name, l)
	if decision == selection.Exclude {
		return true
	}
	if err != nil {
		return s.emit(Entry{Path: p, Err: err}, yield)
	}
	e, ok := s.entry(p, l)
	if !ok {
		return true // a socket: nothing that could be restored
	}
	if decision == selection.Scan && e.Err == nil {
		defer s.held.Drop(s.held.Hold(e))
	} else if !s.emit(e, yield) {
		return false
	}
	if e.Type != TypeDir || e.Err != nil || p == "" {
		return true
	}
	sub, err := dir.open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return true
	}
	if err == nil {
		defer sub.Close()
		err = sub.is(l)
	}
	if err != nil {
		return s.emit(Entry{Path: p, Err: err}, yield)
	}
	return s.walk(ctx, sub, p, yield)
}

// A directory is open twice: to look up names in it, and to list them.
type directory struct {
	root *os.Root
	*os.File
	fd    int  // of File
	owned bool // root is closed with the directory

	// listless says of a whole walk that listXattrAt isn't to be had.
	listless *atomic.Bool
}

func openDirectory(root *os.Root, listless *atomic.Bool) (*directory, error) {
	f, err := root.Open(".")
	if err != nil {
		return nil, err
	}
	return &directory{root: root, File: f, fd: int(f.Fd()), listless: listless}, nil
}

func (d *directory) open(name string) (*directory, error) {
	root, err := d.root.OpenRoot(name)
	if err != nil {
		return nil, err
	}
	sub, err := openDirectory(root, d.listless)
	if err != nil {
		root.Close()
		return nil, err
	}
	sub.owned = true
	return sub, nil
}

// is makes sure that the directory is the one that was looked at, and not what a
// symbolic link in its place leads to.
func (d *directory) is(looked *aLook) error {
	var st unix.Stat_t
	err := unix.Fstat(d.fd, &st)
	if err == nil && (st.Dev != looked.stat.Dev || st.Ino != looked.stat.Ino) {
		err = errors.New("was replaced while it was read")
	}
	return err
}

// Close releases the directory.
func (d *directory) Close() error {
	if d.owned {
		d.root.Close()
	}
	return d.File.Close()
}

// entry describes the object at p. It reports false for what a backup does not
// hold.
func (s *DirSource) entry(p string, l *aLook) (Entry, bool) {
	st := &l.stat
	e := Entry{
		Path: p, Mode: st.Mode & 0o7777, UID: int(st.Uid), GID: int(st.Gid),
		User: s.owner.user(st.Uid), Group: s.owner.group(st.Gid),
		ModTime: time.Unix(st.Mtim.Unix()),
	}
	switch l.kind() {
	case unix.S_IFREG:
		e.Type, e.Size = TypeFile, st.Size
		if st.Nlink > 1 {
			e.LinkGroup = strconv.FormatUint(st.Dev, 16) + "-" + strconv.FormatUint(st.Ino, 16)
		}
		e.Open = func() (io.ReadCloser, error) { return s.open(p) }
	case unix.S_IFDIR:
		e.Type = TypeDir
	case unix.S_IFLNK:
		e.Type = TypeSymlink
		e.Linkname = l.linkname
	case unix.S_IFCHR:
		e.Type, e.Major, e.Minor = TypeCharDevice, unix.Major(st.Rdev), unix.Minor(st.Rdev)
	case unix.S_IFBLK:
		e.Type, e.Major, e.Minor = TypeBlockDevice, unix.Major(st.Rdev), unix.Minor(st.Rdev)
	case unix.S_IFIFO:
		e.Type = TypeFifo
	default:
		return Entry{}, false
	}
	e.Xattrs, e.Err = l.xattrs, l.xerr
	return e, true
}

func (s *DirSource) open(p string) (io.ReadCloser, error) {
	f, err := openRegular(s.root, p)
	if err != nil {
		return nil, err
	}
	return f, nil
}

// openRegular opens a regular file. Where the name has become something else since
// the walk, a fifo for instance, it neither follows nor blocks.
func openRegular(root *os.Root, p string) (*os.File, error) {
	f, err := root.OpenFile(p, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = errors.New("is no regular file any more")
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// owners looks up account names, each once.
type owners struct {
	users, groups map[uint32]string
}

func (o *owners) user(id uint32) string {
	return lookup(o.users, id, func(id string) (string, error) {
		u, err := user.LookupId(id)
		if err != nil {
			return "", err
		}
		return u.Username, nil
	})
}

func (o *owners) group(id uint32) string {
	return lookup(o.groups, id, func(id string) (string, error) {
		g, err := user.LookupGroupId(id)
		if err != nil {
			return "", err
		}
		return g.Name, nil
	})
}

// lookup returns the name for id; an account without a name is stored by number alone.
func lookup(known map[uint32]string, id uint32, find func(string) (string, error)) string {
	name, ok := known[id]
	if !ok {
		if found, err := find(strconv.FormatUint(uint64(id), 10)); err == nil {
			name = found
		}
		known[id] = name
	}
	return name
}
