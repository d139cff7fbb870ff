package engine

import (
	"errors"
	"fmt"
	"io"

	"github.com/purser-backup/purser/engine/internal/format"
)

// A history is the state that the sets of a chain describe together: their
// signature archives, merged in index order. Of several entries for one path
// the newest set's counts; what it calls deleted is left out.
type history struct {
	inputs []*sigInput // oldest set first
	cur    *sigInput   // holds the current entry
}

// sigInput is one signature archive, positioned at an entry.
type sigInput struct {
	path   string
	file   io.Closer
	tar    *format.Reader
	header *format.Header // nil at the end
	last   *format.Header
}

// openHistory merges the cached signatures of the sets; none is an empty history.
func (r *Repository) openHistory(sets []Set) (*history, error) {
	h := &history{}
	for i := range sets {
		name := *sets[i].signatures
		f, err := r.archive.openSignatures(name.Name)
		if err != nil {
			h.Close()
			return nil, fmt.Errorf("open signatures: %w", err)
		}
		in := &sigInput{path: r.archive.path(name.Name), file: f, tar: format.NewReader(f, format.Sigtar)}
		h.inputs = append(h.inputs, in)
		if err := in.advance(); err != nil {
			h.Close()
			return nil, err
		}
	}
	return h, nil
}

func (in *sigInput) advance() error {
	header, err := in.tar.Next()
	if errors.Is(err, io.EOF) {
		in.header = nil
		return nil
	}
	if err != nil {
		return &badCopy{in.path, err}
	}
	if in.last != nil && format.Compare(header.Path, in.last.Path) <= 0 {
		return &badCopy{in.path, fmt.Errorf("entry %q is out of order", header.Path)}
	}
	in.header, in.last = header, header
	return nil
}

// next moves to the next path that exists in the merged state. It returns nil
// at the end. Until the next call, signature returns the entry's data.
func (h *history) next() (*format.Header, error) {
	for {
		if h.cur != nil {
			if err := h.advance(h.cur.header.Path); err != nil {
				return nil, err
			}
		}
		if h.cur = h.smallest(); h.cur == nil {
			return nil, nil
		}
		if h.cur.header.Op != format.Deleted {
			return h.cur.header, nil
		}
	}
}

// advance moves every input past path.
func (h *history) advance(path string) error {
	for _, in := range h.inputs {
		if in.header != nil && in.header.Path == path {
			if err := in.advance(); err != nil {
				return err
			}
		}
	}
	return nil
}

// smallest returns the input with the lowest path, of equals the newest set's.
func (h *history) smallest() *sigInput {
	var best *sigInput
	for _, in := range h.inputs {
		if in.header != nil && (best == nil || format.Compare(in.header.Path, best.header.Path) <= 0) {
			best = in
		}
	}
	return best
}

// signature returns the librsync signature of the current entry.
func (h *history) signature() io.Reader { return h.cur }

// Read reads the data of the current entry.
func (in *sigInput) Read(p []byte) (int, error) {
	n, err := in.tar.Read(p)
	if err != nil && err != io.EOF {
		err = &badCopy{in.path, err}
	}
	return n, err
}

// Close releases the files.
func (h *history) Close() error {
	var err error
	for _, in := range h.inputs {
		err = errors.Join(err, in.file.Close())
	}
	return err
}
