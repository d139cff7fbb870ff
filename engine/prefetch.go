package engine

import (
	"bytes"
	"context"
	"errors"
	"io"
)

// prefetchSize is up to which size a file is read ahead. With those in the
// channel behind, they take 2 MB at most.
const prefetchSize = 32 << 10

// prefetch passes entries on and opens and reads short files on the way, beside
// the goroutine that stores them: of so many small ones the system calls take as
// long as all else. It is for a set that stores every file.
func prefetch(ctx context.Context, entries <-chan Entry, out chan<- Entry) error {
	for {
		var e Entry
		more := false
		select {
		case e, more = <-entries:
		case <-ctx.Done():
		}
		if !more {
			return ctx.Err()
		}
		if e.Err == nil && e.Type == TypeFile && e.Size <= prefetchSize {
			content, err := readShort(&e)
			e.Open = func() (io.ReadCloser, error) { return content, err }
		}
		select {
		case out <- e:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// readShort returns what there is to be read of e. An error of reading comes
// where it came from the file; a file that has grown stays open.
func readShort(e *Entry) (io.ReadCloser, error) {
	f, err := e.Open()
	if err != nil {
		return nil, err
	}
	buf := make([]byte, e.Size+1)
	n, err := io.ReadFull(f, buf)
	content := &shortFile{Reader: bytes.NewReader(buf[:n])}
	switch {
	case err == nil:
		content.Reader, content.rest = io.MultiReader(content.Reader, f), f
		return content, nil
	case !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF):
		content.Reader = io.MultiReader(content.Reader, failing{err})
	}
	return content, f.Close()
}

type shortFile struct {
	io.Reader
	rest io.Closer // nil if all was read
}

func (s *shortFile) Close() error {
	if s.rest == nil {
		return nil
	}
	return s.rest.Close()
}

// failing is a reader that fails.
type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }
