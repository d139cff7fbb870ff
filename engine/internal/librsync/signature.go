package librsync

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"math/bits"
)

// Signature is a signature that is being searched. It takes at most 14 bytes a block
// and the length of its strong sum, 30 for 16 bytes, for up to 2^20 blocks. Of a longer
// one this many are held at a time, a window that moves with the position in the new
// file, so a block is found only near its old place. Such a signature serves one delta;
// a shorter one is immutable and safe for concurrent use.
type Signature struct {
	params Params
	in     io.Reader // more records, nil after the last one
	first  int       // number of the first block in the window
	// The window's records as they were read, a weak and a strong sum each, in chunks,
	// so that growing never copies or wastes much.
	chunks [][]byte
	blocks int // in the window
	// index is a hash table, open addressed by the weak sum; entries are block numbers
	// from 1, and 0 is empty.
	index []uint32
	// present is a Bloom filter of the weak sums, of one word each. It says no for
	// nearly all positions of changed data, and stays in the processor's cache.
	present []uint64
	shift   uint // right shift that makes a word's number of a hash
}

const (
	chunkBits    = 12
	chunkBlocks  = 1 << chunkBits
	windowChunks = 256
	windowBlocks = windowChunks * chunkBlocks
	weakLen      = 4
	// maxSameWeak bounds how many blocks of one weak sum are looked at. It keeps data
	// made to collide from taking time without bound, at the price of a larger delta.
	maxSameWeak = 64
)

// ReadSignature reads a signature, to the end of r unless it is longer than its window:
// the delta then reads the rest. Bytes that break the format give an error that wraps
// [ErrCorrupt]; errors of r are passed on.
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
	s := &Signature{params: p, in: r}
	if err := s.fill(); err != nil {
		return nil, err
	}
	return s, nil
}

// Params returns the signature's properties.
func (s *Signature) Params() Params { return s.params }

func (s *Signature) recordLen() int { return weakLen + s.params.StrongLen }

// fill reads records until the window is full, and indexes them.
func (s *Signature) fill() error {
	recordLen := s.recordLen()
	for s.in != nil && len(s.chunks) < windowChunks {
		chunk, err := readChunk(s.in, recordLen*chunkBlocks)
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
			s.in = nil
		}
	}
	s.buildIndex()
	return nil
}

// follow moves the window on to where the old file's position is in its first half.
func (s *Signature) follow(position int64) error {
	for s.in != nil && position/int64(s.params.BlockLen) > int64(s.first+windowBlocks/4*3) {
		if err := s.slide(); err != nil {
			return err
		}
	}
	return nil
}

// end moves the window to the end and returns the number of the last block, -1 if there
// is none.
func (s *Signature) end() (int, error) {
	for s.in != nil {
		if err := s.slide(); err != nil {
			return 0, err
		}
	}
	return s.first + s.blocks - 1, nil
}

// slide moves a full window on by half of it.
func (s *Signature) slide() error {
	const gone = windowChunks / 2
	s.chunks = append(make([][]byte, 0, windowChunks), s.chunks[gone:]...)
	s.first += gone * chunkBlocks
	s.blocks -= gone * chunkBlocks
	return s.fill()
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

// record returns the sums of a block, counted from the window's first.
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

// find returns the number of a block in the window with the sums of data, or -1.
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
				return s.first + block
			}
		}
		if slot++; slot == len(s.index) {
			slot = 0
		}
	}
	return -1
}

// is reports whether the block is in the window and data has its sums.
func (s *Signature) is(block int, weak uint32, data []byte) bool {
	block -= s.first
	if block < 0 || block >= s.blocks || s.weak(block) != weak {
		return false
	}
	strong := s.params.strong(data)
	return bytes.Equal(s.strong(block), strong[:s.params.StrongLen])
}
