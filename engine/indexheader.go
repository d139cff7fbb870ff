package engine

import (
	"bytes"
	"encoding/binary"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/purser-backup/purser/engine/internal/format"
)

// appendHeader encodes what the index keeps of an object.
func appendHeader(b []byte, h *format.Header) []byte {
	text := func(s string) { b = append(binary.AppendUvarint(b, uint64(len(s))), s...) }
	number := func(n int64) { b = binary.AppendVarint(b, n) }
	text(h.Path)
	b = append(b, byte(h.Op), byte(h.Type))
	for _, n := range []int64{
		int64(h.Mode), int64(h.UID), int64(h.GID), h.ModTime.Unix(), int64(h.ModTime.Nanosecond()),
		int64(h.Major), int64(h.Minor), h.Size, h.FileSize,
	} {
		number(n)
	}
	text(h.User)
	text(h.Group)
	text(h.Linkname)
	text(h.LinkGroup)
	text(string(h.SHA256))
	number(int64(len(h.Xattrs)))
	for _, name := range slices.Sorted(maps.Keys(h.Xattrs)) {
		text(name)
		text(h.Xattrs[name])
	}
	return b
}

// headerParser takes an encoded header apart. After a fault everything is zero.
type headerParser struct {
	b   []byte
	bad bool
}

var errHeader = errors.New("an entry can't be read")

func (p *headerParser) number() int64 {
	n, size := binary.Varint(p.b)
	if size <= 0 {
		p.bad, p.b = true, nil
		return 0
	}
	p.b = p.b[size:]
	return n
}

func (p *headerParser) bytes() []byte {
	n, size := binary.Uvarint(p.b)
	if size <= 0 || n > uint64(len(p.b)-size) {
		p.bad, p.b = true, nil
		return nil
	}
	s := p.b[size : size+int(n)]
	p.b = p.b[size+int(n):]
	return s
}

func (p *headerParser) text() string { return string(p.bytes()) }

// again is text that is most often that of the entry before.
func (p *headerParser) again(before *string) string {
	if b := p.bytes(); string(b) != *before {
		*before = string(b)
	}
	return *before
}

// repeated is what many entries in a row have in common.
type repeated struct{ user, group, linkGroup string }

func (p *headerParser) byte() byte {
	if len(p.b) == 0 {
		p.bad = true
		return 0
	}
	c := p.b[0]
	p.b = p.b[1:]
	return c
}

func parseHeader(b []byte, before *repeated) (*format.Header, error) {
	p := &headerParser{b: b}
	h := &format.Header{Path: p.text(), Op: format.Op(p.byte()), Type: format.Type(p.byte())}
	h.Mode, h.UID, h.GID = uint32(p.number()), int(p.number()), int(p.number())
	h.ModTime = time.Unix(p.number(), p.number())
	h.Major, h.Minor = uint32(p.number()), uint32(p.number())
	h.Size, h.FileSize = p.number(), p.number()
	h.User, h.Group, h.Linkname, h.LinkGroup = p.again(&before.user), p.again(&before.group), p.text(), p.again(&before.linkGroup)
	if sum := p.bytes(); len(sum) > 0 {
		h.SHA256 = bytes.Clone(sum)
	}
	for range p.number() {
		if p.bad {
			break
		}
		if h.Xattrs == nil {
			h.Xattrs = map[string]string{}
		}
		name := p.text()
		h.Xattrs[name] = p.text()
	}
	if p.bad || len(p.b) > 0 {
		return nil, errHeader
	}
	return h, nil
}
