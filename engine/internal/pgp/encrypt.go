package pgp

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"io"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/s2k"
	"github.com/klauspost/compress/zlib"

	"github.com/purser-backup/purser/internal/secret"
)

const (
	// s2kCount is GnuPG's own default: 65,011,712 bytes are hashed for a key.
	s2kCount      = 65011712
	s2kCountCoded = 0xff
	keyLen        = 32
)

// An Encryptor writes messages to one passphrase. The slow derivation of the
// key happens once; every message has a random session key of its own. It may
// be used by several goroutines if its source of randomness may.
type Encryptor struct {
	salt [8]byte
	key  [keyLen]byte
	rand io.Reader
	now  func() time.Time
}

// NewPassphraseEncryptor derives the key. An empty passphrase is ErrWrongKey.
func NewPassphraseEncryptor(pass secret.String, rand io.Reader, now func() time.Time) (*Encryptor, error) {
	in := phrase(pass)
	if len(in) == 0 {
		return nil, ErrWrongKey
	}
	e := &Encryptor{rand: rand, now: now}
	if _, err := io.ReadFull(rand, e.salt[:]); err != nil {
		return nil, fmt.Errorf("draw salt: %w", err)
	}
	s2k.Iterated(e.key[:], sha256.New(), in, e.salt[:], s2kCount)
	return e, nil
}

// Encrypt returns a writer for the plain bytes of one message. Closing it
// completes the message and leaves w open.
func (e *Encryptor) Encrypt(w io.Writer) (io.WriteCloser, error) {
	var session [keyLen]byte
	if _, err := io.ReadFull(e.rand, session[:]); err != nil {
		return nil, fmt.Errorf("draw session key: %w", err)
	}
	if err := e.writeESK(w, session[:]); err != nil {
		return nil, err
	}
	protected, err := newProtectedWriter(newPacketWriter(w, tagSEIPD), session[:], e.rand)
	if err != nil {
		return nil, err
	}
	compressed := newPacketWriter(protected, tagCompressed)
	if _, err := compressed.Write([]byte{compressZLIB}); err != nil {
		return nil, err
	}
	deflate, err := zlib.NewWriterLevel(compressed, zlib.BestSpeed)
	if err != nil {
		return nil, err
	}
	literal := newPacketWriter(deflate, tagLiteral)
	head := [6]byte{0: 'b'} // binary, no file name, time
	binary.BigEndian.PutUint32(head[2:], uint32(e.now().Unix()))
	if _, err := literal.Write(head[:]); err != nil {
		return nil, err
	}
	return &messageWriter{literal, []io.Closer{literal, deflate, compressed, protected}}, nil
}

// writeESK writes the session key, encrypted with the passphrase's key (RFC
// 4880, 5.3).
func (e *Encryptor) writeESK(w io.Writer, session []byte) error {
	block, err := aes.NewCipher(e.key[:])
	if err != nil {
		return err
	}
	body := []byte{4, cipherAES256, 3, hashSHA256}
	body = append(body, e.salt[:]...)
	body = append(body, s2kCountCoded)
	sealed := append([]byte{cipherAES256}, session...)
	cfbEncrypter(block).XORKeyStream(sealed, sealed)
	body = append(body, sealed...)
	_, err = w.Write(append([]byte{0xc0 | tagSymmetricESK, byte(len(body))}, body...))
	return err
}

// cfbEncrypter is CFB with a zero start, as OpenPGP has it.
func cfbEncrypter(b cipher.Block) cipher.Stream {
	return cipher.NewCFBEncrypter(b, make([]byte, b.BlockSize())) //nolint:staticcheck // the format's mode; the MDC authenticates
}

func cfbDecrypter(b cipher.Block) cipher.Stream {
	return cipher.NewCFBDecrypter(b, make([]byte, b.BlockSize())) //nolint:staticcheck // the format's mode; the MDC authenticates
}

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
	stream cipher.Stream
	hash   hash.Hash
	buf    []byte
}

func newProtectedWriter(out *packetWriter, key []byte, rand io.Reader) (*protectedWriter, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	p := &protectedWriter{out: out, stream: cfbEncrypter(block), hash: sha1.New()}
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
	p.hash.Write(b)
	p.buf = append(p.buf[:0], b...)
	p.stream.XORKeyStream(p.buf, p.buf)
	return p.out.Write(p.buf)
}

// Close writes the modification detection code.
func (p *protectedWriter) Close() error {
	mdc := []byte{0xc0 | tagMDC, sha1.Size}
	p.hash.Write(mdc)
	mdc = p.hash.Sum(mdc)
	p.stream.XORKeyStream(mdc, mdc)
	if _, err := p.out.Write(mdc); err != nil {
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
			if err := p.flush([]byte{0xe0 | chunkBits}); err != nil {
				return 0, err
			}
		}
		k := min(len(b), chunkLen-len(p.buf))
		p.buf = append(p.buf, b[:k]...)
		b = b[k:]
	}
	return n, nil
}

func (p *packetWriter) flush(length []byte) error {
	head := length
	if !p.begun {
		p.begun = true
		head = append([]byte{0xc0 | p.tag}, length...)
	}
	if _, err := p.w.Write(head); err != nil {
		return err
	}
	_, err := p.w.Write(p.buf)
	p.buf = p.buf[:0]
	return err
}

// Close writes the last part. A second Close is an error.
func (p *packetWriter) Close() error {
	if p.buf == nil {
		return errors.New("packet is closed already")
	}
	err := p.flush(binary.BigEndian.AppendUint32([]byte{0xff}, uint32(len(p.buf))))
	p.buf = nil
	return err
}
