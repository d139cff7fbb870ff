package engine

import (
	"crypto/sha1"
	"crypto/sha256"
	"encoding/hex"
	"hash"
)

// digests hashes a stored object: SHA-1 for duplicity, SHA-256 besides.
type digests struct {
	sha1, sha256 hash.Hash
	size         int64
}

func newDigests() *digests { return &digests{sha1: sha1.New(), sha256: sha256.New()} }

func (d *digests) Write(p []byte) (int, error) {
	d.sha1.Write(p)
	d.sha256.Write(p)
	d.size += int64(len(p))
	return len(p), nil
}

func (d *digests) sums() (sha1, sha256 string) {
	return hex.EncodeToString(d.sha1.Sum(nil)), hex.EncodeToString(d.sha256.Sum(nil))
}
