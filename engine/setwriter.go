package engine

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/cespare/xxhash/v2"
	"golang.org/x/sync/errgroup"

	"github.com/purser-backup/purser/engine/internal/format"
	"github.com/purser-backup/purser/internal/atomicfile"
)

// A setWriter writes one set: the entries that compare hands it go into
// volumes, their signatures into the signature archive. The set exists once
// commit has returned.
type setWriter struct {
	repo *Repository
	plan *plan
	res  BackupResult

	group *errgroup.Group
	slots chan struct{} // one for each volume under way
	vol   *volume       // the one being filled, nil between volumes
	count int
	piece [pieceSize]byte

	signature bytes.Buffer // of the file being stored
	previous  *os.Root     // BackupOptions.Previous, nil if it isn't there

	from    *boundary // where an interrupted run has come to; nil at the start
	done    *string   // last object that is complete
	partial partial
	sigs    *sigWriter
	packed  packedSignatures // once sigs is complete, if there is a set
	index   *indexWriter     // nil where the set is resumed: the walk doesn't see all of it
	indexed bool             // the previous state came from an index
	changes []format.Change

	lease    *lease     // from the first volume on
	mu       sync.Mutex // guards progress
	progress progress
}

// partial is the file whose pieces are being stored.
type partial struct {
	path   string
	pieces int
	sum    *xxhash.Digest // of metadata and pieces, to recognize them when the set is resumed
}

func (p *partial) begin(h *format.Header) {
	p.path, p.pieces = h.Path, 0
	p.sum.Reset()
	fmt.Fprint(p.sum, h.Op, h.Mode, h.UID, h.GID, h.ModTime.UnixNano())
}

func (r *Repository) newSetWriter(p *plan, g *errgroup.Group) (*setWriter, error) {
	w := &setWriter{repo: r, plan: p, group: g, slots: make(chan struct{}, cmp.Or(r.opt.Volumes, 3)), count: len(p.volumes)}
	w.partial.sum = xxhash.New()
	w.progress = progress{Hostname: p.hostname, Localdir: p.localdir, Volumes: slices.Clone(p.volumes)}
	var signatures int64
	if len(p.volumes) > 0 {
		w.from = &p.volumes[len(p.volumes)-1].End
		w.res.New, w.res.Changed, w.res.Deleted = w.from.New, w.from.Changed, w.from.Deleted
		signatures = w.from.Signatures
		if w.from.Started {
			done := string(w.from.Done)
			w.done = &done
		}
	}
	var err error
	if w.sigs, err = openSigWriter(r.archive.signaturesPath(), signatures); err != nil {
		return nil, err
	}
	if w.from == nil {
		if w.index, err = r.archive.newIndex(); err != nil {
			return nil, errors.Join(fmt.Errorf("make index: %w", err), w.sigs.file.Close())
		}
	}
	return w, nil
}

// name is that of an object of the set.
func (w *setWriter) name(kind format.Kind) format.Name {
	return format.Name{Kind: kind, Start: w.plan.set.Start, Time: w.plan.set.Time, Suffix: w.plan.codec.suffix(kind)}
}

// emit adds an entry to the current volume, starting one where there is none.
// last tells that the object's data ends with it.
func (w *setWriter) emit(ctx context.Context, h *format.Header, data []byte, last bool) error {
	if w.from != nil && w.from.Pieces > 0 && w.count == len(w.plan.volumes) && !w.from.continues(h.Path) {
		return errResumePoint
	}
	if w.vol != nil && w.vol.plain >= w.repo.opt.VolumeSize {
		if err := w.endVolume(); err != nil {
			return err
		}
	}
	if w.vol == nil {
		if w.count > len(w.plan.volumes) && w.repo.timeUp(w.plan.until) {
			return w.cut(ctx)
		}
		if err := w.startVolume(ctx); err != nil {
			return err
		}
	}
	return w.vol.add(h, data, last)
}

// cut waits until all volumes are on the target and noted, and ends the work
// there.
func (w *setWriter) cut(ctx context.Context) error {
	for range cap(w.slots) {
		select {
		case w.slots <- struct{}{}:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return ErrTimeLimit
}

// sign completes an object: its entry in the signature archive.
func (w *setWriter) sign(h *format.Header, signature []byte) error {
	entry := *h
	entry.Size = int64(len(signature))
	w.done, w.partial.pieces = &h.Path, 0
	if h.Op == format.Deleted {
		w.index.note(h.Path)
	} else if err := w.index.add(&entry); err != nil {
		return err
	}
	return w.sigs.add(&entry, signature)
}

// boundary describes the state of the work between two volumes.
func (w *setWriter) boundary() (boundary, error) {
	size, err := w.sigs.flush()
	b := boundary{Signatures: size, New: w.res.New, Changed: w.res.Changed, Deleted: w.res.Deleted}
	if w.done != nil {
		b.Started, b.Done = true, []byte(*w.done)
	}
	if w.partial.pieces > 0 {
		b.Partial, b.Pieces, b.Sum = []byte(w.partial.path), w.partial.pieces, w.partial.sum.Sum64()
	}
	return b, err
}

// confirm notes a volume that is on the target.
func (w *setWriter) confirm(v volumeRecord) error {
	if err := w.sigs.sync(); err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.progress.Volumes = append(w.progress.Volumes, v)
	return w.repo.archive.writeNote(&w.progress, w.plan.set)
}

// finish ends the last volume and the signatures, and has these encoded.
func (w *setWriter) finish(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if w.vol != nil {
		if err := w.endVolume(); err != nil {
			return err
		}
	}
	if err := w.sigs.close(); err != nil {
		return err
	}
	if w.count > 0 {
		w.packSignatures(ctx)
	}
	return nil
}

// commit makes the set exist: the signatures go up, then the manifest, last.
// The archive directory gets its copies before that, since the target decides
// what counts.
func (w *setWriter) commit(ctx context.Context) (BackupResult, error) {
	if err := w.lease.extend(ctx); err != nil {
		return BackupResult{}, err
	}
	sigs, err := w.uploadSignatures(ctx)
	if err != nil {
		return BackupResult{}, err
	}
	if err := w.alone(ctx); err != nil {
		return BackupResult{}, err
	}
	m := w.manifest()
	if err := w.packed.copy.Commit(); err != nil {
		return BackupResult{}, fmt.Errorf("keep %s: %w", localName(w.name(format.KindSignatures)), err)
	}
	name := w.name(format.KindManifest)
	if err := atomicfile.WriteFile(w.repo.archive.path(name), m, 0o600); err != nil {
		return BackupResult{}, fmt.Errorf("keep %s: %w", localName(name), err)
	}
	manifest, err := w.uploadManifest(ctx, name, m)
	if err != nil {
		return BackupResult{}, err
	}
	if err := w.repo.archive.know(w.repo.opt.Prefixes.key(name), manifest, m); err != nil {
		return BackupResult{}, err
	}
	s := Set{Start: w.plan.set.Start, Time: w.plan.set.Time, Volumes: len(w.progress.Volumes), Encrypted: w.plan.codec.encryptor != nil}
	s.Size = sigs + manifest
	for _, v := range w.progress.Volumes {
		s.Size += v.Size
	}
	w.res.Set, w.res.UploadedBytes = s, s.Size
	w.keepIndex()
	return w.res, w.repo.archive.clearNote()
}

// alone fails if a set has appeared on the target since the plan was made: an
// increment on the same base, or one that is newer, would tear the chain.
func (w *setWriter) alone(ctx context.Context) error {
	if err := w.lease.confirm(ctx); err != nil {
		return err
	}
	c, err := w.repo.collection(ctx)
	if err != nil {
		return err
	}
	for s := range c.all() {
		ours := s.Time.Equal(w.plan.set.Time) && s.Start.Equal(w.plan.set.Start) && s.manifest == nil
		if !ours && s.Time.After(w.plan.newest) {
			return withHint(fmt.Errorf("%w: %s holds a set of %s", ErrForeignSet, w.repo.store.URL(), s.Time.Format(time.RFC3339)),
				"let each host back up to a path of its own")
		}
	}
	return nil
}

func (w *setWriter) manifest() []byte {
	m := &format.Manifest{Hostname: w.plan.hostname, Localdir: w.plan.localdir, Changes: w.changes}
	slices.SortFunc(w.progress.Volumes, func(a, b volumeRecord) int { return a.Number - b.Number })
	for _, v := range w.progress.Volumes {
		m.Volumes = append(m.Volumes, v.record())
	}
	return m.Bytes()
}

func (w *setWriter) uploadManifest(ctx context.Context, name format.Name, plain []byte) (int64, error) {
	var stored bytes.Buffer
	enc, err := w.plan.codec.encode(&stored, name.Suffix)
	if err != nil {
		return 0, err
	}
	if _, err := enc.Write(plain); err != nil {
		return 0, err
	}
	if err := enc.Close(); err != nil {
		return 0, err
	}
	size := int64(stored.Len())
	return size, w.repo.store.Put(ctx, w.repo.opt.Prefixes.key(name), bytes.NewReader(stored.Bytes()), size)
}
