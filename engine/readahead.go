package engine

import (
	"io"

	"github.com/purser-backup/purser/internal/bug"
)

// A readAhead reads from r beside the goroutine that reads from it, a few
// blocks ahead. close must be called; r is not used any more after that.
type readAhead struct {
	full chan aheadBlock
	free chan []byte
	stop chan struct{}
	cur  aheadBlock
	rest []byte // of cur
}

type aheadBlock struct {
	data []byte
	err  error // follows data
}

const (
	aheadSize   = 128 << 10
	aheadBlocks = 4
)

func newReadAhead(r io.Reader) *readAhead {
	a := &readAhead{full: make(chan aheadBlock, aheadBlocks), free: make(chan []byte, aheadBlocks), stop: make(chan struct{})}
	go func() {
		defer close(a.full)
		if err := bug.Guard(func() error { return a.run(r) })(); err != nil {
			a.full <- aheadBlock{nil, err}
		}
	}()
	return a
}

// run fills blocks until the reader fails or nobody wants more. The last block
// holds the reader's error.
func (a *readAhead) run(r io.Reader) error {
	for made := 0; ; {
		buf, ok := a.block(&made)
		if !ok {
			return nil
		}
		n, err := fillBlock(r, buf)
		a.full <- aheadBlock{buf[:n], err} // there is room for all blocks
		if err != nil {
			return nil
		}
	}
}

// block returns one to fill: a new one, up to their number, only if the reader
// is slower. A short file takes few.
func (a *readAhead) block(made *int) ([]byte, bool) {
	if *made < aheadBlocks && len(a.free) == 0 {
		*made++
		return make([]byte, aheadSize), true
	}
	select {
	case buf := <-a.free:
		return buf, true
	case <-a.stop:
		return nil, false
	}
}

// fillBlock is io.ReadFull with the reader's own error.
func fillBlock(r io.Reader, buf []byte) (n int, err error) {
	for n < len(buf) && err == nil {
		var k int
		k, err = r.Read(buf[n:])
		n += k
	}
	return n, err
}

// Read implements io.Reader.
func (a *readAhead) Read(p []byte) (int, error) {
	for len(a.rest) == 0 {
		if a.cur.err != nil {
			return 0, a.cur.err
		}
		if a.cur.data != nil {
			a.free <- a.cur.data[:cap(a.cur.data)]
		}
		a.cur = <-a.full
		a.rest = a.cur.data
	}
	n := copy(p, a.rest)
	a.rest = a.rest[n:]
	return n, nil
}

// close ends the goroutine and waits for it.
func (a *readAhead) close() {
	close(a.stop)
	for range a.full {
	}
}
