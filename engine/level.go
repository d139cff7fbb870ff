package engine

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"time"

	"github.com/purser-backup/purser/engine/internal/format"
)

// level makes the places equal before they are written to: one that was away
// loses what doesn't count there, and gets what it lacks, set by set, the
// manifest last. A place for which that fails is not used in this run. Where a
// place is to hold only some sets, the others leave it once all targets have
// them (FORMAT.md "Several places").
func (r *Repository) level(ctx context.Context, until time.Time) error {
	if err := r.store.forgetOthers(ctx); err != nil || r.store.single() {
		return err
	}
	copied, err := r.levelOnce(ctx, until)
	if err == nil && copied && r.store.tiered() {
		_, err = r.levelOnce(ctx, until) // what was copied may leave the place nearby
	}
	return err
}

// levelOnce does what one survey shows, and reports whether there was anything
// to copy.
func (r *Repository) levelOnce(ctx context.Context, until time.Time) (copied bool, err error) {
	p := r.store
	s, err := r.look(ctx)
	if err != nil {
		return false, err
	}
	c := newCollection(s.union(), r.opt.Prefixes)
	open, doomed, err := r.unfinished(c)
	if err != nil {
		return false, err
	}
	var chores []*chore
	for _, one := range s.places {
		todo := p.chore(s, c, one, open, doomed)
		copied = copied || len(todo.copy) > 0
		if !todo.idle() {
			chores = append(chores, todo)
		} else if err := p.meet(one); err != nil {
			return false, err
		}
	}
	if len(chores) == 0 {
		return false, nil
	}
	return copied, r.perform(ctx, chores, until)
}

// look surveys the places, and lets go of those that hold backups of others.
func (r *Repository) look(ctx context.Context) (*survey, error) {
	p := r.store
	lists, err := p.lists(ctx)
	if err != nil {
		return nil, err
	}
	s := p.survey(lists)
	for _, one := range s.places[1:] {
		if err := s.foreign(one); err != nil {
			p.drop(one, err)
		}
	}
	s = p.survey(lists)
	// A deferred target is all there is where the place nearby fails.
	p.deferring = slices.ContainsFunc(s.places, func(one *place) bool { return one.Deferred }) &&
		slices.ContainsFunc(s.places, func(one *place) bool { return !one.Deferred && !one.Leaving })
	return s, nil
}

// unfinished are the set that the last run has begun and can go on with, nil if
// there is none, and those that it was about to delete.
func (r *Repository) unfinished(c *Collection) (open *Set, doomed []noteSet, err error) {
	n, err := r.archive.readNote()
	switch {
	case err != nil || n == nil:
		return nil, nil, err
	case n.Progress == nil:
		return nil, n.Sets, nil
	}
	return c.incomplete(n.Sets[0]), nil, nil
}

// A chore is what one place needs.
type chore struct {
	place  *place
	remove []string // names that don't count
	copy   []lack   // oldest set first
	trim   []Set    // newest first
}

// A lack is what a place is without of one set.
type lack struct {
	set     *Set
	objects []object // the manifest last
}

func (c *chore) idle() bool { return len(c.remove)+len(c.copy)+len(c.trim) == 0 }

func (p *places) chore(s *survey, c *Collection, one *place, open *Set, doomed []noteSet) *chore {
	todo := &chore{place: one, remove: s.void(one)}
	wanted := p.wanted(c, one)
	for i := range c.Chains {
		needed := false // by a later set of the chain that stays
		for j, set := range slices.Backward(c.Chains[i].Sets) {
			switch {
			case slices.Contains(doomed, noteSet(set.key())):
			case wanted(&set):
				todo.equip(p, s, &c.Chains[i].Sets[j])
				needed = true
			case one.near() && !needed && p.heldByTargets(s, &set, one):
				todo.trim = append(todo.trim, set)
			case one.near() && s.at[one][set.key()] != nil:
				needed = true
			}
		}
	}
	if open != nil && !one.Leaving && (!p.deferring || !one.Deferred) {
		if missing, _ := s.lacks(one, open); len(missing) > 0 {
			todo.copy = append(todo.copy, lack{open, missing})
		}
	}
	slices.SortStableFunc(todo.copy, func(a, b lack) int { return a.set.Time.Compare(b.set.Time) })
	slices.SortFunc(todo.trim, func(a, b Set) int { return b.Time.Compare(a.Time) })
	return todo
}

// equip adds what the place lacks of a set.
func (c *chore) equip(p *places, s *survey, set *Set) {
	missing, differs := s.lacks(c.place, set)
	if differs != "" {
		p.trouble(c.place, withHint(fmt.Errorf("%s has another size than in the other targets", differs),
			"`purser verify --url` with one target tells where it is damaged; delete it there, and the next run copies the other"))
	}
	if len(missing) > 0 {
		c.copy = append(c.copy, lack{set, missing})
	}
}

// heldByTargets reports whether a set that lies in a place nearby is whole in
// every target, of which none may be away.
func (p *places) heldByTargets(s *survey, set *Set, near *place) bool {
	if s.at[near][set.key()] == nil || len(p.unused()) > 0 {
		return false
	}
	for _, one := range s.places {
		if one.near() {
			continue
		}
		if missing, differs := s.lacks(one, set); len(missing) > 0 || differs != "" {
			return false
		}
	}
	return true
}

// trouble notes what is wrong with a place that is used all the same.
func (p *places) trouble(one *place, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	text := err.Error()
	if !slices.ContainsFunc(p.problems, func(known error) bool { return errors.Unwrap(known).Error() == text }) {
		p.problems = append(p.problems, &PlaceError{one.URL, err})
	}
}

// perform does the chores under the lease.
func (r *Repository) perform(ctx context.Context, chores []*chore, until time.Time) error {
	codec, err := r.newWriter()
	if err != nil {
		return err
	}
	lease, err := r.acquireLease(ctx)
	if err != nil {
		return err
	}
	for _, todo := range chores {
		var lost *copyError
		err := r.do(ctx, codec, lease, todo, until)
		switch {
		case err == nil:
			err = r.store.meet(todo.place)
		case ctx.Err() == nil && errors.As(err, &lost):
			r.store.drop(todo.place, lost.err)
			err = nil
		}
		if err != nil {
			return errors.Join(err, lease.release(ctx))
		}
	}
	return lease.release(ctx)
}

// copyError ends the work on one place; the others go on.
type copyError struct{ err error }

func (e *copyError) Error() string { return e.err.Error() }
func (e *copyError) Unwrap() error { return e.err }

func (r *Repository) do(ctx context.Context, codec *codec, lease *lease, todo *chore, until time.Time) error {
	if err := r.removeVoid(ctx, todo); err != nil {
		return err
	}
	for _, l := range todo.copy {
		err := r.copySet(ctx, codec, lease, todo.place, l, until)
		var source *sourceError
		var damaged *CorruptError
		switch {
		case err == nil:
		case errors.As(err, &source) && l.set.manifest != nil && errors.As(source.err, &damaged):
			r.store.trouble(todo.place, source.err) // the others may be whole
			r.store.torn = append(r.store.torn, l.set.key())
		case errors.As(err, &source):
			return &copyError{source.err} // the set goes on here, and must not have a hole
		default:
			return err
		}
	}
	for i := range todo.trim {
		for _, o := range todo.trim[i].objects() {
			if err := todo.place.Store.Delete(ctx, o.key); err != nil {
				return &copyError{err}
			}
		}
	}
	return nil
}

// removeVoid deletes what doesn't count. Credentials that may not delete leave
// it; what is copied there replaces it.
func (r *Repository) removeVoid(ctx context.Context, todo *chore) error {
	var names []string
	for _, name := range todo.remove {
		err := todo.place.Store.Delete(ctx, name)
		switch {
		case errors.Is(err, fs.ErrPermission):
			if err := r.store.miss(name, todo.place); err != nil {
				return err
			}
		case err != nil:
			return &copyError{err}
		default:
			names = append(names, name)
		}
	}
	return r.store.gain(todo.place, names...)
}

// sourceError is a failure to read what is to be copied.
type sourceError struct{ err error }

func (e *sourceError) Error() string { return e.err.Error() }
func (e *sourceError) Unwrap() error { return e.err }

// copySet gives a place what it lacks of a set. Each volume is checked on its
// way where the manifest can be read.
func (r *Repository) copySet(ctx context.Context, codec *codec, lease *lease, to *place, l lack, until time.Time) error {
	records := map[int]format.VolumeRecord{}
	if l.set.manifest != nil {
		m, err := r.manifest(ctx, codec, l.set)
		switch {
		case err == nil:
			for _, v := range m.Volumes {
				records[v.Number] = v
			}
		case !isWrongKey(err) && !errors.Is(err, fs.ErrPermission):
			return &sourceError{err}
		}
	}
	if !to.Deferred && !to.near() { // there it is the rule
		r.opt.Warn("copying what a target lacks", "target", to.URL, "set", l.set.Time.Format(time.RFC3339), "objects", len(l.objects))
	}
	for _, o := range l.objects {
		if r.timeUp(until) {
			return &copyError{ErrTimeLimit}
		}
		if err := lease.held(); err != nil {
			return err
		}
		if err := r.copyObject(ctx, to, o, records); err != nil {
			return err
		}
	}
	if l.set.manifest != nil {
		r.store.mu.Lock()
		to.moved.CopiedSets++
		r.store.mu.Unlock()
	}
	return nil
}

func (r *Repository) copyObject(ctx context.Context, to *place, o object, records map[int]format.VolumeRecord) error {
	f, d, err := r.fetchGood(ctx, o, newDigests, func(d *digests) error {
		if record, known := records[o.Volume]; known && o.Kind == format.KindVolume {
			return verify(o, record, d)
		}
		return nil
	})
	if err != nil {
		return &sourceError{err}
	}
	defer f.Close()
	if err := r.store.store(ctx, to, o.key, f, d.size); err != nil {
		return &copyError{err}
	}
	return nil
}

// Behind tells which places don't hold what they are to hold, and why, as far as
// the work of this Repository has shown it. The errors are *PlaceError.
func (r *Repository) Behind() []error { return r.store.failures() }

// tiered reports whether some places hold only some sets.
func (p *places) tiered() bool {
	return slices.ContainsFunc(p.list, func(one *place) bool { return one.near() || one.Deferred })
}

// tornIn reports whether a place has a hole in the chain that can't be filled:
// nothing must build on it.
func (p *places) tornIn(c *Chain) bool {
	return c != nil && slices.ContainsFunc(c.Sets, func(s Set) bool { return slices.Contains(p.torn, s.key()) })
}
