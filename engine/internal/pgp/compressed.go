package pgp

import (
	"bufio"
	"compress/bzip2"
	"encoding/binary"
	"fmt"
	"io"

	"github.com/purser-backup/purser/engine/internal/deflate"
)

// isCompressed reports whether a compressed packet (RFC 4880, 5.6) comes next.
func isCompressed(in *bufio.Reader) bool {
	head, err := in.Peek(1)
	if err != nil || head[0]&0x80 == 0 {
		return false
	}
	if head[0]&0x40 != 0 {
		return head[0]&0x3f == tagCompressed
	}
	return head[0]>>2&0x0f == tagCompressed
}

// openCompressed returns the content of the compressed packet that comes next.
// At the end of the content the packet is read to its own end. go-crypto's
// reader does the same with the standard library, which needs three times as
// long.
func openCompressed(in *bufio.Reader) (io.Reader, error) {
	body, err := openBody(in)
	if err != nil {
		return nil, err
	}
	var algorithm [1]byte
	if _, err := io.ReadFull(body, algorithm[:]); err != nil {
		return nil, noEOF(err)
	}
	c := &compressedReader{body: body}
	switch algorithm[0] {
	case 0:
		c.plain = body
	case compressZIP:
		c.plain = deflate.NewReader(body)
	case compressZLIB:
		c.plain, err = deflate.NewZlibReader(body)
	case 3:
		c.plain = bzip2.NewReader(body)
	default:
		err = fmt.Errorf("unknown compression algorithm %d", algorithm[0])
	}
	return c, err
}

type compressedReader struct {
	plain io.Reader
	body  io.Reader
	err   error
}

func (c *compressedReader) Read(p []byte) (int, error) {
	if c.err != nil {
		return 0, c.err
	}
	n, err := c.plain.Read(p)
	if err == io.EOF {
		if _, rest := io.Copy(io.Discard, c.body); rest != nil {
			err = rest
		}
	}
	c.err = err
	return n, err
}

// packetBody reads the body of one packet, with any form of its length (RFC
// 4880, 4.2).
type packetBody struct {
	in      *bufio.Reader
	left    int64
	partial bool // another length follows after left bytes
	endless bool // to the end of in
}

// openBody reads the head of a packet whose first byte is known to be one.
func openBody(in *bufio.Reader) (*packetBody, error) {
	head, err := in.ReadByte()
	if err != nil {
		return nil, noEOF(err)
	}
	b := &packetBody{in: in}
	if head&0x40 != 0 {
		return b, b.length()
	}
	if b.endless = head&3 == 3; b.endless {
		return b, nil
	}
	var n [8]byte
	if _, err := io.ReadFull(in, n[8-1<<(head&3):]); err != nil {
		return nil, noEOF(err)
	}
	b.left = int64(binary.BigEndian.Uint64(n[:]))
	return b, nil
}

// length reads a length of the new form (RFC 4880, 4.2.2).
func (b *packetBody) length() error {
	first, err := b.in.ReadByte()
	if err != nil {
		return noEOF(err)
	}
	b.partial = false
	switch {
	case first < 192:
		b.left = int64(first)
	case first < 224:
		var second byte
		second, err = b.in.ReadByte()
		b.left = int64(first-192)<<8 + int64(second) + 192
	case first < 255:
		b.left, b.partial = 1<<(first&31), true
	default:
		var n [4]byte
		_, err = io.ReadFull(b.in, n[:])
		b.left = int64(binary.BigEndian.Uint32(n[:]))
	}
	return noEOF(err)
}

func (b *packetBody) Read(p []byte) (int, error) {
	if b.endless {
		return b.in.Read(p)
	}
	for b.left == 0 {
		if !b.partial {
			return 0, io.EOF
		}
		if err := b.length(); err != nil {
			return 0, err
		}
	}
	n, err := b.in.Read(p[:min(int64(len(p)), b.left)])
	b.left -= int64(n)
	return n, noEOF(err)
}
