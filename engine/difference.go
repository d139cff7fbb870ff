package engine

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"iter"

	"github.com/purser-backup/purser/engine/internal/format"
)

// compare restores the state and compares it with the source, without writing
// anything.
func (v *verification) compare(ctx context.Context, sets []Set, src Source) error {
	run, err := v.repo.openRestore(ctx, v.codec, sets, RestoreOptions{})
	if err != nil {
		return err
	}
	defer run.close()
	next, stop := iter.Pull2(src.Walk(ctx))
	defer stop()
	d := &difference{next: next, same: newComparer()}
	run.to = d
	err = run.all(ctx)
	v.res.Differences, v.res.Files = d.found, d.files
	return err
}

// difference is a sink that compares what it is given with a source.
type difference struct {
	next  func() (Entry, error, bool)
	ahead *Entry // read from the source and not compared yet
	same  *comparer
	files int
	found []string
}

func (d *difference) add(path, format string, args ...any) {
	d.found = append(d.found, fmt.Sprintf("%s: %s", display(path), fmt.Sprintf(format, args...)))
}

// display names the root as users do.
func display(path string) string {
	if path == "" {
		return "."
	}
	return path
}

// pull returns the source's next entry, nil at its end.
func (d *difference) pull() (*Entry, error) {
	if e := d.ahead; e != nil {
		d.ahead = nil
		return e, nil
	}
	e, err, more := d.next()
	if err != nil || !more {
		return nil, err
	}
	return &e, nil
}

// extra reports an entry that the backup does not have.
func (d *difference) extra(e *Entry) {
	if e.Err != nil {
		d.add(e.Path, "can't be read: %v", e.Err)
	} else {
		d.add(e.Path, "is not in the backup")
	}
}

// at returns the source's entry for path, nil if it has none.
func (d *difference) at(path string) (*Entry, error) {
	for {
		e, err := d.pull()
		if err != nil || e == nil {
			return nil, err
		}
		switch order := format.Compare(e.Path, path); {
		case order == 0:
			return e, nil
		case order > 0:
			d.ahead = e
			return nil, nil
		}
		d.extra(e)
	}
}

// object implements sink.
func (d *difference) object(rel string, h *format.Header) error {
	e, err := d.at(rel)
	if err != nil {
		return err
	}
	d.metadata(rel, h, e)
	return nil
}

// metadata compares and reports whether the content is worth a look.
func (d *difference) metadata(rel string, h *format.Header, e *Entry) bool {
	switch {
	case e == nil:
		d.add(rel, "is missing in the source")
		return false
	case e.Err != nil:
		d.add(rel, "can't be read: %v", e.Err)
		return false
	case e.Type != h.Type:
		d.add(rel, "is of another type in the source")
		return false
	case !d.same.same(h, e):
		d.add(rel, "has another size, time, owner, mode or target in the source")
	}
	return true
}

// file implements sink.
func (d *difference) file(rel string, fill func(io.Writer) (*format.Header, error)) error {
	sum := sha256.New()
	h, err := fill(sum)
	if err != nil {
		return err
	}
	e, err := d.at(rel)
	if err != nil {
		return err
	}
	d.files++
	if !d.metadata(rel, h, e) {
		return nil
	}
	f, err := e.Open()
	if err != nil {
		d.add(rel, "can't be read: %v", err)
		return nil
	}
	defer f.Close()
	now := sha256.New()
	if _, err := io.Copy(now, f); err != nil {
		d.add(rel, "can't be read: %v", err)
		return nil
	}
	if !bytes.Equal(sum.Sum(nil), now.Sum(nil)) {
		d.add(rel, "has another content in the source")
	}
	return nil
}

// finish implements sink.
func (d *difference) finish() error {
	for {
		e, err := d.pull()
		if err != nil || e == nil {
			return err
		}
		d.extra(e)
	}
}
