package engine

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/purser-backup/purser/engine/internal/format"
)

// A restore that goes on over damage takes from the signatures of a set what
// its lost volumes held: every name in it, and all of what is no regular file.
// Of a file whose newest state is lost it restores the newest one that is whole.

// An Affected is an object that a restore could not bring to the state that was
// asked for.
type Affected struct {
	// Path is that of the object in the archive. If To is not empty, the names
	// that are lost are not known: anything from Path to To may be affected.
	Path, To string
	// State is the time of the set whose state was restored instead; zero if
	// nothing was.
	State time.Time
	Err   error // the damage
}

// gap is a part of a set that can't be read: the rest of a volume.
type gap struct {
	err  error
	lost []*format.Header // what the signatures know to be in it, still to be handed out
}

// tolerates notes damage if this restore is to go on over it.
func (in *setReader) tolerates(err error, volume int) bool {
	var damaged *CorruptError
	if in.report == nil || !errors.As(err, &damaged) {
		return false
	}
	in.report.damage(in.set, volume, damaged)
	return true
}

// damage lists an object that is damaged, once.
func (r *RestoreResult) damage(s *Set, volume int, err *CorruptError) {
	for _, d := range r.Damage {
		if d.Object == err.Object {
			return
		}
	}
	r.Damage = append(r.Damage, Damage{Set: s.Time, Volume: volume, Object: err.Object, Err: err.Err})
}

// skipVolume gives up the open volume, or the one that could not be opened,
// and prepares what the signatures say about it.
func (in *setReader) skipVolume(ctx context.Context, cause error) error {
	g := &gap{err: cause}
	var after *string
	if in.last != nil {
		after = &in.last.Path
		if in.record.First.Path == *after || in.file != nil && in.last.Piece > 0 {
			in.cut, in.cause = *after, cause
		}
	}
	if in.file != nil {
		if err := in.closeVolume(); err != nil {
			return err
		}
	}
	in.gap = g
	last := in.record.Last.Path
	err := in.repo.signaturesOf(ctx, in.codec, in.set, func(h *format.Header) {
		if (after == nil || format.Compare(h.Path, *after) > 0) && format.Compare(h.Path, last) <= 0 {
			g.lost = append(g.lost, h)
		}
	})
	if err == nil || !in.tolerates(err, 0) {
		return err
	}
	g.lost = nil
	in.report.Affected = append(in.report.Affected, Affected{Path: cmp.Or(in.record.First.Path, "."), To: cmp.Or(last, "."), Err: cause})
	return nil
}

// signaturesOf calls yield for each entry of a set's signature archive, from
// the target.
func (r *Repository) signaturesOf(ctx context.Context, c *codec, s *Set, yield func(*format.Header)) error {
	if s.signatures == nil {
		return corrupt(s.manifest.String(), "the signatures of this set are missing on the target")
	}
	f, _, err := r.fetch(ctx, *s.signatures)
	if err != nil {
		return err
	}
	defer f.Close()
	plain, err := c.decode(f, *s.signatures)
	if err != nil {
		return err
	}
	tar := format.NewReader(plain, format.Sigtar)
	for {
		h, err := tar.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if isWrongKey(err) {
			return err
		}
		if err != nil {
			return &CorruptError{Object: s.signatures.String(), Err: err}
		}
		yield(h)
	}
}

// fromGap hands out the next object that is known to be in the gap. It reports
// false at the gap's end.
func (in *setReader) fromGap() bool {
	if in.gap == nil || len(in.gap.lost) == 0 {
		return false
	}
	in.header, in.last = in.gap.lost[0], in.gap.lost[0]
	if in.header.Op == format.Signature {
		in.lost = in.gap.err
	}
	in.gap.lost = in.gap.lost[1:]
	return true
}

// passed reports whether h is what a gap has left of an object.
func (in *setReader) passed(h *format.Header) bool {
	if in.gap == nil {
		return false
	}
	if h.Piece > 1 || in.last != nil && format.Compare(h.Path, in.last.Path) <= 0 {
		return true
	}
	in.gap = nil
	return false
}

// version is a state of an object, read from one set.
type version struct {
	header  *format.Header
	content *os.File // of a regular file
	time    time.Time
}

func (v *version) close() {
	if v != nil && v.content != nil {
		v.content.Close()
	}
}

// salvage restores the newest state of an object that is whole.
func (r *restore) salvage(ctx context.Context, path string, parts []*setReader) error {
	if !within(path, r.path) {
		for _, in := range parts {
			if err := in.leave(ctx, path); err != nil {
				return err
			}
		}
		return nil
	}
	var good *version
	var damage error // of what is newer than good
	defer func() { good.close() }()
	for _, in := range parts {
		next, err := r.version(ctx, good, damage, in)
		var damaged *CorruptError
		switch {
		case errors.As(err, &damaged):
			damage = err
			r.res.damage(in.set, in.name.Volume, damaged)
		case err != nil:
			return err
		default:
			good.close()
			good, damage = next, nil
		}
		if err := in.leave(ctx, path); err != nil {
			return err
		}
	}
	if damage != nil {
		a := Affected{Path: path, Err: damage}
		if good != nil {
			a.State = good.time
		}
		r.res.Affected = append(r.res.Affected, a)
	}
	if good == nil {
		return nil
	}
	r.res.Entries++
	return r.deliver(below(path, r.path), good)
}

// version reads what a set says about an object: nil says that it is deleted.
// old is the state before it; broken tells that old is older than that.
func (r *restore) version(ctx context.Context, old *version, broken error, in *setReader) (*version, error) {
	h := in.header
	switch {
	case h.Op == format.Deleted:
		return nil, nil
	case in.lost != nil:
		return nil, in.lost
	case h.Piece > 1:
		return nil, corrupt(in.name.String(), "%q starts with piece %d", h.Path, h.Piece)
	case h.Type != format.File:
		return &version{header: h, time: in.set.Time}, nil
	case h.Op == format.Diff && broken != nil:
		return nil, broken
	case h.Op == format.Diff && (old == nil || old.content == nil):
		return nil, corrupt(in.name.String(), "%q is a difference without a file that it differs from", h.Path)
	}
	content, err := r.repo.spoolFile()
	if err != nil {
		return nil, err
	}
	v := &version{content: content, time: in.set.Time}
	if v.header, err = r.read(ctx, old, in, content); err != nil {
		v.close()
		return nil, err
	}
	return v, nil
}

// read writes a file's state to out and checks it.
func (r *restore) read(ctx context.Context, old *version, in *setReader, out *os.File) (*format.Header, error) {
	name, path := in.name.String(), in.header.Path
	diff := in.header.Op == format.Diff
	c := in.content(ctx)
	sum := sha256.New()
	size := &counter{}
	w := io.MultiWriter(&target{out, "spool file"}, sum, size)
	var err error
	if diff {
		err = patch(ctx, old.content, in, c.path, c, w)
	} else {
		_, err = io.Copy(w, c)
	}
	if err != nil {
		return nil, err
	}
	return c.last, intact(name, path, c.last, size.n, sum.Sum(nil))
}

// intact compares a restored file with what its header says of it.
func intact(object, path string, h *format.Header, size int64, sum []byte) error {
	if h.FileSize >= 0 && h.FileSize != size || h.SHA256 != nil && !bytes.Equal(h.SHA256, sum) {
		return corrupt(object, "%q is not what was backed up: its content has another hash", path)
	}
	return nil
}

// deliver hands a version to the sink.
func (r *restore) deliver(rel string, v *version) error {
	if v.content == nil {
		return r.to.object(rel, v.header)
	}
	r.res.Files++
	if _, err := v.content.Seek(0, io.SeekStart); err != nil {
		return fmt.Errorf("read spool file: %w", err)
	}
	return r.to.file(rel, func(w io.Writer) (*format.Header, error) {
		n, err := io.Copy(w, v.content)
		r.res.Bytes += n
		return v.header, err
	})
}
