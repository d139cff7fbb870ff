package fletcher

import (
	"math/rand/v2"
	"testing"
)

// However the bytes are added up, the sums are what their definition says, for any
// length and start, and for more of the largest bytes than any part of a sum holds.
func TestAdd(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	const much = 2 << 20 // what one call of the assembler takes
	data := make([]byte, 3*much+100)
	for i := range data {
		data[i] = 0xff
		if i < 10_000 {
			data[i] = byte(r.Uint32())
		}
	}
	ways := map[string]func(s1, s2 uint64, p []byte) (uint64, uint64){"Add": Add, "addWords": addWords}
	check := func(p []byte) {
		s1, s2 := r.Uint64(), r.Uint64()
		want1, want2 := s1, s2
		for _, c := range p {
			want1 += uint64(c)
			want2 += want1
		}
		for name, add := range ways {
			if got1, got2 := add(s1, s2, p); got1 != want1 || got2 != want2 {
				t.Fatalf("%s of %d bytes after %x, %x: %x, %x, want %x, %x", name, len(p), s1, s2, got1, got2, want1, want2)
			}
		}
	}
	for n := range 400 {
		check(data[n%67:][:n])
		check(data[20_000+n%67:][:n])
	}
	check(data)
	check(data[1 : much+1])
	check(data[10_001:])
}

func BenchmarkAdd(b *testing.B) {
	data := make([]byte, 2048)
	for name, add := range map[string]func(s1, s2 uint64, p []byte) (uint64, uint64){"Add": Add, "addWords": addWords} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(data)))
			for b.Loop() {
				add(0, 0, data)
			}
		})
	}
}
