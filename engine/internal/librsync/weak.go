package librsync

import "encoding/binary"

// rollOffset is added to each byte of a rollsum, so that zeros count.
const rollOffset = 31

// rollsum returns the weak sum of librsync's first kind of signatures: the sum of the
// bytes below, the sum of their sums above, 16 bits each. It adds up the bytes of eight
// places side by side, in the 16-bit parts of two words.
func rollsum(b []byte) uint32 {
	const (
		low = 0x00ff00ff00ff00ff
		// So many steps of eight bytes fit: the sums of sums stay below 2^16.
		steps = 22
	)
	// Offsets are added at the end: n of them below, n(n+1)/2 above. All arithmetic
	// is modulo 2^16 in effect, so that overflow does no harm.
	var s1, s2 uint64
	total := uint64(len(b))
	for len(b) >= 8 {
		n := min(len(b)/8, steps)
		var even, odd, evens, odds uint64
		part := b[:8*n]
		for i := 0; i <= len(part)-8; i += 8 {
			x := binary.LittleEndian.Uint64(part[i : i+8])
			evens += even
			odds += odd
			even += x & low
			odd += x >> 8 & low
		}
		b = b[8*n:]
		s2 += 8 * (uint64(n)*s1 + parts(evens, 1, 1, 1, 1) + parts(odds, 1, 1, 1, 1))
		s2 += parts(even, 8, 6, 4, 2) + parts(odd, 7, 5, 3, 1)
		s1 += parts(even, 1, 1, 1, 1) + parts(odd, 1, 1, 1, 1)
	}
	for _, x := range b {
		s1 += uint64(x)
		s2 += s1
	}
	s1 += total * rollOffset
	s2 += total * (total + 1) / 2 * rollOffset
	return uint32(s2)<<16 | uint32(s1)&0xffff
}

// parts is the sum of the four parts of x, each times its weight.
func parts(x, w0, w1, w2, w3 uint64) uint64 {
	return w0*(x&0xffff) + w1*(x>>16&0xffff) + w2*(x>>32&0xffff) + w3*(x>>48)
}

// rollsumDrop removes the first byte of a block of n bytes from its sum.
func rollsumDrop(sum uint32, n int, out byte) uint32 {
	o := uint32(out) + rollOffset
	s1, s2 := sum&0xffff, sum>>16
	return (s2-uint32(n)*o)<<16 | (s1-o)&0xffff
}

// The multiplier of the Rabin-Karp sum, its inverse modulo 2^32, and what makes the
// start value, 1, vanish.
const (
	rabinKarpMult    uint32 = 0x08104225
	rabinKarpInverse uint32 = 0x98f009ad
	rabinKarpAdjust  uint32 = rabinKarpMult - 1
)

// rabinKarp returns the weak sum of librsync's second kind of signatures: a
// polynomial of the bytes modulo 2^32.
func rabinKarp(b []byte) uint32 {
	const ( // powers of the multiplier
		m1        = rabinKarpMult
		m2 uint32 = 0xa5b71959
		m3 uint32 = 0x858f9bdd
		m4 uint32 = 0xf9c080f1
	)
	h := uint32(1)
	for len(b) >= 4 {
		c := b[:4:4]
		h = h*m4 + uint32(c[0])*m3 + uint32(c[1])*m2 + uint32(c[2])*m1 + uint32(c[3])
		b = b[4:]
	}
	for _, x := range b {
		h = h*m1 + uint32(x)
	}
	return h
}

// rabinKarpPower returns the multiplier to the power of n, which the oldest of n+1
// bytes has been multiplied with.
func rabinKarpPower(n int) uint32 {
	result, base := uint32(1), rabinKarpMult
	for ; n > 0; n >>= 1 {
		if n&1 != 0 {
			result *= base
		}
		base *= base
	}
	return result
}
