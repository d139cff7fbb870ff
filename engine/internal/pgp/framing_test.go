package pgp

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"io"
	mrand "math/rand/v2"
	"slices"
	"testing"

	"github.com/purser-backup/purser/internal/secret"
)

// framed is a packet whose body is cut into parts as cuts say (RFC 4880, 4.2):
// of 2^n bytes while there are as many, then of a definite length in 1, 2 or 5
// bytes. With old, the whole has the old form.
func framed(tag byte, body, cuts []byte, old bool) []byte {
	if old {
		head := []byte{0x80 | tag<<2 | 2}
		return append(binary.BigEndian.AppendUint32(head, uint32(len(body))), body...)
	}
	out := []byte{0xc0 | tag}
	for _, c := range cuts {
		n := 1 << (c % 17)
		if n > len(body) {
			break
		}
		out = append(append(out, 0xe0|c%17), body[:n]...)
		body = body[n:]
	}
	switch n := len(body); {
	case n < 192 && len(cuts)%2 == 0:
		out = append(out, byte(n))
	case n >= 192 && n < 8384 && len(cuts)%2 == 0:
		out = append(out, byte((n-192)>>8+192), byte(n-192))
	default:
		out = binary.BigEndian.AppendUint32(append(out, 0xff), uint32(n))
	}
	return append(out, body...)
}

// messages makes messages whose inner packets are any bytes, and reads them.
// The slow derivation is done once.
type messages struct {
	e *Encryptor
	d *Decryptor
}

func newMessages(t testing.TB) *messages {
	return &messages{newEncryptor(t), newDecryptor(secret.New(pass))}
}

// around encrypts inner, whose packet is cut as cuts say.
func (m *messages) around(t testing.TB, inner, cuts []byte) []byte {
	t.Helper()
	session := make([]byte, keyLen)
	var out, protected bytes.Buffer
	err := m.e.writeESKs(&out, session)
	var w *protectedWriter
	if err == nil {
		w, err = newProtectedWriter(newPacketWriter(&protected, tagSEIPD), session, rand.Reader)
	}
	if err == nil {
		_, err = w.Write(inner)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	var body []byte
	for rest, first := protected.Bytes(), true; len(rest) > 0; first = false { // what packetWriter writes
		if first {
			rest = rest[1:]
		}
		n, size := 1<<chunkBits, 1
		if rest[0] == 0xff {
			n, size = int(binary.BigEndian.Uint32(rest[1:])), 5
		}
		body, rest = append(body, rest[size:size+n]...), rest[size+n:]
	}
	return append(out.Bytes(), framed(tagSEIPD, body, cuts, false)...)
}

func (m *messages) read(message []byte) ([]byte, error) {
	r, err := m.d.Decrypt(bytes.NewReader(message))
	if err != nil {
		return nil, err
	}
	return io.ReadAll(io.LimitReader(r, 16<<20))
}

func literal(data []byte) []byte { return append([]byte{'b', 0, 0, 0, 0, 0}, data...) }

// checkFraming holds that the content is the same however packets are cut.
func checkFraming(t *testing.T, m *messages, data, outer, inner []byte, old bool) {
	t.Helper()
	got, err := m.read(m.around(t, framed(tagLiteral, literal(data), inner, old), outer))
	if err != nil || !bytes.Equal(got, data) {
		t.Errorf("%d bytes, cut by %v and %v, old form %v: %d bytes, %v", len(data), outer, inner, old, len(got), err)
	}
}

func FuzzFraming(f *testing.F) {
	m := newMessages(f)
	f.Add([]byte("data"), []byte{0, 1, 2}, []byte{1, 1}, false)
	f.Add(sample(9000), []byte{9, 9, 3}, []byte{12, 0}, true)
	f.Add([]byte{}, []byte{}, []byte{}, false)
	f.Fuzz(func(t *testing.T, data, outer, inner []byte, old bool) { checkFraming(t, m, data, outer, inner, old) })
}

// checkContents holds that packets under a good modification detection code
// are read, or refused as damage.
func checkContents(t *testing.T, m *messages, inner []byte) {
	t.Helper()
	if _, err := m.read(m.around(t, inner, nil)); err != nil && !errors.Is(err, ErrCorrupt) {
		t.Errorf("%x: error is not ErrCorrupt: %v", inner, err)
	}
}

func contentSeeds() [][]byte {
	text := framed(tagLiteral, literal([]byte("some text")), nil, false)
	return [][]byte{
		text,
		slices.Concat(text, text),
		framed(tagCompressed, append([]byte{0}, text...), []byte{2, 2}, false),
		framed(tagCompressed, []byte{1, 3, 0}, nil, true),
		framed(tagCompressed, []byte{3, 'B', 'Z', 'h', '9'}, nil, true),
		framed(tagLiteral, []byte{'b', 0xff}, nil, false),
		framed(tagMarker, []byte("PGP"), nil, false),
		{0xa3, 0x02, 0x78, 0x9c},
	}
}

func FuzzContents(f *testing.F) {
	m := newMessages(f)
	for _, inner := range contentSeeds() {
		f.Add(inner)
	}
	f.Fuzz(func(t *testing.T, inner []byte) { checkContents(t, m, inner) })
}

// checkSplit holds that what packets are cut into makes the same packets again.
func checkSplit(t *testing.T, b []byte) {
	t.Helper()
	packets, _ := splitPackets(b)
	var again []byte
	for _, p := range packets {
		again = append(again, framed(p.tag, p.body, nil, p.tag < 16 && len(b)%2 == 0)...)
	}
	got, err := splitPackets(again)
	same := slices.EqualFunc(packets, got, func(a, b rawPacket) bool { return a.tag == b.tag && bytes.Equal(a.body, b.body) })
	if err != nil || !same {
		t.Errorf("%x is cut into %d packets, then %d, %v", b, len(packets), len(got), err)
	}
}

func FuzzSplitPackets(f *testing.F) {
	f.Add(samplePackets(f))
	for _, seed := range contentSeeds() {
		f.Add(seed)
	}
	f.Fuzz(checkSplit)
}

// A slice of what the fuzz targets do, the same in each run.
func TestRandomPackets(t *testing.T) {
	random := mrand.New(mrand.NewPCG(8, 9))
	m := newMessages(t)
	bytesOf := func(n int) []byte {
		b := make([]byte, n)
		for i := range b {
			b[i] = byte(random.Uint32())
		}
		return b
	}
	seeds := contentSeeds()
	for n := range 2000 {
		checkFraming(t, m, bytesOf(random.IntN(300)*random.IntN(30)), bytesOf(random.IntN(6)), bytesOf(random.IntN(6)), n%3 == 0)
		b := bytes.Clone(seeds[n%len(seeds)])
		for range 1 + random.IntN(3) {
			b[random.IntN(len(b))] = byte(random.Uint32())
		}
		checkContents(t, m, b)
		checkSplit(t, b)
	}
}

// A packet is the same however its body is cut into writes.
func TestPacketWriterCuts(t *testing.T) {
	packet := func(body []byte, cuts ...int) []byte {
		var out bytes.Buffer
		w := newPacketWriter(&out, tagLiteral)
		for i := 0; len(body) > 0; i++ {
			n := min(cuts[i%len(cuts)], len(body))
			if _, err := w.Write(body[:n]); err != nil {
				t.Fatal(err)
			}
			body = body[n:]
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		return out.Bytes()
	}
	for _, n := range []int{0, 1, chunkLen - 1, chunkLen, chunkLen + 1, 4 * chunkLen, 4*chunkLen + 9} {
		body := sample(n)
		want := packet(body, 1000)
		if n > 0 {
			p, err := openBody(bufio.NewReader(bytes.NewReader(want)))
			if err != nil {
				t.Fatal(err)
			}
			if got, err := io.ReadAll(p); err != nil || !bytes.Equal(got, body) {
				t.Errorf("%d bytes: %d come back, %v", n, len(got), err)
			}
		}
		for _, cuts := range [][]int{{6, 4 * chunkLen}, {chunkLen}, {chunkLen + 1}, {1 << 30}, {1, 2*chunkLen - 1, chunkLen}} {
			if !bytes.Equal(packet(body, cuts...), want) {
				t.Errorf("%d bytes in steps of %v: another packet", n, cuts)
			}
		}
	}
}
