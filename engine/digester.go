package engine

import (
	"bytes"
	"crypto/sha256"
	"hash"

	"github.com/purser-backup/purser/engine/internal/librsync"
	"github.com/purser-backup/purser/internal/bug"
)

// A digester computes the hash and the signature of a file beside the goroutine
// that reads it, unless the file is short. It is an io.Writer that never fails;
// close must be called in any case.
type digester struct {
	sum    hash.Hash
	signer *librsync.SignatureWriter

	cur  []byte
	full chan []byte // nil as long as nothing runs
	free chan []byte
	done chan error
}

const (
	digestBlock  = 128 << 10
	digestBlocks = 4
	// worthwhile is the size from which on a goroutine is started for a file.
	worthwhile = 2 * digestBlock
)

// newDigester computes the signature of a file of about size bytes into out.
func newDigester(out *bytes.Buffer, size int64) *digester {
	params := signatureParams(size)
	out.Reset()
	out.Grow(int(size/int64(params.BlockLen)+2) * (4 + params.StrongLen))
	d := &digester{sum: sha256.New(), signer: librsync.NewSignatureWriter(out, params)}
	if size >= worthwhile {
		d.full, d.free, d.done = make(chan []byte, digestBlocks), make(chan []byte, digestBlocks+2), make(chan error, 1)
		for range digestBlocks + 2 {
			d.free <- make([]byte, 0, digestBlock)
		}
		d.cur = <-d.free
		go func(full <-chan []byte) {
			var err error
			for b := range full { // all of them, whatever happens: whoever sends them counts on that
				if err == nil {
					err = bug.Guard(func() error { return d.add(b) })()
				}
				d.free <- b[:0]
			}
			d.done <- err
		}(d.full)
	}
	return d
}

func (d *digester) add(b []byte) error {
	d.sum.Write(b)
	_, err := d.signer.Write(b)
	return err
}

// Write implements io.Writer.
func (d *digester) Write(p []byte) (int, error) {
	if d.full == nil {
		d.sum.Write(p)
		return d.signer.Write(p)
	}
	n := len(p)
	for len(p) > 0 {
		k := min(len(p), digestBlock-len(d.cur))
		d.cur = append(d.cur, p[:k]...)
		p = p[k:]
		if len(d.cur) == digestBlock {
			d.full <- d.cur
			d.cur = <-d.free
		}
	}
	return n, nil
}

// wait ends the goroutine once it has seen everything. A second call does
// nothing.
func (d *digester) wait() error {
	if d.full == nil {
		return nil
	}
	d.full <- d.cur
	close(d.full)
	d.full = nil
	return <-d.done
}

// finish returns the hash; the signature is complete by then.
func (d *digester) finish() ([]byte, error) {
	if err := d.wait(); err != nil {
		return nil, err
	}
	return d.sum.Sum(nil), d.signer.Close()
}
