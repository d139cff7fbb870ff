package librsync

import "github.com/purser-backup/purser/engine/internal/fletcher"

// rollOffset is added to each byte of a rollsum, so that zeros count.
const rollOffset = 31

// rollsum returns the weak sum of librsync's first kind of signatures: the sum of the
// bytes below, the sum of their sums above, 16 bits each.
func rollsum(b []byte) uint32 {
	// Offsets are added at the end: n of them below, n(n+1)/2 above. All arithmetic
	// is modulo 2^16 in effect, so that overflow does no harm.
	s1, s2 := fletcher.Add(0, 0, b)
	n := uint64(len(b))
	s1 += n * rollOffset
	s2 += n * (n + 1) / 2 * rollOffset
	return uint32(s2)<<16 | uint32(s1)&0xffff
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
