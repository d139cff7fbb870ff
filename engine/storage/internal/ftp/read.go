package ftp

import (
	"cmp"
	"context"
	"errors"
	"io"
	"path"

	"github.com/jlaffaye/ftp"

	"github.com/purser-backup/purser/engine/storage/driver"
)

// Get implements driver.Backend.
func (b *Backend) Get(ctx context.Context, name string) (io.ReadCloser, error) {
	if err := driver.CheckCall(ctx, name); err != nil {
		return nil, err
	}
	s, err := b.pool.take(ctx)
	if err != nil {
		return nil, b.explain(err)
	}
	r := &reader{backend: b, ctx: ctx, session: s, stop: context.AfterFunc(ctx, s.cut)}
	file := path.Join(b.dir, name)
	if _, err = stat(s.conn, file); err == nil { // else it could be a folder
		r.response, err = s.conn.Retr(file)
		err = missing(file, err)
	}
	if err != nil {
		r.stop()
		b.pool.give(s, isAnswer(err))
		return nil, b.explain(errors.Join(ctx.Err(), err))
	}
	return r, nil
}

// reader reads one object over a session of its own, and won't take for its end
// what the server does not call so.
type reader struct {
	backend  *Backend
	ctx      context.Context // of the Get that this reader belongs to
	session  *session
	stop     func() bool
	response *ftp.Response
	end      error // how it ended; nil while it goes on
	closed   bool
}

func (r *reader) Read(p []byte) (int, error) {
	if r.end != nil {
		return 0, r.end
	}
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := r.response.Read(p)
	if err == nil {
		return n, nil
	}
	if err == io.EOF {
		// The server says whether that was all: it breaks a transfer off otherwise.
		err = cmp.Or(r.response.Close(), io.EOF)
	}
	if err != io.EOF {
		err = r.backend.explain(errors.Join(r.ctx.Err(), err))
	}
	r.end = err
	return n, err
}

func (r *reader) Close() error {
	if r.closed {
		return nil
	}
	r.closed = true
	r.stop()
	// In the middle of a transfer a session can't be used for another: it is cut.
	r.backend.pool.give(r.session, r.end == io.EOF)
	r.end = errors.New("read of a closed object")
	return nil
}
