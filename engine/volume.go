package engine

import (
	"cmp"
	"context"
	"fmt"
	"io"

	"github.com/purser-backup/purser/engine/internal/format"
	"github.com/purser-backup/purser/internal/bug"
)

// A volume is filled by one goroutine, and compressed, encrypted, hashed and
// uploaded by another. Volumes know nothing of each other.
type volume struct {
	name   format.Name
	record format.VolumeRecord
	end    boundary // known once it is full
	plain  int64    // plain bytes so far
	tar    *format.Writer
	blocks *blockWriter
}

// startVolume waits for a free slot, then starts the goroutine that takes the
// new volume to the target.
func (w *setWriter) startVolume(ctx context.Context) error {
	if w.count == len(w.plan.volumes) {
		var err error
		if w.progress.Sample, err = w.plan.codec.sample(); err != nil {
			return err
		}
		if err := w.repo.archive.writeNote(&w.progress, w.plan.set); err != nil {
			return err
		}
		if w.lease, err = w.repo.acquireLease(ctx); err != nil {
			return err
		}
	}
	if err := w.lease.held(); err != nil {
		return err
	}
	select {
	case w.slots <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	w.count++
	v := &volume{name: w.name(format.KindVolume), blocks: newBlockWriter(ctx)}
	v.name.Volume, v.record.Number = w.count, w.count
	v.tar = format.NewWriter(v.blocks, format.Difftar)
	w.vol = v
	w.group.Go(bug.Guard(func() error {
		defer func() { <-w.slots }()
		return w.process(ctx, v)
	}))
	return nil
}

// endVolume closes the current volume; its goroutine completes it.
func (w *setWriter) endVolume() error {
	v := w.vol
	w.vol = nil
	var err error
	if v.end, err = w.boundary(); err != nil {
		return fmt.Errorf("write signatures: %w", err)
	}
	if err := v.tar.Close(); err != nil {
		return fmt.Errorf("write %s: %w", v.name, err)
	}
	return v.blocks.Close()
}

// add appends an entry. last tells that it is the last of its object: only
// pieces before the last one are recorded with their number.
func (v *volume) add(h *format.Header, data []byte, last bool) error {
	if err := v.tar.WriteHeader(h); err != nil {
		return fmt.Errorf("write %s: %w", v.name, err)
	}
	if _, err := v.tar.Write(data); err != nil {
		return fmt.Errorf("write %s: %w", v.name, err)
	}
	at := format.Position{Path: h.Path}
	if !last {
		at.Block = h.Piece
	}
	if v.plain == 0 {
		v.record.First = at
	}
	v.record.Last = at
	v.plain += tarBlock + int64(len(data))
	return nil
}

// tarBlock is the size of an entry's header in a tar archive.
const tarBlock = 512

// process encodes a volume into the spool while it is being filled, and
// uploads it once it is complete.
func (w *setWriter) process(ctx context.Context, v *volume) error {
	f, err := w.repo.spoolFile()
	if err != nil {
		return err
	}
	defer f.Close()
	sums := newDigests()
	hashing := newAside(func(b []byte) { _, _ = sums.Write(b) }) // hashes don't fail
	err = w.encode(ctx, v, io.MultiWriter(f, hashing))
	if err := cmp.Or(err, hashing.wait()); err != nil {
		return err
	}
	if err := w.repo.store.Put(ctx, w.repo.opt.Prefixes.key(v.name), f, sums.size); err != nil {
		return err
	}
	v.record.SHA1, v.record.SHA256 = sums.sums()
	return w.confirm(newVolumeRecord(v.record, sums.size, v.end))
}

func (w *setWriter) encode(ctx context.Context, v *volume, out io.Writer) error {
	enc, err := w.plan.codec.encode(out, v.name.Suffix)
	if err != nil {
		return err
	}
	if err := v.blocks.drain(ctx, enc); err != nil {
		return fmt.Errorf("write %s: %w", v.name, err)
	}
	if err := enc.Close(); err != nil {
		return fmt.Errorf("write %s: %w", v.name, err)
	}
	return nil
}

// A blockWriter hands bytes from one goroutine to another in blocks, a few at
// a time.
type blockWriter struct {
	ctx  context.Context // ends a writer whose reader has failed; io.Writer has no room for it
	full chan []byte
	free chan []byte
	cur  []byte
}

const (
	blockSize  = 256 << 10
	blockCount = 8
)

func newBlockWriter(ctx context.Context) *blockWriter {
	return &blockWriter{ctx: ctx, full: make(chan []byte, blockCount), free: make(chan []byte, blockCount)}
}

func (b *blockWriter) Write(p []byte) (int, error) {
	n := len(p)
	for len(p) > 0 {
		if b.cur == nil {
			select {
			case b.cur = <-b.free:
			default:
				b.cur = make([]byte, 0, blockSize)
			}
		}
		k := min(len(p), blockSize-len(b.cur))
		b.cur = append(b.cur, p[:k]...)
		p = p[k:]
		if len(b.cur) == blockSize {
			if err := b.send(); err != nil {
				return 0, err
			}
		}
	}
	return n, nil
}

func (b *blockWriter) send() error {
	select {
	case b.full <- b.cur:
		b.cur = nil
		return nil
	case <-b.ctx.Done():
		return b.ctx.Err()
	}
}

// Close sends what is left and tells the reader that it was all.
func (b *blockWriter) Close() error {
	if len(b.cur) > 0 {
		if err := b.send(); err != nil {
			return err
		}
	}
	close(b.full)
	return nil
}

// drain writes the blocks to w until the writer has closed.
func (b *blockWriter) drain(ctx context.Context, w io.Writer) error {
	for {
		select {
		case block, more := <-b.full:
			if !more {
				return nil
			}
			if _, err := w.Write(block); err != nil {
				return err
			}
			select {
			case b.free <- block[:0]:
			default:
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
