package engine

import (
	"iter"
	"slices"
	"time"

	"github.com/purser-backup/purser/engine/internal/format"
	"github.com/purser-backup/purser/engine/storage"
)

// A Set is what one backup run wrote.
type Set struct {
	Start     time.Time // end of the set that an increment builds on; zero for a full set
	Time      time.Time // the set's own time
	Volumes   int       // volumes found on the target
	Size      int64     // bytes of all objects on the target
	Encrypted bool

	volumes    map[int]object
	manifest   *object
	signatures *object
}

// An object is what the target lists, with the meaning of its name.
type object struct {
	format.Name
	key  string // as listed: old styles of names differ from Name.String
	size int64
}

func (o object) String() string { return o.key }

// Full reports whether the set stands on its own.
func (s *Set) Full() bool { return s.Start.IsZero() }

// HasSignatures reports whether the target holds the set's signatures, which
// the next increment needs and a restore doesn't.
func (s *Set) HasSignatures() bool { return s.signatures != nil }

// A Chain is a full set and the increments that follow it, oldest first.
type Chain struct {
	Sets []Set
}

// Start is the time of the full set.
func (c *Chain) Start() time.Time { return c.Sets[0].Time }

// grown reports whether a restore of the newest set costs more than a new full
// set is worth: it reads every set of the chain.
func (c *Chain) grown() bool {
	var increments int64
	for _, s := range c.Sets[1:] {
		increments += s.Size
	}
	return increments > c.Sets[0].Size/2 || len(c.Sets) >= 100
}

// End is the time of the newest set.
func (c *Chain) End() time.Time { return c.Sets[len(c.Sets)-1].Time }

// A Collection is everything that a target holds, in order of time.
type Collection struct {
	Chains     []Chain
	Incomplete []Set // without a manifest: a run that was interrupted
	Orphans    []Set // increments whose predecessor is missing

	newest time.Time // of all sets, complete or not
}

// setKey tells sets apart.
type setKey struct {
	Start int64
	Time  int64
}

func (s *Set) key() setKey { return setKey{s.Start.Unix(), s.Time.Unix()} }

// newCollection sorts the objects of a target into sets and chains
// (duplicity's rules, FORMAT.md "Chains"). Foreign names are left out.
func newCollection(objects []storage.Info, prefixes Prefixes) *Collection {
	sets := map[setKey]*Set{}
	c := &Collection{}
	for _, o := range objects {
		name, ok := prefixes.parse(o.Name)
		if !ok || name.Part {
			continue
		}
		s := &Set{Start: name.Start, Time: name.Time, volumes: map[int]object{}}
		if known := sets[s.key()]; known != nil {
			s = known
		} else {
			sets[s.key()] = s
		}
		s.add(object{name, o.Name, o.Size})
		if name.Time.After(c.newest) {
			c.newest = name.Time
		}
	}
	c.chain(sets)
	return c
}

func (s *Set) add(o object) {
	switch o.Kind {
	case format.KindVolume:
		if _, twice := s.volumes[o.Volume]; twice {
			return
		}
		s.volumes[o.Volume] = o
		s.Volumes++
	case format.KindManifest:
		s.manifest = &o
	case format.KindSignatures:
		s.signatures = &o
	}
	s.Size += o.size
	s.Encrypted = s.Encrypted || o.Suffix == format.Encrypted
}

// chain arranges the sets. An increment joins the chain that ends where it
// starts.
func (c *Collection) chain(sets map[setKey]*Set) {
	var complete []*Set
	for _, s := range sets {
		if s.manifest == nil {
			c.Incomplete = append(c.Incomplete, *s)
		} else {
			complete = append(complete, s)
		}
	}
	slices.SortFunc(c.Incomplete, func(a, b Set) int { return a.Time.Compare(b.Time) })
	slices.SortFunc(complete, func(a, b *Set) int { return a.Time.Compare(b.Time) })
	for _, s := range complete {
		if s.Full() {
			c.Chains = append(c.Chains, Chain{Sets: []Set{*s}})
		} else if chain := c.endingAt(s.Start); chain != nil {
			chain.Sets = append(chain.Sets, *s)
		} else {
			c.Orphans = append(c.Orphans, *s)
		}
	}
	slices.SortStableFunc(c.Chains, func(a, b Chain) int { return a.End().Compare(b.End()) })
}

func (c *Collection) endingAt(t time.Time) *Chain {
	for i := range c.Chains {
		if c.Chains[i].End().Equal(t) {
			return &c.Chains[i]
		}
	}
	return nil
}

// newestChain is the one that an increment continues, nil if there is none.
func (c *Collection) newestChain() *Chain {
	if len(c.Chains) == 0 {
		return nil
	}
	return &c.Chains[len(c.Chains)-1]
}

// at returns the sets that make up the state at time t, the full set first. A
// zero t means the newest.
func (c *Collection) at(t time.Time) []Set {
	if t.IsZero() {
		if chain := c.newestChain(); chain != nil {
			return chain.Sets
		}
		return nil
	}
	var best []Set
	for _, chain := range c.Chains {
		n := 0
		for n < len(chain.Sets) && !chain.Sets[n].Time.After(t) {
			n++
		}
		if n > 0 && (best == nil || chain.Sets[n-1].Time.After(best[len(best)-1].Time)) {
			best = chain.Sets[:n]
		}
	}
	return best
}

// holds reports whether there is a complete set of time t.
func (c *Collection) holds(t time.Time) bool {
	for s := range c.all() {
		if s.manifest != nil && s.Time.Equal(t) {
			return true
		}
	}
	return false
}

func (c *Collection) oldest() time.Time {
	var t time.Time
	for _, chain := range c.Chains {
		if t.IsZero() || chain.Start().Before(t) {
			t = chain.Start()
		}
	}
	return t
}

// all yields every set, whatever its state.
func (c *Collection) all() iter.Seq[*Set] {
	return func(yield func(*Set) bool) {
		lists := [][]Set{c.Incomplete, c.Orphans}
		for _, chain := range c.Chains {
			lists = append(lists, chain.Sets)
		}
		for _, sets := range lists {
			for i := range sets {
				if !yield(&sets[i]) {
					return
				}
			}
		}
	}
}
