package pgp

import (
	"bufio"
	"bytes"
	"crypto/cipher"
	"crypto/sha1"
	"crypto/subtle"
	"hash"
	"io"
	"sync"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
	"github.com/ProtonMail/go-crypto/openpgp/s2k"

	"github.com/purser-backup/purser/internal/secret"
)

// A Decryptor reads messages with one passphrase. It remembers derived keys,
// since all objects of a run share one. It may be used by several goroutines.
type Decryptor struct {
	pass []byte
	mu   sync.Mutex
	keys map[string][]byte // by the derivation's parameters and key length
}

// NewDecryptor returns a Decryptor. With an empty passphrase every message is
// ErrWrongKey.
func NewDecryptor(pass secret.String) *Decryptor {
	return &Decryptor{pass: phrase(pass), keys: map[string][]byte{}}
}

// Decrypt returns the plain bytes of a message. They are authentic only once
// the reader has returned io.EOF: the modification detection code stands at
// the end. Errors, here or from the reader, wrap ErrWrongKey or ErrCorrupt, or
// are those of r.
func (d *Decryptor) Decrypt(r io.Reader) (io.Reader, error) {
	source := &sourceReader{r: r}
	in := bufio.NewReaderSize(source, 64<<10)
	m, err := d.open(in)
	if err != nil {
		return nil, source.explain(err)
	}
	m.source = source
	return m, nil
}

func (d *Decryptor) open(in *bufio.Reader) (*messageReader, error) {
	eskParts, err := readESKs(in)
	if err != nil {
		return nil, err
	}
	p, err := packet.Read(in)
	if err != nil {
		return nil, corrupt("read encrypted packet: %w", err)
	}
	enc, ok := p.(*packet.SymmetricallyEncrypted)
	if !ok || !enc.IntegrityProtected || enc.Version != 1 {
		return nil, corrupt("no integrity-protected packet of version 1")
	}
	protected, err := d.unlock(eskParts, enc.Contents)
	if err != nil {
		return nil, err
	}
	m := &messageReader{protected: protected, outer: in}
	if err := m.findLiteral(); err != nil {
		return nil, err
	}
	return m, nil
}

// readESKs returns the bodies of the symmetric session key packets, and leaves
// in at the packet behind them. Those for public keys are passed over.
func readESKs(in *bufio.Reader) ([][]byte, error) {
	var bodies [][]byte
	opaque := packet.NewOpaqueReader(in)
	for {
		head, err := in.Peek(1)
		if err != nil {
			return nil, corrupt("read packets: %w", noEOF(err))
		}
		tag := head[0] & 0x3f
		if head[0]&0x40 == 0 {
			tag = head[0] >> 2 & 0x0f
		}
		if head[0]&0x80 == 0 || tag != tagSymmetricESK && tag != tagPublicKeyESK && tag != tagMarker {
			return bodies, nil
		}
		p, err := opaque.Next()
		if err != nil {
			return nil, corrupt("read session key: %w", noEOF(err))
		}
		if tag == tagSymmetricESK {
			bodies = append(bodies, p.Contents)
		}
	}
}

// unlock finds the session key that fits and returns the decrypted content.
func (d *Decryptor) unlock(eskBodies [][]byte, content io.Reader) (*protectedReader, error) {
	if len(d.pass) == 0 || len(eskBodies) == 0 {
		return nil, ErrWrongKey
	}
	prefix := make([]byte, maxBlock+2)
	var read int
	for _, body := range eskBodies {
		id, key, ok := d.sessionKey(body)
		if !ok {
			continue
		}
		sym, ok := symmetricByID(id)
		if !ok || len(key) != sym.keyLen {
			continue
		}
		block, err := sym.open(key)
		if err != nil {
			continue
		}
		size := block.BlockSize() + 2
		if read < size {
			if _, err := io.ReadFull(content, prefix[read:size]); err != nil {
				return nil, corrupt("read encrypted packet: %w", noEOF(err))
			}
			read = size
		}
		if p := newProtectedReader(block, prefix[:read], content); p != nil {
			return p, nil
		}
	}
	return nil, ErrWrongKey
}

const maxBlock = 16

// sessionKey decrypts the body of a session key packet (RFC 4880, 5.3).
func (d *Decryptor) sessionKey(body []byte) (id byte, key []byte, ok bool) {
	if len(body) < 3 || body[0] != 4 {
		return 0, nil, false
	}
	id = body[1]
	sym, ok := symmetricByID(id)
	if !ok {
		return 0, nil, false
	}
	rest := bytes.NewReader(body[2:])
	derive, err := s2k.Parse(rest)
	if err != nil {
		return 0, nil, false
	}
	params := body[2 : len(body)-rest.Len()]
	key = d.derived(params, sym.keyLen, derive)
	if rest.Len() == 0 {
		return id, key, true
	}
	sealed := append([]byte(nil), body[len(body)-rest.Len():]...)
	block, err := sym.open(key)
	if err != nil {
		return 0, nil, false
	}
	cfbDecrypter(block).XORKeyStream(sealed, sealed)
	return sealed[0], sealed[1:], true
}

func (d *Decryptor) derived(params []byte, length int, derive func(out, in []byte)) []byte {
	d.mu.Lock()
	defer d.mu.Unlock()
	name := string(params) + string(byte(length))
	key, ok := d.keys[name]
	if !ok {
		key = make([]byte, length)
		derive(key, d.pass)
		d.keys[name] = key
	}
	return key
}

// protectedReader decrypts and, at the end, checks the modification detection
// code (RFC 4880, 5.13).
type protectedReader struct {
	in     io.Reader
	stream cipher.Stream
	hash   hash.Hash
	space  []byte
	buf    []byte // decrypted, within space; the last mdcLen bytes may be the code
	err    error
}

const (
	mdcLen  = 2 + sha1.Size
	readLen = 32 << 10
)

// newProtectedReader returns nil if the repeated bytes of the prefix show that
// the key is another one. prefix may hold more than the cipher's prefix; the
// rest is content.
func newProtectedReader(block cipher.Block, prefix []byte, content io.Reader) *protectedReader {
	p := &protectedReader{in: content, stream: cfbDecrypter(block), hash: sha1.New(), space: make([]byte, readLen)}
	plain := p.space[:copy(p.space, prefix)]
	p.stream.XORKeyStream(plain, plain)
	n := block.BlockSize()
	if !bytes.Equal(plain[n-2:n], plain[n:n+2]) {
		return nil
	}
	p.hash.Write(plain[:n+2])
	p.buf = plain[n+2:]
	return p
}

func (p *protectedReader) Read(b []byte) (int, error) {
	for len(p.buf) <= mdcLen && p.err == nil {
		p.fill()
	}
	if len(p.buf) <= mdcLen {
		return 0, p.err
	}
	n := copy(b, p.buf[:len(p.buf)-mdcLen])
	p.hash.Write(p.buf[:n])
	p.buf = p.buf[n:]
	return n, nil
}

func (p *protectedReader) fill() {
	at := copy(p.space, p.buf)
	n, err := io.ReadFull(p.in, p.space[at:])
	p.buf = p.space[:at+n]
	p.stream.XORKeyStream(p.buf[at:], p.buf[at:])
	switch {
	case err == nil:
	case err == io.EOF || err == io.ErrUnexpectedEOF && n > 0:
		p.err = io.EOF // verify tells whether it came too early
	default:
		p.err = corrupt("read encrypted packet: %w", err)
	}
}

// verify checks the code, after everything was read.
func (p *protectedReader) verify() error {
	if p.err != io.EOF || len(p.buf) != mdcLen {
		return corrupt("cut short")
	}
	p.hash.Write(p.buf[:2])
	if p.buf[0] != 0xc0|tagMDC || p.buf[1] != sha1.Size || subtle.ConstantTimeCompare(p.hash.Sum(nil), p.buf[2:]) != 1 {
		return corrupt("modification detection code doesn't fit")
	}
	return nil
}

// messageReader yields the literal data of a message.
type messageReader struct {
	source    *sourceReader
	outer     *bufio.Reader // behind the encrypted packet
	protected *protectedReader
	layers    []io.Reader // compressed packets, outermost first
	literal   io.Reader
	err       error
}

// findLiteral descends to the literal packet.
func (m *messageReader) findLiteral() error {
	packets := packet.NewReader(m.protected)
	for {
		p, err := packets.Next()
		if err != nil {
			return corrupt("read message: %w", noEOF(err))
		}
		switch p := p.(type) {
		case *packet.Compressed:
			m.layers = append(m.layers, p.Body)
			if err := packets.Push(p.Body); err != nil {
				return corrupt("read message: %w", err)
			}
		case *packet.OnePassSignature, *packet.Signature:
		case *packet.LiteralData:
			m.literal = p.Body
			return nil
		default:
			return corrupt("message holds a packet of type %T", p)
		}
	}
}

func (m *messageReader) Read(b []byte) (int, error) {
	if m.err != nil {
		return 0, m.err
	}
	n, err := m.literal.Read(b)
	if err == nil {
		return n, nil
	}
	if err == io.EOF {
		err = m.finish()
	} else {
		err = corrupt("read message: %w", noEOF(err))
	}
	if err != nil {
		m.err = m.source.explain(err)
		return n, m.err
	}
	m.err = io.EOF
	return n, io.EOF
}

// finish reads every layer to its end, where its checksum is, and verifies the
// whole. Nothing may follow.
func (m *messageReader) finish() error {
	for i := len(m.layers) - 1; i >= 0; i-- {
		if _, err := io.Copy(io.Discard, m.layers[i]); err != nil {
			return corrupt("read message: %w", noEOF(err))
		}
	}
	if _, err := io.Copy(io.Discard, m.protected); err != nil {
		return corrupt("read message: %w", noEOF(err))
	}
	if err := m.protected.verify(); err != nil {
		return err
	}
	if _, err := m.outer.Peek(1); err != io.EOF {
		return corrupt("data follows the message")
	}
	return nil
}

// noEOF makes of an early end an error that no reader takes for a good one.
func noEOF(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

// sourceReader remembers errors of the underlying reader: they are not damage.
type sourceReader struct {
	r   io.Reader
	err error
}

func (s *sourceReader) Read(p []byte) (int, error) {
	n, err := s.r.Read(p)
	if err != nil && err != io.EOF {
		s.err = err
	}
	return n, err
}

func (s *sourceReader) explain(err error) error {
	if s.err != nil {
		return s.err
	}
	return err
}
