package librsync

import (
	"encoding/binary"
	"fmt"
	"io"
)

// NewDelta returns a reader of the delta that makes newFile of the file that sig
// describes. It reads newFile once, in order, as the delta is read, and holds no more
// of it than a block and some 400 KiB. An error of newFile, or of a long signature, is
// passed on, and the delta is then incomplete. The reader is not for concurrent use.
//
// If old is not nil, it is what is left of the file that sig describes, and the delta
// holds changed bytes instead of changed blocks. What sig doesn't confirm of it, and
// what can't be read, is not used. It takes two blocks and 384 KiB more.
func NewDelta(sig *Signature, old io.ReaderAt, newFile io.Reader) io.Reader {
	d := &delta{sig: sig, in: newFile, blockLen: sig.params.BlockLen, readSize: minRead, next: -1}
	if sig.blocks == 0 {
		d.blockLen = 1 // nothing can match: don't wait for a whole block
	} else if old != nil && d.blockLen <= refineBlock {
		d.refiner = &refiner{old: old, budget: 2 * (refineMost + 2*refineBlock)}
	}
	d.power = rabinKarpPower(d.blockLen)
	d.out = binary.BigEndian.AppendUint32(d.out, deltaMagic)
	return d
}

const (
	// maxLiteral is the most bytes of one literal command: what two bytes can tell.
	maxLiteral = 1<<16 - 1
	minRead    = 2 << 10
	maxRead    = 128 << 10 // twice that, with the slack, is more than a literal
)

type delta struct {
	sig      *Signature
	in       io.Reader
	blockLen int
	power    uint32 // Rabin-Karp's multiplier to the power of blockLen

	// buf holds what was read and not yet dealt with: from literal to pos the bytes
	// that matched nothing, from pos what is to be looked at.
	buf          []byte
	literal, pos int
	readSize     int // how much to read at least, if there is so much
	eof          bool
	weak         uint32 // of the block at pos, if haveWeak
	haveWeak     bool

	// The copy command that is waiting for its continuation.
	copyFrom, copyLen int64
	next              int // block that would continue it, or -1

	oldPos    int64    // where the old file probably has what stands at pos
	literalAt int64    // and what stands at literal
	refiner   *refiner // nil: the old file isn't at hand

	out  []byte // bytes of the delta
	read int    // how many of out the caller has
	err  error  // what ends the delta; io.EOF is its proper end
}

// Read implements io.Reader.
func (d *delta) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	for d.read == len(d.out) {
		if d.err != nil {
			return 0, d.err
		}
		d.out, d.read = d.out[:0], 0
		d.step()
	}
	n := copy(p, d.out[d.read:])
	d.read += n
	return n, nil
}

// step goes forward: to the next match, the limit of a literal, or the end.
func (d *delta) step() {
	if err := d.fill(); err != nil {
		d.err = err
		return
	}
	if len(d.buf)-d.pos < d.blockLen {
		d.finish()
		return
	}
	if d.sig.blocks == 0 {
		d.pos = len(d.buf)
		d.flushFullLiterals()
		return
	}
	if err := d.sig.follow(d.oldPos); err != nil {
		d.err = err
		return
	}
	if !d.haveWeak {
		window := d.buf[d.pos : d.pos+d.blockLen]
		d.weak, d.haveWeak = d.sig.params.weak(window), true
		// Where data is unchanged the next block is the one after the last. Asking
		// for it first also makes one copy of a run of equal blocks.
		if d.next >= 0 && d.sig.is(d.next, d.weak, window) {
			d.match(d.next, d.blockLen)
			return
		}
	}
	from := d.pos
	block := d.scan()
	d.oldPos += int64(d.pos - from)
	if block >= 0 {
		d.match(block, d.blockLen)
		return
	}
	d.flushFullLiterals()
}

// fill makes room and reads until a block and one byte can be seen, or the input ends.
func (d *delta) fill() error {
	if d.eof || len(d.buf)-d.pos > d.blockLen {
		return nil
	}
	if d.literal > 0 {
		n := copy(d.buf, d.buf[d.literal:])
		d.buf = d.buf[:n]
		d.pos -= d.literal
		d.literal = 0
	}
	d.readSize = min(2*d.readSize, maxRead) // short for a short file
	for empty := 0; len(d.buf)-d.pos <= d.blockLen; {
		if cap(d.buf)-len(d.buf) < d.readSize {
			d.buf = append(make([]byte, 0, len(d.buf)+2*d.readSize), d.buf...)
		}
		n, err := d.in.Read(d.buf[len(d.buf):cap(d.buf)])
		d.buf = d.buf[:len(d.buf)+n]
		if err == io.EOF {
			d.eof = true
			return nil
		}
		if err != nil {
			return fmt.Errorf("read the new file for its delta: %w", err)
		}
		if n > 0 {
			empty = 0
		} else if empty++; empty == 100 {
			return fmt.Errorf("read the new file for its delta: %w", io.ErrNoProgress)
		}
	}
	return nil
}

// match ends the literal at pos and adds a copy of n bytes of a block.
func (d *delta) match(block, n int) {
	from := int64(block) * int64(d.blockLen)
	if d.refiner != nil {
		d.refiner.vain = 0
		d.refiner.budget += refineBudget * int64(n)
	}
	d.flushLiteral(from)
	d.appendCopy(from, int64(n))
	d.next = block + 1
	d.oldPos = d.literalAt
	d.pos += n
	d.literal = d.pos
	d.haveWeak = false
}

// flushFullLiterals writes literals that have reached their greatest length.
func (d *delta) flushFullLiterals() {
	for d.pos-d.literal >= maxLiteral {
		d.write(d.buf[d.literal:d.literal+maxLiteral], -1)
		d.literal += maxLiteral
	}
}

// flushLiteral writes all bytes that matched nothing. What follows them is in the
// old file at to, -1 if that isn't known.
func (d *delta) flushLiteral(to int64) {
	d.flushFullLiterals()
	d.write(d.buf[d.literal:d.pos], to)
	d.literal = d.pos
}

// write writes bytes that no block has, up to the length of a literal.
func (d *delta) write(p []byte, to int64) {
	if len(p) == 0 {
		return
	}
	if d.refiner != nil {
		d.refiner.budget += refineBudget * int64(len(p))
	}
	switch r := d.refiner; {
	case r == nil || r.vain == refineVain || r.copies >= refineCopies:
		d.appendLiteral(p)
	case d.refine(p, to):
		r.vain = 0
	case len(p) == maxLiteral:
		r.vain++
	}
}

func (d *delta) appendLiteral(p []byte) {
	if len(p) == 0 {
		return
	}
	d.flushCopy()
	switch n := len(p); {
	case n <= opLiteralMax:
		d.out = append(d.out, byte(n))
	case n <= 0xff:
		d.out = append(d.out, opLiteral8, byte(n))
	default:
		d.out = append(d.out, opLiteral8+1, byte(n>>8), byte(n))
	}
	d.out = append(d.out, p...)
	d.next = -1
	d.literalAt += int64(len(p))
}

// appendCopy adds a copy of n bytes, to the last one if it continues that.
func (d *delta) appendCopy(from, n int64) {
	if n == 0 {
		return
	}
	if d.continues(from) {
		d.copyLen += n
	} else {
		d.flushCopy()
		d.copyFrom, d.copyLen = from, n
	}
	d.literalAt = from + n
}

// continues reports whether a copy is waiting that ends where another one begins.
func (d *delta) continues(from int64) bool {
	return d.copyLen > 0 && d.copyFrom+d.copyLen == from
}

func (d *delta) flushCopy() {
	if d.copyLen == 0 {
		return
	}
	from, length := intWidth(uint64(d.copyFrom)), intWidth(uint64(d.copyLen))
	d.out = append(d.out, opCopy+byte(4*from+length))
	d.out = appendInt(d.out, uint64(d.copyFrom), from)
	d.out = appendInt(d.out, uint64(d.copyLen), length)
	d.copyLen = 0
}

// finish deals with what is shorter than a block at the end of the new file. Only the
// old file's last block can match there, since it may be short as well.
func (d *delta) finish() {
	last, err := d.sig.end()
	if err != nil {
		d.err = err
		return
	}
	if n := d.findTail(last); n > 0 {
		d.pos = len(d.buf) - n
		d.match(last, n)
	} else {
		d.pos = len(d.buf)
		d.flushLiteral(-1)
	}
	d.flushCopy()
	d.out = append(d.out, opEnd)
	d.err = io.EOF
}

// findTail returns the length of the end of the new file that is the old file's last
// block, 0 if there is none.
func (d *delta) findTail(last int) int {
	tail := d.buf[d.pos:]
	if len(tail) == 0 || last < 0 {
		return 0
	}
	weak := d.sig.params.weak(tail)
	rabinKarp, power := d.sig.params.rabinKarp(), rabinKarpPower(len(tail)-1)
	for n := len(tail); n > 0; n-- {
		rest := tail[len(tail)-n:]
		if d.sig.is(last, weak, rest) {
			return n
		}
		if rabinKarp {
			weak -= power * (uint32(rest[0]) + rabinKarpAdjust)
			power *= rabinKarpInverse
		} else {
			weak = rollsumDrop(weak, n, rest[0])
		}
	}
	return 0
}
