package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/purser-backup/purser/internal/atomicfile"
)

// What a place has missed is noted by the names of objects that were written or
// deleted while it was away: a copy there may be an old one, or one that is to
// be gone. The note is written before the others change.

type missedRecord struct {
	Version int                 `json:"version"`
	Places  map[string][]string `json:"places"` // by the place's id
	// Abandoned are sets whose remains may lie in a place, without a manifest.
	Abandoned map[string][]noteSet `json:"abandoned,omitempty"`
}

const missedVersion = 1

// openRecord reads the note, which lies in purser's own state.
func (p *places) openRecord(state string) error {
	p.record = filepath.Join(state, "places.json")
	b, err := os.ReadFile(p.record)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read note of what places have missed: %w", err)
	}
	var rec missedRecord
	if err := json.Unmarshal(b, &rec); err != nil {
		return fmt.Errorf("read note of what places have missed %s: %w", p.record, err)
	}
	if rec.Version != missedVersion {
		return withHint(fmt.Errorf("%s has version %d, this purser knows %d", p.record, rec.Version, missedVersion),
			"use the newer purser that wrote it")
	}
	for id := range rec.Places {
		p.others = p.others || p.single() || !slices.ContainsFunc(p.list, func(one *place) bool { return one.ID == id })
	}
	for _, one := range p.list {
		names, noted := rec.Places[one.ID]
		one.noted = noted
		for _, name := range names {
			one.missed[name] = true
		}
		one.abandoned = rec.Abandoned[one.ID]
	}
	return nil
}

// forgetOthers takes places out of the note that are given up: what they miss
// from now on is not noted, so they would be new. A target that is left alone
// loses what doesn't count there.
func (p *places) forgetOthers(ctx context.Context) error {
	if !p.others {
		return nil
	}
	p.others = false
	if !p.single() {
		p.mu.Lock()
		defer p.mu.Unlock()
		return p.save()
	}
	for name := range p.list[0].missed {
		if err := p.list[0].Store.Delete(ctx, name); err != nil && !errors.Is(err, fs.ErrPermission) {
			return err
		}
	}
	p.list[0].missed = map[string]bool{}
	if err := os.Remove(p.record); err != nil {
		return fmt.Errorf("remove note of what places have missed: %w", err)
	}
	return nil
}

// abandonLater notes sets whose remains a place that is away may have.
func (p *places) abandonLater(sets []noteSet) error {
	away := p.unused()
	if len(away) == 0 {
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, one := range away {
		one.abandoned = append(one.abandoned, sets...)
	}
	return p.save()
}

// miss notes that the copies of an object in these places don't count.
func (p *places) miss(name string, list ...*place) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	changed := false
	for _, one := range list {
		changed = changed || !one.missed[name]
		one.missed[name] = true
	}
	if !changed {
		return nil
	}
	return p.save()
}

// gain notes that the copy of an object counts again, or that none is left.
func (p *places) gain(one *place, names ...string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	changed := false
	for _, name := range names {
		changed = changed || one.missed[name]
		delete(one.missed, name)
	}
	if !changed {
		return nil
	}
	return p.save()
}

// save writes the note. A place that has never been made equal is not in it.
func (p *places) save() error {
	rec := missedRecord{Version: missedVersion, Places: map[string][]string{}, Abandoned: map[string][]noteSet{}}
	for _, one := range p.list {
		if one.noted || len(one.missed) > 0 {
			one.noted = true
			rec.Places[one.ID] = append([]string{}, slices.Sorted(maps.Keys(one.missed))...)
		}
		if len(one.abandoned) > 0 {
			rec.Abandoned[one.ID] = one.abandoned
		}
	}
	b, err := json.Marshal(rec)
	if err == nil {
		err = atomicfile.WriteFile(p.record, b, 0o600)
	}
	if err != nil {
		return fmt.Errorf("note what places have missed: %w", err)
	}
	return nil
}

// meet notes that a place is equal to the others, from now on.
func (p *places) meet(one *place) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if one.noted && len(one.abandoned) == 0 {
		return nil
	}
	one.noted, one.abandoned = true, nil
	return p.save()
}
