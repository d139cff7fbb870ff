package engine

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"

	"github.com/purser-backup/purser/engine/internal/format"
)

// partName is that of a file which is to replace another, until it is whole.
const partName = ".purser-restore"

// smallFile is the most bytes of a file that is made beside the reading of the
// archive: to make one takes longer than to read it.
const smallFile = 64 << 10

// A lateFile takes the content of a file. It makes the file once there is more of
// it than a small one has.
type lateFile struct {
	create func() (*os.File, error)
	small  []byte
	out    sparseFile
}

func (n *lateFile) Write(p []byte) (int, error) {
	if n.out.f == nil && len(n.small)+len(p) <= smallFile {
		n.small = append(n.small, p...)
		return len(p), nil
	}
	if err := n.begin(); err != nil {
		return 0, err
	}
	return n.out.Write(p)
}

// begin makes the file, if it isn't there, with what has come of it.
func (n *lateFile) begin() (err error) {
	if n.out.f != nil {
		return nil
	}
	if n.out.f, err = n.create(); err == nil {
		_, err = n.out.Write(n.small)
	}
	return err
}

// abandon removes the file: what is left under its name shall be good.
func (n *lateFile) abandon(dir *os.Root, name string) error {
	if n.out.f == nil {
		return nil
	}
	return errors.Join(n.out.f.Close(), dir.Remove(name))
}

// file implements sink. What it does to a file it does to the open one, which
// takes no way through names; the time comes last, when nothing is written any more.
func (t *tree) file(rel string, fill func(io.Writer) (*format.Header, error)) error {
	if err := t.enter(rel, false); err != nil {
		return err
	}
	dir, last, err := t.place(rel)
	if err != nil {
		return fmt.Errorf("restore %s: %w", t.name(rel), err)
	}
	name := last
	if t.opt.Overwrite {
		name = partName // what is there stays until the new file is whole
		if err := dir.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("restore %s: %w", t.name(rel), err)
		}
	}
	n := &lateFile{small: t.small[:0], create: func() (f *os.File, err error) {
		err = t.inParent(rel, func(dir *os.File, _ string) error { f, err = create(dir, name); return err })
		return f, err
	}}
	h, err := fill(n)
	if err == nil && n.out.f == nil && rel != "" && !t.opt.Overwrite && h.LinkGroup == "" {
		return t.makeSmall(rel, h, bytes.Clone(n.small))
	}
	if err == nil {
		if err = n.begin(); err != nil {
			err = fmt.Errorf("restore %s: %w", t.name(rel), err)
		}
	}
	if err != nil {
		return errors.Join(err, n.abandon(dir, name))
	}
	first, linked := t.linkedTo(rel, h)
	if err := t.complete(&n.out, rel, h, linked); err != nil {
		return err
	}
	if name != last {
		if err = t.clear(rel); err == nil {
			err = dir.Rename(name, last)
		}
		if err != nil {
			return fmt.Errorf("restore %s: %w", t.name(rel), err)
		}
	}
	if linked {
		return t.link(rel, first)
	}
	return t.setTime(rel, h)
}

// complete closes a file that has its content; one that is going to be a link to
// another gets nothing more.
func (t *tree) complete(out *sparseFile, rel string, h *format.Header, linked bool) error {
	err := out.finish()
	if err != nil {
		err = fmt.Errorf("restore %s: %w", t.name(rel), err)
	} else if !linked {
		err = t.describe(out.f, rel, h)
	}
	return errors.Join(err, out.f.Close())
}

// create makes a file in dir. os.Root would ask more of the system: a name that
// must be new leads nowhere else.
func create(dir *os.File, name string) (*os.File, error) {
	const flags = unix.O_WRONLY | unix.O_CREAT | unix.O_EXCL | unix.O_NOFOLLOW | unix.O_CLOEXEC | unix.O_LARGEFILE
	fd, err := openat(int(dir.Fd()), name, flags, 0o600)
	if err != nil {
		return nil, &fs.PathError{Op: "create", Path: name, Err: err}
	}
	return os.NewFile(uintptr(fd), name), nil
}

// openat is the system call, made again where a signal has interrupted it.
func openat(dir int, name string, flags int, mode uint32) (int, error) {
	for {
		fd, err := unix.Openat(dir, name, flags, mode)
		if !errors.Is(err, unix.EINTR) {
			return fd, err
		}
	}
}

// linkedTo tells whether another name of the same hard-linked file is there with
// the same content, and which; else rel is the first.
func (t *tree) linkedTo(rel string, h *format.Header) (string, bool) {
	if h.LinkGroup == "" {
		return "", false
	}
	if first, ok := t.links[h.LinkGroup]; ok && bytes.Equal(first.sha256, h.SHA256) {
		return first.rel, true
	}
	if h.SHA256 != nil {
		t.links[h.LinkGroup] = linked{rel, h.SHA256}
	}
	return "", false
}

// link makes rel, which is there, another name of first.
func (t *tree) link(rel, first string) error {
	err := t.root.Remove(t.at(rel))
	if err == nil {
		err = t.root.Link(t.at(first), t.at(rel))
	}
	if err != nil {
		return fmt.Errorf("restore hard link %s: %w", t.name(rel), err)
	}
	return nil
}

// describe is metadata for an open file, save for its time.
func (t *tree) describe(f *os.File, rel string, h *format.Header) error {
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		return fmt.Errorf("restore metadata of %s: %w", t.name(rel), err)
	}
	err := t.chown(rel, h, func(uid, gid int) error {
		if int(st.Uid) == uid && int(st.Gid) == gid {
			return nil // a change would cost more than the look
		}
		return f.Chown(uid, gid)
	})
	if err != nil {
		return err
	}
	err = t.xattrs(rel, h, func(attr string, value []byte) error { return unix.Fsetxattr(int(f.Fd()), attr, value, 0) })
	if err != nil {
		return err
	}
	if err := f.Chmod(fileMode(h.Mode)); err != nil {
		return fmt.Errorf("restore mode of %s: %w", t.name(rel), err)
	}
	return nil
}
