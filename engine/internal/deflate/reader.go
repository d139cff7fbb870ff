package deflate

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// ErrCorrupt says that bytes are no deflate stream, or not the one that its
// checksum belongs to. A stream that ends early is io.ErrUnexpectedEOF.
var ErrCorrupt = errors.New("deflate: corrupt data")

const (
	inputSize  = 64 << 10
	outputSize = 128 << 10
	// slack is more than three pairs of literals and a length can yield, and a copy
	// in steps of 16 bytes writes beyond that.
	slack = 6 + 258 + 16
)

// A Reader decompresses a stream. It works on its own buffers of input and
// output, 64 bits at a time, and takes a third of the time of compress/flate's and
// klauspost's readers, which ask for each byte; half of it where it is all Go. It is
// not for concurrent use.
type Reader struct {
	in       io.Reader
	ended    bool // in has no more
	buf      []byte
	pos, end int // buf[pos:end] is still to be read

	bits uint64 // what was read and is not used, the next bit lowest
	n    uint   // how many of them count

	out         []byte // behind read: not given out yet; before it: what can be referred to
	read, write int

	kind   blockKind
	last   bool // the current block
	stored int  // bytes left in a stored block
	codes  codes
	// assembler has unpackMost take what most symbols are.
	assembler bool

	zlib bool
	sum  uint32 // Adler-32 of everything before write
	err  error
}

type blockKind int

const (
	between blockKind = iota // a block's head comes next
	raw
	packed
)

// NewReader returns a Reader of the plain deflate stream in r (RFC 1951). It may
// read beyond its end.
func NewReader(r io.Reader) *Reader {
	return &Reader{in: r, buf: make([]byte, inputSize), out: make([]byte, window+outputSize+slack), assembler: hasAssembler(), sum: 1}
}

// NewZlibReader returns a Reader of the zlib stream in r (RFC 1950).
func NewZlibReader(r io.Reader) (*Reader, error) {
	z := NewReader(r)
	z.zlib = true
	head, err := z.take(16)
	if err != nil {
		return nil, err
	}
	head = head<<8&0xff00 | head>>8
	const deflate, maxWindow, dictionary = 8, 7, 0x20
	if head>>8&0xf != deflate || head>>12 > maxWindow || head%31 != 0 || head&dictionary != 0 {
		return nil, fmt.Errorf("%w: bad zlib header", ErrCorrupt)
	}
	return z, nil
}

// Read implements io.Reader. An error is final.
func (z *Reader) Read(p []byte) (int, error) {
	for z.read == z.write {
		if z.err != nil {
			return 0, z.err
		}
		z.fill()
	}
	n := copy(p, z.out[z.read:z.write])
	z.read += n
	return n, nil
}

// fill decompresses until the output is full or the stream has ended.
func (z *Reader) fill() {
	if z.write > window {
		// All was given out. Keep what can be referred to.
		copy(z.out[:window], z.out[z.write-window:z.write])
		z.write = window
	}
	from := z.write
	for z.err == nil && z.write < len(z.out)-slack {
		switch z.kind {
		case between:
			z.err = z.begin()
		case raw:
			z.err = z.copyStored()
		default:
			z.err = z.unpack()
		}
	}
	z.read = from
	if !z.zlib {
		return
	}
	z.sum = adler(z.sum, z.out[from:z.write])
	if z.err == io.EOF {
		z.err = z.checkSum()
	}
}

// more reads input, keeping what is left and what beginStored may give back,
// until there are at least eight bytes or no more.
func (z *Reader) more() error {
	kept := min(z.pos, 8)
	z.end = copy(z.buf, z.buf[z.pos-kept:z.end])
	z.pos = kept
	for z.end-z.pos < 8 && !z.ended {
		n, err := z.in.Read(z.buf[z.end:])
		z.end += n
		if z.ended = err == io.EOF; err != nil && !z.ended {
			return err
		}
	}
	return nil
}

// need makes sure of n bits, at most 48.
func (z *Reader) need(n uint) error {
	for z.n < n {
		if z.pos == z.end {
			if err := z.more(); err != nil {
				return err
			}
			if z.pos == z.end {
				return io.ErrUnexpectedEOF
			}
		}
		z.bits |= uint64(z.buf[z.pos]) << z.n
		z.pos++
		z.n += 8
	}
	return nil
}

func (z *Reader) drop(n uint) uint32 {
	v := uint32(z.bits & (1<<n - 1))
	z.bits >>= n
	z.n -= n
	return v
}

// take reads n bits, at most 32.
func (z *Reader) take(n uint) (uint32, error) {
	if err := z.need(n); err != nil {
		return 0, err
	}
	return z.drop(n), nil
}

// begin reads the head of a block (RFC 1951, 3.2.3). Behind the last one it
// returns io.EOF.
func (z *Reader) begin() error {
	if z.last {
		return io.EOF
	}
	head, err := z.take(3)
	if err != nil {
		return err
	}
	z.last = head&1 != 0
	switch head >> 1 {
	case 0:
		z.kind = raw
		return z.beginStored()
	case 1:
		z.kind = packed
		z.codes.fixed()
		return nil
	case 2:
		z.kind = packed
		return z.readCodes()
	}
	return fmt.Errorf("%w: unknown kind of block", ErrCorrupt)
}

// beginStored reads the length of a stored block (RFC 1951, 3.2.4).
func (z *Reader) beginStored() error {
	z.drop(z.n & 7)
	v, err := z.take(32)
	if err != nil {
		return err
	}
	if v&0xffff != ^v>>16 {
		return fmt.Errorf("%w: bad length of a stored block", ErrCorrupt)
	}
	z.stored = int(v & 0xffff)
	// Whole bytes that were taken ahead are read again as such.
	z.pos -= int(z.n / 8)
	z.bits, z.n = 0, 0
	return nil
}

func (z *Reader) copyStored() error {
	for z.stored > 0 && z.write < len(z.out)-slack {
		if z.pos == z.end {
			if err := z.more(); err != nil {
				return err
			}
			if z.pos == z.end {
				return io.ErrUnexpectedEOF
			}
		}
		n := min(z.stored, len(z.out)-slack-z.write, z.end-z.pos)
		copy(z.out[z.write:], z.buf[z.pos:z.pos+n])
		z.write, z.pos, z.stored = z.write+n, z.pos+n, z.stored-n
	}
	if z.stored == 0 {
		z.kind = between
	}
	return nil
}

// checkSum compares the checksum at the end of a zlib stream. It returns io.EOF
// if all is well.
func (z *Reader) checkSum() error {
	z.drop(z.n & 7)
	v, err := z.take(32)
	if err != nil {
		return err
	}
	var b [4]byte
	binary.LittleEndian.PutUint32(b[:], v)
	if binary.BigEndian.Uint32(b[:]) != z.sum {
		return fmt.Errorf("%w: checksum doesn't fit", ErrCorrupt)
	}
	return io.EOF
}
