package engine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"time"

	"github.com/purser-backup/purser/engine/internal/format"
	"github.com/purser-backup/purser/engine/internal/librsync"
)

// pieceSize is the number of data bytes in one entry of a difftar. duplicity
// needs just this number to resume (FORMAT.md "Pieces").
const pieceSize = 64 << 10

// compare merges the source's entries with the previous state and writes what
// differs.
func (w *setWriter) compare(ctx context.Context, entries <-chan []Entry, unreadable map[string]error) error {
	h, err := w.repo.openHistory(w.plan.base)
	if err != nil {
		return err
	}
	defer h.Close()
	w.indexed = h.index != nil
	prev, err := h.next()
	if err != nil {
		return err
	}
	same := newComparer()
	var kept *string // what could not be read: the previous state below it stays
	for e := range walked(ctx, entries) {
		if prev, err = w.gone(ctx, h, prev, &e.Path, kept); err != nil {
			return err
		}
		if e.Err == nil {
			e.Err = unreadable[e.Path]
		}
		if e.Err == nil && e.Type == format.File {
			w.res.Files++
			w.res.SourceBytes += e.Size
		}
		known := prev != nil && prev.Path == e.Path
		switch {
		case w.from.covers(e.Path):
		case e.Err != nil:
			w.unreadable(e.Path, e.Err)
		case known && same.same(prev, &e):
		case known:
			err = w.change(ctx, &e, prev, h)
		default:
			err = w.store(ctx, &e, format.Snapshot, nil, nil)
		}
		if err != nil {
			return err
		}
		if e.Err != nil {
			kept = &e.Path
		} else if known {
			if !w.index.dealt(e.Path) { // nothing was written: it is as it was
				if err := w.index.add(prev); err != nil {
					return err
				}
			}
			if prev, err = h.next(); err != nil {
				return err
			}
		}
	}
	if err := ctx.Err(); err != nil {
		return err // the walk ended early: what is left is not deleted
	}
	if _, err = w.gone(ctx, h, prev, nil, kept); err != nil {
		return err
	}
	return w.finish(ctx)
}

// gone writes a deleted entry for each object of the previous state before
// path (nil: to the end), save what is kept because it could not be read.
func (w *setWriter) gone(ctx context.Context, h *history, prev *format.Header, path, kept *string) (*format.Header, error) {
	for prev != nil && (path == nil || format.Compare(prev.Path, *path) < 0) {
		if !w.from.covers(prev.Path) && (kept == nil || !within(prev.Path, *kept)) {
			if err := w.delete(ctx, prev); err != nil {
				return nil, err
			}
		} else if err := w.index.add(prev); err != nil {
			return nil, err
		}
		next, err := h.next()
		if err != nil {
			return nil, err
		}
		prev = next
	}
	return prev, nil
}

func (w *setWriter) unreadable(path string, err error) {
	w.res.Unreadable = append(w.res.Unreadable, fmt.Sprintf("%s: %v", path, err))
}

func (w *setWriter) delete(ctx context.Context, prev *format.Header) error {
	h := &format.Header{Op: format.Deleted, Path: prev.Path, Type: format.File, FileSize: -1}
	w.res.Deleted++
	if prev.Type == format.File {
		w.changes = append(w.changes, format.Change{Status: "deleted", Path: prev.Path})
	}
	if err := w.emit(ctx, h, nil, true); err != nil {
		return err
	}
	return w.sign(h, nil)
}

// change stores an object that differs from its previous state: as a delta
// where both are files and the signature is at hand, else whole.
func (w *setWriter) change(ctx context.Context, e *Entry, prev *format.Header, h *history) error {
	if e.Type != format.File || prev.Type != format.File || prev.Op != format.Signature || prev.Size == 0 {
		return w.store(ctx, e, format.Snapshot, nil, prev)
	}
	old, file, err := h.signature()
	if err != nil {
		return err
	}
	sig, err := librsync.ReadSignature(old)
	if err == nil {
		err = w.store(ctx, e, format.Diff, sig, prev)
	}
	if errors.Is(err, librsync.ErrCorrupt) {
		return &badCopy{file, fmt.Errorf("signature of %q: %w", e.Path, err)}
	}
	return err
}

// store writes the entries for e: its metadata, and a file's content or delta.
func (w *setWriter) store(ctx context.Context, e *Entry, op format.Op, sig *librsync.Signature, prev *format.Header) error {
	if e.Type == format.File {
		stored, err := w.storeFile(ctx, e, op, sig)
		if errors.Is(err, fs.ErrNotExist) {
			// It was there at the walk and is gone by now.
			if prev != nil {
				return w.delete(ctx, prev)
			}
			return nil
		}
		if err != nil || !stored {
			return err
		}
	} else {
		h := e.header(format.Snapshot)
		if err := w.emit(ctx, h, nil, true); err != nil {
			return err
		}
		if err := w.sign(h, nil); err != nil {
			return err
		}
	}
	if prev != nil {
		w.res.Changed++
	} else {
		w.res.New++
	}
	return nil
}

// storeFile reads a file once, for its signature, its hash and its content or
// delta. It reports false where the file could not be read and nothing of it
// was written.
func (w *setWriter) storeFile(ctx context.Context, e *Entry, op format.Op, sig *librsync.Signature) (bool, error) {
	f, err := e.Open()
	if errors.Is(err, fs.ErrNotExist) {
		return false, err
	}
	if err != nil {
		w.unreadable(e.Path, err)
		return false, nil
	}
	defer f.Close()
	digest := newDigester(&w.signature, e.Size)
	defer digest.wait() // where finish isn't reached
	in := &sourceReader{ctx: ctx, r: f}
	var data io.Reader = io.TeeReader(in, digest)
	if sig != nil {
		var old io.ReaderAt
		if p := w.previousFile(e.Path); p != nil {
			defer p.Close()
			old = p
		}
		data = librsync.NewDelta(sig, old, data)
	}
	h := e.header(op)
	complete := func() (err error) {
		h.FileSize = in.n
		h.SHA256, err = digest.finish()
		return err
	}
	if err := w.pieces(ctx, data, h, complete); err != nil {
		if in.err == nil || ctx.Err() != nil {
			return false, err
		}
		if h.Piece > 1 {
			return false, &readError{e.Path, in.err}
		}
		w.unreadable(e.Path, in.err)
		return false, nil
	}
	status := "new"
	if op == format.Diff {
		status = "changed"
	}
	w.changes = append(w.changes, format.Change{Status: status, Path: e.Path})
	h.Op, h.Piece = format.Signature, 0
	return true, w.sign(h, w.signature.Bytes())
}

// pieces writes data as one entry, or as numbered ones. Before the last piece
// is written, complete fills in what is known only at the end of the file.
// After an error, h.Piece is 1 or less if nothing was written.
func (w *setWriter) pieces(ctx context.Context, data io.Reader, h *format.Header, complete func() error) error {
	buf := w.piece[:]
	stored := 0 // pieces that an interrupted run has stored
	if w.from.continues(h.Path) {
		stored = w.from.Pieces
	}
	w.partial.begin(h)
	for {
		n, err := io.ReadFull(data, buf)
		last := errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
		if err != nil && !last {
			return err
		}
		entry := *h
		if last {
			if err := complete(); err != nil {
				return fmt.Errorf("sign %s: %w", h.Path, err)
			}
			entry = *h
		} else {
			h.Piece = max(h.Piece, 1)
			entry = withoutSideData(h)
		}
		if stored > 0 {
			if err := w.recognize(buf[:n], last, stored); err != nil {
				return err
			}
			stored--
			h.Piece++
			continue
		}
		entry.Size = int64(n)
		if err := w.emit(ctx, &entry, buf[:n], last); err != nil {
			return err
		}
		if last {
			return nil
		}
		h.Piece++
		w.partial.pieces++
		w.partial.sum.Write(buf[:n])
	}
}

// recognize checks a piece that an interrupted run has stored already; left
// counts those from this one on.
func (w *setWriter) recognize(data []byte, last bool, left int) error {
	w.partial.pieces++
	w.partial.sum.Write(data)
	if last || left == 1 && w.partial.sum.Sum64() != w.from.Sum {
		return errResumePoint
	}
	return nil
}

// withoutSideData leaves to a file's last piece what stock tools ignore.
func withoutSideData(h *format.Header) format.Header {
	c := *h
	c.ModTime = time.Unix(max(h.ModTime.Unix(), 0), 0)
	c.LinkGroup, c.FileSize, c.SHA256, c.Xattrs = "", -1, nil, nil
	return c
}

// sourceReader counts what is read from a source file and remembers its error,
// to tell it from those of the archive.
type sourceReader struct {
	ctx context.Context
	r   io.Reader
	n   int64
	err error
}

func (s *sourceReader) Read(p []byte) (int, error) {
	if err := s.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := s.r.Read(p)
	s.n += int64(n)
	if errors.Is(err, io.ErrUnexpectedEOF) {
		err = errors.New("the file ends within what it says to have") // and isn't taken for its end
	}
	if err != nil && err != io.EOF {
		s.err = err
	}
	return n, err
}

// signatureParams chooses the lengths of a signature: duplicity's block length
// for files up to 150 MB, then blocks that grow with the root of the file's
// size, so that its signature, which is stored with each change, and what a
// change stores too much stay in proportion; at most 2^20 of them; all 16 bytes
// of the strong sum (FORMAT.md "Signatures").
func signatureParams(size int64) librsync.Params {
	const unit, maxBlocks = 512, 1 << 20
	block := min(max(size/1024000*unit, unit), 2048)
	block = max(block, int64(math.Sqrt(float64(size))/(6*unit)+0.5)*unit)
	if size/block > maxBlocks {
		block = (size/maxBlocks/unit + 1) * unit
	}
	return librsync.Params{Magic: librsync.MagicMD4, BlockLen: int(block), StrongLen: 16}
}
