package pgp

import (
	"crypto/aes"
	"crypto/sha1"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"io"
)

// messageWriter closes the layers of a message from the inside out.
type messageWriter struct {
	io.Writer
	layers []io.Closer
}

func (m *messageWriter) Close() error {
	for _, l := range m.layers {
		if err := l.Close(); err != nil {
			return err
		}
	}
	return nil
}

// protectedWriter encrypts and authenticates (RFC 4880, 5.13).
type protectedWriter struct {
	out    *packetWriter
	cipher *cfbEncrypter
	hash   hash.Hash
	buf    []byte
}

func newProtectedWriter(out *packetWriter, key []byte, rand io.Reader) (*protectedWriter, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	p := &protectedWriter{out: out, cipher: newCFBEncrypter(block), hash: sha1.New(), buf: make([]byte, 0, pieceLen)}
	prefix := make([]byte, aes.BlockSize+2)
	if _, err := io.ReadFull(rand, prefix[:aes.BlockSize]); err != nil {
		return nil, fmt.Errorf("draw prefix: %w", err)
	}
	copy(prefix[aes.BlockSize:], prefix[aes.BlockSize-2:aes.BlockSize])
	if _, err := out.Write([]byte{1}); err != nil { // version
		return nil, err
	}
	_, err = p.Write(prefix)
	return p, err
}

func (p *protectedWriter) Write(b []byte) (int, error) {
	n := len(b)
	for len(b) > 0 {
		k := min(len(b), pieceLen-len(p.buf))
		p.buf = append(p.buf, b[:k]...)
		b = b[k:]
		if len(p.buf) == pieceLen {
			p.hash.Write(p.buf)
			if err := p.flush(); err != nil {
				return 0, err
			}
		}
	}
	return n, nil
}

func (p *protectedWriter) flush() error {
	p.cipher.encrypt(p.buf)
	_, err := p.out.Write(p.buf)
	p.buf = p.buf[:0]
	return err
}

// Close writes the modification detection code.
func (p *protectedWriter) Close() error {
	p.buf = append(p.buf, 0xc0|tagMDC, sha1.Size)
	p.hash.Write(p.buf)
	p.buf = p.hash.Sum(p.buf)
	if err := p.flush(); err != nil {
		return err
	}
	return p.out.Close()
}

// chunkLen is the length of all but the last part of a packet.
const (
	chunkBits = 16
	chunkLen  = 1 << chunkBits
)

// packetWriter writes a packet of unknown length in parts (RFC 4880, 4.2.2.4).
type packetWriter struct {
	w     io.Writer
	tag   byte
	begun bool
	buf   []byte
}

func newPacketWriter(w io.Writer, tag byte) *packetWriter {
	return &packetWriter{w: w, tag: tag, buf: make([]byte, 0, chunkLen)}
}

func (p *packetWriter) Write(b []byte) (int, error) {
	n := len(b)
	for len(b) > 0 {
		if len(p.buf) == chunkLen {
			if err := p.flush(); err != nil {
				return 0, err
			}
		}
		if len(p.buf) == 0 && len(b) > chunkLen {
			if err := p.part(b[:chunkLen]); err != nil {
				return 0, err
			}
			b = b[chunkLen:]
			continue
		}
		k := min(len(b), chunkLen-len(p.buf))
		p.buf = append(p.buf, b[:k]...)
		b = b[k:]
	}
	return n, nil
}

// flush writes buf as a part that is not the last.
func (p *packetWriter) flush() error {
	err := p.part(p.buf)
	p.buf = p.buf[:0]
	return err
}

// part writes chunkLen bytes as a part that is not the last.
func (p *packetWriter) part(b []byte) error { return p.write([]byte{0xe0 | chunkBits}, b) }

func (p *packetWriter) write(length, b []byte) error {
	head := length
	if !p.begun {
		p.begun = true
		head = append([]byte{0xc0 | p.tag}, length...)
	}
	if _, err := p.w.Write(head); err != nil {
		return err
	}
	_, err := p.w.Write(b)
	return err
}

// Close writes the last part. A second Close is an error.
func (p *packetWriter) Close() error {
	if p.buf == nil {
		return errors.New("packet is closed already")
	}
	err := p.write(binary.BigEndian.AppendUint32([]byte{0xff}, uint32(len(p.buf))), p.buf)
	p.buf = nil
	return err
}
