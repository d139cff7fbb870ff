package librsync

import "golang.org/x/sys/cpu"

// hasEights reports whether the processor, and the system with it, can do
// md4BlockEights.
func hasEights() bool { return cpu.X86.HasAVX2 }

// md4BlockEights is md4Blocks for eight blocks at a time, with AVX2. Word i of the sum
// of block k is h[i][k], and its pieces of 64 bytes begin at p[k*stride]. It doesn't
// check that p is long enough.
//
//go:noescape
func md4BlockEights(h *[4][md4Lanes]uint32, p []byte, stride, pieces int)
