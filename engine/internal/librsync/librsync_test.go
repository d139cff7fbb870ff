package librsync_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/purser-backup/purser/engine/internal/librsync"
)

var magics = map[string]uint32{
	"md4 rollsum":      librsync.MagicMD4,
	"blake2 rollsum":   librsync.MagicBLAKE2,
	"md4 rabinkarp":    librsync.MagicRabinKarpMD4,
	"blake2 rabinkarp": librsync.MagicRabinKarpBLAKE2,
}

func params(magic uint32, block, strong int) librsync.Params {
	return librsync.Params{Magic: magic, BlockLen: block, StrongLen: strong}
}

func signature(t testing.TB, p librsync.Params, data []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w := librsync.NewSignatureWriter(&b, p)
	if _, err := w.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func readSignature(t testing.TB, b []byte) *librsync.Signature {
	t.Helper()
	sig, err := librsync.ReadSignature(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	return sig
}

func delta(t testing.TB, sig *librsync.Signature, data []byte) []byte {
	t.Helper()
	return deltaOf(t, sig, nil, data)
}

// deltaOf is delta where the old file is at hand.
func deltaOf(t testing.TB, sig *librsync.Signature, old io.ReaderAt, data []byte) []byte {
	t.Helper()
	b, err := io.ReadAll(librsync.NewDelta(sig, old, bytes.NewReader(data)))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func patch(old, delta []byte) ([]byte, error) {
	var b bytes.Buffer
	err := librsync.Patch(bytes.NewReader(old), int64(len(old)), bytes.NewReader(delta), &b)
	return b.Bytes(), err
}

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.NewReplacer(" ", "", "|", "").Replace(s))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func random(seed uint64, n int) []byte {
	b := make([]byte, n)
	r := rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8)})
	_, _ = r.Read(b) // never fails
	return b
}

// Bytes that librsync made (spec 4.3, 4.4).
func TestGolden(t *testing.T) {
	got := signature(t, params(librsync.MagicMD4, 512, 8), []byte("hello\n"))
	if want := unhex(t, "72730136 00000200 00000008 | 0ad002d8 63481c78ae04c201"); !bytes.Equal(got, want) {
		t.Errorf("signature %x, want %x", got, want)
	}
	if got := signature(t, params(librsync.MagicMD4, 512, 8), nil); !bytes.Equal(got, unhex(t, "72730136 00000200 00000008")) {
		t.Errorf("signature of nothing: %x", got)
	}
	for magic, want := range map[uint32]string{librsync.MagicMD4: "03040183", librsync.MagicRabinKarpMD4: "66298923"} {
		if got := signature(t, params(magic, 512, 1), []byte("abc"))[12:16]; !bytes.Equal(got, unhex(t, want)) {
			t.Errorf("weak sum of abc: %x, want %s", got, want)
		}
	}
	old := append(bytes.Repeat([]byte("A"), 512), bytes.Repeat([]byte("B"), 512)...)
	data := append(append(bytes.Repeat([]byte("A"), 512), "XYZ"...), bytes.Repeat([]byte("B"), 512)...)
	d := delta(t, readSignature(t, signature(t, params(librsync.MagicMD4, 512, 8), old)), data)
	if want := unhex(t, "72730236 | 46 00 0200 | 03 58595a | 4a 0200 0200 | 00"); !bytes.Equal(d, want) {
		t.Errorf("delta %x, want %x", d, want)
	}
	touched := make([]byte, 3000)
	d = delta(t, readSignature(t, signature(t, params(librsync.MagicMD4, 512, 8), touched)), touched)
	if want := unhex(t, "72730236 46 00 0bb8 00"); !bytes.Equal(d, want) {
		t.Errorf("delta of an unchanged file %x, want %x", d, want)
	}
}

func TestEveryCommand(t *testing.T) {
	old := []byte("0123456789")
	for s, want := range map[string]string{
		"00":                                      "",
		"01 61 00":                                "a",
		"03 616263 00":                            "abc",
		"41 02 6162 00":                           "ab",
		"42 0002 6162 00":                         "ab",
		"43 00000002 6162 00":                     "ab",
		"44 0000000000000002 6162 00":             "ab",
		"45 02 03 00":                             "234",
		"46 02 0003 00":                           "234",
		"47 02 00000003 00":                       "234",
		"48 02 0000000000000003 00":               "234",
		"49 0002 03 00":                           "234",
		"4a 0002 0003 00":                         "234",
		"4b 0002 00000003 00":                     "234",
		"4c 0002 0000000000000003 00":             "234",
		"4d 00000002 03 00":                       "234",
		"4e 00000002 0003 00":                     "234",
		"4f 00000002 00000003 00":                 "234",
		"50 00000002 0000000000000003 00":         "234",
		"51 0000000000000002 03 00":               "234",
		"52 0000000000000002 0003 00":             "234",
		"53 0000000000000002 00000003 00":         "234",
		"54 0000000000000002 0000000000000003 00": "234",
		"45 05 05 45 00 05 45 03 04 45 00 0a 00":  "567890123434560123456789",
		"40" + strings.Repeat("7a", 64) + "00":    strings.Repeat("z", 64),
		"01 61 00 ff ff this is ignored, it is behind the end": "a",
	} {
		raw, tail, _ := strings.Cut(s, " ff ff")
		got, err := patch(old, append(unhex(t, "72730236"+raw), tail...))
		if err != nil || string(got) != want {
			t.Errorf("%s makes %q, %v; want %q", s, got, err, want)
		}
	}
}

func TestBadDeltas(t *testing.T) {
	old := []byte("0123456789")
	bad := map[string]string{
		"nothing":                "",
		"half a magic number":    "7273",
		"a signature":            "72730136 00000200 00000008",
		"no end":                 "72730236",
		"no end after a literal": "72730236 01 61",
		"short literal":          "72730236 05 6162",
		"short length":           "72730236 42 00",
		"short start":            "72730236 51 000000",
		"no length":              "72730236 45 01",
		"empty literal":          "72730236 41 00 00",
		"empty wide literal":     "72730236 44 0000000000000000 00",
		"empty copy":             "72730236 45 00 00 00",
		"copy beyond the end":    "72730236 45 00 0b 00",
		"copy across the end":    "72730236 45 09 02 00",
		"copy from beyond":       "72730236 45 0b 01 00",
		"copy from the end":      "72730236 45 0a 01 00",
		"copy that overflows":    "72730236 54 7fffffffffffffff 7fffffffffffffff 00",
		"negative start":         "72730236 54 8000000000000000 0000000000000001 00",
		"negative length":        "72730236 54 0000000000000000 ffffffffffffffff 00",
		"negative literal":       "72730236 44 8000000000000000 00",
		"literal without an end": "72730236 44 7fffffffffffffff 6162",
	}
	for op := 0x55; op <= 0xff; op++ {
		bad[fmt.Sprintf("reserved %#x", op)] = fmt.Sprintf("72730236 %02x 01 01 00", op)
	}
	for name, s := range bad {
		if got, err := patch(old, unhex(t, s)); !errors.Is(err, librsync.ErrCorrupt) {
			t.Errorf("%s makes %q, %v", name, got, err)
		}
	}
}

func TestBadSignatures(t *testing.T) {
	for name, s := range map[string]string{
		"nothing":            "",
		"short header":       "72730136 00000200 0000",
		"magic":              "72730135 00000200 00000008",
		"delta":              "72730236 00000200 00000008",
		"no block":           "72730136 00000000 00000008",
		"huge block":         "72730136 80000000 00000008",
		"no strong sum":      "72730136 00000200 00000000",
		"long MD4":           "72730136 00000200 00000011",
		"long MD4 RabinKarp": "72730146 00000200 00000011",
		"long BLAKE2":        "72730137 00000200 00000021",
		"cut strong sum":     "72730136 00000200 00000008 0ad002d8 63481c78ae04c2",
		"one byte too many":  "72730136 00000200 00000008 0ad002d8 63481c78ae04c201 00",
		"weak sum only":      "72730136 00000200 00000008 0ad002d8",
	} {
		if sig, err := librsync.ReadSignature(bytes.NewReader(unhex(t, s))); !errors.Is(err, librsync.ErrCorrupt) {
			t.Errorf("%s: %+v, %v", name, sig, err)
		}
	}
	for name, p := range map[string]librsync.Params{
		"magic": params(1, 512, 8), "block": params(librsync.MagicMD4, 0, 8), "huge block": params(librsync.MagicMD4, 1<<31, 8),
		"no strong": params(librsync.MagicMD4, 512, 0), "strong": params(librsync.MagicMD4, 512, 17), "BLAKE2": params(librsync.MagicBLAKE2, 512, 33),
	} {
		var b bytes.Buffer
		w := librsync.NewSignatureWriter(&b, p)
		if _, err := w.Write([]byte("x")); err == nil {
			t.Errorf("%s: Write does not fail", name)
		}
		if err := w.Close(); err == nil || b.Len() > 0 {
			t.Errorf("%s: Close: %v, %d bytes", name, err, b.Len())
		}
	}
}

// An infinite block length must not make anything allocate a block.
func TestHugeBlock(t *testing.T) {
	p := params(librsync.MagicMD4, 1<<31-1, 16)
	old := random(1, 100000)
	sig := readSignature(t, signature(t, p, old))
	if sig.Params() != p {
		t.Errorf("%+v", sig.Params())
	}
	if d := delta(t, sig, old); len(d) > 20 {
		t.Errorf("the delta of an unchanged file has %d bytes", len(d))
	}
}

func TestSmallReadsAndWrites(t *testing.T) {
	old := random(2, 50000)
	data := append(append(append([]byte("new"), old[:20000]...), "more"...), old[21000:]...)
	for name, magic := range magics {
		p := params(magic, 700, 11)
		want := signature(t, p, old)
		var b bytes.Buffer
		w := librsync.NewSignatureWriter(&b, p)
		if _, err := io.Copy(w, iotest.OneByteReader(bytes.NewReader(old))); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil || !bytes.Equal(b.Bytes(), want) {
			t.Errorf("%s: written by bytes the signature differs: %v", name, err)
		}
		if err := w.Close(); err == nil {
			t.Errorf("%s: a second Close is no error", name)
		}
		sig, err := librsync.ReadSignature(iotest.OneByteReader(bytes.NewReader(want)))
		if err != nil {
			t.Fatal(err)
		}
		wantDelta := delta(t, sig, data)
		for how, r := range map[string]io.Reader{
			"by bytes":      iotest.OneByteReader(bytes.NewReader(data)),
			"by halves":     iotest.HalfReader(bytes.NewReader(data)),
			"EOF with data": iotest.DataErrReader(bytes.NewReader(data)),
		} {
			if err := iotest.TestReader(librsync.NewDelta(sig, nil, r), wantDelta); err != nil {
				t.Errorf("%s, %s: %v", name, how, err)
			}
		}
		got, err := patch(old, wantDelta)
		if err != nil || !bytes.Equal(got, data) {
			t.Errorf("%s: patched to something else: %v", name, err)
		}
	}
}

func TestErrorsArePassedOn(t *testing.T) {
	broken := errors.New("broken")
	old, data := random(3, 5000), random(4, 5000)
	raw := signature(t, params(librsync.MagicMD4, 512, 8), old)
	sig := readSignature(t, raw)
	d := delta(t, sig, append(old[:3000:3000], data...))
	after := func(b []byte, n int) io.Reader {
		return io.MultiReader(bytes.NewReader(b[:n]), iotest.ErrReader(broken))
	}
	for n := range raw {
		if _, err := librsync.ReadSignature(after(raw, n)); !errors.Is(err, broken) || errors.Is(err, librsync.ErrCorrupt) {
			t.Fatalf("signature after %d bytes: %v", n, err)
		}
	}
	for n := 0; n <= len(data); n += 100 {
		if _, err := io.Copy(io.Discard, librsync.NewDelta(sig, nil, after(data, n))); !errors.Is(err, broken) {
			t.Fatalf("delta after %d bytes: %v", n, err)
		}
	}
	for n := 0; n <= len(d); n += 10 { // at len(d) the error comes behind the end
		if err := librsync.Patch(bytes.NewReader(old), int64(len(old)), after(d, n), io.Discard); !errors.Is(err, broken) {
			t.Fatalf("patch after %d bytes: %v", n, err)
		}
	}
	if err := librsync.Patch(bytes.NewReader(old[:1000]), int64(len(old)), bytes.NewReader(d), io.Discard); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("an old file that is shorter than said: %v", err)
	}
	for n := 0; n < 5000; n += 500 {
		if err := librsync.Patch(bytes.NewReader(old), int64(len(old)), bytes.NewReader(d), &limitedWriter{n, broken}); !errors.Is(err, broken) {
			t.Errorf("patch into a writer that fails after %d bytes: %v", n, err)
		}
		w := librsync.NewSignatureWriter(&limitedWriter{n / 10, broken}, params(librsync.MagicMD4, 64, 16))
		_, err := w.Write(old)
		if err = errors.Join(err, w.Close()); !errors.Is(err, broken) {
			t.Errorf("signature into a writer that fails after %d bytes: %v", n/10, err)
		}
	}
	if _, err := io.Copy(io.Discard, librsync.NewDelta(sig, nil, stuckReader{})); !errors.Is(err, io.ErrNoProgress) {
		t.Errorf("a reader that never gives anything: %v", err)
	}
}

type stuckReader struct{}

func (stuckReader) Read([]byte) (int, error) { return 0, nil }

// limitedWriter fails after n bytes.
type limitedWriter struct {
	n   int
	err error
}

func (w *limitedWriter) Write(p []byte) (int, error) {
	if len(p) > w.n {
		return w.n, w.err
	}
	w.n -= len(p)
	return len(p), nil
}

// edit makes a new file of an old one: by inserts, deletes, changes, moves, repeats.
func edit(r *rand.Rand, old []byte) []byte {
	data := bytes.Clone(old)
	for range r.IntN(6) {
		at, n := r.IntN(len(data)+1), r.IntN(1+len(data)/3)
		end := min(at+n, len(data))
		junk := make([]byte, r.IntN(3000))
		for i := range junk {
			junk[i] = byte(r.Uint32())
		}
		switch r.IntN(6) {
		case 0:
			data = append(data[:at:at], append(junk, data[at:]...)...)
		case 1:
			data = append(data[:at:at], data[end:]...)
		case 2:
			copy(data[at:], junk)
		case 3: // move to the front
			data = append(bytes.Clone(data[at:end]), append(bytes.Clone(data[:at]), data[end:]...)...)
		case 4: // repeat
			data = append(data, data[at:end]...)
		case 5:
			data = data[:at]
		}
	}
	return data
}

// smooth has few different bytes, so that weak sums collide and blocks repeat.
func smooth(r *rand.Rand, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(r.IntN(2) * r.IntN(2))
	}
	if n > 0 && r.IntN(2) == 0 {
		clear(b[r.IntN(n):])
	}
	return b
}

func TestRandomEdits(t *testing.T) {
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 1))
		old := random(seed, r.IntN(60000))
		if seed%3 == 0 {
			old = smooth(r, r.IntN(20000))
		}
		data := edit(r, old)
		for name, magic := range magics {
			p := params(magic, 1+r.IntN(3000), 4+r.IntN(13))
			d := delta(t, readSignature(t, signature(t, p, old)), data)
			got, err := patch(old, d)
			if err != nil || !bytes.Equal(got, data) {
				t.Fatalf("seed %d, %s, %+v: %v", seed, name, p, err)
			}
			if most := len(data) + 3*(len(data)/65535+1) + 5 + 17; len(d) > most {
				t.Errorf("seed %d, %s, %+v: a delta of %d bytes for a file of %d", seed, name, p, len(d), len(data))
			}
		}
	}
}

// A changed byte costs a block, not more, wherever it is.
func TestOneChangedByte(t *testing.T) {
	const block = 512
	old := random(5, 100*block+77)
	for name, magic := range magics {
		sig := readSignature(t, signature(t, params(magic, block, 16), old))
		for at := 0; at < len(old); at += 501 {
			data := bytes.Clone(old)
			data[at] ^= 0x55
			if d := delta(t, sig, data); len(d) > block+30 {
				t.Errorf("%s: a change at %d costs %d bytes", name, at, len(d))
			}
		}
	}
}

// A run of equal blocks is one copy, not one a block.
func TestRunOfZeros(t *testing.T) {
	old := make([]byte, 10<<20)
	copy(old[4<<20:], random(6, 4096))
	data := append([]byte("shifted"), old...)
	d := delta(t, readSignature(t, signature(t, params(librsync.MagicMD4, 2048, 8), old)), data)
	if len(d) > 5000 {
		t.Errorf("the delta has %d bytes", len(d))
	}
	if got, err := patch(old, d); err != nil || !bytes.Equal(got, data) {
		t.Errorf("patched to something else: %v", err)
	}
}
