// Package file keeps objects in a folder of this machine.
package file

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/purser-backup/purser/engine/storage/driver"
	"github.com/purser-backup/purser/internal/atomicfile"
)

// Backend is a driver.Backend over a folder. It makes the folder (0700) at the
// first Put and its files with mode 0600. That first Put also removes what
// uploads that died two days ago or earlier have left.
type Backend struct {
	dir   string
	now   func() time.Time
	sweep sync.Once
	// onMount says that dir must be on a mount of its own.
	onMount bool
}

var _ driver.Backend = (*Backend)(nil)

// Open takes dir, absolute or relative to the working directory. It need not
// exist, but what is there must be a folder. now is the clock by which
// leftovers are old.
func Open(ctx context.Context, dir string, now func() time.Time) (*Backend, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	info, err := os.Stat(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return nil, explain(dir, err)
	case !info.IsDir():
		return nil, explain(dir, &fs.PathError{Op: "open", Path: dir, Err: syscall.ENOTDIR})
	}
	return &Backend{dir: dir, now: now}, nil
}

// OpenMounted is Open for a folder that must be on a mount, or below one, other
// than the root file system; each Put makes sure that it still is.
func OpenMounted(ctx context.Context, dir string, now func() time.Time) (*Backend, error) {
	if err := checkMount(dir); err != nil {
		return nil, err
	}
	b, err := Open(ctx, dir, now)
	if err != nil {
		return nil, err
	}
	b.onMount = true
	return b, nil
}

// Put implements driver.Backend.
func (b *Backend) Put(ctx context.Context, name string, r io.ReadSeeker, size int64) error {
	path, err := b.path(ctx, name)
	if err != nil {
		return err
	}
	body, err := driver.Body(ctx, r, size)
	if err != nil {
		return err
	}
	if b.onMount {
		if err := checkMount(b.dir); err != nil {
			return err
		}
	}
	if err := atomicfile.MkdirAll(b.dir, 0o700); err != nil {
		return explain(b.dir, err)
	}
	b.sweep.Do(b.removeAbandoned)
	if linked, err := b.link(r, path, size); linked || err != nil {
		return explain(b.dir, err)
	}
	f, err := atomicfile.Create(path, 0o600)
	if err != nil {
		return explain(b.dir, err)
	}
	defer f.Cancel()
	if _, err := io.Copy(f, body); err != nil {
		return explain(b.dir, err)
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	return explain(b.dir, f.Commit())
}

// link makes r itself the object, where it is a file without a name on the same
// file system, as the spool may have it: that saves writing the bytes twice.
func (b *Backend) link(r io.ReadSeeker, path string, size int64) (bool, error) {
	f, ok := r.(*os.File)
	if !ok {
		return false, nil
	}
	if st, err := f.Stat(); err != nil || st.Size() != size || st.Mode().Perm() != 0o600 {
		return false, nil
	}
	return atomicfile.Link(f, path)
}

// Get implements driver.Backend.
func (b *Backend) Get(ctx context.Context, name string) (io.ReadCloser, error) {
	// Stat first, since opening a named pipe would wait for its writer.
	if _, err := b.Stat(ctx, name); err != nil {
		return nil, err
	}
	f, err := os.Open(filepath.Join(b.dir, name))
	if err != nil {
		return nil, explain(b.dir, err)
	}
	st, err := f.Stat()
	if err != nil {
		return nil, errors.Join(explain(b.dir, err), f.Close())
	}
	return &reader{ctx: ctx, f: f, name: name, left: st.Size()}, nil
}

// Stat implements driver.Backend.
func (b *Backend) Stat(ctx context.Context, name string) (driver.Info, error) {
	path, err := b.path(ctx, name)
	if err != nil {
		return driver.Info{}, err
	}
	st, err := os.Stat(path)
	if err != nil {
		return driver.Info{}, explain(b.dir, err)
	}
	if !st.Mode().IsRegular() {
		return driver.Info{}, &fs.PathError{Op: "stat", Path: path, Err: fs.ErrNotExist}
	}
	return driver.Info{Name: name, Size: st.Size(), ModTime: st.ModTime()}, nil
}

// List implements driver.Backend.
func (b *Backend) List(ctx context.Context, prefix string) ([]driver.Info, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(b.dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, explain(b.dir, err)
	}
	var list []driver.Info
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), prefix) || driver.CheckName(e.Name()) != nil {
			continue
		}
		info, err := b.Stat(ctx, e.Name())
		if errors.Is(err, fs.ErrNotExist) {
			continue // a folder, or gone since
		}
		if err != nil {
			return nil, err
		}
		list = append(list, info)
	}
	return list, nil
}

// Delete implements driver.Backend.
func (b *Backend) Delete(ctx context.Context, name string) error {
	if _, err := b.Stat(ctx, name); errors.Is(err, fs.ErrNotExist) {
		return nil
	} else if err != nil {
		return err
	}
	err := os.Remove(filepath.Join(b.dir, name))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return explain(b.dir, err)
	}
	return explain(b.dir, atomicfile.SyncDir(b.dir))
}

// Features implements driver.Backend.
func (b *Backend) Features() driver.Features { return driver.Features{ModTime: true} }

// Close implements driver.Backend. There is nothing to let go of.
func (b *Backend) Close() error { return nil }

func (b *Backend) path(ctx context.Context, name string) (string, error) {
	if err := driver.CheckCall(ctx, name); err != nil {
		return "", err
	}
	return filepath.Join(b.dir, name), nil
}

// removeAbandoned is a courtesy: what it can't remove stays hidden from List
// and harms nobody, so its failures are no reason to fail a Put.
func (b *Backend) removeAbandoned() {
	entries, err := os.ReadDir(b.dir)
	if err != nil {
		return
	}
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), driver.TempPrefix) || !e.Type().IsRegular() {
			continue
		}
		if st, err := e.Info(); err == nil && b.now().Sub(st.ModTime()) > driver.AbandonedAfter {
			_ = os.Remove(filepath.Join(b.dir, e.Name()))
		}
	}
}

// reader reads one object and won't take a file that was cut for its end.
type reader struct {
	ctx  context.Context // of the Get that this reader belongs to
	f    *os.File
	name string
	left int64
}

func (r *reader) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := r.f.Read(p)
	r.left -= int64(n)
	if err == io.EOF && r.left > 0 {
		return n, fmt.Errorf("read %s: %d bytes are missing at its end: %w", r.name, r.left, io.ErrUnexpectedEOF)
	}
	return n, err
}

func (r *reader) Close() error { return r.f.Close() }
