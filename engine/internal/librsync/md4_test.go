package librsync

import (
	"bytes"
	"math/rand/v2"
	"runtime"
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

// Eight sums at a time are the sums one at a time, wherever the blocks begin and
// whatever their length is.
func TestMD4Eight(t *testing.T) {
	if !hasEights() && runtime.GOARCH == "amd64" {
		t.Log("this processor has no AVX2")
		return
	}
	data := make([]byte, 64+md4Lanes*20000)
	rand.NewChaCha8([32]byte{8}).Read(data)
	lengths := []int{512, 1024, 2048, 2049, 3072, 4095, 4096, 4160, 20000}
	for n := range 400 {
		lengths = append(lengths, n)
	}
	for _, n := range lengths {
		for at := range 64 {
			if n > 150 && at%13 != n%13 {
				continue
			}
			p := data[at : at+md4Lanes*n]
			for k, got := range md4Eight(p, n) {
				if want := md4Sum(p[k*n:][:n]); got != want {
					t.Fatalf("the sum of block %d of %d bytes from %d on is %x, want %x", k, n, at, got, want)
				}
			}
		}
	}
}

// A signature is the same, and the one of the other processors, however the file is
// cut into writes.
func TestEightsOrNot(t *testing.T) {
	data := make([]byte, 100_003)
	rand.NewChaCha8([32]byte{9}).Read(data)
	for _, p := range []Params{
		{Magic: MagicMD4, BlockLen: 512, StrongLen: 16}, {Magic: MagicMD4, BlockLen: 777, StrongLen: 8},
		{Magic: MagicRabinKarpMD4, BlockLen: 64, StrongLen: 16}, {Magic: MagicBLAKE2, BlockLen: 512, StrongLen: 32},
	} {
		sign := func(step int, eights bool) []byte {
			var out bytes.Buffer
			w := NewSignatureWriter(&out, p)
			if w.eights && !p.md4() {
				t.Errorf("%#x is summed by eight", p.Magic)
			}
			w.eights = w.eights && eights
			for rest := data; len(rest) > 0; rest = rest[min(step, len(rest)):] {
				if _, err := w.Write(rest[:min(step, len(rest))]); err != nil {
					t.Fatal(err)
				}
			}
			if err := w.Close(); err != nil {
				t.Fatal(err)
			}
			return out.Bytes()
		}
		want := sign(p.BlockLen, false) // block by block
		for _, step := range []int{1000, 4096, 10_000, len(data)} {
			for _, eights := range []bool{false, true} {
				if !bytes.Equal(sign(step, eights), want) {
					t.Errorf("%+v, written by %d, by eight %t: another signature", p, step, eights)
				}
			}
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

func BenchmarkMD4Eight(b *testing.B) {
	if !hasEights() {
		b.Skip("this processor has none")
	}
	const n = 4096
	data := make([]byte, md4Lanes*n)
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		md4Eight(data, n)
	}
}
