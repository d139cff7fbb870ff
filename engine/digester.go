package engine

import (
	"bytes"
	"crypto/sha256"
	"hash"

	"github.com/purser-backup/purser/engine/internal/librsync"
)

// A digester computes the hash and the signature of a file beside the goroutine
// that reads it, unless the file is short. It is an io.Writer that never fails;
// wait must be called in any case.
type digester struct {
	sum    hash.Hash
	signer *librsync.SignatureWriter
	err    error  // of the signer
	beside *aside // nil for a short file
}

// worthwhile is the size from which on a goroutine is started for a file.
const worthwhile = 2 * asideBlock

// newDigester computes the signature of a file of about size bytes into out.
func newDigester(out *bytes.Buffer, size int64) *digester {
	params := signatureParams(size)
	out.Reset()
	out.Grow(int(size/int64(params.BlockLen)+2) * (4 + params.StrongLen))
	d := &digester{sum: sha256.New(), signer: librsync.NewSignatureWriter(out, params)}
	if size >= worthwhile {
		d.beside = newAside(d.take)
	}
	return d
}

func (d *digester) take(b []byte) {
	d.sum.Write(b)
	if d.err == nil {
		_, d.err = d.signer.Write(b)
	}
}

// Write implements io.Writer.
func (d *digester) Write(p []byte) (int, error) {
	if d.beside != nil {
		return d.beside.Write(p)
	}
	d.take(p)
	return len(p), nil
}

// wait ends the goroutine once it has seen everything.
func (d *digester) wait() error {
	if d.beside == nil {
		return nil
	}
	return d.beside.wait()
}

// finish returns the hash; the signature is complete by then.
func (d *digester) finish() ([]byte, error) {
	if err := d.wait(); err != nil {
		return nil, err
	}
	if d.err != nil {
		return nil, d.err
	}
	return d.sum.Sum(nil), d.signer.Close()
}
