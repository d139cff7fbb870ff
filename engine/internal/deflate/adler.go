package deflate

import "github.com/purser-backup/purser/engine/internal/fletcher"

// adler adds p to an Adler-32 checksum (RFC 1950, 8.2), in a third of the time of
// hash/adler32.
func adler(sum uint32, p []byte) uint32 {
	const (
		prime = 65521
		most  = 45056 // so often the result is brought down; 64 bits would hold far more
	)
	s1, s2 := uint64(sum&0xffff), uint64(sum>>16)
	for len(p) > 0 {
		n := min(len(p), most)
		s1, s2 = fletcher.Add(s1, s2, p[:n])
		s1, s2, p = s1%prime, s2%prime, p[n:]
	}
	return uint32(s2)<<16 | uint32(s1)
}
