package retention

import (
	"slices"
	"testing"
	"time"
)

func languages() []string {
	return []string{
		"last 5 days, earliest of month",
		"last 30 days, earliest of 2 weeks, earliest of 6 months",
		"last 10 snapshots",
		"daily 7, weekly 4, monthly 12, yearly 3",
		"hourly 24, daily 7, weekly 4",
		"daily;30, hourly;48",
		"weekly;8, monthly;12",
	}
}

// set is a backup set of the simulation; chains begin with a full one.
type set struct {
	time time.Time
	full bool
}

// history makes backups for three years, a full one each week, and prunes.
type history struct {
	t      *testing.T
	policy Policy
	sets   []set
}

func (h *history) prune(now time.Time) {
	points := make([]time.Time, len(h.sets))
	for i, s := range h.sets {
		points[i] = s.time
	}
	reasons := h.policy.Select(points, now.Add(5*time.Minute))
	decisions := h.close(reasons)
	var left []set
	for i, d := range decisions {
		switch {
		case d.Reason == "":
			h.t.Fatalf("%s: no reason for the set of %s", h.policy, h.sets[i].time)
		case reasons[i] != "" && !d.Keep:
			h.t.Fatalf("%s at %s: the set of %s is selected, and goes", h.policy, now, h.sets[i].time)
		case d.Keep && !h.sets[i].full && (len(left) == 0 || left[len(left)-1] != h.sets[i-1]):
			h.t.Fatalf("%s at %s: the set of %s has lost what it builds on", h.policy, now, h.sets[i].time)
		case d.Needed && (i+1 == len(h.sets) || !decisions[i+1].Keep):
			h.t.Fatalf("%s at %s: the set of %s is needed by nothing", h.policy, now, h.sets[i].time)
		}
		if d.Keep {
			left = append(left, h.sets[i])
		}
	}
	if len(left) == 0 || !left[len(left)-1].time.Equal(now) {
		h.t.Fatalf("%s at %s: the newest set is gone", h.policy, now)
	}
	h.sets = left
}

func (h *history) close(reasons []string) []Decision {
	var all []Decision
	otherwise := slices.Repeat([]string{"no rule selects it"}, len(reasons))
	for i := 0; i < len(h.sets); {
		end := i + 1
		for end < len(h.sets) && !h.sets[end].full {
			end++
		}
		all = append(all, Close(reasons[i:end], otherwise[i:end])...)
		i = end
	}
	return all
}

// Three years of each language, with a set every day and every hour: what is
// selected is kept, what is kept restores, and something always is. In the end
// no more is left than the rules and a chain behind each of them ask for.
func TestThreeYears(t *testing.T) {
	loc, err := time.LoadLocation("America/New_York")
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range languages() {
		for name, every := range map[string]time.Duration{"daily": 24 * time.Hour, "hourly": time.Hour} {
			t.Run(text+" "+name, func(t *testing.T) {
				t.Parallel()
				h := &history{t: t, policy: policy(t, text)}
				start := time.Date(2021, 1, 3, 3, 0, 0, 0, loc)
				most := 0
				for now, n := start, 0; now.Before(start.AddDate(3, 0, 0)); now, n = now.Add(every), n+1 {
					h.sets = append(h.sets, set{now, now.Sub(start)%(7*24*time.Hour) == 0})
					if every == time.Hour && n%37 != 0 {
						continue // at each hour of the day in turn
					}
					h.prune(now)
					most = max(most, len(h.sets))
				}
				if bound := 25 * int(7*24*time.Hour/every); most > bound {
					t.Errorf("up to %d sets were kept, more than %d", most, bound)
				}
			})
		}
	}
}

func BenchmarkSelectTenThousandSets(b *testing.B) {
	now := time.Date(2024, 5, 15, 3, 5, 0, 0, time.UTC)
	points := make([]time.Time, 10_000)
	for i := range points {
		points[i] = now.Add(time.Duration(i-len(points)) * time.Hour)
	}
	for _, text := range languages() {
		p := policy(b, text)
		b.Run(text, func(b *testing.B) {
			for b.Loop() {
				p.Select(points, now)
			}
		})
	}
}
