package librsync

import (
	"bufio"
	"errors"
	"io"
	"iter"
	"sort"
)

// A Plan tells of which parts a file consists after several deltas, one upon
// the other, so that it can be written in one pass. The zero Plan is the old
// file itself.
type Plan struct {
	parts []place
	size  int64
	// deltas is how many have been applied.
	deltas int
}

// A Part is a run of bytes of the old file, whose Source is 0, or of the first,
// second and so on delta that was applied.
type Part struct {
	Source  int
	From, N int64
}

// A place is where a part stands in the file and where its bytes are from. Dumps
// with changed rows here and there make a great many of them.
type place struct {
	at   int64
	from uint64 // the source in the upper bits
}

const (
	sourceShift = 48
	maxSources  = 1<<(64-sourceShift) - 1
)

// ErrManyParts says that a plan would take too much memory.
var ErrManyParts = errors.New("too many parts")

// maxParts bounds the memory for one plan to some 50 MB while it is made.
const maxParts = 1 << 20

// endless stands for the unknown length of the old file.
const endless = 1<<sourceShift - 1

// Apply makes p the plan of what delta makes of the file so far. Parts of it
// will be read from delta by their position. A delta that breaks the format or
// reaches beyond a known end gives an error that wraps [ErrCorrupt]; after an
// error p is as before.
func (p *Plan) Apply(delta io.Reader) error {
	if p.deltas == 0 {
		p.parts, p.size = make([]place, 1), endless
	}
	if p.deltas == maxSources {
		return ErrManyParts
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
			if err = in.skip(cmd.n); err == nil {
				next.add(Part{Source: next.deltas, From: at, N: cmd.n})
			}
		} else if err == nil {
			err = next.copy(p, cmd.from, cmd.n)
		}
		if err == nil && next.size > endless {
			err = corrupt("delta makes a file of more than %d bytes", int64(endless))
		}
		if err != nil {
			return err
		}
		if len(next.parts) > maxParts {
			return ErrManyParts
		}
	}
}

// Parts yields those of the file, in order.
func (p *Plan) Parts() iter.Seq[Part] {
	return func(yield func(Part) bool) {
		for i := range p.parts {
			if !yield(p.part(i)) {
				return
			}
		}
	}
}

func (p *Plan) part(i int) Part {
	end := p.size
	if i+1 < len(p.parts) {
		end = p.parts[i+1].at
	}
	from := p.parts[i].from
	return Part{Source: int(from >> sourceShift), From: int64(from & (1<<sourceShift - 1)), N: end - p.parts[i].at}
}

// Sequential reports whether the old file is used from its begin to its end, no
// byte of it twice.
func (p *Plan) Sequential() bool {
	var end int64
	for part := range p.Parts() {
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

func (p *Plan) add(part Part) {
	if n := len(p.parts); n > 0 {
		last := p.part(n - 1)
		if last.Source == part.Source && last.From+last.N == part.From {
			p.size += part.N
			return
		}
	}
	p.parts = append(p.parts, place{p.size, uint64(part.Source)<<sourceShift | uint64(part.From)})
	p.size += part.N
}

// copy adds n bytes from a position of the file before.
func (p *Plan) copy(before *Plan, from, n int64) error {
	if from > before.size || n > before.size-from {
		return corrupt("delta copies %d bytes from %d of an old file of %d bytes", n, from, before.size)
	}
	i := sort.Search(len(before.parts), func(i int) bool { return before.parts[i].at > from }) - 1
	for ; n > 0; i++ {
		part := before.part(i)
		skip := from - before.parts[i].at
		k := min(n, part.N-skip)
		p.add(Part{Source: part.Source, From: part.From + skip, N: k})
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
