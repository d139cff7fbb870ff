package librsync_test

import (
	"bytes"
	"errors"
	"io"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/purser-backup/purser/engine/internal/librsync"
)

func FuzzReadSignature(f *testing.F) {
	for _, magic := range magics {
		f.Add(signature(f, params(magic, 512, 8), random(20, 1100)), []byte("some new file"))
	}
	f.Add([]byte("rs\x016\x7f\xff\xff\xff\x00\x00\x00\x01\x00\x00\x00\x00\x00"), []byte("x"))
	f.Fuzz(checkSignature)
}

func checkSignature(t *testing.T, b, data []byte) {
	t.Helper()
	sig, err := librsync.ReadSignature(bytes.NewReader(b))
	if err != nil {
		if !errors.Is(err, librsync.ErrCorrupt) {
			t.Errorf("error is not ErrCorrupt: %v", err)
		}
		return
	}
	p := sig.Params()
	if (len(b)-12)%(4+p.StrongLen) != 0 {
		t.Errorf("a signature of %d bytes has no whole number of blocks", len(b))
	}
	// A signature may describe no file at all; a delta against it is a delta still.
	if _, err := patch(nil, delta(t, sig, data)); err != nil && !errors.Is(err, librsync.ErrCorrupt) {
		t.Error(err)
	}
}

func FuzzPatch(f *testing.F) {
	old := random(21, 3000)
	sig := readSignature(f, signature(f, params(librsync.MagicMD4, 64, 8), old))
	f.Add(delta(f, sig, append([]byte("new"), old...)))
	f.Add(delta(f, sig, nil))
	f.Add([]byte("rs\x026\x54\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x02\x44\x00\x00\x00\x00\x00\x00\x00\x01x\x00"))
	f.Fuzz(func(t *testing.T, d []byte) { checkPatch(t, old, d) })
}

func checkPatch(t *testing.T, old, d []byte) {
	t.Helper()
	if len(d) > 4000 { // many copies make a lot of a little
		return
	}
	if got, err := patch(old, d); err != nil && !errors.Is(err, librsync.ErrCorrupt) {
		t.Errorf("error is not ErrCorrupt: %v, after %d bytes", err, len(got))
	}
}

// A slice of what the fuzz targets do, the same in each run. TestRandomEdits
// is that of FuzzDelta.
func TestRandomDamage(t *testing.T) {
	r := rand.New(rand.NewPCG(12, 13))
	old := random(21, 3000)
	kinds := slices.Sorted(maps.Values(magics))
	for n := range 2000 {
		sig := signature(t, params(kinds[n%len(kinds)], 64, 8), old)
		d := delta(t, readSignature(t, sig), append([]byte("new"), old[r.IntN(1000):]...))
		for _, b := range [][]byte{sig, d} {
			for range 1 + r.IntN(3) {
				b[r.IntN(len(b))] = byte(r.Uint32())
			}
		}
		checkSignature(t, sig[:len(sig)-r.IntN(8)], old[:500])
		checkPatch(t, old, d[:len(d)-r.IntN(3)])
	}
}

func FuzzDelta(f *testing.F) {
	f.Add([]byte("the quick brown fox jumps over the lazy dog"), []byte("the quick fox jumps over the very lazy dog"), uint8(4), uint8(0))
	f.Add(make([]byte, 300), make([]byte, 301), uint8(16), uint8(2))
	f.Fuzz(func(t *testing.T, old, data []byte, block, kind uint8) {
		magic := []uint32{librsync.MagicMD4, librsync.MagicBLAKE2, librsync.MagicRabinKarpMD4, librsync.MagicRabinKarpBLAKE2}[kind%4]
		sig := readSignature(t, signature(t, params(magic, 1+int(block), 16), old))
		for _, at := range []io.ReaderAt{nil, bytes.NewReader(old), bytes.NewReader(data)} {
			if got, err := patch(old, deltaOf(t, sig, at, data)); err != nil || !bytes.Equal(got, data) {
				t.Errorf("patched to %q: %v", got, err)
			}
		}
	})
}
