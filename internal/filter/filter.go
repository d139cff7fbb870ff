// Package filter has rsync's rules for what of a tree is left out, so that
// those who come from rsync need not write theirs anew.
package filter

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Filter is a list of rules, of which the first that matches an object decides.
// The zero Filter leaves nothing out. It is immutable.
type Filter struct {
	rules []rule
}

// rule is one line.
type rule struct {
	text    string // as rsync has it
	include bool
	pattern pattern
}

// IsZero reports whether there are no rules.
func (f Filter) IsZero() bool { return len(f.rules) == 0 }

// Rules gives the rules as rsync has them, with those of sets in their places.
func (f Filter) Rules() []string {
	var list []string
	for _, r := range f.rules {
		list = append(list, r.text)
	}
	return list
}

// Excludes reports whether the object at path, relative and with slashes, is
// left out. What lies in a directory that is left out is never asked for: no
// rule brings it back.
func (f Filter) Excludes(path string, dir bool) bool {
	for i := range f.rules {
		if f.rules[i].pattern.matches(path, dir) {
			return !f.rules[i].include
		}
	}
	return false
}

// Error is a rule that can't be used.
type Error struct {
	Where string // "rule 3", "pattern 1" or "rule 2 of the set common"
	Rule  string
	Err   error
	hint  string
}

func (e *Error) Error() string { return fmt.Sprintf("%s %q: %v", e.Where, e.Rule, e.Err) }

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Err }

// Hint says how to write it.
func (e *Error) Hint() string { return e.hint }

const hint = "write rules such as + /var/***, - *.tmp or merge NAME, one a line or with ; between them"

// lines splits a list at line breaks and semicolons.
func lines(text string) []string {
	var list []string
	for _, line := range strings.FieldsFunc(text, func(r rune) bool { return r == '\n' || r == '\r' || r == ';' }) {
		if line = strings.TrimSpace(line); line != "" {
			list = append(list, line)
		}
	}
	return list
}

// Parse makes a filter of rules, of sets of rules that they may name, and of
// patterns that are left out besides, which come last. A set stands below a line
// with its name in brackets. A fault is an *Error, which has a hint.
func Parse(rules, sets, exclude string) (Filter, error) {
	named, err := parseSets(sets)
	if err != nil {
		return Filter{}, err
	}
	p := &parser{sets: named}
	// A set that nothing names must be right too.
	for _, name := range slices.Sorted(maps.Keys(named)) {
		p.out, p.read = nil, 0
		if err := p.take(named[name], " of the set "+name, []string{name}); err != nil {
			return Filter{}, err
		}
	}
	p.out, p.read = nil, 0
	if err := p.take(lines(rules), "", nil); err != nil {
		return Filter{}, err
	}
	for i, text := range lines(exclude) {
		compiled, err := compile(text)
		if err != nil {
			return Filter{}, &Error{Where: fmt.Sprintf("pattern %d", i+1), Rule: text, Err: err, hint: hint}
		}
		p.out = append(p.out, rule{text: "- " + text, pattern: compiled})
	}
	return Filter{p.out}, nil
}

func parseSets(text string) (map[string][]string, error) {
	sets := map[string][]string{}
	name := ""
	for i, line := range lines(text) {
		bad := func(why string) (map[string][]string, error) {
			return nil, &Error{Where: fmt.Sprintf("line %d of the sets", i+1), Rule: line, Err: fmt.Errorf("%s", why),
				hint: "write [NAME] and the rules of the set below it, one a line"}
		}
		inner, opens := strings.CutPrefix(line, "[")
		inner, closes := strings.CutSuffix(inner, "]")
		switch {
		case opens && closes:
			name = strings.TrimSpace(inner)
			if _, twice := sets[name]; twice || name == "" {
				return bad("the set has no name, or another's")
			}
			sets[name] = []string{}
		case name == "":
			return bad("the rule is in no set")
		default:
			sets[name] = append(sets[name], line)
		}
	}
	return sets, nil
}

// parser collects rules.
type parser struct {
	sets map[string][]string
	out  []rule
	read int // rules so far: sets in sets grow beyond all bounds
}

const maxRules = 10_000

// take reads a list of rules; open are the sets that it is in.
func (p *parser) take(list []string, of string, open []string) error {
	for i, text := range list {
		where := fmt.Sprintf("rule %d%s", i+1, of)
		if p.read++; p.read > maxRules {
			return &Error{Where: where, Rule: text, Err: fmt.Errorf("with all sets there are more than %d rules", maxRules), hint: "name each set once"}
		}
		bad := func(format string, args ...any) error {
			return &Error{Where: where, Rule: text, Err: fmt.Errorf(format, args...), hint: hint}
		}
		verb, rest, ok := strings.Cut(text, " ")
		rest = strings.TrimSpace(rest)
		if !ok || rest == "" {
			return bad("it is no rule with a pattern behind it")
		}
		switch verb {
		case "merge", ".":
			rules, known := p.sets[rest]
			if !known {
				return bad("there is no set %s", rest)
			}
			if slices.Contains(open, rest) {
				return bad("the set %s is in itself", rest)
			}
			if err := p.take(rules, " of the set "+rest, append(open[:len(open):len(open)], rest)); err != nil {
				return err
			}
		case "-", "exclude", "+", "include":
			compiled, err := compile(rest)
			if err != nil {
				return bad("%w", err)
			}
			include := verb == "+" || verb == "include"
			sign := map[bool]string{true: "+ ", false: "- "}[include]
			p.out = append(p.out, rule{text: sign + rest, include: include, pattern: compiled})
		default:
			return bad("unknown rule %s", verb)
		}
	}
	return nil
}
