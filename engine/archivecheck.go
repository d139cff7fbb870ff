package engine

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/purser-backup/purser/engine/internal/format"
	"github.com/purser-backup/purser/internal/atomicfile"
)

// An increment is computed from the archive directory alone. So before one is
// made, the directory is shown to be that of this target: signatures of
// another tree would give differences that fit nothing.

// checkArchive refuses an archive directory that belongs to another target,
// and removes from it what the target does not hold or holds otherwise.
func (r *Repository) checkArchive(ctx context.Context, codec *codec, c *Collection) error {
	local, err := r.archive.manifests()
	if err != nil {
		return err
	}
	if len(local) == 0 {
		return r.pruneArchive(c)
	}
	var newest *Set // that both have
	complete := 0
	for s := range c.all() {
		if s.manifest == nil {
			continue
		}
		complete++
		if slices.ContainsFunc(local, func(t time.Time) bool { return t.Equal(s.Time) }) &&
			r.archive.has(s.manifest.Name) && (newest == nil || s.Time.After(newest.Time)) {
			newest = s
		}
	}
	switch {
	case complete == 0:
		r.opt.Warn("the target holds none of the backups that were made there", "url", r.store.URL(), "newest", local[len(local)-1].Format(time.RFC3339))
	case newest == nil && !local[len(local)-1].Before(c.oldest()):
		return r.foreign("it knows no backup that the target holds")
	case newest != nil:
		if err := r.checkCopy(ctx, codec, newest); err != nil {
			return err
		}
	}
	return r.pruneArchive(c)
}

// pruneArchive leaves out what a target that is away may still hold.
func (r *Repository) pruneArchive(c *Collection) error {
	if len(r.store.unused()) > 0 {
		return nil
	}
	return r.archive.prune(c)
}

func (r *Repository) foreign(reason string) error {
	return withHint(fmt.Errorf("%w: %s and %s: %s", ErrForeignArchive, r.archive.dir, r.store.URL(), reason),
		"check the URL and what is mounted there; if they do belong together, remove "+r.archive.dir+": it is made again from the target")
}

// manifests are the times of the sets whose manifests are kept, in order.
// Copies with names of older styles don't count: they are never looked at.
func (a *archiveDir) manifests() ([]time.Time, error) {
	names, err := os.ReadDir(a.dir)
	if err != nil {
		return nil, fmt.Errorf("read archive directory: %w", err)
	}
	var times []time.Time
	for _, n := range names {
		if name, ok := a.prefixes.parse(n.Name()); ok && !name.Part && name.Kind == format.KindManifest && name.Style == format.Current {
			times = append(times, name.Time)
		}
	}
	slices.SortFunc(times, time.Time.Compare)
	return times, nil
}

// checkCopy compares the copy of a set's manifest with the target.
func (r *Repository) checkCopy(ctx context.Context, codec *codec, s *Set) error {
	b, err := r.fetchManifest(ctx, codec, *s.manifest)
	var damaged *CorruptError
	switch {
	case isWrongKey(err) && len(codec.keys) > 0:
		return r.checkBlind(ctx, s)
	case errors.As(err, &damaged):
		return nil // for continueChain to find
	case errors.Is(err, fs.ErrPermission):
		return r.checkUnread(s, err)
	case err != nil:
		return err
	}
	kept, err := r.archive.readManifest(s.manifest.Name)
	if err != nil {
		return fmt.Errorf("read archive directory: %w", err)
	}
	if string(kept) == string(b) {
		return nil
	}
	remote, err := format.ParseManifest(b)
	if err != nil {
		return nil
	}
	if local := parseCopy(kept); local != nil && !sameVolumes(local, remote) {
		return r.foreign("they have different backups of " + s.Time.Format(time.RFC3339))
	}
	return r.dropCopy(s)
}

// checkUnread does without the right to read the target: what this archive
// directory has put there itself is known. The passphrase isn't proven then.
func (r *Repository) checkUnread(s *Set, refused error) error {
	kept, err := r.archive.readManifest(s.manifest.Name)
	if err != nil || !r.archive.knows(s.manifest, kept) {
		return refused
	}
	return nil
}

// parseCopy returns nil for a manifest that tells nothing.
func parseCopy(b []byte) *format.Manifest {
	m, err := format.ParseManifest(b)
	if err != nil || len(m.Volumes) == 0 {
		return nil
	}
	return m
}

// dropCopy removes a damaged manifest from the archive directory.
func (r *Repository) dropCopy(s *Set) error {
	path := r.archive.path(s.manifest.Name)
	r.opt.Warn("a manifest in the archive directory is damaged", "path", path)
	if err := os.Remove(path); err != nil {
		return fmt.Errorf("remove damaged file from archive directory: %w", err)
	}
	return nil
}

// sameVolumes reports whether two manifests have a volume in common.
func sameVolumes(a, b *format.Manifest) bool {
	known := map[string]bool{}
	for _, v := range a.Volumes {
		known[v.SHA1] = true
	}
	return slices.ContainsFunc(b.Volumes, func(v format.VolumeRecord) bool { return known[v.SHA1] })
}

// checkBlind does without the secret key: it compares the smallest volume with
// its hash, and notes the size of the manifest to be spared that the next time.
func (r *Repository) checkBlind(ctx context.Context, s *Set) error {
	kept, err := r.archive.readManifest(s.manifest.Name)
	if err != nil {
		return fmt.Errorf("read archive directory: %w", err)
	}
	if r.archive.knows(s.manifest, kept) {
		return nil
	}
	m := parseCopy(kept)
	if m == nil {
		return r.dropCopy(s)
	}
	var smallest *format.VolumeRecord
	for i, v := range m.Volumes {
		if o, ok := s.volumes[v.Number]; ok && (smallest == nil || o.size < s.volumes[smallest.Number].size) {
			smallest = &m.Volumes[i]
		}
	}
	if smallest == nil {
		return nil
	}
	name := s.volumes[smallest.Number]
	f, sums, err := r.fetch(ctx, name)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := verify(name, *smallest, sums); err != nil {
		return r.foreign("they have different backups of " + s.Time.Format(time.RFC3339))
	}
	return r.archive.know(s.manifest.key, s.manifest.size, kept)
}

// known is the newest manifest whose copy is known to be the target's.
type known struct {
	Version  int    `json:"version"`
	Manifest string `json:"manifest"`
	Size     int64  `json:"size"` // on the target
	Copy     string `json:"copy"` // SHA-256
}

const knownVersion = 1

func (a *archiveDir) knownPath() string { return filepath.Join(a.state, "known.json") }

func newKnown(manifest string, size int64, kept []byte) known {
	return known{knownVersion, manifest, size, fmt.Sprintf("%x", sha256.Sum256(kept))}
}

func (a *archiveDir) know(manifest string, size int64, kept []byte) error {
	b, err := json.Marshal(newKnown(manifest, size, kept))
	if err == nil {
		err = atomicfile.WriteFile(a.knownPath(), b, 0o600)
	}
	if err != nil {
		return fmt.Errorf("note the newest manifest: %w", err)
	}
	return nil
}

// knows is no more than a saving: a note that can't be read is none.
func (a *archiveDir) knows(manifest *object, kept []byte) bool {
	b, err := os.ReadFile(a.knownPath())
	if errors.Is(err, fs.ErrNotExist) {
		return false
	}
	var k known
	return err == nil && json.Unmarshal(b, &k) == nil && k == newKnown(manifest.key, manifest.size, kept)
}
