package engine

import (
	"bufio"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/cespare/xxhash/v2"

	"github.com/purser-backup/purser/engine/internal/format"
	"github.com/purser-backup/purser/internal/atomicfile"
)

// The index is the merged state of a chain without the signatures, as the run
// that wrote its newest set has left it: reading it takes a tenth of the time
// of the signature archives. It is no more than a saving. It counts only for
// just those files of the archive directory that it was made of, by name, size
// and time, and is made anew where it is damaged.
//
// It holds the headers in index order; behind them indexEnd, a SHA-256 of what
// it was made of, and a checksum of all before it.
func (a *archiveDir) indexPath() string { return filepath.Join(a.state, "index") }

const (
	indexEnd     = 0
	indexTrailer = sha256.Size + 8
)

// indexKey tells which signature archives an index was made of.
func (a *archiveDir) indexKey(sets []Set, last *format.Name) ([]byte, error) {
	sum := sha256.New()
	fmt.Fprintln(sum, "index 1")
	add := func(name format.Name) error {
		info, err := os.Stat(a.path(name))
		if err == nil {
			fmt.Fprintln(sum, info.Name(), info.Size(), info.ModTime().UnixNano())
		}
		return err
	}
	for i := range sets {
		if sets[i].signatures == nil {
			return nil, corrupt(sets[i].manifest.String(), "the signatures of this set are missing on the target")
		}
		if err := add(sets[i].signatures.Name); err != nil {
			return nil, err
		}
	}
	if last != nil {
		if err := add(*last); err != nil {
			return nil, err
		}
	}
	return sum.Sum(nil), nil
}

// An indexWriter collects the state while a set is made. Its methods do nothing
// where it is nil.
type indexWriter struct {
	file *atomicfile.File
	buf  *bufio.Writer
	sum  *xxhash.Digest
	enc  []byte
	last string // path of the object that was dealt with last
	some bool
}

// newIndex begins an index. It removes what a run that was killed has left of
// one: the lock on the archive directory says that there is no other run.
func (a *archiveDir) newIndex() (*indexWriter, error) {
	names, err := os.ReadDir(a.state)
	if err != nil {
		return nil, err
	}
	for _, n := range names {
		if !strings.HasPrefix(n.Name(), atomicfile.TempPrefix) {
			continue
		}
		if err := os.Remove(filepath.Join(a.state, n.Name())); err != nil {
			return nil, err
		}
	}
	f, err := atomicfile.Create(a.indexPath(), 0o600)
	if err != nil {
		return nil, err
	}
	x := &indexWriter{file: f, sum: xxhash.New()}
	x.buf = bufio.NewWriterSize(io.MultiWriter(f, x.sum), 64<<10)
	return x, nil
}

func (x *indexWriter) cancel() {
	if x != nil {
		x.file.Cancel()
	}
}

// dealt reports whether the object at path was added, or taken note of.
func (x *indexWriter) dealt(path string) bool { return x == nil || x.some && x.last == path }

// note says that the object at path was dealt with.
func (x *indexWriter) note(path string) {
	if x != nil {
		x.last, x.some = path, true
	}
}

// add appends an object, as the signature archives have it.
func (x *indexWriter) add(h *format.Header) error {
	if x == nil {
		return nil
	}
	x.note(h.Path)
	x.enc = appendHeader(x.enc[:0], h)
	if _, err := x.buf.Write(binary.AppendUvarint(nil, uint64(len(x.enc)))); err != nil {
		return err
	}
	_, err := x.buf.Write(x.enc)
	return err
}

// commit puts the index in place of the old one.
func (x *indexWriter) commit(key []byte) error {
	if x == nil {
		return nil
	}
	if err := x.buf.WriteByte(indexEnd); err != nil {
		return err
	}
	if _, err := x.buf.Write(key); err != nil {
		return err
	}
	if err := x.buf.Flush(); err != nil {
		return err
	}
	if _, err := x.file.Write(binary.BigEndian.AppendUint64(nil, x.sum.Sum64())); err != nil {
		return err
	}
	return x.file.Commit()
}

// An indexReader yields the headers of an index.
type indexReader struct {
	path string
	file *os.File
	buf  *bufio.Reader
	sum  *xxhash.Digest
	want uint64
	left int64 // bytes of headers
	enc  []byte
	last string
	some bool

	before repeated
}

// openIndex returns nil if there is no index for this key.
func (a *archiveDir) openIndex(key []byte) *indexReader {
	f, err := os.Open(a.indexPath())
	if err != nil {
		return nil
	}
	x := &indexReader{path: a.indexPath(), file: f, sum: xxhash.New()}
	info, err := f.Stat()
	var end [indexTrailer]byte
	if err == nil && info.Size() > indexTrailer {
		x.left = info.Size() - indexTrailer
		_, err = f.ReadAt(end[:], x.left)
	}
	if err != nil || string(end[:sha256.Size]) != string(key) {
		f.Close()
		return nil
	}
	x.want = binary.BigEndian.Uint64(end[sha256.Size:])
	x.buf = bufio.NewReaderSize(io.TeeReader(io.LimitReader(f, x.left+sha256.Size), x.sum), 64<<10)
	return x
}

// next returns the next object, nil at the end of an index that is whole.
func (x *indexReader) next() (*format.Header, error) {
	n, err := binary.ReadUvarint(x.buf)
	switch {
	case err != nil:
		return nil, x.damaged(err)
	case n == indexEnd:
		if _, err := io.Copy(io.Discard, x.buf); err != nil {
			return nil, x.damaged(err)
		}
		if x.sum.Sum64() != x.want {
			return nil, x.damaged(errors.New("its checksum doesn't fit"))
		}
		return nil, nil
	case int64(n) > x.left || n > 1<<24:
		return nil, x.damaged(errors.New("a length is impossible"))
	}
	if uint64(cap(x.enc)) < n {
		x.enc = make([]byte, n)
	}
	x.enc = x.enc[:n]
	if _, err := io.ReadFull(x.buf, x.enc); err != nil {
		return nil, x.damaged(err)
	}
	h, err := parseHeader(x.enc, &x.before)
	if err != nil {
		return nil, x.damaged(err)
	}
	if x.some && format.Compare(h.Path, x.last) <= 0 {
		return nil, x.damaged(fmt.Errorf("entry %q is out of order", h.Path))
	}
	x.last, x.some = h.Path, true
	return h, nil
}

func (x *indexReader) damaged(err error) error {
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return &badCopy{x.path, err}
}

// keepIndex puts the index of the new state in place. The backup is good
// without it.
func (w *setWriter) keepIndex() {
	if w.index == nil || w.indexed && w.count == 0 {
		return
	}
	var last *format.Name
	if w.count > 0 {
		name := w.name(format.KindSignatures)
		last = &name
	}
	key, err := w.repo.archive.indexKey(w.plan.base, last)
	if err == nil {
		err = w.index.commit(key)
	}
	if err != nil {
		w.repo.opt.Warn("the index can't be kept, the next backup will take longer", "error", err)
	}
}
