// Package ftp keeps objects in a folder of an FTP server, with TLS or without.
package ftp

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jlaffaye/ftp"

	"github.com/purser-backup/purser/engine/storage/driver"
)

const discardTimeout = 10 * time.Second

// Backend is a driver.Backend over a folder of a server. It connects when it is
// first needed, for passive transfers only. It makes the folder at the first
// Put, which also removes what uploads that died two days ago or earlier have
// left. Servers that don't know MLSD may hide names that begin with a dot.
type Backend struct {
	dir   string
	now   func() time.Time
	pool  *pool
	made  atomic.Bool // the folder
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
	err = b.pool.do(ctx, func(c *ftp.ServerConn) error {
		b.makeFolder(c)
		b.sweep.Do(func() { b.removeAbandoned(c) })
		begun = true
		if err := c.Stor(temp, body); err != nil {
			b.made.Store(false) // somebody may have removed it
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if info, err := stat(c, temp); err == nil && info.Size != size {
			return fmt.Errorf("server holds %d bytes of %d", info.Size, size)
		}
		return replace(c, temp, path.Join(b.dir, name))
	})
	if err != nil && begun {
		b.discard(ctx, temp)
	}
	return b.explain(err)
}

// makeFolder makes the folder and those above it. What fails here shows when
// something is stored: most of them are there already.
func (b *Backend) makeFolder(c *ftp.ServerConn) {
	if b.made.Load() {
		return
	}
	for i, r := range b.dir + "/" {
		if r == '/' && i > 0 {
			_ = c.MakeDir(b.dir[:i])
		}
	}
	b.made.Store(true)
}

// replace gives a file its name. Servers that can't do that over another file
// get it out of the way first: they can't be all or nothing.
func replace(c *ftp.ServerConn, from, to string) error {
	err := c.Rename(from, to)
	if !isRefused(err) {
		return err
	}
	if c.Delete(to) != nil {
		return err
	}
	return c.Rename(from, to)
}

// discard takes an unfinished upload back, also when its context is done. What
// can't be removed stays hidden, and goes after two days.
func (b *Backend) discard(ctx context.Context, temp string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), discardTimeout)
	defer cancel()
	_ = b.pool.do(ctx, func(c *ftp.ServerConn) error { return c.Delete(temp) })
}

// removeAbandoned is a courtesy: its failures are no reason to fail a Put.
func (b *Backend) removeAbandoned(c *ftp.ServerConn) {
	entries, err := c.List(b.dir)
	if err != nil {
		return
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name, driver.TempPrefix) && e.Type == ftp.EntryTypeFile && b.now().Sub(e.Time) > driver.AbandonedAfter {
			_ = c.Delete(path.Join(b.dir, e.Name))
		}
	}
}

// Stat implements driver.Backend.
func (b *Backend) Stat(ctx context.Context, name string) (driver.Info, error) {
	if err := driver.CheckCall(ctx, name); err != nil {
		return driver.Info{}, err
	}
	var info driver.Info
	err := b.pool.do(ctx, func(c *ftp.ServerConn) (err error) {
		info, err = stat(c, path.Join(b.dir, name))
		return err
	})
	info.Name = name
	return info, b.explain(err)
}

// stat looks at a file; what is none is not there.
func stat(c *ftp.ServerConn, file string) (driver.Info, error) {
	if c.IsTimePreciseInList() { // then the server knows MLST, too
		e, err := c.GetEntry(file)
		if err != nil {
			return driver.Info{}, missing(file, err)
		}
		if e.Type == ftp.EntryTypeFolder {
			return driver.Info{}, fmt.Errorf("%s is a folder: %w", file, fs.ErrNotExist)
		}
		if e.Type == ftp.EntryTypeFile {
			return driver.Info{Size: int64(e.Size), ModTime: e.Time}, nil
		}
	}
	size, err := c.FileSize(file)
	if err != nil {
		return driver.Info{}, missing(file, err)
	}
	info := driver.Info{Size: size}
	if info.ModTime, err = c.GetTime(file); err != nil && !isAnswer(err) {
		return info, err
	}
	return info, nil
}

// List implements driver.Backend.
func (b *Backend) List(ctx context.Context, prefix string) ([]driver.Info, error) {
	var list []driver.Info
	err := b.pool.do(ctx, func(c *ftp.ServerConn) error {
		entries, err := c.List(b.dir)
		if err == nil && !c.IsTimePreciseInList() {
			entries, err = complete(c, b.dir, entries)
		}
		if err != nil {
			if errors.Is(missing(b.dir, err), fs.ErrNotExist) {
				return nil
			}
			return err
		}
		for _, e := range entries {
			if !strings.HasPrefix(e.Name, prefix) || driver.CheckName(e.Name) != nil || e.Type == ftp.EntryTypeFolder {
				continue
			}
			info := driver.Info{Name: e.Name, Size: int64(e.Size), ModTime: e.Time}
			if e.Type == ftp.EntryTypeLink {
				if info, err = stat(c, path.Join(b.dir, e.Name)); errors.Is(err, fs.ErrNotExist) {
					continue
				} else if err != nil {
					return err
				}
				info.Name = e.Name
			}
			list = append(list, info)
		}
		return nil
	})
	if err != nil {
		return nil, b.explain(err)
	}
	return list, nil
}

// complete adds what a listing made for people to read has and the library
// could not read: of a bare listing of names nothing is lost.
func complete(c *ftp.ServerConn, dir string, entries []*ftp.Entry) ([]*ftp.Entry, error) {
	names, err := c.NameList(dir)
	if err != nil {
		if isRefused(err) {
			return entries, nil // so some servers say that there are none
		}
		return nil, err
	}
	known := map[string]bool{}
	for _, e := range entries {
		known[e.Name] = true
	}
	for _, name := range names {
		if name = path.Base(name); !known[name] && name != "." && name != ".." {
			entries = append(entries, &ftp.Entry{Name: name, Type: ftp.EntryTypeLink}) // to be looked at
		}
	}
	return entries, nil
}

// Delete implements driver.Backend.
func (b *Backend) Delete(ctx context.Context, name string) error {
	if err := driver.CheckCall(ctx, name); err != nil {
		return err
	}
	file := path.Join(b.dir, name)
	err := b.pool.do(ctx, func(c *ftp.ServerConn) error {
		if _, err := stat(c, file); err != nil {
			return err
		}
		return c.Delete(file)
	})
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return b.explain(err)
}

// Features implements driver.Backend.
func (b *Backend) Features() driver.Features { return driver.Features{ModTime: true} }

// Close implements driver.Backend.
func (b *Backend) Close() error {
	b.pool.close()
	return nil
}
