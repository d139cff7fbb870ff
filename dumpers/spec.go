package dumpers

import (
	"fmt"
	"regexp"
	"strings"
)

// Spec is a rendered recipe: what to run and how to tell a complete dump. A
// script is for sh; it runs its commands in order and stops at the first failure.
type Spec struct {
	Image    string     // reference; empty: the image that the service runs
	Script   string     // makes the dump
	Commands int        // how many there are in Script
	Output   string     // file for the standard output of Script, which then runs in each of the service's own containers. May be missing
	Empty    string     // prints what the service holds; nothing if it is new. May be missing
	Load     string     // loads the dump, and prints what it has loaded. May be missing
	Seed     string     // fills a new service, for a trial of the recipe. May be missing
	Check    string     // prints what must be there again after a load. May be missing
	Env      []Variable // for the scripts
	Trailers []Trailer
	Stderr   Stderr   // of Script
	Used     []Use    // the service's variables that went in
	secrets  []string // values that must not be shown
}

// Trailer is the mark of a complete file.
type Trailer struct {
	File     string // pattern as of path.Match, for the path below the dump's directory
	Contains string // a line near the file's end starts with it
}

// Use is a variable of the service that a dump depends on.
type Use struct {
	Name   string
	Origin string
}

// keys are the vocabulary of a rendered recipe.
var keys = []string{"image", "commands", "environments", "entrypoint", "each", "output", "trailer", "stderr", "empty", "load", "test"}

// decode makes a Spec of a template's result, which is still full of
// placeholders.
func (r *Recipe) decode(rendered string, h *holes) (Spec, error) {
	root, fault := parseYAML(r.file, []byte(rendered))
	if fault != nil {
		fault.Reason = h.mask(fault.Reason)
		if fault.Line > 0 {
			fault.Reason = fmt.Sprintf("line %d of the rendered recipe: %s", fault.Line, fault.Reason)
			fault.Line = 0
		}
		return Spec{}, fault
	}
	if root == nil {
		return Spec{}, &refusal{reason: "the recipe renders to nothing for this service"}
	}
	fields, fault := mapping(r.file, root, keys...)
	if fault != nil {
		return Spec{}, r.locate(fault, h)
	}
	b := builder{file: r.file, holes: h, used: map[int]bool{}, referred: map[int]bool{}}
	return b.build(fields)
}

var quotedKey = regexp.MustCompile(`^(?:unknown key|key) "(.*?)"`)

// locate turns a line of the rendered YAML into the line of the file in
// which the key stands.
func (r *Recipe) locate(f *FileError, h *holes) *FileError {
	f.Reason = h.mask(f.Reason)
	f.Line = 0
	if m := quotedKey.FindStringSubmatch(f.Reason); m != nil {
		for i, line := range strings.Split(r.source, "\n") {
			if strings.HasPrefix(strings.TrimLeft(line, " -"), m[1]+":") {
				f.Line = i + 1
				break
			}
		}
	}
	return f
}
