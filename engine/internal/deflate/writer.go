package deflate

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"hash/adler32"
	"hash/crc32"
	"io"
	"sync"

	"github.com/klauspost/compress/flate"
)

// blockSize is how much is compressed at a time. What refers back across its
// border is lost, which costs about 1 % of text.
const blockSize = 512 << 10

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
	sum     hash.Hash32
	gzip    bool
	size    uint32 // of the plain bytes, modulo 2^32
	cur     *block
	pending []*block // being compressed, in order
	err     error
}

// NewZlib returns a Writer of a zlib stream to w.
func (p *Pool) NewZlib(w io.Writer) (*Writer, error) {
	// 32 KiB window; the fastest level; the checksum of these bits.
	_, err := w.Write([]byte{0x78, 0x01})
	return &Writer{w: w, pool: p, sum: adler32.New()}, err
}

// NewGzip returns a Writer of a gzip file to w, without name and time.
func (p *Pool) NewGzip(w io.Writer) (*Writer, error) {
	_, err := w.Write([]byte{0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 4, 0xff})
	return &Writer{w: w, pool: p, sum: crc32.NewIEEE(), gzip: true}, err
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
			z.cur = z.pool.block()
		}
		k := min(len(p), blockSize-len(z.cur.in))
		z.cur.in = append(z.cur.in, p[:k]...)
		p = p[k:]
		if len(z.cur.in) == blockSize {
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
	_, _ = z.sum.Write(b.in) // a hash returns no error
	z.size += uint32(len(b.in))
	go b.run()
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
		end = binary.LittleEndian.AppendUint32(end, z.sum.Sum32())
		end = binary.LittleEndian.AppendUint32(end, z.size)
	} else {
		end = binary.BigEndian.AppendUint32(end, z.sum.Sum32())
	}
	_, err := z.w.Write(end)
	return err
}

// A block is a part of a stream while it is compressed.
type block struct {
	in   []byte
	out  bytes.Buffer
	w    *flate.Writer
	done chan error
}

func (p *Pool) block() *block {
	if b, ok := p.blocks.Get().(*block); ok {
		b.in = b.in[:0]
		b.out.Reset()
		return b
	}
	return &block{in: make([]byte, 0, blockSize), done: make(chan error, 1)}
}

func (b *block) run() { b.done <- b.compress() }

// compress fills out. The parts of in that don't become smaller are stored,
// those between them compressed together.
func (b *block) compress() error {
	b.out.Grow(len(b.in)/2 + 1024)
	for rest := b.in; len(rest) > 0; {
		n, store := leading(rest)
		if store {
			b.store(rest[:n])
		} else if err := b.deflate(rest[:n]); err != nil {
			return fmt.Errorf("compress: %w", err)
		}
		rest = rest[n:]
	}
	return nil
}

func (b *block) deflate(p []byte) error {
	if b.w == nil {
		var err error
		if b.w, err = flate.NewWriter(&b.out, flate.BestSpeed); err != nil {
			return err
		}
	} else {
		b.w.Reset(&b.out)
	}
	if _, err := b.w.Write(p); err != nil {
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
