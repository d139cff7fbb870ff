package pgp

import (
	"bytes"
	"crypto/cipher"
	"crypto/sha1"
	"crypto/subtle"
	"hash"
	"io"

	"github.com/purser-backup/purser/internal/bug"
)

const (
	mdcLen = 2 + sha1.Size
	// pieceLen is how much is decrypted at a time. Every cipher's block divides it.
	pieceLen = 64 << 10
	// piecesAhead is how many pieces are decrypted beside the one that is read.
	piecesAhead = 2
)

// protectedReader decrypts and, at the end, checks the modification detection
// code (RFC 4880, 5.13). In CFB the key stream of a piece depends on nothing but
// the encrypted bytes before it, so pieces are decrypted beside the reader. The
// code is the end of all, so each piece holds back what may be a part of it.
type protectedReader struct {
	in      io.Reader
	block   cipher.Block
	ahead   int    // pieces that are decrypted beside the one that is read
	before  []byte // the last encrypted block so far
	err     error  // of in, or io.EOF
	pending []*piece
	spare   []*piece
	cur     *piece
	skip    int    // bytes of the prefix still to be passed over
	buf     []byte // of cur, to be given out
	end     ending
}

// ending is what goes from piece to piece: the hash and the bytes that it has not
// got yet.
type ending struct {
	hash hash.Hash // nil if the code isn't computed
	held []byte
}

// A piece is a part of the content while it is decrypted.
type piece struct {
	space  []byte // room for held bytes, then the data
	stream []byte // the key stream
	size   int
	plain  []byte // decrypted and hashed
	done   chan struct{}
	err    error // of decrypting; to be read once done is closed
}

// newProtectedReader returns nil if the repeated bytes of the prefix show that
// the key is another one. prefix may hold more than the cipher's prefix; the
// rest is content.
func newProtectedReader(block cipher.Block, prefix []byte, content io.Reader) *protectedReader {
	n := block.BlockSize()
	zero := make([]byte, n)
	plain := bytes.Clone(prefix[:n+2])
	decryptCFB(block, zero, plain, make([]byte, 2*n))
	if !bytes.Equal(plain[n-2:n], plain[n:n+2]) {
		return nil
	}
	return &protectedReader{
		in: io.MultiReader(bytes.NewReader(bytes.Clone(prefix)), content), block: block, before: zero, skip: n + 2, ahead: piecesAhead,
		end: ending{hash: sha1.New(), held: make([]byte, 0, mdcLen)},
	}
}

func (p *protectedReader) Read(b []byte) (int, error) {
	for len(p.buf) == 0 {
		if !p.next() {
			return 0, p.err
		}
	}
	n := copy(b, p.buf)
	p.buf = p.buf[n:]
	return n, nil
}

// next goes on to the next piece, and has those behind it decrypted. It reports
// whether there is one.
func (p *protectedReader) next() bool {
	if p.cur != nil {
		p.spare, p.cur = append(p.spare, p.cur), nil
	}
	for p.err == nil && len(p.pending) <= p.ahead {
		p.start()
	}
	if len(p.pending) == 0 {
		return false
	}
	p.cur = p.pending[0]
	p.pending = append(p.pending[:0], p.pending[1:]...)
	<-p.cur.done
	if p.cur.err != nil {
		p.err, p.pending = p.cur.err, nil
		return false
	}
	p.buf = p.cur.plain
	skip := min(p.skip, len(p.buf))
	p.buf, p.skip = p.buf[skip:], p.skip-skip
	return true
}

// start reads a piece and has it decrypted. The goroutine ends by itself, also
// where its result is not wanted any more.
func (p *protectedReader) start() {
	c := &piece{}
	if n := len(p.spare); n > 0 {
		c, p.spare = p.spare[n-1], p.spare[:n-1]
	} else {
		c.space, c.stream = make([]byte, mdcLen+pieceLen), make([]byte, pieceLen)
	}
	n, err := io.ReadFull(p.in, c.space[mdcLen:])
	switch {
	case err == io.EOF || err == io.ErrUnexpectedEOF && n > 0:
		p.err = io.EOF // verify tells whether it came too early
	case err != nil:
		p.err = corrupt("read encrypted packet: %w", err)
	}
	if n == 0 {
		return
	}
	c.size, c.done = n, make(chan struct{})
	var earlier chan struct{}
	if k := len(p.pending); k > 0 {
		earlier = p.pending[k-1].done
	}
	before := p.before
	p.before = bytes.Clone(c.space[mdcLen+max(n-len(before), 0) : mdcLen+n])
	p.pending = append(p.pending, c)
	go func() {
		defer close(c.done)
		c.err = bug.Guard(func() error {
			decryptCFB(p.block, before, c.space[mdcLen:mdcLen+n], c.stream)
			if earlier != nil {
				<-earlier
			}
			p.end.pass(c)
			return nil
		})()
	}()
}

// pass puts the bytes that were held back before a piece, holds its own last ones
// back and hashes the others.
func (e *ending) pass(c *piece) {
	from := mdcLen - len(e.held)
	copy(c.space[from:], e.held)
	all := c.space[from : mdcLen+c.size]
	c.plain = all[:max(len(all)-mdcLen, 0)]
	e.held = append(e.held[:0], all[len(c.plain):]...)
	if e.hash != nil {
		e.hash.Write(c.plain)
	}
}

// verify checks the code, after everything was read.
func (p *protectedReader) verify() error {
	held := p.end.held
	if p.err != io.EOF || len(p.pending) > 0 || p.skip > 0 || len(held) != mdcLen {
		return corrupt("cut short")
	}
	fits := held[0] == 0xc0|tagMDC && held[1] == sha1.Size
	if sum := p.end.hash; sum != nil {
		sum.Write(held[:2])
		fits = fits && subtle.ConstantTimeCompare(sum.Sum(nil), held[2:]) == 1
	}
	if !fits {
		return corrupt("modification detection code doesn't fit")
	}
	return nil
}
