package engine

import (
	"bytes"
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/purser-backup/purser/engine/internal/format"
)

// An interrupted set is continued where its confirmed volumes end (FORMAT.md
// "Resume"). What they hold is not read again: their signatures were kept when
// the data was written, so that a file which has changed since then is seen by
// the next increment.

// progress is what is known of a set under way: kept in the note.
type progress struct {
	Hostname string         `json:"hostname"`
	Localdir string         `json:"localdir"`
	Sample   []byte         `json:"sample"` // encrypted as the set is, to tell whether the key is the same
	Volumes  []volumeRecord `json:"volumes"`
}

// volumeRecord is a confirmed volume and the state of the work at its end.
type volumeRecord struct {
	Number int      `json:"number"`
	Size   int64    `json:"size"`
	SHA1   string   `json:"sha1"`
	SHA256 string   `json:"sha256"`
	First  position `json:"first"`
	Last   position `json:"last"`
	End    boundary `json:"end"`
}

// position is a format.Position; paths are bytes, which need not be text.
type position struct {
	Path  []byte `json:"path"`
	Block int    `json:"block,omitempty"`
}

// boundary is the state of the work between two volumes.
type boundary struct {
	Signatures int64  `json:"signatures"` // bytes of the signature archive
	Started    bool   `json:"started"`    // at least one object is done
	Done       []byte `json:"done"`       // path of the last object that is complete
	// Partial is the file that goes on in the next volume, if Pieces is not 0:
	// so many of its pieces are stored, and Sum is their hash.
	Partial []byte `json:"partial,omitempty"`
	Pieces  int    `json:"pieces,omitempty"`
	Sum     uint64 `json:"sum,omitempty"`
	New     int    `json:"new"`
	Changed int    `json:"changed"`
	Deleted int    `json:"deleted"`
}

// covers reports whether path is behind the work: its object is complete, or
// has appeared since, which the next increment sees.
func (b *boundary) covers(path string) bool {
	switch {
	case b == nil:
		return false
	case b.Pieces > 0:
		return format.Compare(path, string(b.Partial)) < 0
	}
	return b.Started && format.Compare(path, string(b.Done)) <= 0
}

// continues reports whether the file at path is stored in part.
func (b *boundary) continues(path string) bool {
	return b != nil && b.Pieces > 0 && path == string(b.Partial)
}

// errResumePoint says that the file that was stored in part is not the same
// any more: the set must be resumed before it.
var errResumePoint = errors.New("a file that is stored in part has changed")

const sampleText = "purser"

// sample is an encrypted text by which a later run knows that its passphrase
// is the same; the names of public keys; nothing where nothing is encrypted.
func (c *codec) sample() ([]byte, error) {
	if c.encryptor == nil || len(c.keys) > 0 {
		return []byte(strings.Join(c.keys, "\n")), nil
	}
	var b bytes.Buffer
	w, err := c.encode(&b, format.Encrypted)
	if err != nil {
		return nil, err
	}
	if _, err := io.WriteString(w, sampleText); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil { // it writes the end, so the bytes come after it
		return nil, err
	}
	return b.Bytes(), nil
}

func (c *codec) opens(sample []byte) bool {
	if c.encryptor == nil || len(c.keys) > 0 || len(sample) == 0 {
		return string(sample) == strings.Join(c.keys, "\n") && (c.encryptor == nil || len(sample) > 0)
	}
	r, err := c.decryptor.Decrypt(bytes.NewReader(sample))
	if err != nil {
		return false
	}
	text, err := io.ReadAll(r)
	return err == nil && string(text) == sampleText
}

// resume makes p continue the set that the note tells of, or says why that
// can't be. An empty reason without resumption means that there is nothing to
// resume.
func (r *Repository) resume(ctx context.Context, p *plan, n *note) (reason string, err error) {
	if n == nil || n.Progress == nil {
		return "", nil
	}
	c, err := r.collection(ctx)
	if err != nil {
		return "", err
	}
	s := c.incomplete(n.Sets[0])
	volumes := n.Progress.confirmed(s)
	switch {
	case len(volumes) == 0:
		return "no volume of it is on the target", nil
	case setKey(n.Sets[0]).Start != p.set.key().Start:
		return "it builds on another set than the next one would", nil
	case c.newestBut(s).Unix() >= n.Sets[0].Time:
		return "there is a newer set by now", nil
	case n.Progress.Localdir != p.localdir || n.Progress.Hostname != p.hostname:
		return "it is of another source", nil
	case !p.codec.opens(n.Progress.Sample):
		return "it was encrypted with another key, or not at all", nil
	}
	p.set.Time = time.Unix(n.Sets[0].Time, 0).UTC()
	p.volumes = volumes
	return "", r.removeBeyond(ctx, s, len(volumes))
}

// confirmed are the volumes from the first on that are on the target in the
// size in which they were stored.
func (p *progress) confirmed(s *Set) []volumeRecord {
	if s == nil {
		return nil
	}
	slices.SortFunc(p.Volumes, func(a, b volumeRecord) int { return a.Number - b.Number })
	for i, v := range p.Volumes {
		o, ok := s.volumes[i+1]
		if !ok || v.Number != i+1 || o.size != v.Size {
			return p.Volumes[:i]
		}
	}
	return p.Volumes
}

// removeBeyond deletes the volumes after the n-th and the signatures: they are
// written anew, and there may be fewer of them.
func (r *Repository) removeBeyond(ctx context.Context, s *Set, n int) error {
	for _, o := range s.objects() {
		if o.Kind == format.KindVolume && o.Volume <= n {
			continue
		}
		if err := r.store.Delete(ctx, o.key); err != nil {
			return err
		}
	}
	return nil
}

// before returns the volumes up to the last one that ends before the file
// that the newest of them stores in part.
func before(volumes []volumeRecord) []volumeRecord {
	partial := volumes[len(volumes)-1].End.Partial
	for len(volumes) > 0 && bytes.Equal(volumes[len(volumes)-1].End.Partial, partial) {
		volumes = volumes[:len(volumes)-1]
	}
	return volumes
}

// incomplete returns the set without a manifest that has this key.
func (c *Collection) incomplete(k noteSet) *Set {
	for i := range c.Incomplete {
		if c.Incomplete[i].key() == setKey(k) {
			return &c.Incomplete[i]
		}
	}
	return nil
}

// newestBut is the time of the newest set other than s.
func (c *Collection) newestBut(s *Set) time.Time {
	var t time.Time
	for other := range c.all() {
		if (s == nil || other.key() != s.key()) && other.Time.After(t) {
			t = other.Time
		}
	}
	return t
}

// record turns a confirmed volume back into the manifest's form.
func (v *volumeRecord) record() format.VolumeRecord {
	return format.VolumeRecord{
		Number: v.Number, First: format.Position{Path: string(v.First.Path), Block: v.First.Block},
		Last: format.Position{Path: string(v.Last.Path), Block: v.Last.Block}, SHA1: v.SHA1, SHA256: v.SHA256,
	}
}

func newVolumeRecord(r format.VolumeRecord, size int64, end boundary) volumeRecord {
	return volumeRecord{
		Number: r.Number, Size: size, SHA1: r.SHA1, SHA256: r.SHA256, End: end,
		First: position{[]byte(r.First.Path), r.First.Block}, Last: position{[]byte(r.Last.Path), r.Last.Block},
	}
}
