package librsync_test

import (
	"bytes"
	"io"
	"math/rand/v2"
	"runtime"
	"testing"

	"github.com/purser-backup/purser/engine/internal/librsync"
)

const benchSize = 64 << 20

func BenchmarkSignature(b *testing.B) {
	data := random(30, benchSize)
	for name, magic := range magics {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(benchSize)
			for b.Loop() {
				w := librsync.NewSignatureWriter(io.Discard, params(magic, 2048, 16))
				for i := 0; i < benchSize; i += 32 << 10 {
					if _, err := w.Write(data[i : i+32<<10]); err != nil {
						b.Fatal(err)
					}
				}
				if err := w.Close(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkReadSignature(b *testing.B) {
	raw := signature(b, params(librsync.MagicMD4, 2048, 16), random(30, benchSize))
	b.SetBytes(benchSize) // of the file, not of the signature
	for b.Loop() {
		readSignature(b, raw)
	}
}

func BenchmarkDelta(b *testing.B) {
	old := random(30, benchSize)
	edited := bytes.Clone(old)
	r := rand.New(rand.NewPCG(1, 1))
	for range benchSize / (100 << 10) { // a byte in 100 KiB
		edited[r.IntN(len(edited))]++
	}
	for _, magic := range []string{"md4 rollsum", "md4 rabinkarp", "blake2 rabinkarp"} {
		sig := readSignature(b, signature(b, params(magics[magic], 2048, 16), old))
		for name, data := range map[string][]byte{"unchanged": old, "edited": edited, "different": random(31, benchSize)} {
			b.Run(magic+"/"+name, func(b *testing.B) {
				b.SetBytes(benchSize)
				b.ReportAllocs()
				for b.Loop() {
					if _, err := io.Copy(io.Discard, librsync.NewDelta(sig, nil, bytes.NewReader(data))); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

func BenchmarkPatch(b *testing.B) {
	old := random(30, benchSize)
	data := append([]byte("shift"), old...)
	d := delta(b, readSignature(b, signature(b, params(librsync.MagicMD4, 2048, 16), old)), data)
	b.SetBytes(benchSize)
	for b.Loop() {
		if err := librsync.Patch(bytes.NewReader(old), benchSize, bytes.NewReader(d), io.Discard); err != nil {
			b.Fatal(err)
		}
	}
}

// A terabyte in blocks of 2 KiB would need half a billion of them: 32 bytes each is
// what may be spent.
func TestSignatureMemory(t *testing.T) {
	const blocks = 1 << 18
	raw := append(unhex(t, "72730136 00000800 00000010"), random(32, blocks*20)...)
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	sig := readSignature(t, raw)
	runtime.GC()
	runtime.ReadMemStats(&after)
	if each := float64(after.HeapAlloc-before.HeapAlloc) / blocks; each > 32 {
		t.Errorf("a block takes %.1f bytes", each)
	}
	runtime.KeepAlive(raw)
	runtime.KeepAlive(sig)
}

// zeros is a long file that takes no memory itself.
type zeros struct{ n int64 }

func (z *zeros) Read(p []byte) (int, error) {
	if z.n == 0 {
		return 0, io.EOF
	}
	n := int(min(int64(len(p)), z.n))
	for i := range p[:n] {
		p[i] = byte(z.n + int64(i)>>9)
	}
	z.n -= int64(n)
	return n, nil
}

// The delta of a file takes no memory in proportion to the file.
func TestDeltaMemory(t *testing.T) {
	sig := readSignature(t, signature(t, params(librsync.MagicMD4, 2048, 8), random(33, 100000)))
	allocated := func(n int64) uint64 {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		if _, err := io.Copy(io.Discard, librsync.NewDelta(sig, nil, &zeros{n})); err != nil {
			t.Fatal(err)
		}
		runtime.ReadMemStats(&after)
		return after.TotalAlloc - before.TotalAlloc
	}
	if short, long := allocated(2<<20), allocated(40<<20); long > short+1<<20 {
		t.Errorf("%d bytes are allocated for 2 MiB, %d for 40 MiB", short, long)
	}
}
