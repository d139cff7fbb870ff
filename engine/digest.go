package engine

import (
	"crypto/sha1"
	"crypto/sha256"
	"encoding/hex"
	"hash"

	"github.com/purser-backup/purser/internal/bug"
)

// digests hashes a stored object: SHA-1 for duplicity, SHA-256 besides.
type digests struct {
	sha1, sha256 hash.Hash // sha1 may be nil
	size         int64
}

func newDigests() *digests { return &digests{sha1: sha1.New(), sha256: sha256.New()} }

// newStrongDigest makes the SHA-256 alone.
func newStrongDigest() *digests { return &digests{sha256: sha256.New()} }

func (d *digests) Write(p []byte) (int, error) {
	if d.sha1 != nil {
		d.sha1.Write(p)
	}
	d.sha256.Write(p)
	d.size += int64(len(p))
	return len(p), nil
}

// sums returns the hashes; that which was not made is empty.
func (d *digests) sums() (sha1, sha256 string) {
	if d.sha1 != nil {
		sha1 = hex.EncodeToString(d.sha1.Sum(nil))
	}
	return sha1, hex.EncodeToString(d.sha256.Sum(nil))
}

// An aside is an io.Writer that hands what is written to it to another goroutine,
// in blocks, and never fails. wait must be called in any case.
type aside struct {
	cur  []byte
	full chan []byte // nil once all was handed over
	free chan []byte
	done chan struct{}
	err  error // of take; to be read once done is closed
}

const (
	asideBlock  = 128 << 10
	asideBlocks = 4
)

// newAside has take called with each block, one after the other.
func newAside(take func([]byte)) *aside {
	a := &aside{full: make(chan []byte, asideBlocks), free: make(chan []byte, asideBlocks+2), done: make(chan struct{})}
	for range asideBlocks + 1 {
		a.free <- nil // made when it is needed
	}
	go func(full <-chan []byte) {
		defer close(a.done)
		for b := range full { // all of them, whatever happens: whoever sends them counts on that
			if a.err == nil {
				a.err = bug.Guard(func() error { take(b); return nil })()
			}
			a.free <- b[:0]
		}
	}(a.full)
	return a
}

// Write implements io.Writer.
func (a *aside) Write(p []byte) (int, error) {
	n := len(p)
	for len(p) > 0 {
		if cap(a.cur) == 0 {
			a.cur = make([]byte, 0, asideBlock)
		}
		k := min(len(p), asideBlock-len(a.cur))
		a.cur = append(a.cur, p[:k]...)
		p = p[k:]
		if len(a.cur) == asideBlock {
			a.full <- a.cur
			a.cur = <-a.free
		}
	}
	return n, nil
}

// wait returns once everything was taken, with the error of a bug in that. A
// second call only tells the error again.
func (a *aside) wait() error {
	if a.full != nil {
		a.full <- a.cur
		close(a.full)
		a.full = nil
	}
	<-a.done
	return a.err
}
