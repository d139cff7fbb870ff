package engine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"sync"
	"time"

	"github.com/purser-backup/purser/engine/internal/format"
	"github.com/purser-backup/purser/engine/storage"
)

// lists asks all places in use what they hold.
func (p *places) lists(ctx context.Context) (map[*place][]storage.Info, error) {
	var mu sync.Mutex
	lists, refused := map[*place][]storage.Info{}, map[*place]error{}
	err := p.each(ctx, p.inUse(), func(one *place) error {
		list, err := one.Store.List(ctx, "")
		mu.Lock()
		defer mu.Unlock()
		if err == nil {
			lists[one] = list
		} else if errors.Is(err, fs.ErrPermission) {
			refused[one] = err
		}
		return err
	}, nil)
	if err != nil {
		return nil, err
	}
	for one, err := range refused {
		p.drop(one, err)
	}
	return lists, nil
}

// List gives the objects of all places, each once. What a place has missed
// doesn't count, nor does what it has of a set without the manifest, where
// another place has the whole.
func (p *places) List(ctx context.Context) ([]storage.Info, error) {
	lists, err := p.lists(ctx)
	if err != nil || p.single() {
		return lists[p.list[0]], err
	}
	return p.survey(lists).union(), nil
}

// A survey is what each place holds, sorted by sets.
type survey struct {
	places []*place // in use, nearest first
	at     map[*place]map[setKey]*holding
	gone   map[*place]map[string]bool // what void gives
	others map[*place][]storage.Info  // names that are no backup's
}

// A holding is what a place has of one set.
type holding struct {
	objects  map[string]storage.Info
	void     []string // names of objects whose copy doesn't count
	manifest bool     // there is one that counts
}

func (p *places) survey(lists map[*place][]storage.Info) *survey {
	s := &survey{at: map[*place]map[setKey]*holding{}, gone: map[*place]map[string]bool{}, others: map[*place][]storage.Info{}}
	for _, one := range p.inUse() {
		list, listed := lists[one]
		if !listed {
			continue
		}
		s.places = append(s.places, one)
		s.at[one] = map[setKey]*holding{}
		for _, o := range list {
			name, ok := p.prefixes.parse(o.Name)
			if !ok || name.Part {
				s.others[one] = append(s.others[one], o)
				continue
			}
			key := setKey{name.Start.Unix(), name.Time.Unix()}
			h := s.at[one][key]
			if h == nil {
				h = &holding{objects: map[string]storage.Info{}}
				s.at[one][key] = h
			}
			if p.hasMissed(one, o.Name) {
				h.void = append(h.void, o.Name)
				continue
			}
			h.objects[o.Name] = o
			h.manifest = h.manifest || name.Kind == format.KindManifest
		}
	}
	for _, one := range s.places {
		s.gone[one] = map[string]bool{}
		for _, name := range s.void(one) {
			s.gone[one][name] = true
		}
	}
	return s
}

func (p *places) hasMissed(one *place, name string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return one.missed[name]
}

// whole reports whether a place other than one holds the set's manifest.
func (s *survey) whole(key setKey, but *place) bool {
	return slices.ContainsFunc(s.places, func(one *place) bool {
		h := s.at[one][key]
		return one != but && h != nil && h.manifest
	})
}

// union are the objects that count.
func (s *survey) union() []storage.Info {
	seen := map[string]bool{}
	var all []storage.Info
	add := func(o storage.Info) {
		if !seen[o.Name] {
			seen[o.Name] = true
			all = append(all, o)
		}
	}
	for _, one := range s.places {
		for key, h := range s.at[one] {
			if h.manifest || !s.whole(key, one) {
				for _, o := range h.objects {
					if !s.gone[one][o.Name] {
						add(o)
					}
				}
			}
		}
		for _, o := range s.others[one] {
			add(o)
		}
	}
	return all
}

// void are the objects of a place that have to go before it can be made equal:
// those that it has missed, and remains of a set that is whole elsewhere. An
// object of such a set stays if it is known to be the same.
func (s *survey) void(one *place) []string {
	var names []string
	for key, h := range s.at[one] {
		names = append(names, h.void...)
		given := slices.Contains(one.abandoned, noteSet(key))
		if h.manifest || !given && !s.whole(key, one) {
			continue
		}
		for name, o := range h.objects {
			if given || !one.noted || !s.sameElsewhere(key, o, one) {
				names = append(names, name)
			}
		}
	}
	slices.Sort(names)
	return names
}

func (s *survey) sameElsewhere(key setKey, o storage.Info, but *place) bool {
	return slices.ContainsFunc(s.places, func(one *place) bool {
		h := s.at[one][key]
		return one != but && h != nil && h.manifest && h.objects[o.Name].Name == o.Name && h.objects[o.Name].Size == o.Size
	})
}

// lacks are the objects of a set that a place is without, volumes and signatures
// before the manifest. differs names one that has another size there.
func (s *survey) lacks(one *place, set *Set) (missing []object, differs string) {
	h := s.at[one][set.key()]
	for _, o := range slices.Backward(set.objects()) {
		var held storage.Info
		if h != nil && !s.gone[one][o.key] {
			held = h.objects[o.key]
		}
		switch {
		case held.Name == "":
			missing = append(missing, o)
		case held.Size != o.size:
			differs = cmp.Or(differs, o.key)
		}
	}
	return missing, differs
}

// foreign reports whether a place that purser has never used before holds
// backups, and none of them is among those of the places that it is to equal.
func (s *survey) foreign(one *place) error {
	if one.noted {
		return nil
	}
	own, other := false, false
	for key, h := range s.at[one] {
		own = own || h.manifest
		if h.manifest && s.whole(key, one) {
			return nil
		}
	}
	for _, before := range s.places {
		if before == one {
			break
		}
		for _, h := range s.at[before] {
			other = other || h.manifest
		}
	}
	if !own || !other {
		return nil
	}
	return withHint(fmt.Errorf("it holds backups of something else than %s", s.places[0].URL),
		"give the targets of one purser paths that no other backup uses")
}

// wanted chooses the sets that a place is to hold, of those that can be restored.
func (p *places) wanted(c *Collection, one *place) func(*Set) bool {
	var sets []*Set
	for i := range c.Chains {
		for j := range c.Chains[i].Sets {
			sets = append(sets, &c.Chains[i].Sets[j])
		}
	}
	slices.SortFunc(sets, func(a, b *Set) int { return b.Time.Compare(a.Time) })
	var from time.Time // the newest that a deferred target lacks
	if p.deferring && one.Deferred && len(sets) > 0 {
		from = sets[0].Time
	}
	if one.Leaving {
		return func(*Set) bool { return false }
	}
	if one.Live == 0 {
		return func(s *Set) bool { return from.IsZero() || s.Time.Before(from) }
	}
	keep := map[setKey]bool{}
	for _, s := range sets[:min(one.Live, len(sets))] {
		for i := range c.Chains {
			chain := &c.Chains[i]
			if slices.ContainsFunc(chain.Sets, func(of Set) bool { return of.key() == s.key() }) {
				for j := range chain.Sets {
					if !chain.Sets[j].Time.After(s.Time) {
						keep[chain.Sets[j].key()] = true
					}
				}
			}
		}
	}
	return func(s *Set) bool { return keep[s.key()] }
}
