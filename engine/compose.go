package engine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/purser-backup/purser/engine/internal/librsync"
)

// A file with increments is written in one pass: its deltas are put into the
// spool and planned, and then the old content is taken as it comes from the
// archive, if no part of it is wanted out of turn. It is as long as the file,
// and the deltas are short.

// composed writes a file of an old content and deltas upon it.
func (r *restore) composed(ctx context.Context, rel string, parts []*setReader) error {
	var deltas []*os.File
	defer func() {
		for _, f := range deltas {
			f.Close()
		}
	}()
	var last *content
	for _, in := range parts[1:] {
		last = in.content(ctx)
		f, err := r.spooled(last)
		if err != nil {
			return err
		}
		deltas = append(deltas, f)
	}
	var plan librsync.Plan
	for i, f := range deltas {
		err := plan.Apply(f)
		if errors.Is(err, librsync.ErrManyParts) {
			return r.stepwise(ctx, rel, parts, deltas, last)
		}
		if err != nil {
			return parts[i+1].damaged(fmt.Errorf("apply difference to %q: %w", last.path, err))
		}
	}
	old, err := r.oldContent(parts[0].content(ctx), plan.Sequential())
	if err != nil {
		return err
	}
	defer old.close()
	in := parts[len(parts)-1]
	return r.write(rel, in, last, func(w io.Writer) error {
		for _, part := range plan.Parts() {
			err := r.part(w, part, old, deltas)
			if errors.Is(err, errShort) {
				err = parts[1].damaged(fmt.Errorf("apply difference to %q: %w", last.path, err))
			}
			if err != nil {
				return err
			}
		}
		return old.rest()
	})
}

var errShort = errors.New("the old file is shorter than the difference says")

// part writes one part of a plan.
func (r *restore) part(w io.Writer, part librsync.Part, old *oldFile, deltas []*os.File) error {
	if part.Source > 0 {
		return r.exactly(w, io.NewSectionReader(deltas[part.Source-1], part.From, part.N), part.N)
	}
	from, err := old.at(part.From, part.N)
	if err != nil {
		return err
	}
	return r.exactly(w, from, part.N)
}

// exactly copies n bytes; fewer are errShort.
func (r *restore) exactly(w io.Writer, from io.Reader, n int64) error {
	k, err := io.CopyBuffer(w, io.LimitReader(from, n), r.buf[:])
	if err == nil && k < n {
		err = errShort
	}
	return err
}

// spooled copies c into a spool file, positioned at its start.
func (r *restore) spooled(c *content) (*os.File, error) {
	f, err := r.repo.spoolFile()
	if err != nil {
		return nil, err
	}
	if _, err = io.CopyBuffer(&target{f, "spool file"}, c, r.buf[:]); err == nil {
		_, err = f.Seek(0, io.SeekStart)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// oldFile gives parts of the old content: as they come, or from a spool file.
type oldFile struct {
	r     *restore
	c     *content
	pos   int64
	spool *os.File // nil if parts are wanted in order
}

func (r *restore) oldContent(c *content, sequential bool) (*oldFile, error) {
	old := &oldFile{r: r, c: c}
	if sequential {
		return old, nil
	}
	var err error
	old.spool, err = r.spooled(c)
	return old, err
}

func (o *oldFile) close() {
	if o.spool != nil {
		o.spool.Close()
	}
}

// at returns a reader of n bytes from a position. The one before must have been
// read to its end.
func (o *oldFile) at(from, n int64) (io.Reader, error) {
	if o.spool != nil {
		return io.NewSectionReader(o.spool, from, n), nil
	}
	err := o.r.exactly(io.Discard, o.c, from-o.pos)
	o.pos = from + n
	return o.c, err
}

// rest reads the old content to its end, where its archive is checked.
func (o *oldFile) rest() error {
	if o.spool != nil {
		return nil
	}
	_, err := io.CopyBuffer(io.Discard, o.c, o.r.buf[:])
	return err
}

// stepwise is the way for differences of so many parts that a plan would take
// too much memory: each makes a whole file in the spool.
func (r *restore) stepwise(ctx context.Context, rel string, parts []*setReader, deltas []*os.File, last *content) error {
	old, err := r.spooled(parts[0].content(ctx))
	if err != nil {
		return err
	}
	defer func() { old.Close() }()
	step := func(i int, w io.Writer) error {
		return patch(ctx, old, parts[i+1], last.path, io.NewSectionReader(deltas[i], 0, 1<<62), w)
	}
	end := len(deltas) - 1
	for i := range end {
		next, err := r.repo.spoolFile()
		if err != nil {
			return err
		}
		if err := step(i, &target{next, "spool file"}); err != nil {
			next.Close()
			return err
		}
		old.Close()
		old = next
	}
	return r.write(rel, parts[end+1], last, func(w io.Writer) error { return step(end, w) })
}
