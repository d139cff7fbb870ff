package fletcher

import "golang.org/x/sys/cpu"

const (
	vectorLen = 32
	// mostVectors keeps the 32-bit parts of weighted from overflowing: a vector adds
	// at most 255*(32+31+30+29) to one.
	mostVectors = 1 << 16
)

// vectors are sums of the bytes of some vectors, in parts that are to be added up.
// The assembler knows its layout.
type vectors struct {
	bytes    [4]uint64
	before   [4]uint64 // the sums of the bytes before each vector
	weighted [8]uint32 // each byte times the number of bytes from it to its vector's end
}

// sumVectors adds up the whole vectors in p, at most mostVectors. It takes AVX2.
//
//go:noescape
func sumVectors(v *vectors, p []byte)

// addVectors is Add for the beginning of p, with AVX2 if the processor, and the
// system with it, can do that. It returns the rest of p.
func addVectors(s1, s2 uint64, p []byte) (uint64, uint64, []byte) {
	if !cpu.X86.HasAVX2 {
		return s1, s2, p
	}
	var v vectors
	for len(p) >= vectorLen {
		n := min(len(p)/vectorLen, mostVectors)
		sumVectors(&v, p[:n*vectorLen])
		s2 += vectorLen * (uint64(n)*s1 + v.before[0] + v.before[1] + v.before[2] + v.before[3])
		for _, x := range v.weighted {
			s2 += uint64(x)
		}
		s1 += v.bytes[0] + v.bytes[1] + v.bytes[2] + v.bytes[3]
		p = p[n*vectorLen:]
	}
	return s1, s2, p
}
