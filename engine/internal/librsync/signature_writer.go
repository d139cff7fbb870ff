package librsync

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// SignatureWriter computes the signature of what is written to it. Any error is
// final. It is not for concurrent use.
type SignatureWriter struct {
	w      io.Writer
	params Params
	block  []byte // bytes of the unfinished block
	out    []byte // signature bytes not yet written
	eights bool   // blocks are summed by eight where there are as many
	err    error
}

// signatureChunk is about how many bytes of a signature are written at once.
const signatureChunk = 8 << 10

// NewSignatureWriter returns a writer that writes to w the signature with parameters
// p. If p is out of range every call fails.
func NewSignatureWriter(w io.Writer, p Params) *SignatureWriter {
	s := &SignatureWriter{w: w, params: p, eights: p.md4() && hasEights()}
	if err := p.check(); err != nil {
		s.err = fmt.Errorf("make signature: %w", err)
		return s
	}
	s.out = binary.BigEndian.AppendUint32(s.out, p.Magic)
	s.out = binary.BigEndian.AppendUint32(s.out, uint32(p.BlockLen))
	s.out = binary.BigEndian.AppendUint32(s.out, uint32(p.StrongLen))
	return s
}

// Write adds bytes of the file.
func (s *SignatureWriter) Write(p []byte) (int, error) {
	if s.err != nil {
		return 0, s.err
	}
	n := len(p)
	if len(s.block) > 0 {
		part := min(s.params.BlockLen-len(s.block), len(p))
		s.block = append(s.block, p[:part]...)
		p = p[part:]
		if len(s.block) == s.params.BlockLen {
			s.add(s.block)
			s.block = s.block[:0]
		}
	}
	p = s.addMany(p)
	// Grows by what is there: a block length may be far beyond the file's.
	s.block = append(s.block, p...)
	if s.err != nil {
		return 0, s.err
	}
	return n, nil
}

// addMany writes the sums of the whole blocks at the beginning of p, and returns the
// rest.
func (s *SignatureWriter) addMany(p []byte) []byte {
	n := s.params.BlockLen
	for s.eights && len(p)/md4Lanes >= n {
		for _, sum := range md4Eight(p, n) {
			s.put(s.params.weak(p[:n]), sum[:])
			p = p[n:]
		}
	}
	for s.params.md4() && len(p)/2 >= n {
		for _, sum := range md4Pair(p[:n], p[n:2*n]) {
			s.put(s.params.weak(p[:n]), sum[:])
			p = p[n:]
		}
	}
	for len(p) >= n {
		s.add(p[:n])
		p = p[n:]
	}
	return p
}

// add writes the sums of one block.
func (s *SignatureWriter) add(block []byte) {
	strong := s.params.strong(block)
	s.put(s.params.weak(block), strong[:])
}

func (s *SignatureWriter) put(weak uint32, strong []byte) {
	s.out = binary.BigEndian.AppendUint32(s.out, weak)
	s.out = append(s.out, strong[:s.params.StrongLen]...)
	if len(s.out) >= signatureChunk {
		s.flush()
	}
}

func (s *SignatureWriter) flush() {
	if s.err != nil {
		return
	}
	if _, err := s.w.Write(s.out); err != nil {
		s.err = fmt.Errorf("write signature: %w", err)
	}
	s.out = s.out[:0]
}

// Close writes the last block, which may be short. It does not close the underlying
// writer.
func (s *SignatureWriter) Close() error {
	if s.err != nil {
		return s.err
	}
	if len(s.block) > 0 {
		s.add(s.block)
	}
	s.flush()
	if s.err != nil {
		return s.err
	}
	s.err = errors.New("write signature: already closed")
	return nil
}
