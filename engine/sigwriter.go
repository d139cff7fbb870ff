package engine

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/purser-backup/purser/engine/internal/format"
	"github.com/purser-backup/purser/internal/atomicfile"
	"github.com/purser-backup/purser/internal/bug"
)

// A sigWriter collects the signature archive of the set under way, as a plain
// tar in a file that survives an interruption.
type sigWriter struct {
	file *os.File
	buf  *bufio.Writer
	tar  *format.Writer
	base int64 // length of what an interrupted run has left
}

// openSigWriter continues the file after its first size bytes.
func openSigWriter(path string, size int64) (*sigWriter, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open signatures of unfinished set: %w", err)
	}
	if err := cut(f, size); err != nil {
		return nil, errors.Join(fmt.Errorf("continue signatures of unfinished set: %w", err), f.Close())
	}
	buf := bufio.NewWriterSize(f, 256<<10)
	return &sigWriter{file: f, buf: buf, tar: format.NewWriter(buf, format.Sigtar), base: size}, nil
}

func cut(f *os.File, size int64) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if info.Size() < size {
		return fmt.Errorf("%s has %d bytes, and %d were noted", f.Name(), info.Size(), size)
	}
	if err := f.Truncate(size); err != nil {
		return err
	}
	_, err = f.Seek(size, io.SeekStart)
	return err
}

func (s *sigWriter) add(h *format.Header, signature []byte) error {
	if err := s.tar.WriteHeader(h); err != nil {
		return err
	}
	_, err := s.tar.Write(signature)
	return err
}

// flush returns the length of the archive up to the last entry.
func (s *sigWriter) flush() (int64, error) {
	n, err := s.tar.Flush()
	return s.base + n, errors.Join(err, s.buf.Flush())
}

// sync makes durable what was flushed. It may be called by any goroutine.
func (s *sigWriter) sync() error {
	if err := s.file.Sync(); err != nil {
		return fmt.Errorf("sync signatures of unfinished set: %w", err)
	}
	return nil
}

// close completes the archive.
func (s *sigWriter) close() error {
	if err := errors.Join(s.tar.Close(), s.buf.Flush()); err != nil {
		return fmt.Errorf("write signatures: %w", err)
	}
	return nil
}

// encode writes the archive as an object with the given suffix. It may be called by
// several goroutines once the archive is complete.
func (s *sigWriter) encode(ctx context.Context, c *codec, w io.Writer, suffix format.Suffix) error {
	info, err := s.file.Stat()
	if err != nil {
		return err
	}
	enc, err := c.encode(w, suffix)
	if err != nil {
		return err
	}
	if _, err := io.Copy(enc, &sourceReader{ctx: ctx, r: io.NewSectionReader(s.file, 0, info.Size())}); err != nil {
		return err
	}
	return enc.Close()
}

// packedSignatures are the signature archive as the target and as the archive
// directory get it.
type packedSignatures struct {
	upload *os.File
	copy   *atomicfile.File
}

// packSignatures encodes both side by side, while the last volumes are under way.
func (w *setWriter) packSignatures(ctx context.Context) {
	name := w.name(format.KindSignatures)
	local := localName(name)
	w.group.Go(bug.Guard(func() (err error) {
		if w.packed.upload, err = w.repo.spoolFile(); err != nil {
			return err
		}
		if err := w.sigs.encode(ctx, w.plan.codec, w.packed.upload, name.Suffix); err != nil {
			return fmt.Errorf("write %s: %w", name, err)
		}
		return nil
	}))
	w.group.Go(bug.Guard(func() (err error) {
		if w.packed.copy, err = atomicfile.Create(w.repo.archive.path(local), 0o600); err != nil {
			return fmt.Errorf("keep %s: %w", local, err)
		}
		if err := w.sigs.encode(ctx, w.plan.codec, w.packed.copy, local.Suffix); err != nil {
			return fmt.Errorf("keep %s: %w", local, err)
		}
		return nil
	}))
}

// drop removes what was not used.
func (p *packedSignatures) drop() {
	if p.upload != nil {
		p.upload.Close()
	}
	if p.copy != nil {
		p.copy.Cancel()
	}
}

// uploadSignatures returns the size of the object.
func (w *setWriter) uploadSignatures(ctx context.Context) (int64, error) {
	name, f := w.name(format.KindSignatures), w.packed.upload
	size, err := f.Seek(0, io.SeekCurrent)
	if err != nil {
		return 0, fmt.Errorf("write %s: %w", name, err)
	}
	return size, w.repo.store.Put(ctx, w.repo.opt.Prefixes.key(name), f, size)
}
