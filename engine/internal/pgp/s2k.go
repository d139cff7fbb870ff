package pgp

import (
	"bytes"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"hash"

	"github.com/ProtonMail/go-crypto/openpgp/s2k"
)

// parseS2K reads how a key is derived from a passphrase (RFC 4880, 3.7.1).
func parseS2K(r *bytes.Reader) (func(out, phrase []byte), error) {
	var params [11]byte // mode, hash, salt, count
	n, _ := r.ReadAt(params[:], r.Size()-int64(r.Len()))
	derive, err := s2k.Parse(r)
	if err != nil || n < len(params) || params[0] != 3 {
		return derive, err
	}
	var open func() hash.Hash
	switch params[1] {
	case 2:
		open = sha1.New
	case hashSHA256:
		open = sha256.New
	case 10:
		open = sha512.New
	default:
		return derive, nil
	}
	count := int(16+params[10]&15) << (params[10]>>4 + 6)
	return func(out, phrase []byte) { iterated(out, open(), phrase, params[2:10], count) }, nil
}

// iterated is the iterated and salted derivation (RFC 4880, 3.7.1.3) in large
// steps: go-crypto's feeds the hash one passphrase at a time, which costs
// more than the hashing.
func iterated(out []byte, h hash.Hash, phrase, salt []byte, count int) {
	unit := append(bytes.Clone(salt), phrase...)
	count = max(count, len(unit))
	block := bytes.Repeat(unit, max(32<<10/len(unit), 1))
	for round := 0; len(out) > 0; round++ {
		h.Reset()
		h.Write(make([]byte, round))
		left := count
		for ; left >= len(block); left -= len(block) {
			h.Write(block)
		}
		h.Write(block[:left])
		out = out[copy(out, h.Sum(nil)):]
	}
}
