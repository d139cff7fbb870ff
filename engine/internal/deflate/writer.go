package deflate

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"sync"

	"github.com/klauspost/compress/flate"

	"github.com/purser-backup/purser/internal/bug"
)

const (
	// blockSize is how much is compressed at a time.
	blockSize = 512 << 10
	// window is how far back deflate can refer (RFC 1951, 2).
	window = 32 << 10
)

// A Pool lends what compressing needs to the Writers that are made with it. It
// may be used by several goroutines.
type Pool struct {
	workers int
	blocks  sync.Pool // of *block
}

// NewPool returns a Pool for Writers that each compress up to workers blocks,
// at least one, at the same time. Each takes about 2 MB.
func NewPool(workers int) *Pool { return &Pool{workers: max(workers, 1)} }

// A Writer compresses what is written to it. It is not for concurrent use.
type Writer struct {
	w       io.Writer
	pool    *Pool
	gzip    bool
	sum     uint32 // of the plain bytes of a gzip file: CRC-32
	size    uint32 // of them, modulo 2^32
	cur     *block
	tail    [window]byte // the end of the block before cur
	tailLen int
	pending []*block // being compressed, in order
	err     error
}

// NewPlain returns a Writer of a plain deflate stream to w, without any checksum.
func (p *Pool) NewPlain(w io.Writer) *Writer { return &Writer{w: w, pool: p} }

// NewGzip returns a Writer of a gzip file to w, without name and time.
func (p *Pool) NewGzip(w io.Writer) (*Writer, error) {
	_, err := w.Write([]byte{0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 4, 0xff})
	return &Writer{w: w, pool: p, gzip: true}, err
}

// Write adds plain bytes. An error of the underlying writer may come later than
// the bytes that it concerns; it is final.
func (z *Writer) Write(p []byte) (int, error) {
	if z.err != nil {
		return 0, z.err
	}
	n := len(p)
	for len(p) > 0 {
		if z.cur == nil {
			z.cur = z.pool.block(z.tail[:z.tailLen])
		}
		k := min(len(p), z.cur.room())
		z.cur.in = append(z.cur.in, p[:k]...)
		p = p[k:]
		if z.cur.room() == 0 {
			if z.err = z.start(); z.err != nil {
				return 0, z.err
			}
		}
	}
	return n, nil
}

// start has the current block compressed beside what follows. The goroutine
// ends by itself, also where its result is not wanted any more.
func (z *Writer) start() error {
	b := z.cur
	z.cur = nil
	plain := b.in[b.known:]
	if z.gzip {
		z.sum = crc32.Update(z.sum, crc32.IEEETable, plain)
		z.size += uint32(len(plain))
	}
	z.tailLen = copy(z.tail[:], b.in[max(len(b.in)-window, 0):])
	go func() { b.done <- bug.Guard(b.compress)() }()
	z.pending = append(z.pending, b)
	if len(z.pending) > z.pool.workers {
		return z.next()
	}
	return nil
}

// next writes the oldest block that is being compressed.
func (z *Writer) next() error {
	b := z.pending[0]
	z.pending = append(z.pending[:0], z.pending[1:]...)
	if err := <-b.done; err != nil {
		return err
	}
	_, err := z.w.Write(b.out.Bytes())
	z.pool.blocks.Put(b)
	return err
}

// Close completes the stream. It doesn't close the underlying writer.
func (z *Writer) Close() error {
	if z.err != nil {
		return z.err
	}
	z.err = errors.New("deflate: already closed")
	if z.cur != nil {
		if err := z.start(); err != nil {
			return err
		}
	}
	for len(z.pending) > 0 {
		if err := z.next(); err != nil {
			return err
		}
	}
	end := []byte{1, 0, 0, 0xff, 0xff} // a last block, stored and empty
	if z.gzip {
		end = binary.LittleEndian.AppendUint32(end, z.sum)
		end = binary.LittleEndian.AppendUint32(end, z.size)
	}
	_, err := z.w.Write(end)
	return err
}

// A block is a part of a stream while it is compressed.
type block struct {
	in    []byte // begins with what stands before the block
	known int    // length of that
	out   bytes.Buffer
	w     *flate.Writer
	done  chan error
}

// block returns an empty block that follows tail.
func (p *Pool) block(tail []byte) *block {
	b, ok := p.blocks.Get().(*block)
	if !ok {
		b = &block{in: make([]byte, 0, window+blockSize), done: make(chan error, 1)}
	}
	b.out.Reset()
	b.in = append(b.in[:0], tail...)
	b.known = len(tail)
	return b
}

func (b *block) room() int { return blockSize - (len(b.in) - b.known) }

// compress fills out. The parts of in that don't become smaller are stored,
// those between them compressed together.
func (b *block) compress() error {
	b.out.Grow(len(b.in)/2 + 1024)
	for at := b.known; at < len(b.in); {
		n, store := leading(b.in[at:])
		if store {
			b.store(b.in[at : at+n])
		} else if err := b.deflate(at, at+n); err != nil {
			return fmt.Errorf("compress: %w", err)
		}
		at += n
	}
	return nil
}

// deflate compresses a part of in, with references to what stands before it.
func (b *block) deflate(from, to int) error {
	before := b.in[max(from-window, 0):from]
	if b.w == nil {
		var err error
		if b.w, err = flate.NewWriterDict(&b.out, flate.BestSpeed, before); err != nil {
			return err
		}
	} else {
		b.w.ResetDict(&b.out, before)
	}
	if _, err := b.w.Write(b.in[from:to]); err != nil {
		return err
	}
	return b.w.Flush()
}

// store writes stored blocks (RFC 1951, 3.2.4). It begins at a byte.
func (b *block) store(p []byte) {
	for len(p) > 0 {
		n := min(len(p), 1<<16-1)
		b.out.Write([]byte{0, byte(n), byte(n >> 8), ^byte(n), ^byte(n >> 8)})
		b.out.Write(p[:n])
		p = p[n:]
	}
}
