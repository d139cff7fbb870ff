package engine

import (
	"bytes"
	"os"
)

// A sparseFile writes a file from its start and leaves holes where there would
// be nothing but zeros.
type sparseFile struct {
	f       *os.File // nil before it is made
	size    int64    // so far
	written int64    // up to the last byte that is no hole
}

// holeSize is the least that a hole is worth: a block of most file systems.
const holeSize = 4096

var zeroBlock [holeSize]byte

func (s *sparseFile) Write(p []byte) (int, error) {
	for done := 0; done < len(p); {
		data, zeros := runs(p[done:], s.size)
		if data > 0 {
			n, err := s.f.WriteAt(p[done:done+data], s.size)
			s.size += int64(n)
			s.written = s.size
			if err != nil {
				return done + n, err
			}
		}
		s.size += int64(zeros)
		done += data + zeros
	}
	return len(p), nil
}

// runs returns how many bytes of p, which stands at offset, come before a hole,
// and how long the hole is.
func runs(p []byte, offset int64) (data, zeros int) {
	data = int(-offset & (holeSize - 1))
	for data+holeSize <= len(p) && !isZero(p[data:]) {
		data += holeSize
	}
	if data+holeSize > len(p) {
		return len(p), 0
	}
	for data+zeros+holeSize <= len(p) && isZero(p[data+zeros:]) {
		zeros += holeSize
	}
	return data, zeros
}

// isZero reports whether p begins with a block of zeros.
func isZero(p []byte) bool { return bytes.Equal(p[:holeSize], zeroBlock[:]) }

// finish makes a hole at the end part of the file.
func (s *sparseFile) finish() error {
	if s.written == s.size {
		return nil
	}
	return s.f.Truncate(s.size)
}
