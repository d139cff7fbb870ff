//go:build !amd64

package librsync

// hasEights reports whether md4BlockEights is faster than one block after the other.
func hasEights() bool { return false }

// md4BlockEights is md4Blocks for eight blocks, one after the other.
func md4BlockEights(h *[4][md4Lanes]uint32, p []byte, stride, pieces int) {
	for k := range md4Lanes {
		one := [4]uint32{h[0][k], h[1][k], h[2][k], h[3][k]}
		md4Blocks(&one, p[k*stride:][:64*pieces])
		for i, x := range one {
			h[i][k] = x
		}
	}
}
