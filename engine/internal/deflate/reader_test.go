package deflate_test

import (
	"bytes"
	"compress/flate"
	"compress/zlib"
	"errors"
	"io"
	"math/big"
	"math/bits"
	"math/rand/v2"
	"testing"
	"testing/iotest"

	"github.com/purser-backup/purser/engine/internal/deflate"
)

// standard compresses b with the standard library.
func standard(t testing.TB, b []byte, level int) []byte {
	t.Helper()
	var out bytes.Buffer
	w, err := flate.NewWriter(&out, level)
	if err == nil {
		_, err = w.Write(b)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// What the standard library compresses at any level is read, however the bytes
// come in, and so is what the package's own Writer makes.
func TestReader(t *testing.T) {
	for name, plain := range cases() {
		for _, level := range []int{flate.HuffmanOnly, flate.NoCompression, 1, 6, 9} {
			packed := standard(t, plain, level)
			for _, in := range []io.Reader{bytes.NewReader(packed), iotest.HalfReader(bytes.NewReader(packed)), iotest.DataErrReader(bytes.NewReader(packed))} {
				got, err := io.ReadAll(deflate.NewReader(in))
				if err != nil || !bytes.Equal(got, plain) {
					t.Fatalf("%s, level %d: %d bytes of %d, %v", name, level, len(got), len(plain), err)
				}
			}
			if got, err := io.ReadAll(deflate.NewReader(bytes.NewReader(packed)).InGo()); err != nil || !bytes.Equal(got, plain) {
				t.Fatalf("%s, level %d, in Go: %d bytes of %d, %v", name, level, len(got), len(plain), err)
			}
		}
		var packed bytes.Buffer
		in(t, deflate.NewPool(2).NewPlain(&packed), plain)
		if got, err := io.ReadAll(deflate.NewReader(&packed)); err != nil || !bytes.Equal(got, plain) {
			t.Fatalf("%s: %d bytes of %d, %v", name, len(got), len(plain), err)
		}
		if got, err := readZlib(zlibbed(t, plain)); err != nil || !bytes.Equal(got, plain) {
			t.Fatalf("%s, zlib: %d bytes of %d, %v", name, len(got), len(plain), err)
		}
	}
}

// repetitive is data whose codes are long and whose matches lie at all distances.
func repetitive(r *rand.Rand, n int) []byte {
	var b []byte
	for len(b) < n {
		if from := r.IntN(len(b) + 1); from < len(b) && r.IntN(4) > 0 {
			length := min(1<<r.IntN(9)+r.IntN(3), len(b)-from)
			b = append(b, b[from:from+length]...)
			continue
		}
		for range 1 + r.IntN(8) {
			b = append(b, byte(r.ExpFloat64()*float64(1+r.IntN(20))))
		}
	}
	return b[:n]
}

func TestReaderAllDistances(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for i := range 20 {
		plain := repetitive(r, r.IntN(200000))
		for _, level := range []int{1, 9} {
			got, err := io.ReadAll(deflate.NewReader(iotest.OneByteReader(bytes.NewReader(standard(t, plain, level)))))
			if err != nil || !bytes.Equal(got, plain) {
				t.Fatalf("%d, level %d: %d bytes of %d, %v", i, level, len(got), len(plain), err)
			}
		}
	}
}

// A stream that ends early is an error wherever it ends, and so is one of which a
// byte differs, unless the plain bytes are the same all the same.
func TestReaderDamage(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	plain := append(repetitive(r, 3000), noise(r, 500)...)
	packed := zlibbed(t, plain)
	for n := range packed {
		if _, err := readZlib(packed[:n]); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Fatalf("cut after %d of %d: %v", n, len(packed), err)
		}
	}
	for i := range packed {
		bad := bytes.Clone(packed)
		bad[i] ^= 1 << r.IntN(8)
		got, err := readZlib(bad)
		if err == nil && !bytes.Equal(got, plain) {
			t.Fatalf("byte %d changed: other data and no error", i)
		}
		if err != nil && !errors.Is(err, deflate.ErrCorrupt) && !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Fatalf("byte %d changed: %v", i, err)
		}
	}
	broken := errors.New("broken")
	_, err := io.ReadAll(deflate.NewReader(io.MultiReader(bytes.NewReader(packed[2:100]), iotest.ErrReader(broken))))
	if !errors.Is(err, broken) {
		t.Fatalf("failing input: %v", err)
	}
}

// zlibbed is b as the standard library makes a zlib stream of it.
func zlibbed(t *testing.T, b []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	w := zlib.NewWriter(&out)
	if _, err := w.Write(b); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func readZlib(b []byte) ([]byte, error) {
	z, err := deflate.NewZlibReader(bytes.NewReader(b))
	if err != nil {
		return nil, err
	}
	return io.ReadAll(z)
}

// FuzzReader holds the Reader to what the standard library makes of any bytes.
func FuzzReader(f *testing.F) {
	r := rand.New(rand.NewPCG(7, 8))
	for _, level := range []int{flate.HuffmanOnly, flate.NoCompression, 1, 9} {
		f.Add(standard(f, repetitive(r, 2000), level))
	}
	f.Add([]byte{3, 0})
	f.Add([]byte{0x4b, 0x4c, 0x44, 0x43, 0})
	f.Fuzz(wantAsStandard)
}

// wantAsStandard checks that the Reader makes of a stream what the standard library does.
func wantAsStandard(t *testing.T, packed []byte) {
	t.Helper()
	const most = 8 << 20
	want, wantErr := io.ReadAll(io.LimitReader(flate.NewReader(bytes.NewReader(packed)), most))
	for _, z := range []*deflate.Reader{deflate.NewReader(bytes.NewReader(packed)), deflate.NewReader(bytes.NewReader(packed)).InGo()} {
		got, err := io.ReadAll(io.LimitReader(z, most))
		if (err == nil) != (wantErr == nil) {
			t.Fatalf("error %v, want %v", err, wantErr)
		}
		if err == nil && !bytes.Equal(got, want) {
			t.Fatalf("%d bytes, want %d others", len(got), len(want))
		}
	}
}

// fixed is a stream of one block of fixed codes, written symbol by symbol.
type fixed struct{ big.Int }

func (f *fixed) bits(v uint64, n uint) *fixed {
	for i := range n {
		f.Lsh(&f.Int, 1).Or(&f.Int, big.NewInt(int64(v>>i&1)))
	}
	return f
}

// code appends a code, which is packed from its most significant bit on.
func (f *fixed) code(v uint64, n uint) *fixed { return f.bits(bits.Reverse64(v)>>(64-n), n) }

func (f *fixed) literals(n int) *fixed {
	for i := range n {
		f.code(uint64(0x30+i%100), 8)
	}
	return f
}

// match appends the shortest length, and a symbol of distances with its extra bits.
func (f *fixed) match(distance, extra uint64, n uint) *fixed {
	return f.code(1, 7).code(distance, 5).bits(extra, n)
}

// stream ends the block, before 40 bytes that nobody may take for a part of it.
func (f *fixed) stream() []byte {
	f.code(0, 7)
	n := uint(f.BitLen()) - 1
	packed := make([]byte, n/8+1+40)
	for i := range n {
		packed[i/8] |= byte(f.Bit(int(n-1-i))) << (i % 8)
	}
	return packed
}

// Symbols that mean nothing and distances beyond the start are errors, a byte less
// is none, in the midst of a stream and at its end.
func TestReaderSymbols(t *testing.T) {
	begin := func() *fixed {
		f := &fixed{}
		f.SetInt64(1) // keeps leading zeros
		return f.bits(1, 1).bits(1, 2)
	}
	for name, c := range map[string]struct {
		f    *fixed
		good bool
	}{
		"length symbol 286":     {begin().literals(50).code(0b11000110, 8).literals(50), false},
		"length symbol 287":     {begin().literals(50).code(0b11000111, 8).literals(50), false},
		"distance symbol 30":    {begin().literals(50).match(30, 0, 0).literals(50), false},
		"distance symbol 31":    {begin().literals(50).match(31, 0, 0).literals(50), false},
		"from the start on":     {begin().literals(50).match(11, 1, 4).literals(50), true},
		"from before the start": {begin().literals(50).match(11, 2, 4).literals(50), false},
		"at once":               {begin().match(0, 0, 0).literals(50), false},
		"distance 1":            {begin().literals(1).match(0, 0, 0).literals(50), true},
	} {
		packed := c.f.stream()
		wantAsStandard(t, packed)
		if _, err := io.ReadAll(deflate.NewReader(bytes.NewReader(packed))); (err == nil) != c.good || err != nil && !errors.Is(err, deflate.ErrCorrupt) {
			t.Errorf("%s: %v", name, err)
		}
		wantAsStandard(t, packed[:len(packed)-40])
	}
}

func BenchmarkReader(b *testing.B) {
	r := rand.New(rand.NewPCG(1, 2))
	for name, plain := range map[string][]byte{"text": text(r, 8<<20), "noise": noise(r, 8<<20)} {
		packed := standard(b, plain, 1)
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(plain)))
			for b.Loop() {
				n, err := io.Copy(io.Discard, deflate.NewReader(bytes.NewReader(packed)))
				if err != nil || n != int64(len(plain)) {
					b.Fatal(n, err)
				}
			}
		})
	}
}
