package format

import (
	"archive/tar"
	"bufio"
	"errors"
	"fmt"
	"io"
)

const blockSize = 512

// Reader reads a difftar volume or a sigtar in the pax, GNU and ustar dialects. Any
// error but io.EOF from Read is final. It is not for concurrent use.
type Reader struct {
	archive Archive
	buf     *bufio.Reader
	in      countingReader
	tar     *tar.Reader
	order   sequence
	path    string // of the current entry, for errors
	err     error
}

// NewReader returns a Reader of r. It may read beyond the end of the archive.
func NewReader(r io.Reader, a Archive) *Reader {
	rd := &Reader{archive: a, buf: bufio.NewReaderSize(r, 64<<10)}
	rd.in.r = rd.buf
	rd.tar = tar.NewReader(&rd.in)
	return rd
}

// Next goes to the next entry; what was not read of the current one is skipped. At
// the end of the archive it returns io.EOF, after it has read the underlying reader
// to its own end, so that a check there has taken place. Bytes that break the format
// give an error that wraps [ErrCorrupt], a cut archive one that wraps
// io.ErrUnexpectedEOF too; errors of the underlying reader are passed on.
func (r *Reader) Next() (*Header, error) {
	if r.err != nil {
		return nil, r.err
	}
	h, err := r.next()
	if err != nil {
		if err != io.EOF {
			err = r.describe("read", err)
		}
		r.err = err
		return nil, err
	}
	return h, nil
}

func (r *Reader) next() (*Header, error) {
	for {
		if _, err := io.Copy(io.Discard, r.tar); err != nil {
			return nil, err
		}
		end, err := r.atEnd()
		if err != nil {
			return nil, err
		}
		if end {
			return nil, r.drain()
		}
		t, err := r.tar.Next()
		if errors.Is(err, io.EOF) {
			// There was a block: an extended header without the entry it belongs to.
			return nil, io.ErrUnexpectedEOF
		}
		if err != nil && !errors.Is(err, tar.ErrInsecurePath) { // parseEntryName looks itself
			return nil, err
		}
		if t.Typeflag == tar.TypeXGlobalHeader {
			continue
		}
		r.path = t.Name
		h, err := headerFromTar(t, r.archive)
		if err != nil {
			return nil, err
		}
		r.path = h.Path
		if err := r.order.next(h); err != nil {
			return nil, corrupt("%v", err)
		}
		return h, nil
	}
}

// atEnd tells whether the archive ends after the current entry: with its padding, or
// with one block of zeros. Duplicity may write a single one with anything after it,
// which archive/tar takes for damage.
func (r *Reader) atEnd() (bool, error) {
	pad := int((blockSize - r.in.n%blockSize) % blockSize)
	b, err := r.buf.Peek(pad + blockSize)
	switch {
	case err == io.EOF && len(b) == pad:
		return true, nil
	case err == io.EOF:
		return false, io.ErrUnexpectedEOF
	case err != nil:
		return false, err
	}
	for _, c := range b[pad:] {
		if c != 0 {
			return false, nil
		}
	}
	return true, nil
}

// drain reads what follows the archive, and returns io.EOF if that went well.
func (r *Reader) drain() error {
	if _, err := io.Copy(io.Discard, r.buf); err != nil {
		return err
	}
	return io.EOF
}

// Read reads data of the current entry, and returns io.EOF at its end.
func (r *Reader) Read(p []byte) (int, error) {
	if r.err != nil {
		return 0, r.err
	}
	n, err := r.tar.Read(p)
	if err != nil && err != io.EOF {
		r.err = r.describe("read data of", err)
		err = r.err
	}
	return n, err
}

func (r *Reader) describe(verb string, err error) error {
	if errors.Is(err, tar.ErrHeader) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, tar.ErrFieldTooLong) {
		err = fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	if r.path == "" {
		return fmt.Errorf("%s %s: %w", verb, r.archive, err)
	}
	return fmt.Errorf("%s %s near %q: %w", verb, r.archive, r.path, err)
}

type countingReader struct {
	r io.Reader
	n int64
}

func (c *countingReader) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	return n, err
}
