package librsync

import (
	"encoding/binary"
	"math/bits"
)

// md4Pair returns the MD4 sums of two blocks of the same length. Each step of MD4
// waits for the one before; of two sums the processor has always one to go on with.
func md4Pair(p, q []byte) (sum [2][md4Size]byte) {
	start := md4Start()
	g := [2][4]uint32{start, start}
	whole := len(p) &^ 63
	md4BlockPairs(&g, p[:whole], q[:whole])
	md4End(&g[0], p[whole:], len(p), &sum[0])
	md4End(&g[1], q[whole:], len(q), &sum[1])
	return sum
}

// md4BlockPairs is md4Blocks for two sums at a time. Its length is that of the
// rounds, written out.
func md4BlockPairs(h *[2][4]uint32, p, q []byte) {
	a, b, c, d := h[0][0], h[0][1], h[0][2], h[0][3]
	e, f, g, i := h[1][0], h[1][1], h[1][2], h[1][3]
	for ; len(p) >= 64 && len(q) >= 64; p, q = p[64:], q[64:] {
		x, y := p[:64:64], q[:64:64]
		a0, b0, c0, d0 := a, b, c, d
		e0, f0, g0, i0 := e, f, g, i

		a = bits.RotateLeft32((a+binary.LittleEndian.Uint32(x[0:]))+(((c^d)&b)^d), 3)
		e = bits.RotateLeft32((e+binary.LittleEndian.Uint32(y[0:]))+(((g^i)&f)^i), 3)
		d = bits.RotateLeft32((d+binary.LittleEndian.Uint32(x[4:]))+(((b^c)&a)^c), 7)
		i = bits.RotateLeft32((i+binary.LittleEndian.Uint32(y[4:]))+(((f^g)&e)^g), 7)
		c = bits.RotateLeft32((c+binary.LittleEndian.Uint32(x[8:]))+(((a^b)&d)^b), 11)
		g = bits.RotateLeft32((g+binary.LittleEndian.Uint32(y[8:]))+(((e^f)&i)^f), 11)
		b = bits.RotateLeft32((b+binary.LittleEndian.Uint32(x[12:]))+(((d^a)&c)^a), 19)
		f = bits.RotateLeft32((f+binary.LittleEndian.Uint32(y[12:]))+(((i^e)&g)^e), 19)
		a = bits.RotateLeft32((a+binary.LittleEndian.Uint32(x[16:]))+(((c^d)&b)^d), 3)
		e = bits.RotateLeft32((e+binary.LittleEndian.Uint32(y[16:]))+(((g^i)&f)^i), 3)
		d = bits.RotateLeft32((d+binary.LittleEndian.Uint32(x[20:]))+(((b^c)&a)^c), 7)
		i = bits.RotateLeft32((i+binary.LittleEndian.Uint32(y[20:]))+(((f^g)&e)^g), 7)
		c = bits.RotateLeft32((c+binary.LittleEndian.Uint32(x[24:]))+(((a^b)&d)^b), 11)
		g = bits.RotateLeft32((g+binary.LittleEndian.Uint32(y[24:]))+(((e^f)&i)^f), 11)
		b = bits.RotateLeft32((b+binary.LittleEndian.Uint32(x[28:]))+(((d^a)&c)^a), 19)
		f = bits.RotateLeft32((f+binary.LittleEndian.Uint32(y[28:]))+(((i^e)&g)^e), 19)
		a = bits.RotateLeft32((a+binary.LittleEndian.Uint32(x[32:]))+(((c^d)&b)^d), 3)
		e = bits.RotateLeft32((e+binary.LittleEndian.Uint32(y[32:]))+(((g^i)&f)^i), 3)
		d = bits.RotateLeft32((d+binary.LittleEndian.Uint32(x[36:]))+(((b^c)&a)^c), 7)
		i = bits.RotateLeft32((i+binary.LittleEndian.Uint32(y[36:]))+(((f^g)&e)^g), 7)
		c = bits.RotateLeft32((c+binary.LittleEndian.Uint32(x[40:]))+(((a^b)&d)^b), 11)
		g = bits.RotateLeft32((g+binary.LittleEndian.Uint32(y[40:]))+(((e^f)&i)^f), 11)
		b = bits.RotateLeft32((b+binary.LittleEndian.Uint32(x[44:]))+(((d^a)&c)^a), 19)
		f = bits.RotateLeft32((f+binary.LittleEndian.Uint32(y[44:]))+(((i^e)&g)^e), 19)
		a = bits.RotateLeft32((a+binary.LittleEndian.Uint32(x[48:]))+(((c^d)&b)^d), 3)
		e = bits.RotateLeft32((e+binary.LittleEndian.Uint32(y[48:]))+(((g^i)&f)^i), 3)
		d = bits.RotateLeft32((d+binary.LittleEndian.Uint32(x[52:]))+(((b^c)&a)^c), 7)
		i = bits.RotateLeft32((i+binary.LittleEndian.Uint32(y[52:]))+(((f^g)&e)^g), 7)
		c = bits.RotateLeft32((c+binary.LittleEndian.Uint32(x[56:]))+(((a^b)&d)^b), 11)
		g = bits.RotateLeft32((g+binary.LittleEndian.Uint32(y[56:]))+(((e^f)&i)^f), 11)
		b = bits.RotateLeft32((b+binary.LittleEndian.Uint32(x[60:]))+(((d^a)&c)^a), 19)
		f = bits.RotateLeft32((f+binary.LittleEndian.Uint32(y[60:]))+(((i^e)&g)^e), 19)

		a = bits.RotateLeft32((a+binary.LittleEndian.Uint32(x[0:])+0x5a827999)+((b&(c|d))|(c&d)), 3)
		e = bits.RotateLeft32((e+binary.LittleEndian.Uint32(y[0:])+0x5a827999)+((f&(g|i))|(g&i)), 3)
		d = bits.RotateLeft32((d+binary.LittleEndian.Uint32(x[16:])+0x5a827999)+((a&(b|c))|(b&c)), 5)
		i = bits.RotateLeft32((i+binary.LittleEndian.Uint32(y[16:])+0x5a827999)+((e&(f|g))|(f&g)), 5)
		c = bits.RotateLeft32((c+binary.LittleEndian.Uint32(x[32:])+0x5a827999)+((d&(a|b))|(a&b)), 9)
		g = bits.RotateLeft32((g+binary.LittleEndian.Uint32(y[32:])+0x5a827999)+((i&(e|f))|(e&f)), 9)
		b = bits.RotateLeft32((b+binary.LittleEndian.Uint32(x[48:])+0x5a827999)+((c&(d|a))|(d&a)), 13)
		f = bits.RotateLeft32((f+binary.LittleEndian.Uint32(y[48:])+0x5a827999)+((g&(i|e))|(i&e)), 13)
		a = bits.RotateLeft32((a+binary.LittleEndian.Uint32(x[4:])+0x5a827999)+((b&(c|d))|(c&d)), 3)
		e = bits.RotateLeft32((e+binary.LittleEndian.Uint32(y[4:])+0x5a827999)+((f&(g|i))|(g&i)), 3)
		d = bits.RotateLeft32((d+binary.LittleEndian.Uint32(x[20:])+0x5a827999)+((a&(b|c))|(b&c)), 5)
		i = bits.RotateLeft32((i+binary.LittleEndian.Uint32(y[20:])+0x5a827999)+((e&(f|g))|(f&g)), 5)
		c = bits.RotateLeft32((c+binary.LittleEndian.Uint32(x[36:])+0x5a827999)+((d&(a|b))|(a&b)), 9)
		g = bits.RotateLeft32((g+binary.LittleEndian.Uint32(y[36:])+0x5a827999)+((i&(e|f))|(e&f)), 9)
		b = bits.RotateLeft32((b+binary.LittleEndian.Uint32(x[52:])+0x5a827999)+((c&(d|a))|(d&a)), 13)
		f = bits.RotateLeft32((f+binary.LittleEndian.Uint32(y[52:])+0x5a827999)+((g&(i|e))|(i&e)), 13)
		a = bits.RotateLeft32((a+binary.LittleEndian.Uint32(x[8:])+0x5a827999)+((b&(c|d))|(c&d)), 3)
		e = bits.RotateLeft32((e+binary.LittleEndian.Uint32(y[8:])+0x5a827999)+((f&(g|i))|(g&i)), 3)
		d = bits.RotateLeft32((d+binary.LittleEndian.Uint32(x[24:])+0x5a827999)+((a&(b|c))|(b&c)), 5)
		i = bits.RotateLeft32((i+binary.LittleEndian.Uint32(y[24:])+0x5a827999)+((e&(f|g))|(f&g)), 5)
		c = bits.RotateLeft32((c+binary.LittleEndian.Uint32(x[40:])+0x5a827999)+((d&(a|b))|(a&b)), 9)
		g = bits.RotateLeft32((g+binary.LittleEndian.Uint32(y[40:])+0x5a827999)+((i&(e|f))|(e&f)), 9)
		b = bits.RotateLeft32((b+binary.LittleEndian.Uint32(x[56:])+0x5a827999)+((c&(d|a))|(d&a)), 13)
		f = bits.RotateLeft32((f+binary.LittleEndian.Uint32(y[56:])+0x5a827999)+((g&(i|e))|(i&e)), 13)
		a = bits.RotateLeft32((a+binary.LittleEndian.Uint32(x[12:])+0x5a827999)+((b&(c|d))|(c&d)), 3)
		e = bits.RotateLeft32((e+binary.LittleEndian.Uint32(y[12:])+0x5a827999)+((f&(g|i))|(g&i)), 3)
		d = bits.RotateLeft32((d+binary.LittleEndian.Uint32(x[28:])+0x5a827999)+((a&(b|c))|(b&c)), 5)
		i = bits.RotateLeft32((i+binary.LittleEndian.Uint32(y[28:])+0x5a827999)+((e&(f|g))|(f&g)), 5)
		c = bits.RotateLeft32((c+binary.LittleEndian.Uint32(x[44:])+0x5a827999)+((d&(a|b))|(a&b)), 9)
		g = bits.RotateLeft32((g+binary.LittleEndian.Uint32(y[44:])+0x5a827999)+((i&(e|f))|(e&f)), 9)
		b = bits.RotateLeft32((b+binary.LittleEndian.Uint32(x[60:])+0x5a827999)+((c&(d|a))|(d&a)), 13)
		f = bits.RotateLeft32((f+binary.LittleEndian.Uint32(y[60:])+0x5a827999)+((g&(i|e))|(i&e)), 13)

		a = bits.RotateLeft32((a+binary.LittleEndian.Uint32(x[0:])+0x6ed9eba1)+(b^(c^d)), 3)
		e = bits.RotateLeft32((e+binary.LittleEndian.Uint32(y[0:])+0x6ed9eba1)+(f^(g^i)), 3)
		d = bits.RotateLeft32((d+binary.LittleEndian.Uint32(x[32:])+0x6ed9eba1)+(a^(b^c)), 9)
		i = bits.RotateLeft32((i+binary.LittleEndian.Uint32(y[32:])+0x6ed9eba1)+(e^(f^g)), 9)
		c = bits.RotateLeft32((c+binary.LittleEndian.Uint32(x[16:])+0x6ed9eba1)+(d^(a^b)), 11)
		g = bits.RotateLeft32((g+binary.LittleEndian.Uint32(y[16:])+0x6ed9eba1)+(i^(e^f)), 11)
		b = bits.RotateLeft32((b+binary.LittleEndian.Uint32(x[48:])+0x6ed9eba1)+(c^(d^a)), 15)
		f = bits.RotateLeft32((f+binary.LittleEndian.Uint32(y[48:])+0x6ed9eba1)+(g^(i^e)), 15)
		a = bits.RotateLeft32((a+binary.LittleEndian.Uint32(x[8:])+0x6ed9eba1)+(b^(c^d)), 3)
		e = bits.RotateLeft32((e+binary.LittleEndian.Uint32(y[8:])+0x6ed9eba1)+(f^(g^i)), 3)
		d = bits.RotateLeft32((d+binary.LittleEndian.Uint32(x[40:])+0x6ed9eba1)+(a^(b^c)), 9)
		i = bits.RotateLeft32((i+binary.LittleEndian.Uint32(y[40:])+0x6ed9eba1)+(e^(f^g)), 9)
		c = bits.RotateLeft32((c+binary.LittleEndian.Uint32(x[24:])+0x6ed9eba1)+(d^(a^b)), 11)
		g = bits.RotateLeft32((g+binary.LittleEndian.Uint32(y[24:])+0x6ed9eba1)+(i^(e^f)), 11)
		b = bits.RotateLeft32((b+binary.LittleEndian.Uint32(x[56:])+0x6ed9eba1)+(c^(d^a)), 15)
		f = bits.RotateLeft32((f+binary.LittleEndian.Uint32(y[56:])+0x6ed9eba1)+(g^(i^e)), 15)
		a = bits.RotateLeft32((a+binary.LittleEndian.Uint32(x[4:])+0x6ed9eba1)+(b^(c^d)), 3)
		e = bits.RotateLeft32((e+binary.LittleEndian.Uint32(y[4:])+0x6ed9eba1)+(f^(g^i)), 3)
		d = bits.RotateLeft32((d+binary.LittleEndian.Uint32(x[36:])+0x6ed9eba1)+(a^(b^c)), 9)
		i = bits.RotateLeft32((i+binary.LittleEndian.Uint32(y[36:])+0x6ed9eba1)+(e^(f^g)), 9)
		c = bits.RotateLeft32((c+binary.LittleEndian.Uint32(x[20:])+0x6ed9eba1)+(d^(a^b)), 11)
		g = bits.RotateLeft32((g+binary.LittleEndian.Uint32(y[20:])+0x6ed9eba1)+(i^(e^f)), 11)
		b = bits.RotateLeft32((b+binary.LittleEndian.Uint32(x[52:])+0x6ed9eba1)+(c^(d^a)), 15)
		f = bits.RotateLeft32((f+binary.LittleEndian.Uint32(y[52:])+0x6ed9eba1)+(g^(i^e)), 15)
		a = bits.RotateLeft32((a+binary.LittleEndian.Uint32(x[12:])+0x6ed9eba1)+(b^(c^d)), 3)
		e = bits.RotateLeft32((e+binary.LittleEndian.Uint32(y[12:])+0x6ed9eba1)+(f^(g^i)), 3)
		d = bits.RotateLeft32((d+binary.LittleEndian.Uint32(x[44:])+0x6ed9eba1)+(a^(b^c)), 9)
		i = bits.RotateLeft32((i+binary.LittleEndian.Uint32(y[44:])+0x6ed9eba1)+(e^(f^g)), 9)
		c = bits.RotateLeft32((c+binary.LittleEndian.Uint32(x[28:])+0x6ed9eba1)+(d^(a^b)), 11)
		g = bits.RotateLeft32((g+binary.LittleEndian.Uint32(y[28:])+0x6ed9eba1)+(i^(e^f)), 11)
		b = bits.RotateLeft32((b+binary.LittleEndian.Uint32(x[60:])+0x6ed9eba1)+(c^(d^a)), 15)
		f = bits.RotateLeft32((f+binary.LittleEndian.Uint32(y[60:])+0x6ed9eba1)+(g^(i^e)), 15)

		a, b, c, d = a+a0, b+b0, c+c0, d+d0
		e, f, g, i = e+e0, f+f0, g+g0, i+i0
	}
	h[0] = [4]uint32{a, b, c, d}
	h[1] = [4]uint32{e, f, g, i}
}
