package librsync

import (
	"bufio"
	"fmt"
	"io"
)

const patchBuffer = 32 << 10

// Patch writes to w the new file that delta makes of base, whose length in bytes is
// baseSize. A delta that breaks the format, reaches beyond base or has no end gives an
// error that wraps [ErrCorrupt]; errors of base, delta and w are passed on. What was
// written before an error is no more than the beginning of some file. After the end
// of the delta the rest of its reader is read and ignored, so that a check that waits
// at its end takes place.
func Patch(base io.ReaderAt, baseSize int64, delta io.Reader, w io.Writer) error {
	p := patcher{
		in:       commandReader{bufio.NewReaderSize(delta, patchBuffer)},
		base:     base,
		baseSize: baseSize,
		out:      bufio.NewWriterSize(w, patchBuffer),
		buf:      make([]byte, patchBuffer),
	}
	if err := p.run(); err != nil {
		return err
	}
	if err := p.out.Flush(); err != nil {
		return fmt.Errorf("write patched file: %w", err)
	}
	if _, err := io.Copy(io.Discard, p.in.r); err != nil {
		return fmt.Errorf("read delta: %w", err)
	}
	return nil
}

type patcher struct {
	in       commandReader
	base     io.ReaderAt
	baseSize int64
	out      *bufio.Writer
	buf      []byte
}

func (p *patcher) run() error {
	if err := p.in.magic(); err != nil {
		return err
	}
	for {
		cmd, err := p.in.next()
		switch {
		case err != nil:
			return err
		case cmd == command{}:
			return nil
		case cmd.literal:
			err = p.literal(cmd.n)
		default:
			err = p.copy(cmd.from, cmd.n)
		}
		if err != nil {
			return err
		}
	}
}

func (p *patcher) literal(n int64) error {
	for n > 0 {
		part := p.buf[:min(n, int64(len(p.buf)))]
		if _, err := io.ReadFull(p.in.r, part); err != nil {
			return p.in.fail(err)
		}
		if err := p.write(part); err != nil {
			return err
		}
		n -= int64(len(part))
	}
	return nil
}

func (p *patcher) copy(from, n int64) error {
	if from > p.baseSize || n > p.baseSize-from {
		return corrupt("delta copies %d bytes from %d of an old file of %d bytes", n, from, p.baseSize)
	}
	for n > 0 {
		part := p.buf[:min(n, int64(len(p.buf)))]
		// A full read may come with io.EOF.
		if got, err := p.base.ReadAt(part, from); got < len(part) {
			if err == nil || err == io.EOF {
				err = io.ErrUnexpectedEOF
			}
			return fmt.Errorf("read old file at %d: %w", from+int64(got), err)
		}
		if err := p.write(part); err != nil {
			return err
		}
		from += int64(len(part))
		n -= int64(len(part))
	}
	return nil
}

func (p *patcher) write(b []byte) error {
	if _, err := p.out.Write(b); err != nil {
		return fmt.Errorf("write patched file: %w", err)
	}
	return nil
}
