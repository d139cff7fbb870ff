package selection

import "regexp/syntax"

// search says whether the expression matches anywhere in path. It follows all
// of the program's states at once, so that time is bounded by the length of
// path times that of the program. Go's own matcher would do, but for three
// things: it takes all bytes that are not UTF-8 for the same character, its
// words are ASCII, and its $ doesn't match before a final line feed.
func (x *regex) search(path string) bool {
	m := machine{prog: x.prog, seen: make([]int, len(x.prog.Inst))}
	before := rune(-1)
	for i := 0; ; {
		after, n := rune(-1), 0
		if i < len(path) {
			after, n = decode(path[i:])
		}
		at := position{before: before, after: after, start: i == 0, last: after == '\n' && i+1 == len(path)}
		if m.advance(at) {
			return true
		}
		if n == 0 {
			return false
		}
		before, i = after, i+n
	}
}

// position is a place between two characters; -1 is none.
type position struct {
	before, after rune
	start         bool
	last          bool // after is the last character, and a line feed
}

// holds says whether a condition on the place is met.
func (p *position) holds(op syntax.EmptyOp) bool {
	end, boundary := p.after < 0, p.isWord(p.before) != p.isWord(p.after)
	switch op {
	case syntax.EmptyBeginLine, syntax.EmptyBeginText:
		return p.start
	case syntax.EmptyEndLine: // $
		return end || p.last
	case syntax.EmptyEndText: // \z
		return end
	case syntax.EmptyWordBoundary:
		return boundary
	}
	return !boundary
}

func (p *position) isWord(r rune) bool { return r >= 0 && isWord(r) }

// A machine holds the states before and after a character.
type machine struct {
	prog *syntax.Prog
	now  []uint32 // instructions that wait for a character
	seen []int    // by instruction: the step that has added it
	step int
	todo []uint32
}

// advance follows all that is possible at a place, and then takes the
// character after it. It reports true when the expression has matched.
func (m *machine) advance(at position) bool {
	m.step++
	m.todo = append(m.todo, uint32(m.prog.Start))
	m.todo = append(m.todo, m.now...)
	m.now = m.now[:0]
	for len(m.todo) > 0 {
		pc := m.todo[len(m.todo)-1]
		m.todo = m.todo[:len(m.todo)-1]
		if m.seen[pc] == m.step {
			continue
		}
		m.seen[pc] = m.step
		switch i := &m.prog.Inst[pc]; i.Op {
		case syntax.InstMatch:
			return true
		case syntax.InstAlt, syntax.InstAltMatch:
			m.todo = append(m.todo, i.Out, i.Arg)
		case syntax.InstCapture, syntax.InstNop:
			m.todo = append(m.todo, i.Out)
		case syntax.InstEmptyWidth:
			if at.holds(syntax.EmptyOp(i.Arg)) {
				m.todo = append(m.todo, i.Out)
			}
		case syntax.InstFail:
		default:
			if at.after >= 0 && i.MatchRune(at.after) {
				m.now = append(m.now, i.Out)
			}
		}
	}
	return false
}
