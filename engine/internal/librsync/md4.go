package librsync

import (
	"encoding/binary"
	"math/bits"
)

// md4Size is the length of an MD4 sum in bytes.
const md4Size = 16

// md4Sum returns the MD4 sum of p (RFC 1320). MD4 is what signatures have always
// held, and it takes most of the time that a signature or a delta needs: hence this
// one, which is faster than the package of x/crypto, frozen and deprecated as it is.
func md4Sum(p []byte) [md4Size]byte {
	h := md4Start()
	whole := len(p) &^ 63
	md4Blocks(&h, p[:whole])
	var sum [md4Size]byte
	md4End(&h, p[whole:], len(p), &sum)
	return sum
}

func md4Start() [4]uint32 { return [4]uint32{0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476} }

// md4End adds the rest of size bytes and their tail.
func md4End(h *[4]uint32, rest []byte, size int, sum *[md4Size]byte) {
	var tail [md4TailLen]byte
	md4Blocks(h, tail[:md4Tail(tail[:], rest, size)])
	for i, x := range h {
		binary.LittleEndian.PutUint32(sum[4*i:], x)
	}
}

// md4TailLen is the most that md4Tail makes.
const md4TailLen = 128

// md4Tail makes the last one or two blocks of 64 bytes in tail, which holds zeros:
// the rest of size bytes, a one bit, zeros and the length in bits. It returns their
// length.
func md4Tail(tail, rest []byte, size int) int {
	n := copy(tail, rest)
	tail[n] = 0x80
	end := 64
	if n >= 56 {
		end = 128
	}
	binary.LittleEndian.PutUint64(tail[end-8:], uint64(size)<<3)
	return end
}

// md4Blocks adds blocks of 64 bytes. Its length is the three rounds of RFC 1320,
// section 3.4, written out.
func md4Blocks(h *[4]uint32, p []byte) {
	a, b, c, d := h[0], h[1], h[2], h[3]
	for ; len(p) >= 64; p = p[64:] {
		q := p[:64:64]
		x0 := binary.LittleEndian.Uint32(q[0:])
		x1 := binary.LittleEndian.Uint32(q[4:])
		x2 := binary.LittleEndian.Uint32(q[8:])
		x3 := binary.LittleEndian.Uint32(q[12:])
		x4 := binary.LittleEndian.Uint32(q[16:])
		x5 := binary.LittleEndian.Uint32(q[20:])
		x6 := binary.LittleEndian.Uint32(q[24:])
		x7 := binary.LittleEndian.Uint32(q[28:])
		x8 := binary.LittleEndian.Uint32(q[32:])
		x9 := binary.LittleEndian.Uint32(q[36:])
		x10 := binary.LittleEndian.Uint32(q[40:])
		x11 := binary.LittleEndian.Uint32(q[44:])
		x12 := binary.LittleEndian.Uint32(q[48:])
		x13 := binary.LittleEndian.Uint32(q[52:])
		x14 := binary.LittleEndian.Uint32(q[56:])
		x15 := binary.LittleEndian.Uint32(q[60:])
		a0, b0, c0, d0 := a, b, c, d

		a = bits.RotateLeft32((a+x0)+(((c^d)&b)^d), 3)
		d = bits.RotateLeft32((d+x1)+(((b^c)&a)^c), 7)
		c = bits.RotateLeft32((c+x2)+(((a^b)&d)^b), 11)
		b = bits.RotateLeft32((b+x3)+(((d^a)&c)^a), 19)
		a = bits.RotateLeft32((a+x4)+(((c^d)&b)^d), 3)
		d = bits.RotateLeft32((d+x5)+(((b^c)&a)^c), 7)
		c = bits.RotateLeft32((c+x6)+(((a^b)&d)^b), 11)
		b = bits.RotateLeft32((b+x7)+(((d^a)&c)^a), 19)
		a = bits.RotateLeft32((a+x8)+(((c^d)&b)^d), 3)
		d = bits.RotateLeft32((d+x9)+(((b^c)&a)^c), 7)
		c = bits.RotateLeft32((c+x10)+(((a^b)&d)^b), 11)
		b = bits.RotateLeft32((b+x11)+(((d^a)&c)^a), 19)
		a = bits.RotateLeft32((a+x12)+(((c^d)&b)^d), 3)
		d = bits.RotateLeft32((d+x13)+(((b^c)&a)^c), 7)
		c = bits.RotateLeft32((c+x14)+(((a^b)&d)^b), 11)
		b = bits.RotateLeft32((b+x15)+(((d^a)&c)^a), 19)

		a = bits.RotateLeft32((a+x0+0x5a827999)+((b&(c|d))|(c&d)), 3)
		d = bits.RotateLeft32((d+x4+0x5a827999)+((a&(b|c))|(b&c)), 5)
		c = bits.RotateLeft32((c+x8+0x5a827999)+((d&(a|b))|(a&b)), 9)
		b = bits.RotateLeft32((b+x12+0x5a827999)+((c&(d|a))|(d&a)), 13)
		a = bits.RotateLeft32((a+x1+0x5a827999)+((b&(c|d))|(c&d)), 3)
		d = bits.RotateLeft32((d+x5+0x5a827999)+((a&(b|c))|(b&c)), 5)
		c = bits.RotateLeft32((c+x9+0x5a827999)+((d&(a|b))|(a&b)), 9)
		b = bits.RotateLeft32((b+x13+0x5a827999)+((c&(d|a))|(d&a)), 13)
		a = bits.RotateLeft32((a+x2+0x5a827999)+((b&(c|d))|(c&d)), 3)
		d = bits.RotateLeft32((d+x6+0x5a827999)+((a&(b|c))|(b&c)), 5)
		c = bits.RotateLeft32((c+x10+0x5a827999)+((d&(a|b))|(a&b)), 9)
		b = bits.RotateLeft32((b+x14+0x5a827999)+((c&(d|a))|(d&a)), 13)
		a = bits.RotateLeft32((a+x3+0x5a827999)+((b&(c|d))|(c&d)), 3)
		d = bits.RotateLeft32((d+x7+0x5a827999)+((a&(b|c))|(b&c)), 5)
		c = bits.RotateLeft32((c+x11+0x5a827999)+((d&(a|b))|(a&b)), 9)
		b = bits.RotateLeft32((b+x15+0x5a827999)+((c&(d|a))|(d&a)), 13)

		a = bits.RotateLeft32((a+x0+0x6ed9eba1)+(b^(c^d)), 3)
		d = bits.RotateLeft32((d+x8+0x6ed9eba1)+(a^(b^c)), 9)
		c = bits.RotateLeft32((c+x4+0x6ed9eba1)+(d^(a^b)), 11)
		b = bits.RotateLeft32((b+x12+0x6ed9eba1)+(c^(d^a)), 15)
		a = bits.RotateLeft32((a+x2+0x6ed9eba1)+(b^(c^d)), 3)
		d = bits.RotateLeft32((d+x10+0x6ed9eba1)+(a^(b^c)), 9)
		c = bits.RotateLeft32((c+x6+0x6ed9eba1)+(d^(a^b)), 11)
		b = bits.RotateLeft32((b+x14+0x6ed9eba1)+(c^(d^a)), 15)
		a = bits.RotateLeft32((a+x1+0x6ed9eba1)+(b^(c^d)), 3)
		d = bits.RotateLeft32((d+x9+0x6ed9eba1)+(a^(b^c)), 9)
		c = bits.RotateLeft32((c+x5+0x6ed9eba1)+(d^(a^b)), 11)
		b = bits.RotateLeft32((b+x13+0x6ed9eba1)+(c^(d^a)), 15)
		a = bits.RotateLeft32((a+x3+0x6ed9eba1)+(b^(c^d)), 3)
		d = bits.RotateLeft32((d+x11+0x6ed9eba1)+(a^(b^c)), 9)
		c = bits.RotateLeft32((c+x7+0x6ed9eba1)+(d^(a^b)), 11)
		b = bits.RotateLeft32((b+x15+0x6ed9eba1)+(c^(d^a)), 15)

		a, b, c, d = a+a0, b+b0, c+c0, d+d0
	}
	h[0], h[1], h[2], h[3] = a, b, c, d
}
