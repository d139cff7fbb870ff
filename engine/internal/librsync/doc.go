// Package librsync computes and applies deltas in the bytes of librsync, whose tool
// is rdiff: a signature describes the blocks of an old file, a delta makes a new file
// of the old one. Everything is a stream; memory doesn't grow with the new file.
package librsync

import (
	"errors"
	"fmt"

	"golang.org/x/crypto/blake2b"
)

// The magic numbers of signatures: the rolling sum and the strong sum of blocks. All
// are read and written; duplicity writes MagicMD4.
const (
	MagicMD4             uint32 = 0x72730136 // rollsum, MD4
	MagicBLAKE2          uint32 = 0x72730137 // rollsum, BLAKE2b of 32 bytes
	MagicRabinKarpMD4    uint32 = 0x72730146
	MagicRabinKarpBLAKE2 uint32 = 0x72730147
)

const deltaMagic uint32 = 0x72730236

// ErrCorrupt is wrapped by errors about a signature or a delta that breaks the format,
// and about a delta that doesn't fit its old file.
var ErrCorrupt = errors.New("damaged signature or delta")

func corrupt(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrCorrupt, fmt.Sprintf(format, args...))
}

// Params are the properties of a signature.
type Params struct {
	Magic     uint32
	BlockLen  int // bytes, from 1 to 2^31-1
	StrongLen int // leading bytes of the strong sum that are kept: 1 to 16 for MD4, to 32 for BLAKE2b
}

func (p Params) check() error {
	maxStrong := 0
	switch p.Magic {
	case MagicMD4, MagicRabinKarpMD4:
		maxStrong = md4Size
	case MagicBLAKE2, MagicRabinKarpBLAKE2:
		maxStrong = blake2b.Size256
	default:
		return fmt.Errorf("unknown magic number %#08x", p.Magic)
	}
	if p.BlockLen < 1 || p.BlockLen > 1<<31-1 {
		return fmt.Errorf("block length %d is out of range", p.BlockLen)
	}
	if p.StrongLen < 1 || p.StrongLen > maxStrong {
		return fmt.Errorf("strong sum length %d is out of range", p.StrongLen)
	}
	return nil
}

func (p Params) rabinKarp() bool {
	return p.Magic == MagicRabinKarpMD4 || p.Magic == MagicRabinKarpBLAKE2
}

// maxStrongLen is the longest strong sum of any magic number.
const maxStrongLen = blake2b.Size256

// strong computes the whole strong sum of a block.
func (p Params) strong(block []byte) [maxStrongLen]byte {
	if p.Magic == MagicBLAKE2 || p.Magic == MagicRabinKarpBLAKE2 {
		return blake2b.Sum256(block)
	}
	var sum [maxStrongLen]byte
	s := md4Sum(block)
	copy(sum[:], s[:])
	return sum
}

// md4 reports whether the strong sum is MD4, which is computed of several blocks
// together.
func (p Params) md4() bool { return p.Magic == MagicMD4 || p.Magic == MagicRabinKarpMD4 }

// weak computes the weak sum of a block.
func (p Params) weak(block []byte) uint32 {
	if p.rabinKarp() {
		return rabinKarp(block)
	}
	return rollsum(block)
}
