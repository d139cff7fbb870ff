package engine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/purser-backup/purser/engine/internal/format"
	"github.com/purser-backup/purser/internal/atomicfile"
)

// maxVolumes is how many volumes are built or uploaded at a time; it bounds
// the spool.
const maxVolumes = 3

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

	sigs    *sigWriter
	changes []format.Change

	mu      sync.Mutex
	records []format.VolumeRecord // of uploaded volumes, in any order
	stored  int64
}

func (r *Repository) newSetWriter(p *plan, g *errgroup.Group) (*setWriter, error) {
	w := &setWriter{repo: r, plan: p, group: g, slots: make(chan struct{}, maxVolumes)}
	w.res.Set = p.set
	w.res.Set.Encrypted = p.codec.encryptor != nil
	var err error
	w.sigs, err = r.newSigWriter(p.codec, w.name(format.KindSignatures))
	return w, err
}

// name is that of an object of the set.
func (w *setWriter) name(kind format.Kind) format.Name {
	return format.Name{Kind: kind, Start: w.plan.set.Start, Time: w.plan.set.Time, Suffix: w.plan.codec.suffix(kind)}
}

// emit adds an entry to the current volume, starting one where there is none.
// last tells that the object's data ends with it.
func (w *setWriter) emit(ctx context.Context, h *format.Header, data []byte, last bool) error {
	if w.vol == nil {
		if err := w.startVolume(ctx); err != nil {
			return err
		}
	}
	if err := w.vol.add(h, data, last); err != nil {
		return err
	}
	if w.vol.plain < w.repo.opt.VolumeSize {
		return nil
	}
	return w.endVolume()
}

func (w *setWriter) sign(h *format.Header, signature []byte) error {
	entry := *h
	entry.Size = int64(len(signature))
	return w.sigs.add(&entry, signature)
}

// finish ends the last volume and the signatures.
func (w *setWriter) finish(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if w.vol != nil {
		if err := w.endVolume(); err != nil {
			return err
		}
	}
	return w.sigs.close()
}

// cancel drops what a failed or empty set leaves on this machine.
func (w *setWriter) cancel() {
	w.sigs.cancel()
}

// commit makes the set exist: the signatures go up, then the manifest, last.
// The archive directory gets its copies before that, since the target decides
// what counts.
func (w *setWriter) commit(ctx context.Context) (BackupResult, error) {
	name := w.name(format.KindSignatures)
	size, err := w.sigs.upload(ctx, w.repo)
	if err != nil {
		return BackupResult{}, err
	}
	w.stored += size
	if err := w.alone(ctx); err != nil {
		return BackupResult{}, err
	}
	m := w.manifest()
	if err := w.sigs.local.Commit(); err != nil {
		return BackupResult{}, fmt.Errorf("keep %s: %w", localName(name), err)
	}
	name = w.name(format.KindManifest)
	if err := atomicfile.WriteFile(w.repo.archive.path(name), m, 0o600); err != nil {
		return BackupResult{}, fmt.Errorf("keep %s: %w", localName(name), err)
	}
	if err := w.uploadManifest(ctx, name, m); err != nil {
		return BackupResult{}, err
	}
	w.res.Set.Volumes, w.res.Set.Size = len(w.records), w.stored
	w.res.UploadedBytes = w.stored
	return w.res, w.repo.archive.clearNote()
}

// alone fails if a set has appeared on the target since the plan was made: an
// increment on the same base, or one that is newer, would tear the chain.
func (w *setWriter) alone(ctx context.Context) error {
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
	slices.SortFunc(w.records, func(a, b format.VolumeRecord) int { return a.Number - b.Number })
	m := &format.Manifest{Hostname: w.plan.hostname, Localdir: w.plan.localdir, Volumes: w.records, Changes: w.changes}
	return m.Bytes()
}

func (w *setWriter) uploadManifest(ctx context.Context, name format.Name, plain []byte) error {
	var stored bytes.Buffer
	enc, err := w.plan.codec.encode(&stored, name.Suffix)
	if err != nil {
		return err
	}
	if _, err := enc.Write(plain); err != nil {
		return err
	}
	if err := enc.Close(); err != nil {
		return err
	}
	w.stored += int64(stored.Len())
	return w.repo.store.Put(ctx, name.String(), bytes.NewReader(stored.Bytes()), int64(stored.Len()))
}

// A sigWriter writes the signature archive twice: as it goes to the target,
// and plain for the archive directory.
type sigWriter struct {
	name   format.Name
	tar    *format.Writer
	parts  []io.WriteCloser // the two encodings
	local  *atomicfile.File
	remote *os.File
}

func (r *Repository) newSigWriter(c *codec, name format.Name) (*sigWriter, error) {
	s := &sigWriter{name: name}
	var err error
	if s.local, err = atomicfile.Create(r.archive.path(name), 0o600); err != nil {
		return nil, fmt.Errorf("create %s: %w", localName(name), err)
	}
	if s.remote, err = r.spoolFile(); err != nil {
		s.local.Cancel()
		return nil, err
	}
	var plain []io.Writer
	for _, to := range []struct {
		w      io.Writer
		suffix format.Suffix
	}{{s.local, localName(name).Suffix}, {s.remote, name.Suffix}} {
		enc, err := c.encode(to.w, to.suffix)
		if err != nil {
			s.cancel()
			return nil, err
		}
		s.parts = append(s.parts, enc)
		plain = append(plain, enc)
	}
	s.tar = format.NewWriter(io.MultiWriter(plain...), format.Sigtar)
	return s, nil
}

func (s *sigWriter) add(h *format.Header, signature []byte) error {
	if err := s.tar.WriteHeader(h); err != nil {
		return fmt.Errorf("write %s: %w", s.name, err)
	}
	if _, err := s.tar.Write(signature); err != nil {
		return fmt.Errorf("write %s: %w", s.name, err)
	}
	return nil
}

func (s *sigWriter) close() error {
	err := s.tar.Close()
	for _, p := range s.parts {
		err = errors.Join(err, p.Close())
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", s.name, err)
	}
	return nil
}

func (s *sigWriter) upload(ctx context.Context, r *Repository) (int64, error) {
	size, err := s.remote.Seek(0, io.SeekEnd)
	if err != nil {
		return 0, fmt.Errorf("read %s: %w", s.name, err)
	}
	return size, r.store.Put(ctx, s.name.String(), s.remote, size)
}

func (s *sigWriter) cancel() {
	s.local.Cancel()
	s.remote.Close()
}
