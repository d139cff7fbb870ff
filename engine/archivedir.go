package engine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/klauspost/compress/gzip"
	"golang.org/x/sys/unix"

	"github.com/purser-backup/purser/engine/internal/format"
	"github.com/purser-backup/purser/internal/atomicfile"
)

// An archiveDir is the local copy of manifests and signatures, in duplicity's
// layout: manifests plain, signatures as gzip. What lies there was complete
// when it was written.
type archiveDir struct {
	dir      string // shared with duplicity
	state    string // purser's own
	prefixes Prefixes
}

// localName is the name under which an object lies in the archive directory.
func localName(name format.Name) format.Name {
	name.Suffix = format.Plain
	if name.Kind == format.KindSignatures {
		name.Suffix = format.Gzip
	}
	return name
}

func (a *archiveDir) path(name format.Name) string {
	return filepath.Join(a.dir, a.prefixes.key(localName(name)))
}

func (a *archiveDir) readManifest(name format.Name) ([]byte, error) {
	return os.ReadFile(a.path(name))
}

func (a *archiveDir) has(name format.Name) bool {
	_, err := os.Stat(a.path(name))
	return err == nil
}

// openSignatures returns the plain sigtar.
func (a *archiveDir) openSignatures(name format.Name) (io.ReadCloser, error) {
	f, err := os.Open(a.path(name))
	if err != nil {
		return nil, err
	}
	z, err := gzip.NewReader(f)
	if err != nil {
		f.Close()
		return nil, &badCopy{a.path(name), err}
	}
	return &gzipFile{z, f}, nil
}

// A badCopy is a file of the archive directory that is damaged: it is removed
// and fetched again from the target.
type badCopy struct {
	path string
	err  error
}

func (b *badCopy) Error() string { return fmt.Sprintf("%s is damaged: %v", b.path, b.err) }
func (b *badCopy) Unwrap() error { return b.err }

type gzipFile struct {
	*gzip.Reader
	f *os.File
}

func (g *gzipFile) Close() error { return errors.Join(g.Reader.Close(), g.f.Close()) }

// prune deletes manifests and signatures that the target does not hold: the
// target is authoritative. A partial file of a duplicity that is to be resumed
// stays.
func (a *archiveDir) prune(c *Collection) error {
	names, err := os.ReadDir(a.dir)
	if err != nil {
		return fmt.Errorf("read archive directory: %w", err)
	}
	keep := map[string]bool{}
	for s := range c.all() {
		for _, n := range []*object{s.manifest, s.signatures} {
			if n != nil {
				keep[a.prefixes.key(localName(n.Name))] = true
			}
		}
	}
	for _, n := range names {
		name, ok := a.prefixes.parse(n.Name())
		if !ok || name.Part || name.Kind == format.KindVolume || keep[n.Name()] {
			continue
		}
		if err := os.Remove(filepath.Join(a.dir, n.Name())); err != nil {
			return fmt.Errorf("remove stale file from archive directory: %w", err)
		}
	}
	return nil
}

// cache brings the manifests and signatures of the sets into the archive
// directory. Each file appears only after it was read and checked to its end.
func (r *Repository) cache(ctx context.Context, c *codec, sets []Set) error {
	for i := range sets {
		s := &sets[i]
		if s.signatures == nil {
			return corrupt(s.manifest.String(), "the signatures of this set are missing on the target")
		}
		for _, name := range []object{*s.manifest, *s.signatures} {
			if r.archive.has(name.Name) {
				continue
			}
			if err := r.cacheObject(ctx, c, name); err != nil {
				return err
			}
		}
	}
	return nil
}

func (r *Repository) cacheObject(ctx context.Context, c *codec, name object) error {
	return r.tryHolders(ctx, name, func(one *place) error { return r.cacheFrom(ctx, c, one, name) })
}

func (r *Repository) cacheFrom(ctx context.Context, c *codec, one *place, name object) error {
	f, err := r.fetchFrom(ctx, one, name, io.Discard)
	if err != nil {
		return err
	}
	defer f.Close()
	plain, err := c.decode(f, name)
	if err != nil {
		return err
	}
	out, err := atomicfile.Create(r.archive.path(name.Name), 0o600)
	if err != nil {
		return err
	}
	defer out.Cancel()
	enc, err := c.encode(out, localName(name.Name).Suffix)
	if err != nil {
		return err
	}
	if _, err := io.Copy(enc, plain); err != nil {
		return err
	}
	if err := enc.Close(); err != nil {
		return fmt.Errorf("write %s: %w", r.archive.path(name.Name), err)
	}
	return out.Commit()
}

// lock takes duplicity's own lock on the archive directory, for writing to the
// repository. An open file description lock conflicts with duplicity's record
// lock and with another one of this process.
func (a *archiveDir) lock() (unlock func(), err error) {
	path := filepath.Join(a.dir, "lockfile")
	for {
		f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
		if err != nil {
			return nil, fmt.Errorf("open lock: %w", err)
		}
		err = unix.FcntlFlock(f.Fd(), unix.F_OFD_SETLK, &unix.Flock_t{Type: unix.F_WRLCK})
		if errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EACCES) {
			f.Close()
			return nil, withHint(fmt.Errorf("%w: %s", ErrLocked, path),
				"wait for the other purser or duplicity to finish; a lock ends with its process")
		}
		if err != nil {
			f.Close()
			return nil, fmt.Errorf("lock %s: %w", path, err)
		}
		if sameFile(f, path) {
			return func() { os.Remove(path); f.Close() }, nil
		}
		f.Close() // the holder before us has removed the file: lock the new one
	}
}

func sameFile(f *os.File, path string) bool {
	held, err := f.Stat()
	if err != nil {
		return false
	}
	now, err := os.Stat(path)
	return !errors.Is(err, fs.ErrNotExist) && err == nil && os.SameFile(held, now)
}
