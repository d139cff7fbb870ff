package daemon

import (
	"slices"
	"time"

	"github.com/purser-backup/purser/engine"
	"github.com/purser-backup/purser/internal/config"
	"github.com/purser-backup/purser/internal/retention"
)

// configured are the policies of the settings.
func configured(cfg *config.Config, now time.Time) PruneOptions {
	p := PruneOptions{KeepFull: cfg.RemoveAllButNFull, KeepIncrementalOf: cfg.RemoveAllIncOfButNFull, Policy: cfg.Retention}
	if cfg.RemoveOlderThan > 0 {
		p.OlderThan = now.Add(-cfg.RemoveOlderThan)
	}
	return p
}

// isZero reports whether there is no policy.
func (p *PruneOptions) isZero() bool {
	return p.OlderThan.IsZero() && p.KeepFull == 0 && p.KeepIncrementalOf == 0 && p.Policy.IsZero()
}

// limits joins duplicity's policies: what any of them deletes goes. It is nil if
// there is none.
func (p *PruneOptions) limits(c *engine.Collection) engine.Plan {
	var plan engine.Plan
	and := func(q engine.Plan) {
		if plan == nil {
			plan = q
			return
		}
		plan = plan.And(q)
	}
	if p.KeepFull > 0 {
		and(engine.RemoveAllButNFull(c, p.KeepFull))
	}
	if p.KeepIncrementalOf > 0 {
		and(engine.RemoveAllIncOfButNFull(c, p.KeepIncrementalOf))
	}
	if !p.OlderThan.IsZero() {
		and(engine.RemoveOlderThan(c, p.OlderThan))
	}
	return plan
}

// retained says of each set why it stays and why it would go.
type retained struct {
	sets      []engine.Set // chain by chain, oldest first
	byTime    []int        // their indexes in order of time
	times     []time.Time  // in order of time
	keep      []string     // "" where nothing asks for the set
	otherwise []string
}

func newRetained(c *engine.Collection) *retained {
	n := 0
	for _, chain := range c.Chains {
		n += len(chain.Sets)
	}
	r := &retained{sets: make([]engine.Set, 0, n)}
	for _, chain := range c.Chains {
		r.sets = append(r.sets, chain.Sets...)
	}
	for i := range r.sets {
		r.byTime = append(r.byTime, i)
	}
	slices.SortStableFunc(r.byTime, func(a, b int) int { return r.sets[a].Time.Compare(r.sets[b].Time) })
	for _, i := range r.byTime {
		r.times = append(r.times, r.sets[i].Time)
	}
	r.keep = make([]string, len(r.sets))
	r.otherwise = slices.Repeat([]string{"no rule selects it"}, len(r.sets))
	return r
}

// apply takes over the verdict of duplicity's policies.
func (r *retained) apply(limits engine.Plan) {
	for i, d := range limits {
		if d.Delete {
			r.otherwise[i] = d.Reason
		} else {
			r.keep[i] = d.Reason
		}
	}
}

// protect keeps a set for which there is no reason yet; n is its place in order
// of time.
func (r *retained) protect(n int, reason string) {
	if i := r.byTime[n]; r.keep[i] == "" {
		r.keep[i] = reason
	}
}

func (r *retained) protectAll(reasons []string) {
	for n, reason := range reasons {
		r.protect(n, reason)
	}
}

// plan closes over the chains.
func (r *retained) plan(c *engine.Collection) engine.Plan {
	plan := make(engine.Plan, 0, len(r.sets))
	from := 0
	for _, chain := range c.Chains {
		to := from + len(chain.Sets)
		for i, d := range retention.Close(r.keep[from:to], r.otherwise[from:to]) {
			plan = append(plan, engine.Decision{Set: r.sets[from+i], Delete: !d.Keep, Needed: d.Needed, Reason: d.Reason})
		}
		from = to
	}
	return plan
}

// plan decides about each set. What duplicity's policies keep stays, and so
// does what the policy in words selects, the newest sets, those that are held,
// and those with a last good dump; with each, all that it builds on.
func (p *PruneOptions) plan(cfg *config.Config, c *engine.Collection, h *history, now time.Time) engine.Plan {
	r := newRetained(c)
	if len(r.sets) == 0 {
		return nil
	}
	limits := p.limits(c)
	r.apply(limits)
	if !p.Policy.IsZero() {
		if limits != nil {
			r.otherwise = slices.Repeat([]string{"neither the rules nor the limits keep it"}, len(r.sets))
		}
		r.protectAll(p.Policy.Select(r.times, now))
	}
	r.protectAll(retention.Newest(len(r.times), cfg.RetentionMin))
	for _, t := range cfg.Holds {
		if n := retention.Held(r.times, t); n >= 0 {
			r.protect(n, "it is held for "+t.In(now.Location()).Format(time.RFC3339))
		}
	}
	protected := map[int64]bool{}
	for _, t := range h.protected() {
		protected[t.Unix()] = true
	}
	for n, t := range r.times {
		if protected[t.Unix()] {
			r.protect(n, "it holds the last good dump of a service")
		}
	}
	return r.plan(c)
}

// unheld are the holds for which there is no set. That of a profile may be in
// another one.
func unheld(cfg *config.Config, c *engine.Collection) []time.Time {
	if cfg.Profile != "" {
		return nil
	}
	r := newRetained(c)
	var list []time.Time
	for _, t := range cfg.Holds {
		if retention.Held(r.times, t) < 0 {
			list = append(list, t)
		}
	}
	return list
}
