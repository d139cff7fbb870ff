package engine

import (
	"context"
	"io"
)

// openAheadSize is the size up to which a file is read ahead: with 16 entries in each of
// the few lists that are on their way, that takes 2 MB at most.
const openAheadSize = 32 << 10

// openAhead passes on what scan sends, with the small files opened and read: to find
// and open one takes longer than to read it, and compare has enough to do.
func openAhead(ctx context.Context, entries <-chan []Entry, read chan<- []Entry) error {
	for {
		var some []Entry
		select {
		case next, more := <-entries:
			if !more {
				close(read)
				return nil
			}
			some = next
		case <-ctx.Done():
			return ctx.Err()
		}
		for i := range some {
			if err := ctx.Err(); err != nil {
				return err
			}
			if e := &some[i]; e.Err == nil && e.Type == TypeFile && e.Size <= openAheadSize {
				e.readNow(ctx)
			}
		}
		select {
		case read <- some:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// readNow reads the file, and has Open return what came of it. Of a file that has
// grown since it was found, the rest is read by whoever calls Open, before ctx ends.
func (e *Entry) readNow(ctx context.Context) {
	f, err := e.Open()
	if err != nil {
		e.Open = func() (io.ReadCloser, error) { return nil, err }
		return
	}
	done := &readFile{rest: make([]byte, e.Size+1), file: f}
	n := 0
	for n < len(done.rest) && err == nil {
		var k int
		k, err = f.Read(done.rest[n:])
		n += k
	}
	done.rest = done.rest[:n]
	if err == nil {
		done.keep = context.AfterFunc(ctx, func() { f.Close() })
	} else {
		f.Close() // what it might say concerns no byte that was read
		done.file, done.err = nil, err
	}
	e.Open = func() (io.ReadCloser, error) { return done, nil }
}

// A readFile is a file of which some was read already, all of it as a rule.
type readFile struct {
	rest []byte
	err  error         // comes behind rest, if file is nil
	file io.ReadCloser // goes on behind rest
	keep func() bool   // ends the end of file with its context
}

func (r *readFile) Read(p []byte) (int, error) {
	n := copy(p, r.rest)
	r.rest = r.rest[n:]
	if n > 0 || len(p) == 0 {
		return n, nil
	}
	if r.file == nil {
		return 0, r.err
	}
	return r.file.Read(p)
}

func (r *readFile) Close() error {
	if r.file == nil {
		return nil
	}
	r.keep()
	return r.file.Close()
}
