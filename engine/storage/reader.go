package storage

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/purser-backup/purser/engine/storage/driver"
)

// reader reads one object over as many connections as it takes. Objects that
// a manifest refers to are never overwritten, so the bytes go on to fit; and
// the engine checks their hash.
type reader struct {
	ctx    context.Context // of the Get that this reader belongs to
	store  *Store
	name   string
	body   io.ReadCloser
	offset int64
	resume resumption
	err    error // sticky
}

// resumption bounds the tries at one place: a target that gives an object but
// none of its bytes would be asked for ever.
type resumption struct {
	offset int64
	count  int
}

func (r *reader) Read(p []byte) (int, error) {
	for r.err == nil {
		n, err := r.body.Read(p)
		r.offset += int64(n)
		if err == io.EOF {
			r.err = err
		} else if err != nil {
			r.err = r.store.fail("read", r.name, r.reopen(err))
		}
		if n > 0 || len(p) == 0 {
			return n, nil // an error comes with the next call
		}
	}
	return 0, r.err
}

// reopen opens the object again and skips what has been read. cause counts as
// the first failure: with no retries, or when it is permanent, it is the result.
func (r *reader) reopen(cause error) error {
	if r.resume.offset != r.offset {
		r.resume = resumption{offset: r.offset}
	}
	if r.resume.count++; r.resume.count > r.store.retry.retries {
		return cause
	}
	return r.store.retry.do(r.ctx, "read "+r.name, func() error {
		if err := cause; err != nil {
			cause = nil
			return err
		}
		body, err := r.store.backend.Get(r.ctx, r.name)
		if err != nil {
			return err
		}
		switch _, err := io.CopyN(io.Discard, body, r.offset); {
		case err == io.EOF:
			err = driver.Permanent(fmt.Errorf("object became shorter than the %d bytes that were read", r.offset))
			return errors.Join(err, body.Close())
		case err != nil:
			return errors.Join(err, body.Close())
		}
		// The old connection is broken: what its Close says is of no interest.
		_ = r.body.Close()
		r.body = body
		return nil
	})
}

func (r *reader) Close() error {
	r.err = errors.New("read of a closed object")
	return r.body.Close()
}
