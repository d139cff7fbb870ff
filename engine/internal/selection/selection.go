// Package selection decides what of a source goes into a backup, by the
// include and exclude options of duplicity 0.8. It is pure: what it has to
// know of a file comes in as an [Object], file lists come in as readers.
//
// The conditions are asked in the order of the command line. The first that
// says include or exclude decides; what none of them knows is included. An
// include also marks the way to what it includes: a directory on that way is
// scanned, and goes into the backup only if something below it does.
package selection

import (
	"io"
	"slices"
	"strings"
	"time"
)

// A Rule is one option as on duplicity's command line.
type Rule struct {
	Option string // with its dashes, for example --exclude
	Value  string // empty where the option takes none
}

// Options are what the rules need besides themselves.
type Options struct {
	// Open opens a file list. It is called once for each option that names one.
	Open func(name string) (io.ReadCloser, error)
	// ParseTime reads the value of --exclude-older-than.
	ParseTime func(value string) (time.Time, error)
}

// An Object is what is known of a file without reading it.
type Object struct {
	Path    string // below the source, raw bytes, "" for the source itself
	Dir     bool
	Regular bool
	Device  bool // character or block device
	Foreign bool // on another file system than the source itself
	ModTime time.Time
	// Has tells whether the directory has an entry with this name, be it a
	// loose symbolic link. It is called for directories only, and only by
	// --exclude-if-present.
	Has func(name string) bool
}

// A Decision says what becomes of an object.
type Decision uint8

const (
	// Include stores the object. What is in a directory is decided for each.
	Include Decision = iota
	// Exclude leaves out the object and, without asking, all that is below it.
	Exclude
	// Scan, for a directory, reads it and stores it only if something below it
	// is stored. No other object gets it.
	Scan
)

// A Selection is a compiled list of rules. It may be used concurrently.
type Selection struct {
	source string
	conds  []condition
}

// verdict is what one condition says of an object.
type verdict uint8

const (
	unknown verdict = iota
	yes
	no
	scan
)

// A condition judges an object by its full path and its properties.
type condition struct {
	include bool
	judge   func(full string, o *Object) verdict
}

// New compiles rules for a source directory. Patterns are matched against the
// path of the source as it is given here, joined with the path of the object.
// The error joins an [*Error] for each fault.
func New(source string, rules []Rule, opt Options) (*Selection, error) {
	b := builder{source: clean(source), opt: opt}
	for _, r := range rules {
		if r.Option == optNull {
			b.null = true
		}
	}
	for _, r := range rules {
		b.add(r)
	}
	if n := len(b.conds); n > 0 && b.conds[n-1].include && len(b.faults) == 0 {
		b.fault(&Error{Fault: Redundant, Rule: b.last, hint: "add --exclude '**' as the last rule to store only what is included, or take the rule out"})
	}
	if err := b.err(); err != nil {
		return nil, err
	}
	return &Selection{source: b.source, conds: b.conds}, nil
}

// Decide says what becomes of an object. The source itself is always included.
func (s *Selection) Decide(o Object) Decision {
	if o.Path == "" {
		return Include
	}
	full := s.full(o.Path)
	scanned := false
	for _, c := range s.conds {
		switch c.judge(full, &o) {
		case yes:
			return Include
		case no:
			// The way to something included is open whatever excludes come later.
			if !scanned {
				return Exclude
			}
			return scanOf(&o)
		case scan:
			scanned = true
		}
	}
	if scanned {
		return scanOf(&o)
	}
	return Include
}

func scanOf(o *Object) Decision {
	if o.Dir {
		return Scan
	}
	return Exclude
}

// full gives the path that patterns see.
func (s *Selection) full(rel string) string {
	if s.source == "/" {
		return "/" + rel
	}
	return s.source + "/" + rel
}

// clean writes a path as duplicity does: without empty and single-dot parts.
func clean(source string) string {
	parts := slices.DeleteFunc(strings.Split(source, "/"), func(p string) bool { return p == "" || p == "." })
	p := strings.Join(parts, "/")
	switch {
	case strings.HasPrefix(source, "/"):
		return "/" + p
	case p == "":
		return "."
	}
	return p
}

// Held keeps back the scanned directories on the way down, until something
// below them is stored. The zero value is ready.
type Held[E any] struct {
	way []E
}

// Hold keeps back e. When all that is below e has been seen, Drop with the
// result forgets it.
func (h *Held[E]) Hold(e E) (mark int) {
	h.way = append(h.way, e)
	return len(h.way) - 1
}

// Drop forgets what was held back since mark and has not been released.
func (h *Held[E]) Drop(mark int) {
	if len(h.way) > mark {
		h.way = h.way[:mark]
	}
}

// Release gives what is held back, topmost first: it comes before what is
// stored now. The slice is valid until the next Hold.
func (h *Held[E]) Release() []E {
	way := h.way
	h.way = h.way[:0]
	return way
}
