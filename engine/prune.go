package engine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"
)

// A PruneResult tells what Prune deleted.
type PruneResult struct {
	Sets    int
	Objects int
	Bytes   int64
}

// Prune deletes the sets that the plan deletes, newest first, so that at every
// moment what is left restores. Foreign objects on the target are not touched.
// Errors are ErrLocked and those of the store; what was left undone is done
// at the next start of Prune or Backup.
func (r *Repository) Prune(ctx context.Context, p Plan) (PruneResult, error) {
	unlock, err := r.archive.lock()
	if err != nil {
		return PruneResult{}, err
	}
	defer unlock()
	if err := r.level(ctx, time.Time{}); err != nil {
		return PruneResult{}, err
	}
	if behind := r.Behind(); len(behind) > 0 {
		return PruneResult{}, fmt.Errorf("%w: %w", ErrBehind, errors.Join(behind...))
	}
	if err := r.abandon(ctx); err != nil {
		return PruneResult{}, err
	}
	var res PruneResult
	doomed := p.doomed()
	if len(doomed) == 0 {
		return res, nil
	}
	if err := r.restorable(ctx, p); err != nil {
		return res, err
	}
	if err := r.archive.writeNote(nil, doomed...); err != nil {
		return res, err
	}
	if err := r.removeSets(ctx, doomed, &res); err != nil {
		return res, err
	}
	c, err := r.collection(ctx)
	if err != nil {
		return res, err
	}
	if err := r.pruneArchive(c); err != nil {
		return res, err
	}
	if behind := r.Behind(); len(behind) > 0 {
		return res, errors.Join(behind...) // what is left there goes before the next run
	}
	return res, r.archive.clearNote()
}

// removeSets deletes sets under the lease.
func (r *Repository) removeSets(ctx context.Context, sets []Set, res *PruneResult) error {
	lease, err := r.acquireLease(ctx)
	if err != nil {
		return err
	}
	for i := range sets {
		err = lease.held()
		if err == nil {
			err = r.remove(ctx, &sets[i], res)
		}
		if err != nil {
			break
		}
		res.Sets++
	}
	return errors.Join(err, lease.release(ctx))
}

// doomed are the sets to delete, an increment before what it builds on.
func (p Plan) doomed() []Set {
	var sets []Set
	for _, d := range p {
		if d.Delete {
			sets = append(sets, d.Set)
		}
	}
	slices.SortFunc(sets, func(a, b Set) int { return b.Time.Compare(a.Time) })
	return sets
}

// restorable refuses a plan that would tear a chain, or leave nothing, on the
// target as it is now: the plan may be old.
func (r *Repository) restorable(ctx context.Context, p Plan) error {
	c, err := r.collection(ctx)
	if err != nil {
		return err
	}
	deleted := map[setKey]bool{}
	for _, s := range p.doomed() {
		deleted[s.key()] = true
	}
	for i, chain := range c.Chains {
		gone := false
		for _, s := range chain.Sets {
			switch {
			case deleted[s.key()]:
				gone = true
			case gone:
				return fmt.Errorf("refusing to delete sets that the one of %s builds on", s.Time)
			}
		}
		if gone && i == len(c.Chains)-1 {
			return fmt.Errorf("refusing to delete from the newest chain in %s", r.store.URL())
		}
	}
	return nil
}

// remove deletes a set: its manifest first, since without it there is no set.
func (r *Repository) remove(ctx context.Context, s *Set, res *PruneResult) error {
	for _, o := range s.objects() {
		if err := r.store.Delete(ctx, o.key); err != nil {
			return err
		}
		res.Objects++
		res.Bytes += o.size
	}
	return nil
}

// objects lists a set's objects in the order in which they are deleted.
func (s *Set) objects() []object {
	var list []object
	for _, o := range []*object{s.manifest, s.signatures} {
		if o != nil {
			list = append(list, *o)
		}
	}
	volumes := slices.SortedFunc(maps.Values(s.volumes), func(a, b object) int { return cmp.Compare(b.Volume, a.Volume) })
	return append(list, volumes...)
}
