// Package fletcher adds up bytes as Fletcher's checksum does, of which Adler-32
// and the rolling sum of librsync are kinds.
package fletcher

import "encoding/binary"

const (
	low = 0x00ff00ff00ff00ff
	// So many steps of eight bytes fit: the sums of sums stay below 2^16.
	steps = 22
)

// Add adds each byte of p to s1, and each of these sums to s2, modulo 2^64. It takes
// 32 bytes at a time where the processor can.
func Add(s1, s2 uint64, p []byte) (uint64, uint64) {
	return addWords(addVectors(s1, s2, p))
}

// addWords adds up the bytes of eight places side by side, in the 16-bit parts of
// two words: a third of the time of one after the other.
func addWords(s1, s2 uint64, p []byte) (uint64, uint64) {
	for len(p) >= 8 {
		n := min(len(p)/8, steps)
		var even, odd, evens, odds uint64
		part := p[:8*n]
		for i := 0; i <= len(part)-8; i += 8 {
			x := binary.LittleEndian.Uint64(part[i : i+8])
			evens += even
			odds += odd
			even += x & low
			odd += x >> 8 & low
		}
		p = p[8*n:]
		s2 += 8 * (uint64(n)*s1 + lanes(evens, 1, 1, 1, 1) + lanes(odds, 1, 1, 1, 1))
		s2 += lanes(even, 8, 6, 4, 2) + lanes(odd, 7, 5, 3, 1)
		s1 += lanes(even, 1, 1, 1, 1) + lanes(odd, 1, 1, 1, 1)
	}
	for _, c := range p {
		s1 += uint64(c)
		s2 += s1
	}
	return s1, s2
}

// lanes is the sum of the four parts of x, each times its weight.
func lanes(x, w0, w1, w2, w3 uint64) uint64 {
	return w0*(x&0xffff) + w1*(x>>16&0xffff) + w2*(x>>32&0xffff) + w3*(x>>48)
}
