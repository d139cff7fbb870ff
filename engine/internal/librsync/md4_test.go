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

func BenchmarkMD4(b *testing.B) {
	block := make([]byte, 2048)
	b.SetBytes(int64(len(block)))
	for b.Loop() {
		md4Sum(block)
	}
}
