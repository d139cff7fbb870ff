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

	// With an index the inputs are opened only for a signature.
	index *indexReader
	at    *format.Header // of the index
	open  func() (*history, error)
	whole *history // what open has returned
}

// sigInput is one signature archive, positioned at an entry.
type sigInput struct {
	path   string
	file   io.Closer
	tar    *format.Reader
	header *format.Header // nil at the end
	last   *format.Header
}

// openHistory merges the cached signatures of the sets, or takes the index of
// them; no set is an empty history.
func (r *Repository) openHistory(sets []Set) (*history, error) {
	open := func() (*history, error) { return r.openSignatures(sets) }
	if len(sets) > 0 {
		key, err := r.archive.indexKey(sets, nil)
		if err != nil {
			return nil, fmt.Errorf("open signatures: %w", err)
		}
		if x := r.archive.openIndex(key); x != nil {
			return &history{index: x, open: open}, nil
		}
	}
	return open()
}

func (r *Repository) openSignatures(sets []Set) (*history, error) {
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
	if h.index != nil {
		var err error
		h.at, err = h.index.next()
		return h.at, err
	}
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

// signature returns the librsync signature of the current entry, and the file
// that it is in.
func (h *history) signature() (sig io.Reader, file string, err error) {
	if h.index == nil {
		return h.cur, h.cur.path, nil
	}
	if h.whole == nil {
		if h.whole, err = h.open(); err != nil {
			return nil, "", err
		}
	}
	for {
		header, err := h.whole.next()
		if err != nil {
			return nil, "", err
		}
		if header == nil || format.Compare(header.Path, h.at.Path) > 0 {
			return nil, "", &badCopy{h.index.path, fmt.Errorf("it has %q, and the signatures don't", h.at.Path)}
		}
		if header.Path == h.at.Path {
			return h.whole.cur, h.whole.cur.path, nil
		}
	}
}

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
	if h.index != nil {
		err = h.index.file.Close()
	}
	if h.whole != nil {
		err = errors.Join(err, h.whole.Close())
	}
	for _, in := range h.inputs {
		err = errors.Join(err, in.file.Close())
	}
	return err
}
