package librsync

// scan rolls the window from pos until it matches a block, whose number it returns,
// or until the buffer or a literal's length is used up, and then returns -1. pos and
// weak are moved to where it stopped. These loops are where the time goes when data
// has changed.
func (d *delta) scan() int {
	// The window takes in the byte in[i] as out[i] leaves it.
	steps := min(len(d.buf)-d.blockLen-d.pos, d.literal+maxLiteral-d.pos)
	if steps == 0 {
		return d.scanLast()
	}
	out := d.buf[d.pos:][:steps]
	in := d.buf[d.pos+d.blockLen:][:steps]
	if d.sig.params.rabinKarp() {
		return d.scanRabinKarp(out, in)
	}
	return d.scanRollsum(out, in)
}

// scanLast looks at the last whole window of the new file. If it matches nothing, what
// is left is shorter than a block.
func (d *delta) scanLast() int {
	if block := d.find(d.pos, d.weak); block >= 0 {
		return block
	}
	d.pos++
	return -1
}

func (d *delta) find(pos int, weak uint32) int {
	return d.sig.find(weak, d.buf[pos:pos+d.blockLen])
}

func (d *delta) scanRollsum(out, in []byte) int {
	s1, s2 := d.weak&0xffff, d.weak>>16
	n := uint32(d.blockLen)
	present, shift := d.sig.present, d.sig.shift
	in = in[:len(out)]
	for i, o := range out {
		weak := s2<<16 | s1&0xffff
		h := hashWeak(weak)
		if mask := filterMask(h); present[h>>(shift&63)]&mask == mask {
			if block := d.find(d.pos+i, weak); block >= 0 {
				d.pos += i
				return block
			}
		}
		s1 += uint32(in[i]) - uint32(o)
		s2 += s1 - n*(uint32(o)+rollOffset)
	}
	d.pos += len(out)
	d.weak = s2<<16 | s1&0xffff
	return -1
}

func (d *delta) scanRabinKarp(out, in []byte) int {
	weak, power := d.weak, d.power
	present, shift := d.sig.present, d.sig.shift
	in = in[:len(out)]
	for i, o := range out {
		h := hashWeak(weak)
		if mask := filterMask(h); present[h>>(shift&63)]&mask == mask {
			if block := d.find(d.pos+i, weak); block >= 0 {
				d.pos += i
				return block
			}
		}
		weak = weak*rabinKarpMult + uint32(in[i]) - power*(uint32(o)+rabinKarpAdjust)
	}
	d.pos += len(out)
	d.weak = weak
	return -1
}
