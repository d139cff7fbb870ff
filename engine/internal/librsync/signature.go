package librsync

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"math/bits"
)

// Signature is a signature that was read and indexed. It takes at most 14 bytes a
// block and the length of its strong sum: 30 for 16 bytes. It is immutable and safe for
// concurrent use.
type Signature struct {
	params Params
	// The records as they were read, a weak and a strong sum each, in chunks, so that
	// growing never copies or wastes much.
	chunks [][]byte
	blocks int
	// index is a hash table, open addressed by the weak sum; entries are block numbers
	// from 1, and 0 is empty.
	index []uint32
	// present is a Bloom filter of the weak sums, of one word each. It says no for
	// nearly all positions of changed data, and stays in the processor's cache.
	present []uint64
	shift   uint // right shift that makes a word's number of a hash
}

const (
	chunkBits   = 12
	chunkBlocks = 1 << chunkBits
	weakLen     = 4
	// maxSameWeak bounds how many blocks of one weak sum are looked at. It keeps data
	// made to collide from taking time without bound, at the price of a larger delta.
	maxSameWeak = 64
)

// ReadSignature reads a signature to the end of r. Bytes that break the format give an
// error that wraps [ErrCorrupt]; errors of r are passed on.
func ReadSignature(r io.Reader) (*Signature, error) {
	var header [12]byte
	if n, err := io.ReadFull(r, header[:]); err != nil {
		if err == io.EOF || err == io.ErrUnexpectedEOF {
			return nil, corrupt("signature ends after %d bytes", n)
		}
		return nil, fmt.Errorf("read signature: %w", err)
	}
	p := Params{
		Magic:     binary.BigEndian.Uint32(header[0:]),
		BlockLen:  int(binary.BigEndian.Uint32(header[4:])),
		StrongLen: int(binary.BigEndian.Uint32(header[8:])),
	}
	if err := p.check(); err != nil {
		return nil, corrupt("signature: %v", err)
	}
	s := &Signature{params: p}
	if err := s.readRecords(r); err != nil {
		return nil, err
	}
	s.buildIndex()
	return s, nil
}

// Params returns the signature's properties.
func (s *Signature) Params() Params { return s.params }

// Blocks returns the number of blocks that it describes.
func (s *Signature) Blocks() int { return s.blocks }

func (s *Signature) recordLen() int { return weakLen + s.params.StrongLen }

func (s *Signature) readRecords(r io.Reader) error {
	recordLen := s.recordLen()
	for {
		chunk, err := readChunk(r, recordLen*chunkBlocks)
		if err != nil {
			return fmt.Errorf("read signature: %w", err)
		}
		if len(chunk)%recordLen != 0 {
			return corrupt("signature ends in the middle of a block's sums")
		}
		if len(chunk) > 0 {
			s.chunks = append(s.chunks, chunk)
			s.blocks += len(chunk) / recordLen
		}
		if len(chunk) < recordLen*chunkBlocks {
			return nil
		}
		if s.blocks > math.MaxUint32-chunkBlocks {
			return corrupt("signature has more blocks than can be counted")
		}
	}
}

// readChunk reads up to limit bytes, fewer only at the end of r.
func readChunk(r io.Reader, limit int) ([]byte, error) {
	chunk := make([]byte, 0, min(512, limit))
	for len(chunk) < limit {
		if len(chunk) == cap(chunk) {
			chunk = append(make([]byte, 0, min(4*cap(chunk), limit)), chunk...)
		}
		n, err := io.ReadFull(r, chunk[len(chunk):cap(chunk)])
		chunk = chunk[:len(chunk)+n]
		if err == io.EOF || err == io.ErrUnexpectedEOF {
			break
		}
		if err != nil {
			return nil, err
		}
	}
	return chunk, nil
}

// record returns the sums of a block.
func (s *Signature) record(block int) []byte {
	recordLen := s.recordLen()
	return s.chunks[block>>chunkBits][(block&(chunkBlocks-1))*recordLen:][:recordLen]
}

func (s *Signature) weak(block int) uint32 { return binary.BigEndian.Uint32(s.record(block)) }

func (s *Signature) strong(block int) []byte { return s.record(block)[weakLen:] }

// hashWeak spreads a weak sum, whose own bits are far from even, over 64 bits.
func hashWeak(weak uint32) uint64 { return uint64(weak) * 0x9e3779b97f4a7c15 }

func (s *Signature) buildIndex() {
	size := s.blocks + s.blocks/3 + 1
	s.index = make([]uint32, size)
	// 16 to 32 bits a block.
	wordBits := max(4, bits.Len(uint(s.blocks))-2)
	s.shift = uint(64 - wordBits)
	s.present = make([]uint64, 1<<wordBits)
	for block := range s.blocks {
		s.insert(block)
	}
}

// insert adds a block to the index, unless an equal one is there.
func (s *Signature) insert(block int) {
	record := s.record(block)
	weak := binary.BigEndian.Uint32(record)
	h := hashWeak(weak)
	slot := s.slot(h)
	for same := 0; s.index[slot] != 0; {
		other := s.record(int(s.index[slot] - 1))
		if binary.BigEndian.Uint32(other) == weak {
			if same++; same == maxSameWeak || bytes.Equal(other, record) {
				return
			}
		}
		if slot++; slot == len(s.index) {
			slot = 0
		}
	}
	s.index[slot] = uint32(block + 1)
	s.present[h>>s.shift] |= filterMask(h)
}

// filterMask returns the bits of a hash in its word of the filter.
func filterMask(h uint64) uint64 { return 1<<(h>>24&63) | 1<<(h>>30&63) }

func (s *Signature) slot(h uint64) int {
	hi, _ := bits.Mul64(h, uint64(len(s.index)))
	return int(hi)
}

// find returns the number of a block with the sums of data, or -1.
func (s *Signature) find(weak uint32, data []byte) int {
	var strong [maxStrongLen]byte
	known := false // strong is computed when it is needed
	for slot := s.slot(hashWeak(weak)); s.index[slot] != 0; {
		block := int(s.index[slot] - 1)
		if s.weak(block) == weak {
			if !known {
				strong, known = s.params.strong(data), true
			}
			if bytes.Equal(s.strong(block), strong[:s.params.StrongLen]) {
				return block
			}
		}
		if slot++; slot == len(s.index) {
			slot = 0
		}
	}
	return -1
}

// is reports whether data has the sums of the block.
func (s *Signature) is(block int, weak uint32, data []byte) bool {
	if s.weak(block) != weak {
		return false
	}
	strong := s.params.strong(data)
	return bytes.Equal(s.strong(block), strong[:s.params.StrongLen])
}
