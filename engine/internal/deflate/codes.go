package deflate

import (
	"fmt"
	"math/bits"
)

// An entry of a table of codes: in its low 6 bits how many bits it takes, 0 where
// there is no code; from bit 8 on how many of them are the code's, the others being
// extra bits; from bit 16 on the literal, or two of them, or the least length or
// distance. Where a code is longer than the table's bits the entry is that of a
// table behind it: its place from bit 16 on, and its bits from bit 8 on.
const (
	isLiteral = 1 << 15
	isPair    = 1 << pairBit // of literals: the low 6 bits are of both codes
	isTable   = 1 << 7
	isEnd     = 1 << 6

	pairBit = 14

	maxCode      = 15
	literalBits  = 11
	distanceBits = 9
	metaBits     = 7
)

// codes are those of literals and lengths, and those of distances.
type codes struct {
	// Behind the table of the first bits there is room for what longer codes need:
	// at most half as many further tables as symbols, of 16 and 64 entries.
	literals  [1<<literalBits + 4096]uint32
	distances [1<<distanceBits + 2048]uint32

	areFixed bool
}

func (c *codes) set(literals, distances []uint8) error {
	c.areFixed = false
	if !build(c.literals[:], literalBits, literals, literalEntry) || !build(c.distances[:], distanceBits, distances, distanceEntry) {
		return fmt.Errorf("%w: bad codes", ErrCorrupt)
	}
	c.pair()
	return nil
}

// pair joins the entries of two literals whose codes fit together into the bits of
// the table. The second one's own entry lies before, and is joined later.
func (c *codes) pair() {
	for i := 1<<literalBits - 1; i >= 0; i-- {
		first := c.literals[i]
		second := c.literals[i>>(first&63)]
		if first&second&isLiteral != 0 && first&63+second&63 <= literalBits {
			c.literals[i] = first + second&63 + second&(0xff<<16)<<8 | isPair
		}
	}
}

// fixed sets the codes that need no description (RFC 1951, 3.2.6).
func (c *codes) fixed() {
	if c.areFixed {
		return
	}
	var literals [288]uint8
	for i := range literals {
		switch {
		case i < 144:
			literals[i] = 8
		case i < 256:
			literals[i] = 9
		case i < 280:
			literals[i] = 7
		default:
			literals[i] = 8
		}
	}
	var distances [32]uint8
	for i := range distances {
		distances[i] = 5
	}
	_ = c.set(literals[:], distances[:]) // these are complete
	c.areFixed = true
}

// literalEntry is what a symbol of the first code means (RFC 1951, 3.2.5).
func literalEntry(s int) uint32 {
	switch {
	case s < 256:
		return isLiteral | uint32(s)<<16
	case s == 256:
		return isEnd
	case s < 265:
		return uint32(s-257+3) << 16
	case s < 285:
		extra := uint32(s-261) / 4
		return extra | ((4+uint32(s-261)%4)<<extra+3)<<16
	case s == 285:
		return 258 << 16
	}
	return noSymbol
}

func distanceEntry(s int) uint32 {
	switch {
	case s < 4:
		return uint32(s+1) << 16
	case s < 30:
		extra := uint32(s-2) / 2
		return extra | ((2+uint32(s)%2)<<extra+1)<<16
	}
	return noSymbol
}

// noSymbol stands for symbols that have codes and no meaning.
const noSymbol = ^uint32(0)

// build fills a table, whose first part is indexed by so many bits, from the
// lengths of the codes of all symbols. It reports whether they are a code: each
// sequence of bits has just one meaning, save where there is only one symbol, or
// none.
func build(table []uint32, primary uint, lengths []uint8, entry func(int) uint32) bool {
	var count [maxCode + 1]int
	for _, n := range lengths {
		count[n]++
	}
	count[0] = 0
	var next [maxCode + 2]uint32
	left, longest := 1, uint(0)
	for n := uint(1); n <= maxCode; n++ {
		left = left<<1 - count[n]
		if left < 0 {
			return false
		}
		if count[n] > 0 {
			longest = n
		}
		next[n+1] = (next[n] + uint32(count[n])) << 1
	}
	if left > 0 && longest > 1 {
		return false
	}
	clear(table[:1<<primary])
	free := 1 << primary // where the next further table goes
	rest := longest - min(primary, longest)
	for s, size := range lengths {
		if size == 0 {
			continue
		}
		n := uint(size)
		code := uint(bits.Reverse16(uint16(next[n])) >> (16 - n))
		next[n]++
		e := entry(s)
		if e == noSymbol {
			e = 0
		} else {
			e += uint32(n)<<8 | uint32(n)
		}
		if n <= primary {
			for i := code; i < 1<<primary; i += 1 << n {
				table[i] = e
			}
			continue
		}
		first := code & (1<<primary - 1)
		if table[first] == 0 {
			table[first] = isTable | uint32(rest)<<8 | uint32(free)<<16 | 1
			clear(table[free : free+1<<rest])
			free += 1 << rest
		}
		base := int(table[first] >> 16)
		for i := code >> primary; i < 1<<rest; i += 1 << (n - primary) {
			table[base+int(i)] = e
		}
	}
	return true
}
