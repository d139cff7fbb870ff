package engine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"
	"sync"

	"github.com/purser-backup/purser/engine/storage"
	"github.com/purser-backup/purser/internal/bug"
)

// A Place is one of several where the objects of a repository lie. All hold
// identical objects, under identical names (FORMAT.md "Several places").
type Place struct {
	Store *storage.Store // nil where it could not be opened
	URL   string         // less the password
	ID    string         // as that of a Store
	Err   error          // why it could not be opened
	// Live is of a place nearby that holds only so many of the newest sets, with
	// what they build on; 0 is a target, which holds them all.
	Live int
	// Leaving is of a place nearby that is given up: it gets nothing, and its sets
	// leave once all targets have them.
	Leaving bool
	// Deferred is of a target that holds all sets but the newest.
	Deferred bool
}

// near reports whether the place is none of the targets.
func (p *Place) near() bool { return p.Live > 0 || p.Leaving }

// A PlaceError is why a place was not used to the end, or can't be made equal
// to the others.
type PlaceError struct {
	URL string
	Err error
}

func (e *PlaceError) Error() string {
	return fmt.Sprintf("%s lacks what the other targets hold: %v", e.URL, e.Err)
}
func (e *PlaceError) Unwrap() error { return e.Err }

// Hint is the cause's, if that has one.
func (e *PlaceError) Hint() string {
	var inner interface{ Hint() string }
	if errors.As(e.Err, &inner) && inner.Hint() != "" {
		return inner.Hint()
	}
	return "the next run copies there what it lacks; `purser doctor` tells what is wrong with it"
}

// places are all of a repository, nearest first. Every object goes to all that
// are in use. One that fails while another doesn't is let go of until the next
// Open: those in use always hold the same, so that any of them may lose the
// rest. With a single place errors are that place's, as they are.
type places struct {
	list     []*place
	prefixes Prefixes
	record   string // path of the note of what places have missed
	warn     func(msg string, args ...any)
	// deferring says that deferred targets get no set before a newer one is made.
	deferring bool
	torn      []setKey // that could not be copied whole
	others    bool     // the note has places that are none of these

	mu       sync.Mutex // guards what follows, and all that changes in a place
	problems []error    // of places that are in use all the same
}

// place is one of them.
type place struct {
	Place
	err    error           // why it is not used any more
	missed map[string]bool // objects of which the copy here doesn't count
	noted  bool            // there is a note of the place: purser has used it before
	// abandoned are sets of which remains may lie here.
	abandoned []noteSet
	moved     PlaceReport
}

func newPlaces(list []Place, prefixes Prefixes, warn func(string, ...any)) *places {
	p := &places{prefixes: prefixes, warn: warn}
	for _, one := range list {
		p.list = append(p.list, &place{Place: one, err: one.Err, missed: map[string]bool{}})
		p.deferring = p.deferring || one.Deferred
	}
	return p
}

// single reports whether there is nothing to make equal.
func (p *places) single() bool { return len(p.list) == 1 }

// URL names all places.
func (p *places) URL() string {
	var urls []string
	for _, one := range p.list {
		if !one.near() {
			urls = append(urls, one.URL)
		}
	}
	return strings.Join(urls, " ")
}

// Close lets go of all places.
func (p *places) Close() error {
	var errs []error
	for _, one := range p.list {
		if one.Store != nil {
			errs = append(errs, one.Store.Close())
		}
	}
	return errors.Join(errs...)
}

// inUse gives the places that have not failed.
func (p *places) inUse() []*place {
	p.mu.Lock()
	defer p.mu.Unlock()
	var list []*place
	for _, one := range p.list {
		if one.err == nil {
			list = append(list, one)
		}
	}
	return list
}

// receiving gives those that a set is written to.
func (p *places) receiving() []*place {
	var list []*place
	for _, one := range p.inUse() {
		if !one.Leaving && (!p.deferring || !one.Deferred) {
			list = append(list, one)
		}
	}
	return list
}

// sendAtOnce lets go of a place nearby that can't be written to, if sets are kept
// from the targets for it, and reports whether they can go to those instead.
func (p *places) sendAtOnce(err error) bool {
	var of *storage.Error
	if !p.deferring || !errors.As(err, &of) {
		return false
	}
	for _, one := range p.receiving() {
		if !one.near() || of.URL != one.URL {
			return false
		}
		p.drop(one, err)
	}
	p.deferring = false
	return len(p.receiving()) > 0
}

// drop lets go of a place.
func (p *places) drop(one *place, err error) {
	p.mu.Lock()
	known := one.err != nil
	one.err = cmp.Or(one.err, err)
	p.mu.Unlock()
	if !known {
		p.warn("a target fails, going on without it", "target", one.URL, "error", err)
	}
}

// failures says which places are not equal to the others, and why.
func (p *places) failures() []error {
	p.mu.Lock()
	defer p.mu.Unlock()
	var errs []error
	for _, one := range p.list {
		if one.err != nil {
			errs = append(errs, &PlaceError{one.URL, one.err})
		}
	}
	return append(errs, p.problems...)
}

// each calls do for places, side by side. Those that fail, while another does
// not, are let go of; a place that refuses is not. lost is told of both.
func (p *places) each(ctx context.Context, list []*place, do func(*place) error, lost func(*place, error)) error {
	if len(list) == 0 {
		return errors.Join(p.failures()...)
	}
	errs := make([]error, len(list))
	var calls sync.WaitGroup
	for i, one := range list[1:] {
		calls.Go(func() { errs[i+1] = bug.Guard(func() error { return do(one) })() })
	}
	errs[0] = do(list[0])
	calls.Wait()
	good, first := false, error(nil)
	for _, err := range errs {
		var of *storage.Error
		if err != nil && (ctx.Err() != nil || !errors.As(err, &of)) {
			return err // not of the place
		}
		good, first = good || err == nil, cmp.Or(first, err)
	}
	if !good {
		return first
	}
	for i, err := range errs {
		if err == nil {
			continue
		}
		if !errors.Is(err, fs.ErrPermission) {
			p.drop(list[i], err)
		}
		if lost != nil {
			lost(list[i], err)
		}
	}
	return nil
}

// body is what Put takes: it is read by several at once.
type body interface {
	io.ReadSeeker
	io.ReaderAt
}

// Put stores an object of a set in all places that receive it. Those that are
// not in use have missed it: that is noted before.
func (p *places) Put(ctx context.Context, name string, r body, size int64) error {
	if p.single() {
		return p.store(ctx, p.list[0], name, r, size)
	}
	if err := p.miss(name, p.unused()...); err != nil {
		return err
	}
	var behind []*place
	err := p.each(ctx, p.receiving(), func(one *place) error {
		return p.store(ctx, one, name, io.NewSectionReader(r, 0, size), size)
	}, func(one *place, err error) {
		behind = append(behind, one)
		p.drop(one, err) // also one that refuses: it must not get the manifest
	})
	if err != nil {
		return err
	}
	return p.miss(name, behind...)
}

// store puts an object of a set into one place.
func (p *places) store(ctx context.Context, one *place, name string, r io.ReadSeeker, size int64) error {
	if one.Store == nil {
		return one.err
	}
	if err := one.Store.Put(ctx, name, r, size); err != nil {
		return err
	}
	p.mu.Lock()
	one.moved.UploadedBytes += size
	p.mu.Unlock()
	return p.gain(one, name)
}

// Delete removes an object from all places.
func (p *places) Delete(ctx context.Context, name string) error {
	list := p.inUse() // first: the lease's renewal may let go of one meanwhile
	if !p.single() {
		if err := p.miss(name, p.without(list)...); err != nil {
			return err
		}
	}
	var behind []*place
	err := p.each(ctx, list, func(one *place) error {
		return one.Store.Delete(ctx, name)
	}, func(one *place, _ error) { behind = append(behind, one) })
	if err != nil {
		return err
	}
	return p.miss(name, behind...)
}

// PutNote stores what is no object of a set, and is not missed.
func (p *places) PutNote(ctx context.Context, name string, r body, size int64) error {
	return p.each(ctx, p.inUse(), func(one *place) error {
		return one.Store.Put(ctx, name, io.NewSectionReader(r, 0, size), size)
	}, nil)
}

// DeleteNote removes what PutNote has stored.
func (p *places) DeleteNote(ctx context.Context, name string) error {
	return p.each(ctx, p.inUse(), func(one *place) error { return one.Store.Delete(ctx, name) }, nil)
}

// Get opens an object of the nearest place that has it.
func (p *places) Get(ctx context.Context, name string) (io.ReadCloser, error) {
	var failed error
	for _, one := range p.holders(name) {
		body, err := one.Store.Get(ctx, name)
		if err == nil || ctx.Err() != nil {
			return body, err
		}
		if failed == nil || errors.Is(failed, fs.ErrNotExist) {
			failed = err
		}
	}
	if failed == nil {
		failed = errors.Join(p.failures()...)
	}
	return nil, failed
}

// holders are the places that may have an object whose copy counts.
func (p *places) holders(name string) []*place {
	list := p.inUse()
	if p.single() {
		return list
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	var counting []*place
	for _, one := range list {
		if !one.missed[name] {
			counting = append(counting, one)
		}
	}
	return counting
}

// unused are the places that have failed.
func (p *places) unused() []*place { return p.without(p.inUse()) }

// without are the places that are none of list.
func (p *places) without(list []*place) []*place {
	return slices.DeleteFunc(slices.Clone(p.list), func(one *place) bool { return slices.Contains(list, one) })
}
