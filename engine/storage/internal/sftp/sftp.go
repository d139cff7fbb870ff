// Package sftp keeps objects in a folder of a machine that is reached over SSH.
package sftp

import (
	"bufio"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"
	"sync"
	"time"

	"github.com/pkg/sftp"

	"github.com/purser-backup/purser/engine/storage/driver"
)

const (
	discardTimeout = 10 * time.Second
	readAhead      = 1 << 20 // bytes that are asked for at once
)

// Backend is a driver.Backend over a folder of a server. It connects when it
// is first needed, and again when the connection is lost. It makes the folder
// at the first Put, which also removes what uploads that died two days ago or
// earlier have left.
type Backend struct {
	dir   string
	now   func() time.Time
	line  *line
	sweep sync.Once
}

var _ driver.Backend = (*Backend)(nil)

// Put implements driver.Backend.
func (b *Backend) Put(ctx context.Context, name string, r io.ReadSeeker, size int64) error {
	if err := driver.CheckCall(ctx, name); err != nil {
		return err
	}
	body, err := driver.Body(ctx, r, size)
	if err != nil {
		return err
	}
	temp := path.Join(b.dir, driver.TempPrefix+rand.Text())
	begun := false
	err = b.line.do(ctx, func(s *session) error {
		c, asked := s.client, b.now()
		if err := c.MkdirAll(b.dir); err != nil {
			return fmt.Errorf("make the folder %s: %w", b.dir, err)
		}
		near := b.now().Sub(asked) < nearby
		b.sweep.Do(func() { b.removeAbandoned(c) })
		begun = true
		if err := upload(c, temp, body, size, s.packets(near)); err != nil {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		return replace(c, temp, path.Join(b.dir, name))
	})
	if err != nil && begun {
		b.discard(ctx, temp)
	}
	return b.explain(err)
}

// upload lets so many packets be unanswered.
func upload(c *sftp.Client, temp string, body io.Reader, size int64, packets int) (err error) {
	f, err := c.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL)
	if err != nil {
		return fmt.Errorf("make %s: %w", temp, err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	n, err := f.ReadFromWithConcurrency(body, packets)
	if err != nil {
		return err
	}
	if n != size {
		return fmt.Errorf("%d of %d bytes were sent", n, size)
	}
	if _, ok := c.HasExtension("fsync@openssh.com"); ok {
		if err := f.Sync(); err != nil {
			return fmt.Errorf("sync: %w", err)
		}
	}
	st, err := f.Stat()
	if err == nil && st.Size() != size {
		err = fmt.Errorf("server holds %d bytes of %d", st.Size(), size)
	}
	return err
}

// replace gives a file its name. Servers that can't do that over another file
// get it out of the way first: they can't be all or nothing.
func replace(c *sftp.Client, from, to string) error {
	if _, ok := c.HasExtension("posix-rename@openssh.com"); ok {
		return c.PosixRename(from, to)
	}
	err := c.Rename(from, to)
	if err == nil {
		return nil
	}
	if _, statErr := c.Stat(to); statErr != nil {
		return err
	}
	if err := c.Remove(to); err != nil {
		return err
	}
	return c.Rename(from, to)
}

// discard takes an unfinished upload back, also when its context is done. What
// can't be removed stays hidden, and goes after two days.
func (b *Backend) discard(ctx context.Context, temp string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), discardTimeout)
	defer cancel()
	_ = b.line.do(ctx, func(s *session) error { return s.client.Remove(temp) })
}

// removeAbandoned is a courtesy: its failures are no reason to fail a Put.
func (b *Backend) removeAbandoned(c *sftp.Client) {
	entries, err := c.ReadDir(b.dir)
	if err != nil {
		return
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), driver.TempPrefix) && e.Mode().IsRegular() && b.now().Sub(e.ModTime()) > driver.AbandonedAfter {
			_ = c.Remove(path.Join(b.dir, e.Name()))
		}
	}
}

// Get implements driver.Backend.
func (b *Backend) Get(ctx context.Context, name string) (io.ReadCloser, error) {
	if err := driver.CheckCall(ctx, name); err != nil {
		return nil, err
	}
	s, err := b.line.take(ctx)
	if err != nil {
		return nil, b.explain(err)
	}
	r := &reader{backend: b, ctx: ctx, session: s, name: name, stop: s.watch(ctx)}
	err = r.open(path.Join(b.dir, name))
	if err != nil {
		r.failed = isLost(err)
		return nil, errors.Join(b.explain(s.cause(ctx, err)), r.Close())
	}
	return r, nil
}

// Stat implements driver.Backend.
func (b *Backend) Stat(ctx context.Context, name string) (driver.Info, error) {
	if err := driver.CheckCall(ctx, name); err != nil {
		return driver.Info{}, err
	}
	var info driver.Info
	err := b.line.do(ctx, func(s *session) (err error) {
		info, err = stat(s.client, b.dir, name)
		return err
	})
	return info, b.explain(err)
}

func stat(c *sftp.Client, dir, name string) (driver.Info, error) {
	st, err := c.Stat(path.Join(dir, name))
	if err == nil && !st.Mode().IsRegular() {
		err = fs.ErrNotExist
	}
	if err != nil {
		return driver.Info{}, &fs.PathError{Op: "stat", Path: path.Join(dir, name), Err: err}
	}
	return driver.Info{Name: name, Size: st.Size(), ModTime: st.ModTime()}, nil
}

// List implements driver.Backend.
func (b *Backend) List(ctx context.Context, prefix string) ([]driver.Info, error) {
	var list []driver.Info
	err := b.line.do(ctx, func(s *session) error {
		list = nil
		entries, err := s.client.ReadDirContext(ctx, b.dir)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return &fs.PathError{Op: "list", Path: b.dir, Err: err}
		}
		for _, e := range entries {
			if !strings.HasPrefix(e.Name(), prefix) || driver.CheckName(e.Name()) != nil {
				continue
			}
			info := driver.Info{Name: e.Name(), Size: e.Size(), ModTime: e.ModTime()}
			if e.Mode()&fs.ModeSymlink != 0 {
				if info, err = stat(s.client, b.dir, e.Name()); errors.Is(err, fs.ErrNotExist) {
					continue
				} else if err != nil {
					return err
				}
			} else if !e.Mode().IsRegular() {
				continue
			}
			list = append(list, info)
		}
		return nil
	})
	return list, b.explain(err)
}

// Delete implements driver.Backend.
func (b *Backend) Delete(ctx context.Context, name string) error {
	if err := driver.CheckCall(ctx, name); err != nil {
		return err
	}
	err := b.line.do(ctx, func(s *session) error {
		if _, err := stat(s.client, b.dir, name); err != nil {
			return err
		}
		return s.client.Remove(path.Join(b.dir, name))
	})
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return b.explain(err)
}

// Features implements driver.Backend.
func (b *Backend) Features() driver.Features { return driver.Features{ModTime: true} }

// Close implements driver.Backend.
func (b *Backend) Close() error { return b.line.close() }

// reader reads one object over a session of its own, and won't take a file
// that was cut for its end.
type reader struct {
	backend *Backend
	ctx     context.Context // of the Get that this reader belongs to
	session *session
	stop    func()
	name    string
	file    *sftp.File
	buf     *bufio.Reader
	left    int64
	failed  bool
	closed  bool
}

func (r *reader) open(path string) error {
	info, err := stat(r.session.client, r.backend.dir, r.name)
	if err != nil {
		return err
	}
	if r.file, err = r.session.client.Open(path); err != nil {
		return &fs.PathError{Op: "open", Path: path, Err: err}
	}
	// By the file that is open: it may be another one by now.
	st, err := r.file.Stat()
	if err != nil {
		return err
	}
	info.Size = st.Size()
	r.left = info.Size
	r.buf = bufio.NewReaderSize(r.file, readAhead)
	return nil
}

func (r *reader) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := r.buf.Read(p)
	r.left -= int64(n)
	switch {
	case err == io.EOF && r.left > 0:
		err = fmt.Errorf("read %s: %d bytes are missing at its end: %w", r.name, r.left, io.ErrUnexpectedEOF)
	case err != nil && err != io.EOF:
		r.failed = true
		err = r.backend.explain(r.session.cause(r.ctx, err))
	}
	return n, err
}

func (r *reader) Close() error {
	if r.closed {
		return nil
	}
	r.closed = true
	var err error
	if r.file != nil {
		err = r.file.Close()
	}
	r.stop()
	r.backend.line.give(r.session, err == nil && !r.failed)
	if r.failed || r.ctx.Err() != nil {
		return nil // the broken session can't close its files in form
	}
	return err
}
