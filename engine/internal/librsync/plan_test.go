package librsync_test

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"testing"

	"github.com/purser-backup/purser/engine/internal/librsync"
)

// put writes the file of a plan, from the old file and the deltas.
func put(p *librsync.Plan, old []byte, deltas [][]byte) []byte {
	var out []byte
	for part := range p.Parts() {
		from := old
		if part.Source > 0 {
			from = deltas[part.Source-1]
		}
		out = append(out, from[part.From:part.From+part.N]...)
	}
	return out
}

// A plan of several deltas gives what patching step by step does.
func TestPlan(t *testing.T) {
	r := rand.New(rand.NewPCG(11, 12))
	for range 60 {
		old := smooth(r, r.IntN(40000))
		now := old
		var (
			plan   librsync.Plan
			deltas [][]byte
		)
		for range 1 + r.IntN(5) {
			p := params(librsync.MagicMD4, 1+r.IntN(300), 16)
			next := edit(r, now)
			d := deltaOf(t, readSignature(t, signature(t, p, now)), bytes.NewReader(now), next)
			if err := plan.Apply(bytes.NewReader(d)); err != nil {
				t.Fatal(err)
			}
			deltas, now = append(deltas, d), next
			if got := put(&plan, old, deltas); !bytes.Equal(got, now) {
				t.Fatalf("after %d deltas the plan gives %d bytes, not the %d", len(deltas), len(got), len(now))
			}
		}
		end, straight := int64(0), true
		for part := range plan.Parts() {
			if part.Source == 0 {
				straight = straight && part.From >= end
				end = part.From + part.N
			}
		}
		if plan.Sequential() != straight {
			t.Errorf("Sequential is %v", plan.Sequential())
		}
	}
}

// What is no delta, is cut, or reaches beyond a known end is refused, and the
// plan stays good.
func TestBadPlan(t *testing.T) {
	ten := unhex(t, "72730236 0a 30313233343536373839 00")
	var plan librsync.Plan
	if err := plan.Apply(bytes.NewReader(ten)); err != nil {
		t.Fatal(err)
	}
	for _, bad := range []string{
		"", "72730136 00", "72730236 0a 3031", "72730236 45 00 0b 00", "72730236 45 0b 01 00", "72730236 45 00 05", "72730236 ff 00",
	} {
		if err := plan.Apply(bytes.NewReader(unhex(t, bad))); !errors.Is(err, librsync.ErrCorrupt) {
			t.Errorf("%s: %v", bad, err)
		}
	}
	if got := put(&plan, nil, [][]byte{ten}); string(got) != "0123456789" {
		t.Errorf("the plan gives %q now", got)
	}
}
