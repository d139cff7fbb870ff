package engine

import (
	"context"
	"errors"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/purser-backup/purser/engine/internal/format"
	"github.com/purser-backup/purser/engine/internal/pgp"
	"github.com/purser-backup/purser/internal/bug"
)

// A setReader yields the entries of one set, volume after volume. Every volume
// is fetched and checked against the manifest before a byte of it is used.
type setReader struct {
	repo    *Repository
	codec   *codec
	set     *Set
	records []format.VolumeRecord // still to be read
	record  format.VolumeRecord   // of the open volume

	name   object // the open volume
	file   *os.File
	ahead  *readAhead // nil where it is read in turn
	tar    *format.Reader
	coming *fetched       // the volume after it, nil if it isn't fetched ahead
	header *format.Header // current entry, nil at the end
	last   *format.Header

	thorough bool // all hashes are checked, not only the strongest
	inTurn   bool // one of many: nothing is decrypted and decompressed ahead, for the memory that takes

	// A restore that goes on over damage reports it here; nil ends at the first.
	report *RestoreResult
	gap    *gap   // what could not be read, until the next object after it
	lost   error  // the current object is in the gap
	cut    string // path of the object that went on in the last gap, and the damage
	cause  error
	failed error // of reading in the open volume
}

// openSet positions a reader at the first entry of a set that may concern path.
func (r *Repository) openSet(ctx context.Context, c *codec, s *Set, inTurn bool, path string, report *RestoreResult) (*setReader, error) {
	m, err := r.manifest(ctx, c, s)
	if err != nil {
		return nil, err
	}
	in := &setReader{repo: r, codec: c, set: s, records: m.Volumes, inTurn: inTurn, report: report}
	slices.SortFunc(in.records, func(a, b format.VolumeRecord) int { return a.Number - b.Number })
	in.records = slices.DeleteFunc(in.records, func(v format.VolumeRecord) bool { return !mayHold(v, path) })
	if err := in.next(ctx); err != nil {
		in.Close()
		return nil, err
	}
	return in, nil
}

// mayHold reports whether the range of a volume's paths meets path or what is
// below it.
func mayHold(v format.VolumeRecord, path string) bool {
	return format.Compare(truncate(v.First.Path, path), path) <= 0 && format.Compare(path, v.Last.Path) <= 0
}

// truncate cuts p to as many components as limit has.
func truncate(p, limit string) string {
	if limit == "" {
		return ""
	}
	rest := p
	for range strings.Count(limit, "/") + 1 {
		_, after, more := strings.Cut(rest, "/")
		if !more {
			return p
		}
		rest = after
	}
	return p[:len(p)-len(rest)-1]
}

// next moves to the next entry. At the end of the set, header is nil.
func (in *setReader) next(ctx context.Context) error {
	in.lost = nil
	for {
		if in.fromGap() {
			return nil
		}
		h, err := in.entry(ctx)
		if err == nil && h != nil && in.passed(h) {
			continue
		}
		if err == nil && h != nil {
			err = in.follows(h)
		}
		switch {
		case err == nil:
			in.header = h
			if h != nil {
				in.last = h
			}
			return nil
		case !in.tolerates(err, in.record.Number):
			return err
		}
		if err := in.skipVolume(ctx, err); err != nil {
			return err
		}
	}
}

// entry returns the next entry of the volumes, nil after the last one.
func (in *setReader) entry(ctx context.Context) (*format.Header, error) {
	for {
		if in.tar == nil {
			if len(in.records) == 0 {
				return nil, nil
			}
			if err := in.openVolume(ctx); err != nil {
				return nil, err
			}
		}
		if in.failed != nil {
			return nil, in.failed
		}
		h, err := in.tar.Next()
		if !errors.Is(err, io.EOF) {
			return h, in.damaged(err)
		}
		if err := in.closeVolume(); err != nil {
			return nil, err
		}
	}
}

// follows checks order and numbering: a lost piece or entry must not go
// unnoticed.
func (in *setReader) follows(h *format.Header) error {
	if in.last == nil {
		return nil
	}
	order := format.Compare(h.Path, in.last.Path)
	next := order == 0 && h.Op == in.last.Op && in.last.Piece > 0 && h.Piece == in.last.Piece+1
	if !next && (order <= 0 || h.Piece > 1) {
		return corrupt(in.name.String(), "entry %q (piece %d) follows %q (piece %d)", h.Path, h.Piece, in.last.Path, in.last.Piece)
	}
	return nil
}

func (in *setReader) openVolume(ctx context.Context) error {
	record := in.records[0]
	in.record, in.records = record, in.records[1:]
	name, ok := in.set.volumes[record.Number]
	if !ok {
		return missingVolume(in.set, record.Number)
	}
	in.name = name
	f, err := in.fetch(ctx, name, record)
	if err != nil {
		return err
	}
	in.file = f
	plain, err := in.codec.decodeAs(f, name, pgp.Reading{InTurn: in.inTurn, Known: in.known(record)})
	if err != nil {
		return err
	}
	if !in.inTurn {
		in.ahead = newReadAhead(plain)
		plain = in.ahead
	}
	in.tar = format.NewReader(plain, format.Difftar)
	in.fetchNext(ctx)
	return nil
}

// known reports whether a volume that was fetched is what the writer of the
// manifest has put there: it fits a SHA-256 in a manifest that nobody else can
// have written.
func (in *setReader) known(record format.VolumeRecord) bool {
	return !in.thorough && record.SHA256 != "" && in.set.manifest.Suffix == format.Encrypted
}

// fetch returns a volume that fits its hash, fetched ahead or now.
func (in *setReader) fetch(ctx context.Context, name object, record format.VolumeRecord) (*os.File, error) {
	if f := in.coming; f != nil {
		in.coming = nil
		<-f.done
		f.cancel()
		if f.name == name {
			return f.file, f.err
		}
		f.drop()
	}
	return in.repo.fetchVolume(ctx, name, record, in.thorough)
}

// fetchVolume fetches a volume and checks it against the manifest: thorough with
// all hashes there, else with SHA-256 alone where that is known.
func (r *Repository) fetchVolume(ctx context.Context, name object, record format.VolumeRecord, thorough bool) (*os.File, error) {
	wanted := newDigests
	if !thorough && record.SHA256 != "" {
		wanted = newStrongDigest
	}
	f, _, err := r.fetchGood(ctx, name, wanted, func(sums *digests) error { return verify(name, record, sums) })
	return f, err
}

// fetched is a volume that is fetched while the one before it is read.
type fetched struct {
	name   object
	cancel context.CancelFunc
	done   chan struct{} // closed once file and err are set
	file   *os.File
	err    error
}

// drop ends a fetch whose volume is not wanted.
func (f *fetched) drop() {
	f.cancel()
	<-f.done
	if f.file != nil {
		f.file.Close()
	}
}

// fetchNext begins to fetch the volume after the open one.
func (in *setReader) fetchNext(ctx context.Context) {
	if len(in.records) == 0 {
		return
	}
	record := in.records[0]
	name, ok := in.set.volumes[record.Number]
	if !ok {
		return
	}
	ctx, cancel := context.WithCancel(ctx)
	f := &fetched{name: name, cancel: cancel, done: make(chan struct{})}
	in.coming = f
	go func() {
		defer close(f.done)
		f.err = bug.Guard(func() (err error) {
			f.file, err = in.repo.fetchVolume(ctx, name, record, in.thorough)
			return err
		})()
	}()
}

// verify compares a stored object with the hashes in the manifest.
func verify(name object, want format.VolumeRecord, got *digests) error {
	sha1, sha256 := got.sums()
	if want.SHA1 == "" && want.SHA256 == "" {
		return corrupt(name.String(), "the manifest has no hash for it")
	}
	if want.SHA1 != "" && got.sha1 != nil && want.SHA1 != sha1 || want.SHA256 != "" && want.SHA256 != sha256 {
		return corrupt(name.String(), "its hash is not the one in the manifest")
	}
	return nil
}

// damaged names the volume in an error of its content.
func (in *setReader) damaged(err error) error {
	var known *CorruptError
	if err == nil || errors.As(err, &known) || isWrongKey(err) {
		return err
	}
	return &CorruptError{Object: in.name.String(), Err: err}
}

func (in *setReader) closeVolume() error {
	if in.ahead != nil {
		in.ahead.close()
	}
	err := in.file.Close()
	in.file, in.ahead, in.tar, in.failed = nil, nil, nil, nil
	return err
}

// Close releases the open volume, and one that is being fetched.
func (in *setReader) Close() error {
	if in.coming != nil {
		in.coming.drop()
		in.coming = nil
	}
	if in.file == nil {
		return nil
	}
	return in.closeVolume()
}

// content reads the data of the current object over all its pieces. At its
// end the reader stands at the next object, and last holds the header of the
// final piece.
type content struct {
	ctx  context.Context // an io.Reader has no room for it
	in   *setReader
	path string
	last *format.Header
	done bool
}

func (in *setReader) content(ctx context.Context) *content {
	return &content{ctx: ctx, in: in, path: in.header.Path, last: in.header}
}

func (c *content) Read(p []byte) (int, error) {
	for !c.done {
		n, err := c.in.tar.Read(p)
		if n > 0 || err == nil {
			return n, nil
		}
		if !errors.Is(err, io.EOF) {
			c.in.failed = c.in.damaged(err)
			return 0, c.in.failed
		}
		if err := c.in.next(c.ctx); err != nil {
			return 0, err
		}
		if c.in.cause != nil && c.in.cut == c.path {
			return 0, c.in.cause
		}
		c.done = c.in.header == nil || c.in.header.Path != c.path
		if !c.done {
			c.last = c.in.header
		}
	}
	return 0, io.EOF
}

// leave moves past the object at path, if that is the current one.
func (in *setReader) leave(ctx context.Context, path string) error {
	for in.header != nil && in.header.Path == path {
		if err := in.next(ctx); err != nil {
			return err
		}
	}
	return nil
}
