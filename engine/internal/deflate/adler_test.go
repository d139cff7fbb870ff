package deflate

import (
	"hash/adler32"
	"math/rand/v2"
	"testing"
)

// The checksum is that of hash/adler32 for any length, also of the largest bytes,
// and however the data is cut.
func TestAdler32(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for i := range 300 {
		p := make([]byte, r.IntN(1<<uint(1+i%18)))
		for j := range p {
			p[j] = byte(r.Uint32())
			if i%3 == 0 {
				p[j] = 0xff
			}
		}
		cut := r.IntN(len(p) + 1)
		if got, want := adler(adler(1, p[:cut]), p[cut:]), adler32.Checksum(p); got != want {
			t.Fatalf("%d bytes: %08x, want %08x", len(p), got, want)
		}
	}
}
