package engine

import (
	"fmt"
	"slices"
	"time"
)

// A Decision says what becomes of one set, and why.
type Decision struct {
	Set    Set
	Delete bool
	Needed bool // it is kept for nothing but a set that builds on it
	Reason string
}

// A Plan has a decision for each set of a collection, chain by chain, oldest
// first. Plans are made by pure functions; nothing happens before Prune.
type Plan []Decision

// RemoveOlderThan deletes the chains whose newest set is older than t. The
// newest chain is always kept. (duplicity's remove-older-than)
func RemoveOlderThan(c *Collection, t time.Time) Plan {
	return c.decide(func(i int, chain *Chain, _ *Set) (bool, string) {
		if chain.End().Before(t) {
			return true, "its chain ends before " + t.UTC().Format(time.RFC3339)
		}
		return false, "its chain reaches past " + t.UTC().Format(time.RFC3339)
	})
}

// RemoveAllButNFull keeps the n newest chains. (duplicity's
// remove-all-but-n-full; n is at least 1)
func RemoveAllButNFull(c *Collection, n int) Plan {
	n = max(n, 1)
	return c.decide(func(i int, _ *Chain, _ *Set) (bool, string) {
		if len(c.Chains)-i > n {
			return true, fmt.Sprintf("there are %d newer full sets", len(c.Chains)-1-i)
		}
		return false, fmt.Sprintf("its full set is one of the %d newest", n)
	})
}

// RemoveAllIncOfButNFull deletes the increments of all but the n newest
// chains. (duplicity's remove-all-inc-of-but-n-full; n is at least 1)
func RemoveAllIncOfButNFull(c *Collection, n int) Plan {
	n = max(n, 1)
	return c.decide(func(i int, _ *Chain, s *Set) (bool, string) {
		switch {
		case len(c.Chains)-i <= n:
			return false, fmt.Sprintf("its full set is one of the %d newest", n)
		case s.Full():
			return false, "it is a full set"
		}
		return true, fmt.Sprintf("an increment on a full set with %d newer ones", len(c.Chains)-1-i)
	})
}

// decide asks policy about each set of each chain, i being the chain's number
// from the oldest. The newest chain is kept whatever the policy says.
func (c *Collection) decide(policy func(i int, chain *Chain, s *Set) (bool, string)) Plan {
	var p Plan
	for i := range c.Chains {
		chain := &c.Chains[i]
		for j := range chain.Sets {
			s := &chain.Sets[j]
			d := Decision{Set: *s, Reason: "it is in the newest chain"}
			if i < len(c.Chains)-1 {
				d.Delete, d.Reason = policy(i, chain, s)
			}
			p = append(p, d)
		}
	}
	return p
}

// Cleanup deletes what no restore can use: sets without a manifest and
// increments whose predecessor is missing. A set that lacks only its
// signatures restores, and is kept.
func Cleanup(c *Collection) Plan {
	p := c.decide(func(int, *Chain, *Set) (bool, string) { return false, "it restores" })
	for _, s := range c.Incomplete {
		p = append(p, Decision{Set: s, Delete: true, Reason: "it has no manifest: the backup was interrupted"})
	}
	for _, s := range c.Orphans {
		p = append(p, Decision{Set: s, Delete: true, Reason: "the set of " + s.Start.UTC().Format(time.RFC3339) + " that it builds on is missing"})
	}
	return p
}

// And deletes what either plan deletes. Both must be of the same collection.
func (p Plan) And(q Plan) Plan {
	out := slices.Clone(p)
	for i := range out {
		if !out[i].Delete && q[i].Delete {
			out[i] = q[i]
		}
	}
	return out
}

// Protect keeps the sets with the given times, with everything in their
// chains that they build on.
func (p Plan) Protect(times ...time.Time) Plan {
	out := slices.Clone(p)
	var needed time.Time // the set that a kept increment builds on
	for i := len(out) - 1; i >= 0; i-- {
		d := &out[i]
		asked := slices.ContainsFunc(times, d.Set.Time.Equal)
		if d.Delete && (asked || d.Set.Time.Equal(needed)) {
			d.Delete, d.Needed, d.Reason = false, !asked, "a kept set builds on it"
			if asked {
				d.Reason = "it holds the last good dump of a service"
			}
		}
		needed = time.Time{}
		if !d.Delete {
			needed = d.Set.Start
		}
	}
	return out
}

// Deletes reports how many sets the plan deletes.
func (p Plan) Deletes() int {
	n := 0
	for _, d := range p {
		if d.Delete {
			n++
		}
	}
	return n
}
