package engine

import (
	"context"
	"slices"
)

// A PlaceReport tells of one of several places: what the work of this
// Repository has moved, and what it holds now.
type PlaceReport struct {
	URL           string
	Live          bool  // it is none of the targets, and holds only the newest sets
	UploadedBytes int64 // bytes of all objects that were stored there
	CopiedSets    int   // sets that it lacked, and got from another place
	Chains, Sets  int
	Bytes         int64 // of all objects of its sets
	Err           error // why it doesn't hold what it is to hold
}

// Report tells of every place, nearest first; nothing where there is only one.
func (r *Repository) Report(ctx context.Context) ([]PlaceReport, error) {
	p := r.store
	if p.single() {
		return nil, nil
	}
	lists, err := p.lists(ctx)
	if err != nil {
		return nil, err
	}
	var reports []PlaceReport
	for _, one := range p.list {
		c := newCollection(lists[one], p.prefixes)
		p.mu.Lock()
		rep := one.moved
		rep.URL, rep.Live, rep.Err = one.URL, one.near(), one.err
		for _, problem := range p.problems {
			if e, ok := problem.(*PlaceError); ok && rep.Err == nil && e.URL == one.URL {
				rep.Err = e.Err
			}
		}
		p.mu.Unlock()
		rep.Chains = len(c.Chains)
		for _, chain := range c.Chains {
			rep.Sets += len(chain.Sets)
			for _, s := range chain.Sets {
				rep.Bytes += s.Size
			}
		}
		reports = append(reports, rep)
	}
	return reports, nil
}

// Alone are repositories over each of the places in use, for looking at one by
// itself. They use the places of this one, and are not closed.
func (r *Repository) Alone() []*Repository {
	var list []*Repository
	for _, one := range r.store.inUse() {
		alone := *r
		alone.store = newPlaces([]Place{{Store: one.Store, URL: one.URL, ID: one.ID}}, r.opt.Prefixes, r.opt.Warn)
		list = append(list, &alone)
	}
	return list
}

// URL names the targets, without passwords.
func (r *Repository) URL() string { return r.store.URL() }

// Sent is the collection of what the targets hold: without the sets that only
// a place nearby has so far. Retention is to judge by it, since it must never
// leave a target without a chain that restores.
func (r *Repository) Sent(ctx context.Context) (Collection, error) {
	p := r.store
	if !p.tiered() {
		return r.Collection(ctx)
	}
	lists, err := p.lists(ctx)
	if err != nil {
		return Collection{}, err
	}
	s := p.survey(lists)
	s.places = slices.DeleteFunc(s.places, func(one *place) bool { return one.near() })
	return *newCollection(s.union(), p.prefixes), nil
}
