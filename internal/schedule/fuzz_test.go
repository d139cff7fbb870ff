package schedule

import (
	"testing"
	"time"
)

// Whatever is accepted comes due again and again, always later than asked.
func FuzzParse(f *testing.F) {
	for _, expr := range []string{"0 0 3 * * *", "H(8-16) H/2 1,15 * ?", "daily, 2200-0400", "tuesday, 0200", "cron H H * * H", "@every 6h", "cron @weekly", "*/15 * * * *", "monthly"} {
		f.Add(expr, "shop/db", int64(1715682615))
	}
	loc, err := time.LoadLocation("Europe/Paris")
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, expr, id string, unix int64) {
		s, err := Parse(expr, id)
		if err != nil {
			return
		}
		at := time.Unix(unix%4e9, 0).In(loc)
		for range 3 {
			next := s.Next(at)
			if next.IsZero() {
				return // not within five years
			}
			if !next.After(at) {
				t.Fatalf("%q: %s after %s", expr, next, at)
			}
			at = next
		}
	})
}
