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
// and the deltas are short. Where a plan of all of them would take too much
// memory, there are more passes, all but the last into the spool.

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
	old := &oldFile{r: r, c: parts[0].content(ctx)}
	defer func() { old.close() }()
	for done := 0; ; {
		p := pass{r: r, sets: parts[1+done:], path: last.path, deltas: deltas[done:]}
		n, err := p.prepare()
		if err != nil {
			return err
		}
		if done += n; done == len(deltas) {
			return r.write(rel, parts[done], last, func(w io.Writer) error { return p.write(ctx, w, old) })
		}
		next, err := r.repo.spoolFile()
		if err != nil {
			return err
		}
		err = p.write(ctx, &target{next, "spool file"}, old)
		old.close()
		old = &oldFile{r: r, spool: next}
		if err != nil {
			return err
		}
	}
}

// A pass makes a file of the one before.
type pass struct {
	r      *restore
	sets   []*setReader // of the deltas
	path   string
	deltas []*os.File
	plan   *librsync.Plan // nil: the first delta alone has too many parts for one
}

// prepare plans as many of the deltas as it can, and returns their number.
func (p *pass) prepare() (int, error) {
	p.plan = new(librsync.Plan)
	for i, f := range p.deltas {
		err := p.plan.Apply(f)
		if errors.Is(err, librsync.ErrManyParts) {
			if i == 0 {
				p.plan, i = nil, 1
			}
			_, err = f.Seek(0, io.SeekStart)
			return i, err
		}
		if err != nil {
			return 0, p.sets[i].damaged(fmt.Errorf("apply difference to %q: %w", p.path, err))
		}
	}
	return len(p.deltas), nil
}

func (p *pass) write(ctx context.Context, w io.Writer, old *oldFile) error {
	if p.plan == nil || !p.plan.Sequential() {
		if err := old.toSpool(); err != nil {
			return err
		}
	}
	if p.plan == nil {
		return patch(ctx, old.spool, p.sets[0], p.path, p.deltas[0], w)
	}
	for part := range p.plan.Parts() {
		err := p.r.part(w, part, old, p.deltas)
		if errors.Is(err, errShort) {
			err = p.sets[0].damaged(fmt.Errorf("apply difference to %q: %w", p.path, err))
		}
		if err != nil {
			return err
		}
	}
	return old.rest()
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

// toSpool makes each part of the old content available.
func (o *oldFile) toSpool() (err error) {
	if o.spool == nil {
		o.spool, err = o.r.spooled(o.c)
	}
	return err
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
