package schedule

import "time"

// Union gives a schedule that has the points of all in the list. It has none
// where all of them have none.
func Union(list ...Schedule) Schedule { return union(list) }

type union []Schedule

func (u union) Next(t time.Time) time.Time {
	var first time.Time
	for _, s := range u {
		if next := s.Next(t); !next.IsZero() && (first.IsZero() || next.Before(first)) {
			first = next
		}
	}
	return first
}
