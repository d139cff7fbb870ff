package librsync

import (
	"encoding/binary"
	"io"
	"math/bits"
)

// A signature tells which blocks are new, not which bytes of them. Where the old
// file is still at hand, a refiner finds these: what stands in the new file between
// two known blocks is compared with what stood there in the old one. The old file
// is only believed block by block, where the signature confirms it.
type refiner struct {
	old   io.ReaderAt
	table []uint32 // by the hash of eight bytes, where they stand in the region, from 1
	buf   []byte
	// vain counts full literals in a row in which nothing was found. After a few
	// the file is taken for another one, until a block matches.
	vain int
	// copies counts those that it has made. A restore plans all parts of a file.
	copies int
	// budget is how much of the old file may still be read: it grows with the new
	// one, so that short literals between copies from afar take no time without end.
	budget int64
}

const (
	refineMost  = 128 << 10 // bytes of the old file that one literal is compared with
	refineSlack = 4 << 10   // how much longer than the literal what it replaced may be
	refineTable = 1 << 16
	refineWord  = 8
	// refineCopy is the least that a copy of its own must have: its command and the
	// one of the literal behind it take about ten bytes that don't compress.
	refineCopy = 32
	refineVain = 4
	// refineCopies bounds the copies of one delta: what has changed beyond is left
	// in blocks, so that a plan takes in at least one delta, and mostly several.
	refineCopies = 1 << 18
	// refineBlock is the greatest block length that is taken: a signature that was
	// tampered with must not take memory without end.
	refineBlock  = 1 << 20
	refineBudget = 16 // bytes of the old file for one of the new
)

// region reads what the old file has from position from to position to and the
// rest of their blocks, as far as the signature confirms it. It begins at position start.
func (r *refiner) region(sig *Signature, from, to int64) (region []byte, start int64) {
	blockLen := int64(sig.params.BlockLen)
	first := from / blockLen
	start = first * blockLen
	size := (to - start + blockLen - 1) / blockLen * blockLen
	if size <= 0 || size > refineMost+2*blockLen || size > r.budget {
		return nil, start
	}
	r.budget -= size
	if int64(cap(r.buf)) < size {
		r.buf = make([]byte, size)
	}
	// What can't be read is as if it weren't there: the literal stays one.
	n, _ := r.old.ReadAt(r.buf[:size], start)
	data := r.buf[:n]
	for len(data) > 0 {
		block := data[:min(len(data), int(blockLen))]
		if !sig.is(int(first), sig.params.weak(block), block) {
			break
		}
		first++
		data = data[len(block):]
	}
	return r.buf[:n-len(data)], start
}

// refine writes the new bytes p as copies of the old file and literals. What follows
// them stands in the old file at to; -1 is not known. It reports whether it found any
// of them.
func (d *delta) refine(p []byte, to int64) bool {
	from := d.literalAt
	if to < from || to-from > refineMost {
		to = -1
	}
	end := to
	if to < 0 {
		end = from + int64(len(p)) + refineSlack
	}
	region, start := d.refiner.region(d.sig, from, end)
	if len(region) == 0 {
		d.appendLiteral(p)
		return false
	}
	// What continues the copies before and behind costs nothing, however short.
	at := min(int(from-start), len(region))
	head := commonPrefix(p, region[at:])
	if head < refineCopy && !d.continues(start+int64(at)) {
		head = 0
	}
	d.appendCopy(start+int64(at), int64(head))
	tail := 0
	if to >= 0 && to-start <= int64(len(region)) {
		tail = commonSuffix(p[head:], region[at+head:to-start])
	}
	middle := p[head : len(p)-tail]
	found := d.refiner.search(d, middle, region, start, at+head)
	d.appendCopy(to-int64(tail), int64(tail))
	return found || head+tail > 0
}

// search writes p by what it finds in the region, which begins at start of the old
// file; at is where the first of p is to be expected.
func (r *refiner) search(d *delta, p, region []byte, start int64, at int) (found bool) {
	literal, shift := 0, at // what stands at p[i] is expected at region[i+shift]
	if len(p) >= refineCopy && len(region) >= refineCopy {
		r.index(region)
		for i := 0; i+refineWord <= len(p); {
			word := binary.LittleEndian.Uint64(p[i:])
			j := i + shift
			if j < 0 || j+refineWord > len(region) || binary.LittleEndian.Uint64(region[j:]) != word {
				if j = int(r.table[refineHash(word)]) - 1; j < 0 || binary.LittleEndian.Uint64(region[j:]) != word {
					i++
					continue
				}
			}
			back := commonSuffix(p[literal:i], region[:j])
			n := back + refineWord + commonPrefix(p[i+refineWord:], region[j+refineWord:])
			if n < refineCopy {
				i += n - back - refineWord + 1 // what is longer goes on behind
				continue
			}
			d.appendLiteral(p[literal : i-back])
			d.appendCopy(start+int64(j-back), int64(n))
			r.copies++
			i += n - back
			literal, shift, found = i, j-back+n-i, true
		}
	}
	d.appendLiteral(p[literal:])
	return found
}

// index enters each word of the region; of equal ones the first counts.
func (r *refiner) index(region []byte) {
	if r.table == nil {
		r.table = make([]uint32, refineTable)
	}
	clear(r.table)
	for j := len(region) - refineWord; j >= 0; j-- {
		r.table[refineHash(binary.LittleEndian.Uint64(region[j:]))] = uint32(j + 1)
	}
}

func refineHash(word uint64) uint64 { return word * 0x9e3779b97f4a7c15 >> 48 }

func commonPrefix(a, b []byte) int {
	most := min(len(a), len(b))
	n := 0
	for ; n+8 <= most; n += 8 {
		if x := binary.LittleEndian.Uint64(a[n:]) ^ binary.LittleEndian.Uint64(b[n:]); x != 0 {
			return n + bits.TrailingZeros64(x)/8
		}
	}
	for n < most && a[n] == b[n] {
		n++
	}
	return n
}

func commonSuffix(a, b []byte) int {
	most := min(len(a), len(b))
	n := 0
	for n < most && a[len(a)-1-n] == b[len(b)-1-n] {
		n++
	}
	return n
}
