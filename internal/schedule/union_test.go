package schedule

import (
	"fmt"
	"testing"
	"time"
)

// never is a schedule that has come to its end.
type never struct{}

func (never) Next(time.Time) time.Time { return time.Time{} }

func TestUnion(t *testing.T) {
	parse := func(expr, id string) Schedule {
		s, err := Parse(expr, id)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	at := time.Date(2024, 5, 14, 10, 30, 15, 0, time.UTC)
	if got := Union(parse("@daily", ""), never{}, parse("0 0 12 * * *", "")).Next(at); !got.Equal(time.Date(2024, 5, 14, 12, 0, 0, 0, time.UTC)) {
		t.Errorf("next at %s", got)
	}
	if got := Union(never{}, never{}).Next(at); !got.IsZero() {
		t.Errorf("of two that never come due: %s", got)
	}
	// A moment of the longer ones is one of the shorter, so that profiles meet.
	for i := range 50 {
		id := fmt.Sprint("host", i)
		hourly, daily := parse("cron @hourly", id), parse("cron @daily", id)
		for _, long := range []string{"cron @daily", "cron @weekly", "cron @monthly"} {
			s := parse(long, id)
			for n, due := 0, s.Next(at); n < 14; n, due = n+1, s.Next(due) {
				if got := hourly.Next(due.Add(-time.Second)); !got.Equal(due) {
					t.Fatalf("%s: %s is due at %s, the hourly one then at %s", id, long, due, got)
				}
				if got := daily.Next(due.Add(-time.Second)); !got.Equal(due) {
					t.Fatalf("%s: %s is due at %s, the daily one then at %s", id, long, due, got)
				}
			}
		}
	}
}
