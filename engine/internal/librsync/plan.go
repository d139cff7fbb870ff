package librsync

import (
	"bufio"
	"errors"
	"io"
	"math"
	"sort"
)

// A Plan tells of which parts a file consists after several deltas, one upon
// the other, so that it can be written in one pass. The zero Plan is the old
// file itself.
type Plan struct {
	parts []Part
	// deltas is how many have been applied.
	deltas int
}

// A Part is a run of bytes of the old file, whose Source is 0, or of the first,
// second and so on delta that was applied.
type Part struct {
	Source  int
	From, N int64
	at      int64 // where it stands in the file
}

// ErrManyParts says that a plan would take too much memory.
var ErrManyParts = errors.New("too many parts")

// maxParts bounds the memory for one plan to some 16 MB while it is made.
const maxParts = 1 << 18

// endless stands for the unknown length of the old file.
const endless = math.MaxInt64 / 2

// Apply makes p the plan of what delta makes of the file so far. Parts of it
// will be read from delta by their position. A delta that breaks the format or
// reaches beyond a known end gives an error that wraps [ErrCorrupt]; after an
// error p is as before.
func (p *Plan) Apply(delta io.Reader) error {
	if p.deltas == 0 {
		p.parts = []Part{{N: endless}}
	}
	counted := &positionReader{r: delta}
	in := commandReader{bufio.NewReaderSize(counted, patchBuffer)}
	if err := in.magic(); err != nil {
		return err
	}
	next := Plan{deltas: p.deltas + 1}
	for {
		cmd, err := in.next()
		if err == nil && cmd == (command{}) {
			*p = next
			return nil
		}
		if err == nil && cmd.literal {
			at := counted.n - int64(in.r.Buffered())
			next.add(Part{Source: next.deltas, From: at, N: cmd.n})
			err = in.skip(cmd.n)
		} else if err == nil {
			err = next.copy(p, cmd.from, cmd.n)
		}
		if err != nil {
			return err
		}
		if len(next.parts) > maxParts {
			return ErrManyParts
		}
	}
}

// Parts are those of the file, in order.
func (p *Plan) Parts() []Part { return p.parts }

// Sequential reports whether the old file is used from its begin to its end, no
// byte of it twice.
func (p *Plan) Sequential() bool {
	var end int64
	for _, part := range p.parts {
		if part.Source != 0 {
			continue
		}
		if part.From < end {
			return false
		}
		end = part.From + part.N
	}
	return true
}

// size is that of the file so far.
func (p *Plan) size() int64 {
	if len(p.parts) == 0 {
		return 0
	}
	last := p.parts[len(p.parts)-1]
	return last.at + last.N
}

func (p *Plan) add(part Part) {
	part.at = p.size()
	if n := len(p.parts); n > 0 {
		last := &p.parts[n-1]
		if last.Source == part.Source && last.From+last.N == part.From {
			last.N += part.N
			return
		}
	}
	p.parts = append(p.parts, part)
}

// copy adds n bytes from a position of the file before.
func (p *Plan) copy(before *Plan, from, n int64) error {
	if size := before.size(); from > size || n > size-from {
		return corrupt("delta copies %d bytes from %d of an old file of %d bytes", n, from, size)
	}
	parts := before.parts
	i := sort.Search(len(parts), func(i int) bool { return parts[i].at+parts[i].N > from })
	for ; n > 0; i++ {
		skip := from - parts[i].at
		k := min(n, parts[i].N-skip)
		p.add(Part{Source: parts[i].Source, From: parts[i].From + skip, N: k})
		from, n = from+k, n-k
		if len(p.parts) > maxParts {
			return ErrManyParts
		}
	}
	return nil
}

// skip passes over literal data.
func (c *commandReader) skip(n int64) error {
	if _, err := io.CopyN(io.Discard, c.r, n); err != nil {
		return c.fail(err)
	}
	return nil
}

type positionReader struct {
	r io.Reader
	n int64
}

func (p *positionReader) Read(b []byte) (int, error) {
	n, err := p.r.Read(b)
	p.n += int64(n)
	return n, err
}
