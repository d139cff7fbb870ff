package driver

import (
	"context"
	"errors"
	"fmt"
	"io"
)

// ErrBody marks a Put whose reader did not yield what was announced: too few
// bytes, too many, or an error of its own. It is permanent.
var ErrBody = errors.New("object body does not match its size")

// Body winds r back to its start and gives the reader that a Put should send
// from: it yields exactly size bytes and then io.EOF. A source that is shorter
// or longer, or that fails, is an error that wraps ErrBody (and the source's
// error) in place of io.EOF, so that nothing wrong can look complete. It fails
// with the context's error once ctx is done.
func Body(ctx context.Context, r io.ReadSeeker, size int64) (io.Reader, error) {
	if size < 0 {
		return nil, Permanent(fmt.Errorf("%w: announced size is %d", ErrBody, size))
	}
	if _, err := r.Seek(0, io.SeekStart); err != nil {
		return nil, Permanent(fmt.Errorf("%w: wind back: %w", ErrBody, err))
	}
	b := &body{ctx: ctx, r: r, size: size}
	if size == 0 {
		if err := b.checkEnd(); err != nil {
			return nil, err
		}
	}
	return b, nil
}

type body struct {
	ctx  context.Context // of the one Put that this reader serves
	r    io.Reader
	size int64
	read int64
}

func (b *body) Read(p []byte) (int, error) {
	if err := b.ctx.Err(); err != nil {
		return 0, err
	}
	if b.read == b.size {
		return 0, io.EOF
	}
	n, err := b.r.Read(p[:min(int64(len(p)), b.size-b.read)])
	b.read += int64(n)
	switch {
	case b.read == b.size:
		// Checked before the last bytes go out: many senders stop right there.
		if err := b.checkEnd(); err != nil {
			return 0, err
		}
		if err := b.ctx.Err(); err != nil {
			return 0, err // cancelled meanwhile: the target must not have it all
		}
		return n, nil
	case err == io.EOF:
		return n, Permanent(fmt.Errorf("%w: %d of %d bytes came: %w", ErrBody, b.read, b.size, io.ErrUnexpectedEOF))
	case err != nil:
		return n, Permanent(fmt.Errorf("%w: %w", ErrBody, err))
	}
	return n, nil
}

// checkEnd makes sure that the source ends where it was said to.
func (b *body) checkEnd() error {
	var extra [1]byte
	switch n, err := io.ReadFull(b.r, extra[:]); {
	case n > 0:
		return Permanent(fmt.Errorf("%w: more than %d bytes came", ErrBody, b.size))
	case err != io.EOF:
		return Permanent(fmt.Errorf("%w: %w", ErrBody, err))
	}
	return nil
}
