// Package retention says which backup sets stay, and why. It works on plain
// times and knows neither the engine nor a target.
package retention

import (
	"slices"
	"time"
)

// Policy is a list of rules. A restore point that any of them selects stays.
// The zero Policy has none. It is immutable.
type Policy struct {
	text  string
	rules []rule
}

// rule is one item of a policy. It returns the indexes of the points that it
// selects; points are in order of time, in the location of now.
type rule interface {
	selects(points []time.Time, now time.Time) []int
	reason() string
}

// IsZero reports whether there is no policy.
func (p Policy) IsZero() bool { return len(p.rules) == 0 }

func (p Policy) String() string { return p.text }

// Reasons that are no rule's.
const (
	nothingSelected = "no rule selects any set, so all stay"
	isNewest        = "it is the newest"
	needed          = "a kept set builds on it"
)

// Select gives the reason why each restore point is to be kept, or "" where no
// rule selects it. Days, weeks and months are those of now's location, and a
// week begins on Sunday. If the rules select nothing, everything is kept; else
// the newest is kept, whatever they say. The points must be in order of time.
func (p Policy) Select(points []time.Time, now time.Time) []string {
	reasons := make([]string, len(points))
	local := make([]time.Time, len(points))
	for i, t := range points {
		local[i] = t.In(now.Location())
	}
	for _, r := range p.rules {
		for _, i := range r.selects(local, now) {
			if reasons[i] == "" {
				reasons[i] = r.reason()
			}
		}
	}
	if !slices.ContainsFunc(reasons, func(s string) bool { return s != "" }) {
		for i := range reasons {
			reasons[i] = nothingSelected
		}
		return reasons
	}
	if last := len(reasons) - 1; reasons[last] == "" {
		reasons[last] = isNewest
	}
	return reasons
}

// Newest gives a reason for each of the n newest of so many points, at least
// for the last one.
func Newest(points, n int) []string {
	reasons := make([]string, points)
	for i := max(0, points-max(n, 1)); i < points; i++ {
		reasons[i] = "it is one of the newest, which always stay"
	}
	return reasons
}

// Held gives the index of the restore point that a restore to the time t would
// use, -1 if there is none. The points must be in order of time.
func Held(points []time.Time, t time.Time) int {
	i, _ := slices.BinarySearchFunc(points, t, func(p, t time.Time) int {
		if p.After(t) {
			return 1
		}
		return -1
	})
	return i - 1
}

// Decision is what becomes of a set.
type Decision struct {
	Keep   bool
	Needed bool // it is kept for nothing but a set that builds on it
	Reason string
}

// Close decides on the sets of one chain, oldest first, each of which builds on
// the one before. A set with a reason is kept, and so is all that it builds on:
// only the end of a chain can go. reasons say why a set is to be kept, "" if it
// isn't; otherwise say why it goes.
func Close(reasons, otherwise []string) []Decision {
	out := make([]Decision, len(reasons))
	below := false // something kept builds on what comes next in the loop
	for i := len(reasons) - 1; i >= 0; i-- {
		switch {
		case reasons[i] != "":
			out[i], below = Decision{Keep: true, Reason: reasons[i]}, true
		case below:
			out[i] = Decision{Keep: true, Needed: true, Reason: needed}
		default:
			out[i] = Decision{Reason: otherwise[i]}
		}
	}
	return out
}
