package selection

import (
	"errors"
	"fmt"
	"math/bits"
	"strings"
)

// A glob is a compiled pattern. It matches what the pattern matches as a
// whole, and all that is below that.
type glob struct {
	whole   program
	dirOnly bool // the pattern ends in a slash
	fold    bool // letters match whatever their case
	// ways are prefixes that have no state in whole, mostly because a cut lies
	// within what the whole pattern takes for a bracket.
	ways []program
}

// A program is matched by following all of its states at once: state i says
// that the tokens before i have matched.
type program struct {
	tokens []token
	ways   []int // states that say: on the way to a match
	// States in whose place a character is skipped: any character, and any but
	// a slash. No two of them follow each other.
	skipAny, skipName states
}

type kind uint8

const (
	literal  kind = iota
	any1          // ? anything but a slash
	star          // * any number of anything but a slash
	starstar      // ** any number of anything
	bracket       // one of a set, a slash included
)

type token struct {
	kind kind
	r    rune
	set  set
	end  int // bytes of the pattern up to here
}

// set is the content of a bracket.
type set struct {
	negated bool
	ranges  [][2]rune
}

// compile reads a pattern.
func compile(pattern string) (*glob, error) {
	g := &glob{}
	const ignoreCase = "ignorecase:"
	if len(pattern) >= len(ignoreCase) && strings.EqualFold(pattern[:len(ignoreCase)], ignoreCase) {
		g.fold, pattern = true, pattern[len(ignoreCase):]
	}
	switch {
	case pattern == "":
		return nil, errors.New("the pattern is empty")
	case pattern == "/":
		pattern = "/**"
	case strings.HasSuffix(pattern, "/"):
		g.dirOnly, pattern = true, pattern[:len(pattern)-1]
	}
	tokens, err := tokenize(pattern, g.fold)
	if err != nil {
		return nil, err
	}
	g.whole = newProgram(tokens)
	ways, err := prefixes(pattern)
	if err != nil {
		return nil, err
	}
	for _, p := range ways {
		if state, ok := g.whole.state(len(p)); ok {
			g.whole.ways = append(g.whole.ways, state)
			continue
		}
		tokens, err := tokenize(p, g.fold)
		if err != nil {
			return nil, err
		}
		way := newProgram(tokens)
		way.ways = []int{len(tokens)}
		g.ways = append(g.ways, way)
	}
	return g, nil
}

func newProgram(tokens []token) program {
	p := program{tokens: tokens, skipAny: newStates(len(tokens)), skipName: newStates(len(tokens))}
	for i, t := range tokens {
		switch t.kind {
		case starstar:
			p.skipAny.add(i)
		case star:
			p.skipName.add(i)
		}
	}
	return p
}

// prefixes are the leading parts of a pattern that lead to what it matches: it
// is cut at each slash, and ends after the first **.
func prefixes(pattern string) ([]string, error) {
	if i := strings.Index(pattern, "**"); i >= 0 {
		pattern = pattern[:i+2]
	}
	parts := strings.Split(pattern, "/")
	for i := 1; i < len(parts)-1; i++ {
		if parts[i] == "" {
			return nil, errors.New("two slashes in a row")
		}
	}
	var ways []string
	n := 0
	for i, part := range parts {
		if n += len(part); i > 0 {
			n++
		}
		// The only directory that ends in a slash is the root.
		ways = append(ways, pattern[:max(n, 1)])
	}
	return ways, nil
}

// state gives the state that stands for the first n bytes of the pattern alone.
// There is none within a token, nor before a star, whose state it shares.
func (p *program) state(n int) (int, bool) {
	for i, t := range p.tokens {
		if t.end == n {
			return i + 1, !p.skipAny.has(i+1) && !p.skipName.has(i+1)
		}
	}
	return 0, false
}

// tokenize splits a pattern. There is no escape character; a bracket that is
// not closed stands for itself.
func tokenize(pattern string, fold bool) ([]token, error) {
	var tokens []token
	for i := 0; i < len(pattern); {
		r, n := decode(pattern[i:])
		t := token{kind: literal, r: r}
		switch {
		case strings.HasPrefix(pattern[i:], "**"):
			t.kind, n = starstar, 2
			for strings.HasPrefix(pattern[i+n:], "*") {
				n++ // more stars add nothing
			}
		case r == '*':
			t.kind = star
		case r == '?':
			t.kind = any1
		case r == '[':
			if m := closing(pattern[i:]); m > 0 {
				var err error
				if t.set, err = parseSet(pattern[i+1 : i+m]); err != nil {
					return nil, err
				}
				t.kind, n = bracket, m+1
			}
		}
		if fold && t.kind == literal {
			t.r = foldCase(t.r)
		}
		i += n
		t.end = i
		tokens = append(tokens, t)
	}
	return tokens, nil
}

// closing gives where the bracket closes that s begins with, or 0. A closing
// bracket that comes first belongs to the set.
func closing(s string) int {
	i := 1
	if i < len(s) && (s[i] == '!' || s[i] == '^') {
		i++
	}
	if i < len(s) && s[i] == ']' {
		i++
	}
	if n := strings.IndexByte(s[min(i, len(s)):], ']'); n >= 0 {
		return i + n
	}
	return 0
}

// parseSet reads what is between two brackets; it is not empty.
func parseSet(s string) (set, error) {
	var set set
	if s[0] == '!' || s[0] == '^' {
		set.negated, s = true, s[1:]
	}
	for s != "" {
		lo, n := decode(s)
		hi := lo
		s = s[n:]
		if len(s) > 1 && s[0] == '-' {
			hi, n = decode(s[1:])
			s = s[1+n:]
		}
		if hi < lo {
			return set, fmt.Errorf("the range %c-%c in a bracket runs backwards", lo, hi)
		}
		set.ranges = append(set.ranges, [2]rune{lo, hi})
	}
	return set, nil
}

// has says whether r is in the set.
func (s *set) has(r rune, fold bool) bool {
	found := false
	try := func(r rune) bool {
		for _, x := range s.ranges {
			found = found || x[0] <= r && r <= x[1]
		}
		return !found
	}
	if fold {
		variants(r)(try)
	} else {
		try(r)
	}
	return found != s.negated
}

// judge says what the pattern means for a path, as an include or an exclude.
func (g *glob) judge(path string, dir, include bool) verdict {
	f := g.whole.match(path, g.fold)
	switch {
	case f.below || f.exact:
		if g.dirOnly && f.exact && !dir {
			return unknown
		}
		if include {
			return yes
		}
		return no
	case !include:
		return unknown
	case f.way:
		return scan
	}
	for i := range g.ways {
		if g.ways[i].match(path, g.fold).way {
			return scan
		}
	}
	return unknown
}

// found is what a program says of a path.
type found struct {
	exact bool // the path matches
	below bool // one of its parents matches
	way   bool // something below it may match
}

// states is a set of states.
type states []uint64

func newStates(tokens int) states { return make(states, tokens/64+1) }

func (s states) has(i int) bool { return s[i/64]&(1<<(i%64)) != 0 }
func (s states) add(i int)      { s[i/64] |= 1 << (i % 64) }

// match follows the path. As in duplicity, whose patterns are Python's, a line
// feed at the very end of a path may be there or not.
func (p *program) match(path string, fold bool) found {
	var room [4]uint64
	words, last := len(p.skipAny), len(p.tokens)
	now, next := states(room[:2]), states(room[2:])
	if words > 2 {
		now, next = make(states, words), make(states, words)
	}
	now, next = now[:words], next[:words]
	var f found
	now.add(0)
	p.skip(now)
	for i := 0; i < len(path); {
		r, n := rune(path[i]), 1
		if r >= 0x80 {
			r, n = decode(path[i:])
		}
		if r == '/' && now.has(last) {
			f.below = true
		}
		if r == '\n' && i+1 == len(path) {
			p.end(now, &f)
		}
		if fold {
			r = foldCase(r)
		}
		if !p.step(now, next, r, fold) {
			return f
		}
		now, next = next, now
		i += n
	}
	p.end(now, &f)
	return f
}

// end notes what the states say at the end of the path.
func (p *program) end(now states, f *found) {
	f.exact = f.exact || now.has(len(p.tokens))
	for _, way := range p.ways {
		f.way = f.way || now.has(way)
	}
}

// step sets next to what follows now by one character. It reports false if no
// state is left.
func (p *program) step(now, next states, r rune, fold bool) bool {
	var alive, carry uint64
	for w, word := range now {
		stay, wait := word&p.skipAny[w], word&^(p.skipAny[w]|p.skipName[w])
		if r != '/' {
			stay |= word & p.skipName[w]
		}
		var moved uint64
		for ; wait != 0; wait &= wait - 1 {
			i := bits.TrailingZeros64(wait)
			if at := w*64 + i; at < len(p.tokens) && p.tokens[at].takes(r, fold) {
				moved |= 1 << i
			}
		}
		next[w] = stay | moved<<1 | carry
		carry = moved >> 63
		alive |= next[w]
	}
	p.skip(next)
	return alive != 0
}

// skip adds the states that follow without a character.
func (p *program) skip(now states) {
	var carry uint64
	for w, word := range now {
		word &= p.skipAny[w] | p.skipName[w]
		now[w] |= word<<1 | carry
		carry = word >> 63
	}
}

// takes says whether a token for one character accepts r.
func (t *token) takes(r rune, fold bool) bool {
	switch t.kind {
	case literal:
		return t.r == r
	case any1:
		return r != '/'
	}
	return t.set.has(r, fold)
}
