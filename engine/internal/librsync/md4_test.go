package librsync

import (
	"bytes"
	"testing"

	"golang.org/x/crypto/md4" //nolint:staticcheck // the oracle
)

func TestMD4(t *testing.T) {
	data := make([]byte, 300)
	for i := range data {
		data[i] = byte(i * 7)
	}
	for n := range data {
		h := md4.New()
		h.Write(data[:n])
		if got := md4Sum(data[:n]); !bytes.Equal(got[:], h.Sum(nil)) {
			t.Fatalf("the sum of %d bytes is %x, want %x", n, got, h.Sum(nil))
		}
	}
}

// Two sums at a time are the sums one at a time.
func TestMD4Pair(t *testing.T) {
	data := make([]byte, 600)
	for i := range data {
		data[i] = byte(i * i)
	}
	for n := range 300 {
		p, q := data[:n], data[len(data)-n:]
		if got, want := md4Pair(p, q), [2][md4Size]byte{md4Sum(p), md4Sum(q)}; got != want {
			t.Fatalf("the sums of %d bytes are %x, want %x", n, got, want)
		}
	}
}

// The weak sum is what its definition says, for any length and for the largest bytes.
func TestRollsum(t *testing.T) {
	data := make([]byte, 70000)
	for i := range data {
		data[i] = byte(i * i >> 3)
		if i > 35000 {
			data[i] = 0xff
		}
	}
	for n := 0; n < 5000; n += 1 + n/50 {
		for _, block := range [][]byte{data[:n], data[len(data)-14*n:]} {
			var s1, s2 uint32
			for _, x := range block {
				s1 += uint32(x) + rollOffset
				s2 += s1
			}
			if got, want := rollsum(block), s2<<16|s1&0xffff; got != want {
				t.Fatalf("the sum of %d bytes is %08x, want %08x", len(block), got, want)
			}
		}
	}
}

func BenchmarkMD4(b *testing.B) {
	block := make([]byte, 2048)
	b.SetBytes(int64(len(block)))
	for b.Loop() {
		md4Sum(block)
	}
}
