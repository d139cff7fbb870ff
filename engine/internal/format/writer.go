package format

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
)

// recordSize is what the length of an archive is padded to.
const recordSize = 10240

// Writer writes a difftar volume or a sigtar, in the pax dialect. Any error is final.
// It is not for concurrent use.
type Writer struct {
	archive Archive
	out     countingWriter
	tar     *tar.Writer
	order   sequence
	path    string // of the entry being written, for errors
	err     error
}

// NewWriter returns a Writer to w.
func NewWriter(w io.Writer, a Archive) *Writer {
	wr := &Writer{archive: a, out: countingWriter{w: w}}
	wr.tar = tar.NewWriter(&wr.out)
	return wr
}

// WriteHeader begins an entry. Its h.Size bytes of data follow through Write. It
// refuses entries out of index order, and names that an archive can't hold. Of a
// deleted entry only the path is used. h is not kept.
func (w *Writer) WriteHeader(h *Header) error {
	if w.err != nil {
		return w.err
	}
	if err := w.writeHeader(h); err != nil {
		w.err = fmt.Errorf("write %s header of %q: %w", w.archive, h.Path, err)
	}
	return w.err
}

func (w *Writer) writeHeader(h *Header) error {
	if h.Op == Deleted {
		h = &Header{Op: Deleted, Path: h.Path, Type: File, Size: h.Size}
	}
	if err := h.check(w.archive); err != nil {
		return err
	}
	if err := w.order.next(h); err != nil {
		return err
	}
	w.path = h.Path
	return w.tar.WriteHeader(h.toTar(w.archive))
}

// Write writes data of the current entry.
func (w *Writer) Write(p []byte) (int, error) {
	if w.err != nil {
		return 0, w.err
	}
	n, err := w.tar.Write(p)
	if err != nil {
		w.err = fmt.Errorf("write %s data of %q: %w", w.archive, w.path, err)
	}
	return n, w.err
}

// Flush completes the current entry, with its padding. It returns the length of
// the archive up to there: cut there, the archive can be continued by another
// Writer.
func (w *Writer) Flush() (int64, error) {
	if w.err != nil {
		return 0, w.err
	}
	if err := w.tar.Flush(); err != nil {
		w.err = fmt.Errorf("write %s data of %q: %w", w.archive, w.path, err)
	}
	return w.out.n, w.err
}

// Close finishes the archive with zero blocks. It does not close the underlying
// writer. It fails if the last entry's data is incomplete.
func (w *Writer) Close() error {
	if w.err != nil {
		return w.err
	}
	w.err = errClosed
	if err := w.tar.Close(); err != nil {
		return fmt.Errorf("finish %s: %w", w.archive, err)
	}
	if pad := (recordSize - w.out.n%recordSize) % recordSize; pad > 0 {
		if _, err := w.out.Write(make([]byte, pad)); err != nil {
			return fmt.Errorf("finish %s: %w", w.archive, err)
		}
	}
	return nil
}

var errClosed = errors.New("archive already closed")

type countingWriter struct {
	w io.Writer
	n int64
}

func (c *countingWriter) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n += int64(n)
	return n, err
}
