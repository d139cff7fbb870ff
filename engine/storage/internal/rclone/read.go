package rclone

import (
	"context"
	"errors"
	"fmt"
	"io"

	"golang.org/x/sync/errgroup"

	"github.com/purser-backup/purser/internal/bug"
)

// Get implements driver.Backend.
func (b *Backend) Get(ctx context.Context, name string) (io.ReadCloser, error) {
	// By its size alone the end of an object can be told from that of a broken
	// transfer; and a folder's files would come one behind the other.
	info, err := b.Stat(ctx, name)
	if err != nil {
		return nil, err
	}
	own, cancel := context.WithCancel(ctx)
	r := &reader{backend: b, ctx: ctx, cancel: cancel, name: name, left: info.Size}
	var w *io.PipeWriter
	r.pipe, w = io.Pipe()
	r.work.Go(func() error {
		err := bug.Guard(func() error { return b.tool.Run(own, "", w, args("cat", "--", b.at(name))...) })()
		return w.CloseWithError(err) // which is never an error
	})
	return r, nil
}

// reader reads what a running program prints.
type reader struct {
	backend *Backend
	ctx     context.Context // of the Get that this reader belongs to
	cancel  context.CancelFunc
	work    errgroup.Group
	pipe    *io.PipeReader
	name    string
	left    int64
}

func (r *reader) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := r.pipe.Read(p)
	r.left -= int64(n)
	switch {
	case r.left < 0:
		return 0, fmt.Errorf("read %s: more than its size came", r.name)
	case errors.Is(err, io.EOF) && r.left > 0:
		err = fmt.Errorf("read %s: %d bytes are missing at its end: %w", r.name, r.left, io.ErrUnexpectedEOF)
	case err != nil && !errors.Is(err, io.EOF):
		err = r.backend.explain(err)
	}
	return n, err
}

// Close ends the program, if it still runs.
func (r *reader) Close() error {
	r.cancel()
	return errors.Join(r.pipe.Close(), r.work.Wait())
}
