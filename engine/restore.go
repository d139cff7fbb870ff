package engine

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/purser-backup/purser/engine/internal/format"
	"github.com/purser-backup/purser/engine/internal/librsync"
)

// RestoreOptions choose what is restored.
type RestoreOptions struct {
	// Time chooses the newest set at or before it; zero is the newest of all.
	Time time.Time
	// Path restores only this object and what is below it; it becomes dest itself.
	Path string
	// Damaged goes on over damage: what is affected is listed in the result, and
	// restored in its newest state that is whole.
	Damaged bool
	// Overwrite restores into a directory that is not empty: objects of the backup
	// replace those of the same name, save directories that hold something.
	Overwrite bool
	// NumericOwner takes stored numbers of users and groups, not their names.
	NumericOwner bool
	// NoOwner leaves everything to the user who restores.
	NoOwner bool
}

// A RestoreResult tells what a restore wrote.
type RestoreResult struct {
	Time    time.Time // of the set that was restored
	Files   int       // regular files
	Entries int       // objects of any type
	Bytes   int64     // in regular files

	// Torn are newer sets, up to the time that was asked for, that can't be
	// restored: a set that they build on is missing.
	Torn []Set
	// Damage and Affected tell what a restore that went on over damage has met,
	// and which files it could not bring to the state of Time.
	Damage   []Damage
	Affected []Affected
}

// Restore writes the state of a point in time to dest, which must not exist or
// be an empty directory (ErrNotEmpty) unless the options say otherwise. It needs the key and the target alone.
// Every volume is checked before it is used, and every file after it was
// written where the archive knows its hash; a *CorruptError ends the restore.
// Other errors are ErrNoBackup, ErrWrongKey, those of the store and of dest.
func (r *Repository) Restore(ctx context.Context, dest string, o RestoreOptions) (RestoreResult, error) {
	sets, torn, err := r.setsAt(ctx, o.Time)
	if err != nil {
		return RestoreResult{}, err
	}
	c, err := r.newReader()
	if err != nil {
		return RestoreResult{}, err
	}
	run, err := r.openRestore(ctx, c, sets, o)
	if err != nil {
		return RestoreResult{}, err
	}
	defer run.close()
	t, err := openTree(dest, &o, r.opt.Warn)
	if err != nil {
		return RestoreResult{}, err
	}
	defer t.Close()
	run.to, run.res.Torn = t, torn
	err = run.all(ctx)
	return run.res, err
}

// A restore merges the entries of a chain's sets and hands the outcome on.
type restore struct {
	repo   *Repository
	path   string
	inputs []*setReader // oldest set first
	to     sink
	object func(ctx context.Context, path string, parts []*setReader) error
	res    RestoreResult
	buf    [128 << 10]byte // between archive and file
}

// A sink takes what a restore yields, in index order. Paths are relative to
// what is restored.
type sink interface {
	// object takes an object without content.
	object(rel string, h *format.Header) error
	// file takes a regular file: fill writes its content, checks it and returns
	// its metadata.
	file(rel string, fill func(io.Writer) (*format.Header, error)) error
	// finish follows the last object.
	finish() error
}

// readTogether is the most sets that are all read ahead. In a longer chain only
// the full one is: the many others are small, and their buffers add up.
const readTogether = 8

func (r *Repository) openRestore(ctx context.Context, c *codec, sets []Set, o RestoreOptions) (*restore, error) {
	run := &restore{repo: r, path: o.Path}
	run.object = run.newest
	var report *RestoreResult
	if o.Damaged {
		run.object, report = run.salvage, &run.res
	}
	for i := range sets {
		in, err := r.openSet(ctx, c, &sets[i], i > 0 && len(sets) > readTogether, o.Path, report)
		var damaged *CorruptError
		if o.Damaged && i > 0 && errors.As(err, &damaged) {
			run.res.damage(&sets[i], 0, damaged) // its manifest: the chain ends before it
			break
		}
		if err != nil {
			run.close()
			return nil, err
		}
		run.inputs = append(run.inputs, in)
		run.res.Time = sets[i].Time
	}
	return run, nil
}

func (r *restore) close() {
	for _, in := range r.inputs {
		in.Close()
	}
}

func (r *restore) all(ctx context.Context) error {
	for {
		path, ok := r.smallest()
		if !ok {
			break
		}
		var parts []*setReader
		for _, in := range r.inputs {
			if in.header != nil && in.header.Path == path {
				parts = append(parts, in)
			}
		}
		if err := r.object(ctx, path, parts); err != nil {
			return err
		}
	}
	if r.res.Entries == 0 && len(r.res.Affected) == 0 {
		return withHint(fmt.Errorf("%w of path %q in the set of %s", ErrNoBackup, r.path, r.res.Time.Format(time.RFC3339)),
			"`purser ls` lists the paths of a backup")
	}
	return r.to.finish()
}

func (r *restore) smallest() (string, bool) {
	var path string
	found := false
	for _, in := range r.inputs {
		if in.header != nil && (!found || format.Compare(in.header.Path, path) < 0) {
			path, found = in.header.Path, true
		}
	}
	return path, found
}

// newest restores what the sets in parts, oldest first, say about path. The
// newest entry that is no diff is the base, and later diffs apply to it.
func (r *restore) newest(ctx context.Context, path string, parts []*setReader) error {
	base := len(parts) - 1
	for base > 0 && parts[base].header.Op == format.Diff {
		base--
	}
	wanted := within(path, r.path) && parts[base].header.Op != format.Deleted
	skip := parts[:base]
	if !wanted {
		skip = parts
	}
	for _, in := range skip {
		if err := in.leave(ctx, path); err != nil {
			return err
		}
	}
	if !wanted {
		return nil
	}
	for _, in := range parts[base:] {
		if in.header.Piece > 1 {
			return corrupt(in.name.String(), "%q starts with piece %d", path, in.header.Piece)
		}
	}
	if parts[base].header.Op == format.Diff {
		return corrupt(parts[base].name.String(), "%q is a difference without anything that it differs from", path)
	}
	r.res.Entries++
	rel := below(path, r.path)
	if h := parts[base].header; h.Type != format.File {
		if len(parts) > base+1 {
			return corrupt(parts[base+1].name.String(), "%q is a difference from something that is no file", path)
		}
		if err := r.to.object(rel, h); err != nil {
			return err
		}
		return parts[base].leave(ctx, path)
	}
	return r.file(ctx, rel, parts[base:])
}

// below returns path relative to dir.
func below(path, dir string) string {
	if dir == "" {
		return path
	}
	if path == dir {
		return ""
	}
	return path[len(dir)+1:]
}

// file writes a regular file: the content of the first part, changed by the
// deltas of the others.
func (r *restore) file(ctx context.Context, rel string, parts []*setReader) error {
	r.res.Files++
	first := parts[0].content(ctx)
	if len(parts) == 1 {
		return r.write(rel, parts[0], first, func(w io.Writer) error {
			_, err := io.CopyBuffer(w, first, r.buf[:])
			return err
		})
	}
	return r.composed(ctx, rel, parts)
}

// patch writes old, changed by the delta that in holds, to w.
func patch(ctx context.Context, old *os.File, in *setReader, path string, delta io.Reader, w io.Writer) error {
	info, err := old.Stat()
	if err != nil {
		return fmt.Errorf("read spool file: %w", err)
	}
	err = librsync.Patch(old, info.Size(), delta, w)
	var write *writeError
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.As(err, &write):
		return err
	}
	return in.damaged(fmt.Errorf("apply difference to %q: %w", path, err))
}

// write hands on the file that fill writes, checked against the header of its
// last piece.
func (r *restore) write(rel string, in *setReader, c *content, fill func(io.Writer) error) error {
	name := in.name.String()
	return r.to.file(rel, func(w io.Writer) (*format.Header, error) {
		sum := sha256.New()
		size := &counter{}
		if err := fill(io.MultiWriter(&target{w, rel}, sum, size)); err != nil {
			return nil, err
		}
		if err := intact(name, c.path, c.last, size.n, sum.Sum(nil)); err != nil {
			return nil, err
		}
		r.res.Bytes += size.n
		return c.last, nil
	})
}

type counter struct{ n int64 }

func (c *counter) Write(p []byte) (int, error) {
	c.n += int64(len(p))
	return len(p), nil
}

// target tells errors of the destination from those of the archive.
type target struct {
	w   io.Writer
	rel string
}

type writeError struct{ err error }

func (e *writeError) Error() string { return e.err.Error() }
func (e *writeError) Unwrap() error { return e.err }

func (t *target) Write(p []byte) (int, error) {
	n, err := t.w.Write(p)
	if err != nil {
		err = &writeError{fmt.Errorf("write %s: %w", t.rel, err)}
	}
	return n, err
}
