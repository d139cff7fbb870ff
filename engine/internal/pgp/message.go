package pgp

import (
	"bufio"
	"io"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
)

const readLen = 32 << 10

// messageReader yields the literal data of a message.
type messageReader struct {
	source    *sourceReader
	outer     *bufio.Reader // behind the encrypted packet
	protected *protectedReader
	packets   *packet.Reader
	layers    []io.Reader // compressed packets, outermost first
	literal   io.Reader
	check     *signatureCheck // nil if no signature is required
	err       error
}

// findLiteral descends to the literal packet.
func (m *messageReader) findLiteral() error {
	in := bufio.NewReaderSize(m.protected, readLen)
	m.packets = packet.NewReader(in)
	for {
		if isCompressed(in) {
			plain, err := openCompressed(in)
			if err != nil {
				return corrupt("read message: %w", err)
			}
			if in, err = m.descend(plain); err != nil {
				return err
			}
			continue
		}
		p, err := m.packets.Next()
		if err != nil {
			return corrupt("read message: %w", noEOF(err))
		}
		switch p := p.(type) {
		case *packet.Compressed: // behind a marker, which go-crypto passes over
			if in, err = m.descend(p.Body); err != nil {
				return err
			}
		case *packet.OnePassSignature:
			m.check.announced(p)
		case *packet.Signature:
		case *packet.LiteralData:
			m.literal = m.check.watch(p.Body)
			return nil
		default:
			return corrupt("message holds a packet of type %T", p)
		}
	}
}

// descend makes the content of a compressed packet what is read next.
func (m *messageReader) descend(plain io.Reader) (*bufio.Reader, error) {
	m.layers = append(m.layers, plain)
	in := bufio.NewReaderSize(plain, readLen)
	if err := m.packets.Push(in); err != nil {
		return nil, corrupt("read message: %w", err)
	}
	return in, nil
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
// whole. Nothing but signatures may follow.
func (m *messageReader) finish() error {
	if err := m.readSignatures(); err != nil {
		return err
	}
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
	return m.check.result()
}

// readSignatures reads what follows the literal packet.
func (m *messageReader) readSignatures() error {
	for {
		p, err := m.packets.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return corrupt("read message: %w", noEOF(err))
		}
		s, ok := p.(*packet.Signature)
		if !ok {
			return corrupt("a packet of type %T follows the content", p)
		}
		m.check.verify(s)
	}
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
