package engine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/purser-backup/purser/engine/internal/format"
)

// VerifyOptions choose what is verified.
type VerifyOptions struct {
	// Time verifies only the sets that make up the newest state at or before it;
	// zero verifies every set.
	Time time.Time
	// Source is compared with the restored data of that state, file by file; nil
	// compares nothing.
	Source Source
}

// A Damage is one object that is not what was written.
type Damage struct {
	Set    time.Time
	Volume int    // 0 for a manifest or a signature archive
	Object string // its name on the target
	Err    error
}

// A VerifyResult tells what Verify looked at and what is wrong.
type VerifyResult struct {
	Sets, Objects int
	Bytes         int64 // of all objects, as stored
	Files         int   // compared with the source
	Damage        []Damage
	// Differences names what differs between the backup and the source.
	Differences []string
}

// Verify fetches every object of the sets, checks its hash or authentication
// code, and reads it to the end. Damage is no error: it is listed, and the
// rest is still checked. Errors are ErrNoBackup, ErrWrongKey, and those of the
// store and the source.
func (r *Repository) Verify(ctx context.Context, o VerifyOptions) (VerifyResult, error) {
	state, _, err := r.setsAt(ctx, o.Time)
	if err != nil {
		return VerifyResult{}, err
	}
	c, err := r.newReader()
	if err != nil {
		return VerifyResult{}, err
	}
	sets, torn := state, []Set(nil)
	if o.Time.IsZero() {
		collection, err := r.collection(ctx)
		if err != nil {
			return VerifyResult{}, err
		}
		sets = slices.Clone(collection.Orphans)
		torn = slices.DeleteFunc(slices.Clone(sets), func(s Set) bool { return collection.holds(s.Start) })
		for _, chain := range collection.Chains {
			sets = append(sets, chain.Sets...)
		}
	}
	v := &verification{repo: r, codec: c}
	for i := range torn {
		s := &torn[i]
		err := corrupt(s.manifest.String(), "the set of %s, on which it builds, is missing", s.Start.Format(time.RFC3339))
		if err := v.found(s, *s.manifest, err); err != nil {
			return v.res, err
		}
	}
	for i := range sets {
		if err := v.set(ctx, &sets[i]); err != nil {
			return v.res, err
		}
	}
	if o.Source != nil && len(v.res.Damage) == 0 {
		err = v.compare(ctx, state, o.Source)
	}
	return v.res, err
}

type verification struct {
	repo  *Repository
	codec *codec
	res   VerifyResult
}

// found lists damage; other errors end the verification.
func (v *verification) found(s *Set, o object, err error) error {
	var damaged *CorruptError
	if !errors.As(err, &damaged) {
		return err
	}
	v.res.Damage = append(v.res.Damage, Damage{Set: s.Time, Volume: o.Volume, Object: o.key, Err: damaged.Err})
	return nil
}

func (v *verification) set(ctx context.Context, s *Set) error {
	v.res.Sets++
	v.res.Objects++
	m, err := v.manifest(ctx, s)
	if err != nil {
		return v.found(s, *s.manifest, err)
	}
	if s.signatures != nil {
		v.res.Objects++
		if err := v.signatures(ctx, s); err != nil {
			if err := v.found(s, *s.signatures, err); err != nil {
				return err
			}
		}
	}
	v.res.Bytes += s.Size
	var last *format.Header
	for _, record := range m.Volumes {
		v.res.Objects++
		in := &setReader{repo: v.repo, codec: v.codec, set: s, records: []format.VolumeRecord{record}, last: last, thorough: true}
		err := in.drain(ctx)
		last = in.last
		if err == nil {
			continue
		}
		last = nil
		o, ok := s.volumes[record.Number]
		if !ok {
			o = object{format.Name{Volume: record.Number}, fmt.Sprintf("volume %d", record.Number), 0}
		}
		if err := v.found(s, o, err); err != nil {
			return err
		}
	}
	return nil
}

// drain reads the set to its end.
func (in *setReader) drain(ctx context.Context) error {
	defer in.Close()
	for {
		if err := in.next(ctx); err != nil || in.header == nil {
			return err
		}
	}
}

// manifest reads the one on the target, and compares the local copy with it.
func (v *verification) manifest(ctx context.Context, s *Set) (*format.Manifest, error) {
	b, err := v.repo.fetchManifest(ctx, v.codec, *s.manifest)
	if err != nil {
		return nil, err
	}
	m, err := format.ParseManifest(b)
	if err != nil {
		return nil, &CorruptError{Object: s.manifest.String(), Err: err}
	}
	if local, err := v.repo.archive.readManifest(s.manifest.Name); err == nil && !bytes.Equal(local, b) {
		return nil, corrupt(s.manifest.String(), "differs from its copy in the archive directory")
	}
	return m, s.namesAllOf(m)
}

func (v *verification) signatures(ctx context.Context, s *Set) error {
	f, _, err := v.repo.fetch(ctx, *s.signatures)
	if err != nil {
		return err
	}
	defer f.Close()
	plain, err := v.codec.decode(f, *s.signatures)
	if err != nil {
		return err
	}
	tar := format.NewReader(plain, format.Sigtar)
	for {
		_, err := tar.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if errors.Is(err, ErrWrongKey) {
			return err
		}
		if err != nil {
			return &CorruptError{Object: s.signatures.String(), Err: err}
		}
	}
}
