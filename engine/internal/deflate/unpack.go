package deflate

import (
	"encoding/binary"
	"fmt"
)

var errSymbol = fmt.Errorf("%w: a symbol without meaning, or a distance beyond the start", ErrCorrupt)

// unpack decompresses symbols of a block until it ends or the output is full
// (RFC 1951, 3.2.5).
func (z *Reader) unpack() error {
	for z.write < len(z.out)-slack {
		if z.end-z.pos < 8 {
			if err := z.more(); err != nil {
				return err
			}
		}
		var ended bool
		var err error
		if z.end-z.pos >= 8 {
			z.unpackMost()
			ended, err = z.unpackFast()
		} else {
			ended, err = z.unpackOne()
		}
		if err != nil {
			return err
		}
		if ended {
			z.kind = between
			return nil
		}
	}
	return nil
}

// unpackFast goes on while there are eight bytes of input and room for a symbol.
// A refill leaves at least 56 bits: enough for a length with its distance, 48, or
// three entries of literals.
func (z *Reader) unpackFast() (ended bool, err error) {
	var (
		buf, out  = z.buf[:z.end], z.out
		pos, w    = z.pos, z.write
		bits, n   = z.bits, z.n
		codes     = &z.codes
		last, top = len(buf) - 8, len(out) - slack
	)
	for pos <= last && w < top {
		bits, pos, n = refill(buf, pos, bits, n)
		e := codes.literals[bits&(1<<literalBits-1)]
		if e&isLiteral != 0 {
			w = put(out, w, e)
			bits, n = used(bits, n, e)
			if e = codes.literals[bits&(1<<literalBits-1)]; e&isLiteral != 0 {
				w = put(out, w, e)
				bits, n = used(bits, n, e)
				e = codes.literals[bits&(1<<literalBits-1)]
			}
		}
		if e&isTable != 0 {
			e = codes.literals[further(e, bits, literalBits)]
		}
		if e&isLiteral != 0 {
			w = put(out, w, e)
			bits, n = used(bits, n, e)
			continue
		}
		if pos > last {
			break
		}
		bits, pos, n = refill(buf, pos, bits, n)
		length := amount(e, bits)
		bits, n = used(bits, n, e)
		if ended = e&isEnd != 0; ended {
			break
		}
		d := codes.distances[bits&(1<<distanceBits-1)]
		if d&isTable != 0 {
			d = codes.distances[further(d, bits, distanceBits)]
		}
		distance := amount(d, bits)
		bits, n = used(bits, n, d)
		if e&63 == 0 || d&63 == 0 || distance > w {
			err = errSymbol
			break
		}
		repeat(out, w, length, distance)
		w += length
	}
	z.pos, z.write = pos, w
	z.bits, z.n = bits&(1<<(n&63)-1), n&63
	return ended, err
}

// refill makes at least 56 bits of n. Those of a byte that is not read whole are
// in bits already when it is read again.
func refill(buf []byte, pos int, bits uint64, n uint) (uint64, int, uint) {
	return bits | binary.LittleEndian.Uint64(buf[pos:])<<(n&63), pos + int((63-n)>>3&7), n&63 | 56
}

// put writes the literals of an entry: one, or two. It always writes two bytes.
func put(out []byte, w int, e uint32) int {
	binary.LittleEndian.PutUint16(out[w:], uint16(e>>16))
	return w + 1 + int(e>>pairBit&1)
}

// used drops the bits of e. Only the low six of n count after that.
func used(bits uint64, n uint, e uint32) (uint64, uint) { return bits >> (e & 63), n - uint(e) }

// amount is a length or distance: the least that its code means, and the extra
// bits behind that.
func amount(e uint32, bits uint64) int {
	return int(e>>16) + int(bits&(1<<(e&63)-1)>>(e>>8&63))
}

// further is the place of a code that is longer than the table's bits.
func further(e uint32, bits uint64, primary uint) int {
	return int(e>>16) + int(bits>>primary)&(1<<(e>>8&15)-1)
}

// unpackOne takes one entry bit by bit where the input is about to end.
func (z *Reader) unpackOne() (ended bool, err error) {
	e, length, err := z.symbol(z.codes.literals[:], literalBits)
	switch {
	case err != nil:
		return false, err
	case e&isLiteral != 0:
		z.write = put(z.out, z.write, e)
		return false, nil
	case e&isEnd != 0:
		return true, nil
	}
	_, distance, err := z.symbol(z.codes.distances[:], distanceBits)
	if err != nil {
		return false, err
	}
	if distance > z.write {
		return false, errSymbol
	}
	repeat(z.out, z.write, length, distance)
	z.write += length
	return false, nil
}

// symbol takes the code of one symbol, or two literals', from the table, with as
// many bits as there are at least, and its extra bits.
func (z *Reader) symbol(table []uint32, primary uint) (e uint32, value int, err error) {
	for want := uint(1); ; want++ {
		if err := z.need(want); err != nil {
			return 0, 0, err
		}
		e := table[z.bits&(1<<primary-1)]
		if e&isTable != 0 {
			e = table[further(e, z.bits, primary)]
		}
		if size := uint(e & 63); size > 0 && size <= z.n {
			value := amount(e, z.bits)
			z.drop(size)
			return e, value, nil
		}
		if e&63 == 0 && want > maxCode {
			return 0, 0, errSymbol
		}
	}
}

// repeat writes length bytes at w that stand distance before it. It may write up
// to 15 bytes more.
func repeat(out []byte, w, length, distance int) {
	from := w - distance
	if distance >= 8 {
		for end := w + length; w < end; w, from = w+16, from+16 {
			to, src := (*[16]byte)(out[w:]), (*[16]byte)(out[from:])
			binary.LittleEndian.PutUint64(to[:], binary.LittleEndian.Uint64(src[:]))
			binary.LittleEndian.PutUint64(to[8:], binary.LittleEndian.Uint64(src[8:]))
		}
		return
	}
	to, src := out[w:w+length], out[from:from+length]
	for i := range to {
		to[i] = src[i]
	}
}

// readCodes reads the codes of a block (RFC 1951, 3.2.7).
func (z *Reader) readCodes() error {
	head, err := z.take(14)
	if err != nil {
		return err
	}
	literals, distances, count := int(head&31)+257, int(head>>5&31)+1, int(head>>10)+4
	if literals > 286 || distances > 30 {
		return fmt.Errorf("%w: too many symbols", ErrCorrupt)
	}
	var meta [19]uint8
	order := [...]uint8{16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15}
	for _, i := range order[:count] {
		v, err := z.take(3)
		if err != nil {
			return err
		}
		meta[i] = uint8(v)
	}
	var table [1 << metaBits]uint32
	if !build(table[:], metaBits, meta[:], func(s int) uint32 { return uint32(s) << 16 }) {
		return fmt.Errorf("%w: bad code of code lengths", ErrCorrupt)
	}
	var lengths [286 + 30]uint8
	if err := z.readLengths(lengths[:literals+distances], table[:]); err != nil {
		return err
	}
	return z.codes.set(lengths[:literals], lengths[literals:literals+distances])
}

// readLengths reads the lengths of codes, which are packed themselves.
func (z *Reader) readLengths(lengths []uint8, table []uint32) error {
	for i := 0; i < len(lengths); {
		_, s, err := z.symbol(table, metaBits)
		if err != nil {
			return err
		}
		if s < 16 {
			lengths[i] = uint8(s)
			i++
			continue
		}
		var value uint8
		least, extra := 3, uint(3)
		switch s {
		case 16:
			if i == 0 {
				return fmt.Errorf("%w: nothing to repeat", ErrCorrupt)
			}
			value, extra = lengths[i-1], 2
		case 18:
			least, extra = 11, 7
		}
		more, err := z.take(extra)
		if err != nil {
			return err
		}
		end := i + least + int(more)
		if end > len(lengths) {
			return fmt.Errorf("%w: too many code lengths", ErrCorrupt)
		}
		for ; i < end; i++ {
			lengths[i] = value
		}
	}
	return nil
}
