package pgp

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/ProtonMail/go-crypto/openpgp/armor"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
)

// rawPacket is a packet as it was read.
type rawPacket struct {
	tag  byte
	body []byte
}

func (p rawPacket) parse() (packet.Packet, error) {
	return (&packet.OpaquePacket{Tag: p.tag, Contents: p.body}).Parse()
}

var errPackets = errors.New("no OpenPGP packets")

// splitPackets cuts keys into their packets (RFC 4880, 4.2). Lengths must be
// definite, as keys have them. It returns what is before an error, too.
func splitPackets(b []byte) (packets []rawPacket, err error) {
	for len(b) > 0 {
		p, rest, err := cutPacket(b)
		if err != nil {
			return packets, err
		}
		packets, b = append(packets, p), rest
	}
	return packets, nil
}

func cutPacket(b []byte) (p rawPacket, rest []byte, err error) {
	if b[0]&0x80 == 0 {
		return p, nil, fmt.Errorf("%w: byte %#x where a packet begins", errPackets, b[0])
	}
	var size int // of the length
	if b[0]&0x40 == 0 {
		p.tag, size = b[0]>>2&0x0f, 1<<(b[0]&3)
	} else {
		p.tag, size = b[0]&0x3f, newLengthSize(b[1:])
	}
	if size > 5 || size < 1 {
		return p, nil, fmt.Errorf("%w: packet %d without a definite length", errPackets, p.tag)
	}
	if len(b) < 1+size {
		return p, nil, fmt.Errorf("%w: packet %d is cut short", errPackets, p.tag)
	}
	n := packetLength(b[0], b[1:1+size])
	b = b[1+size:]
	if n > uint64(len(b)) {
		return p, nil, fmt.Errorf("%w: packet %d is cut short", errPackets, p.tag)
	}
	p.body = b[:n]
	return p, b[n:], nil
}

// newLengthSize is the size of a length in the new form, 0 for a partial one.
func newLengthSize(b []byte) int {
	switch {
	case len(b) == 0:
		return 1
	case b[0] < 192:
		return 1
	case b[0] < 224:
		return 2
	case b[0] == 255:
		return 5
	}
	return 0
}

func packetLength(head byte, b []byte) uint64 {
	if head&0x40 != 0 {
		switch len(b) {
		case 2:
			return uint64(b[0]-192)<<8 + uint64(b[1]) + 192
		case 5:
			return uint64(binary.BigEndian.Uint32(b[1:]))
		}
		return uint64(b[0])
	}
	var n uint64
	for _, c := range b {
		n = n<<8 | uint64(c)
	}
	return n
}

// dearmor returns the binary content of every block in a text, one after the
// other (RFC 4880, 6.2).
func dearmor(text []byte) ([]byte, error) {
	const begin = "-----BEGIN PGP"
	var all []byte
	for {
		at := bytes.Index(text, []byte(begin))
		if at < 0 {
			return all, nil
		}
		text = text[at:]
		end := len(text)
		if next := bytes.Index(text[1:], []byte(begin)); next >= 0 {
			end = next + 1
		}
		block, err := armor.Decode(bytes.NewReader(text[:end]))
		if err != nil {
			return all, fmt.Errorf("read armor: %w", noEOF(err))
		}
		b, err := io.ReadAll(block.Body)
		if err != nil {
			return all, fmt.Errorf("read armor: %w", err)
		}
		all, text = append(all, b...), text[end:]
	}
}
