package librsync

import "encoding/binary"

// md4Lanes is how many blocks md4Eight takes.
const md4Lanes = 8

// md4Eight returns the MD4 sums of eight blocks of n bytes that lie one behind the
// other in p. It may be called where hasEights is true.
func md4Eight(p []byte, n int) (sums [md4Lanes][md4Size]byte) {
	p = p[:md4Lanes*n]
	var h [4][md4Lanes]uint32
	for i, x := range md4Start() {
		for k := range h[i] {
			h[i][k] = x
		}
	}
	whole := n &^ 63
	md4BlockEights(&h, p, n, whole/64)

	var tails [md4Lanes * md4TailLen]byte
	pieces := 0
	for k := range md4Lanes {
		pieces = md4Tail(tails[k*md4TailLen:], p[k*n+whole:(k+1)*n], n) / 64
	}
	md4BlockEights(&h, tails[:], md4TailLen, pieces)
	for i := range h {
		for k, x := range h[i] {
			binary.LittleEndian.PutUint32(sums[k][4*i:], x)
		}
	}
	return sums
}
