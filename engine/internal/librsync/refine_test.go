package librsync_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"testing"

	"github.com/purser-backup/purser/engine/internal/librsync"
)

// table is a dump of n rows of about 100 bytes; change tells the value of each.
func table(n int, change func(row int) int) []byte {
	r := rand.New(rand.NewPCG(5, 6))
	var b bytes.Buffer
	for row := range n {
		fmt.Fprintf(&b, "(%d,%d,%d,'%016x%016x%048d'),\n", row, row%100, change(row), r.Uint64(), r.Uint64(), 0)
	}
	return b.Bytes()
}

func never(int) int { return 0 }

// A hundredth of the rows changes, here and there, and gets longer: the delta by
// bytes holds these bytes and little more, where that by blocks holds a fifth of
// the file.
func TestScatteredRows(t *testing.T) {
	old := table(20000, never)
	data := table(20000, func(row int) int {
		if row%97 == 5 {
			return row
		}
		return 0
	})
	sig := readSignature(t, signature(t, params(librsync.MagicMD4, 2048, 16), old))
	blocks, refined := delta(t, sig, data), deltaOf(t, sig, bytes.NewReader(old), data)
	if got, err := patch(old, refined); err != nil || !bytes.Equal(got, data) {
		t.Fatalf("patched to something else: %v", err)
	}
	rows := 20000 / 97
	if len(refined) > 24*rows || len(blocks) < 1000*rows {
		t.Errorf("by bytes %d, by blocks %d bytes for %d changed rows", len(refined), len(blocks), rows)
	}
}

// All rows change: what is common between two changes is found beyond the length
// of one literal.
func TestRowsAllChanged(t *testing.T) {
	old := table(20000, never)
	data := table(20000, func(row int) int { return row })
	sig := readSignature(t, signature(t, params(librsync.MagicMD4, 2048, 16), old))
	refined := deltaOf(t, sig, bytes.NewReader(old), data)
	if got, err := patch(old, refined); err != nil || !bytes.Equal(got, data) {
		t.Fatalf("patched to something else: %v", err)
	}
	if len(refined) > len(data)/4 {
		t.Errorf("%d bytes of %d", len(refined), len(data))
	}
}

// So many changes are not told byte by byte that a restore couldn't plan them.
func TestCountlessRows(t *testing.T) {
	const rows = 600_000
	old := table(rows, never)
	data := table(rows, func(row int) int { return row })
	sig := readSignature(t, signature(t, params(librsync.MagicMD4, 4096, 16), old))
	refined := deltaOf(t, sig, bytes.NewReader(old), data)
	if got, err := patch(old, refined); err != nil || !bytes.Equal(got, data) {
		t.Fatalf("patched to something else: %v", err)
	}
	var plan librsync.Plan
	if err := plan.Apply(bytes.NewReader(refined)); err != nil {
		t.Error(err)
	}
}

// What is at hand is another file than the signature's, or its disk fails: the
// delta still makes the new file of the right one.
func TestWrongOldFile(t *testing.T) {
	old := table(5000, never)
	data := table(5000, func(row int) int { return row % 7 / 6 })
	sig := readSignature(t, signature(t, params(librsync.MagicMD4, 1024, 16), old))
	halfGone := bytes.Clone(old)
	copy(halfGone[len(old)/2:], random(3, len(old)/2))
	touched := bytes.Clone(old)
	for i := 500; i < len(touched); i += 1000 {
		touched[i]++
	}
	full := len(deltaOf(t, sig, bytes.NewReader(old), data))
	for name, at := range map[string]io.ReaderAt{
		"none":           nil,
		"the new one":    bytes.NewReader(data),
		"empty":          bytes.NewReader(nil),
		"a short one":    bytes.NewReader(old[:len(old)/3]),
		"half of it":     bytes.NewReader(halfGone),
		"bytes changed":  bytes.NewReader(touched),
		"shifted":        bytes.NewReader(old[1:]),
		"can't be read":  brokenAt{},
		"another file":   bytes.NewReader(random(4, len(old))),
		"it, and longer": bytes.NewReader(append(bytes.Clone(old), "more"...)),
	} {
		d := deltaOf(t, sig, at, data)
		if got, err := patch(old, d); err != nil || !bytes.Equal(got, data) {
			t.Errorf("%s: patched to something else: %v", name, err)
		}
		if name != "it, and longer" && len(d) < full {
			t.Errorf("%s: %d bytes, with the right file %d", name, len(d), full)
		}
	}
}

type brokenAt struct{}

func (brokenAt) ReadAt([]byte, int64) (int, error) { return 0, errors.New("broken") }

// countingAt counts what is read of it.
type countingAt struct {
	io.ReaderAt
	n int64
}

func (c *countingAt) ReadAt(p []byte, at int64) (int, error) {
	n, err := c.ReaderAt.ReadAt(p, at)
	c.n += int64(n)
	return n, err
}

// Single new bytes between blocks from afar don't make the old file be read over and
// over.
func TestOldFileReadInProportion(t *testing.T) {
	const blockLen, far = 512, 250 * 512
	old := random(8, far+blockLen)
	var data []byte
	for i := range 4000 {
		data = append(append(data, old[i%2*far:][:blockLen]...), byte(i))
	}
	sig := readSignature(t, signature(t, params(librsync.MagicMD4, blockLen, 16), old))
	at := &countingAt{ReaderAt: bytes.NewReader(old)}
	refined := deltaOf(t, sig, at, data)
	if got, err := patch(old, refined); err != nil || !bytes.Equal(got, data) {
		t.Fatalf("patched to something else: %v", err)
	}
	if at.n == 0 || at.n > 20*int64(len(data)) {
		t.Errorf("%d bytes of the old file were read for %d", at.n, len(data))
	}
}

// A signature that tells of blocks beyond all measure makes no buffer for one.
func TestRefinedBlockLength(t *testing.T) {
	sig := signature(t, params(librsync.MagicMD4, 2048, 16), random(1, 2000))
	copy(sig[4:], []byte{0x7f, 0xff, 0xff, 0xff})
	at := &countingAt{ReaderAt: bytes.NewReader(random(1, 2000))}
	deltaOf(t, readSignature(t, sig), at, random(2, 5000))
	if at.n > 0 {
		t.Errorf("%d bytes of the old file were read", at.n)
	}
}
