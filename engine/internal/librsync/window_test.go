package librsync_test

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"testing"

	"github.com/purser-backup/purser/engine/internal/librsync"
)

// A signature of more blocks than are held at a time finds what is near its old place,
// to the last, short block.
func TestLongSignature(t *testing.T) {
	p := params(librsync.MagicMD4, 16, 16)
	old := random(60, 50<<20+5) // more than three windows
	raw := signature(t, p, old)
	changed := slices.Clone(old)
	for at := 1 << 20; at < len(changed); at += 5 << 20 {
		changed[at] ^= 1
	}
	for name, c := range map[string]struct {
		data  []byte
		limit int
	}{
		"the same":         {old, 40},
		"single bytes":     {changed, 1000},
		"inserted":         {slices.Concat(old[:30<<20], random(61, 1<<20), old[30<<20:]), 1<<20 + 1000},
		"removed":          {slices.Concat(old[:20<<20], old[21<<20:]), 1000},
		"only the end":     {old[len(old)-1<<20:], 1<<20 + 1000},
		"nothing":          {nil, 10},
		"something longer": {slices.Concat(old, random(62, 1000)), 1100},
	} {
		t.Run(name, func(t *testing.T) {
			d := delta(t, readSignature(t, raw), c.data)
			if len(d) > c.limit {
				t.Errorf("delta of %d bytes, want %d at most", len(d), c.limit)
			}
			if got, err := patch(old, d); err != nil || !bytes.Equal(got, c.data) {
				t.Errorf("%d bytes after the delta, want %d: %v", len(got), len(c.data), err)
			}
		})
	}
	t.Run("cut short", func(t *testing.T) {
		_, err := io.Copy(io.Discard, librsync.NewDelta(readSignature(t, raw[:len(raw)-3]), nil, bytes.NewReader(old)))
		if !errors.Is(err, librsync.ErrCorrupt) {
			t.Errorf("got %v, want ErrCorrupt", err)
		}
	})
}
