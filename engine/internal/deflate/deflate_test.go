package deflate_test

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os/exec"
	"testing"

	"github.com/purser-backup/purser/engine/internal/deflate"
)

// text is n bytes that compress well.
func text(r *rand.Rand, n int) []byte {
	var b []byte
	for len(b) < n {
		b = fmt.Appendf(b, "INSERT INTO t VALUES (%d,'%x');\n", len(b), r.Uint32())
	}
	return b[:n]
}

func noise(r *rand.Rand, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

// cases are inputs of every kind, at and around the borders of blocks.
func cases() map[string][]byte {
	r := rand.New(rand.NewPCG(1, 2))
	const block = 512 << 10
	m := map[string][]byte{
		"mixed":  bytes.Join([][]byte{text(r, 100000), noise(r, 300000), text(r, 700000), noise(r, 40000), text(r, 50)}, nil),
		"zeros":  make([]byte, 3*block+17),
		"nibble": bytes.Repeat(noise(r, 16), 80000),
	}
	for _, n := range []int{0, 1, 100, 65535, 65536, block - 1, block, block + 1, 5*block + 333} {
		m[fmt.Sprintf("text %d", n)] = text(r, n)
		m[fmt.Sprintf("noise %d", n)] = noise(r, n)
	}
	return m
}

// in writes b in steps of different lengths.
func in(t *testing.T, w *deflate.Writer, b []byte) {
	t.Helper()
	for n := 1; len(b) > 0; n = n*3%100003 + 1 {
		k := min(n, len(b))
		if _, err := w.Write(b[:k]); err != nil {
			t.Fatal(err)
		}
		b = b[k:]
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
}

// The standard library and gzip read what is written, with any number of
// workers; noise hardly grows.
func TestRoundTrip(t *testing.T) {
	for name, plain := range cases() {
		for _, workers := range []int{1, 4} {
			t.Run(fmt.Sprintf("%s workers=%d", name, workers), func(t *testing.T) {
				pool := deflate.NewPool(workers)
				var raw, gz bytes.Buffer
				in(t, pool.NewPlain(&raw), plain)
				g, err := pool.NewGzip(&gz)
				if err != nil {
					t.Fatal(err)
				}
				in(t, g, plain)
				if n, limit := raw.Len(), len(plain)+len(plain)/1000+64; n > limit {
					t.Errorf("%d bytes become %d", len(plain), n)
				}
				same(t, "deflate", flate.NewReader(&raw), plain)
				cmd := exec.CommandContext(t.Context(), "gzip", "-dc")
				cmd.Stdin = bytes.NewReader(gz.Bytes())
				out, err := cmd.Output()
				if err != nil || !bytes.Equal(out, plain) {
					t.Errorf("gzip -dc gives %d bytes, %v", len(out), err)
				}
				s, err := gzip.NewReader(&gz)
				if err != nil {
					t.Fatal(err)
				}
				same(t, "gzip", s, plain)
			})
		}
	}
}

func same(t *testing.T, what string, r io.Reader, want []byte) {
	t.Helper()
	got, err := io.ReadAll(r)
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("%s: %d bytes of %d come back, %v", what, len(got), len(want), err)
	}
}

// What compresses is compressed although noise stands around it.
func TestMixed(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	var plain []byte
	for range 8 {
		plain = append(append(plain, text(r, 128<<10)...), noise(r, 128<<10)...)
	}
	var b bytes.Buffer
	in(t, deflate.NewPool(2).NewPlain(&b), plain)
	if limit := len(plain) * 72 / 100; b.Len() > limit {
		t.Errorf("%d bytes become %d, more than %d", len(plain), b.Len(), limit)
	}
}

type failing struct{ left int }

var errFull = errors.New("full")

func (f *failing) Write(p []byte) (int, error) {
	if f.left -= len(p); f.left < 0 {
		return 0, errFull
	}
	return len(p), nil
}

// An error of the underlying writer comes out, at the latest from Close.
func TestWriteError(t *testing.T) {
	plain := noise(rand.New(rand.NewPCG(5, 6)), 3<<20)
	for _, room := range []int{2, 100, 1 << 20, 3 << 20} {
		w := deflate.NewPool(2).NewPlain(&failing{room})
		_, err := w.Write(plain)
		if closed := w.Close(); !errors.Is(err, errFull) && !errors.Is(closed, errFull) {
			t.Errorf("room for %d: Write %v, Close %v", room, err, closed)
		}
	}
}

func BenchmarkWriter(b *testing.B) {
	r := rand.New(rand.NewPCG(1, 2))
	for name, plain := range map[string][]byte{"text": text(r, 16<<20), "noise": noise(r, 16<<20)} {
		for _, workers := range []int{1, 2} {
			b.Run(fmt.Sprintf("%s/workers=%d", name, workers), func(b *testing.B) {
				pool := deflate.NewPool(workers)
				b.SetBytes(int64(len(plain)))
				var n failing
				for b.Loop() {
					n.left = 1 << 40
					z := pool.NewPlain(&n)
					if _, err := z.Write(plain); err != nil {
						b.Fatal(err)
					}
					if err := z.Close(); err != nil {
						b.Fatal(err)
					}
				}
				b.ReportMetric(float64(1<<40-n.left)/float64(len(plain)), "ratio")
			})
		}
	}
}
