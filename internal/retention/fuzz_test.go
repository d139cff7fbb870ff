package retention

import (
	"testing"
	"time"
)

// Whatever is accepted keeps something, the newest above all, and reads the
// same when it is written again.
func FuzzParse(f *testing.F) {
	for _, text := range languages() {
		f.Add(text, uint16(500), uint32(3600))
	}
	now := time.Date(2024, 5, 15, 3, 5, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, text string, n uint16, step uint32) {
		p, err := Parse(text)
		if err != nil {
			return
		}
		again, err := Parse(p.String())
		if err != nil {
			t.Fatalf("%q was accepted, and %q is not: %v", text, p, err)
		}
		points := make([]time.Time, n%1000+1)
		for i := range points {
			points[i] = now.Add(-time.Duration(len(points)-1-i) * time.Duration(step) * time.Second)
		}
		first, second := p.Select(points, now), again.Select(points, now)
		if first[len(first)-1] == "" {
			t.Errorf("%q: the newest goes", text)
		}
		for i := range first {
			if first[i] != second[i] {
				t.Errorf("%q and %q differ", text, p)
			}
		}
	})
}
