package dumpers

import (
	"encoding/hex"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// holes are the placeholders that stand for a service's values while a
// recipe is rendered. A placeholder consists of letters and digits only, so
// no template, YAML or shell syntax can split or quote it, and of a random
// part, so no value can pose as one.
type holes struct {
	pattern *regexp.Regexp
	nonce   string
	tokens  map[string]string // variable name to placeholder; "" for an empty value
	values  []hole
}

type hole struct {
	name   string // in the service's environment
	text   string
	origin string
	bound  bool
}

var variableName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

func newHoles(v Vars) (*holes, error) {
	var random [16]byte
	if _, err := io.ReadFull(v.Rand, random[:]); err != nil {
		return nil, fmt.Errorf("draw placeholder: %w", err)
	}
	h := &holes{nonce: "q" + hex.EncodeToString(random[:]), tokens: map[string]string{}}
	h.pattern = regexp.MustCompile(h.nonce + `n([0-9]+)z`)
	for _, name := range slices.Sorted(maps.Keys(v.Env)) {
		// Names are text of the template's result when it ranges over env.
		if !variableName.MatchString(name) {
			continue
		}
		value := v.Env[name]
		if value.Text == "" {
			h.tokens[name] = ""
			continue
		}
		h.tokens[name] = h.nonce + "n" + strconv.Itoa(len(h.values)) + "z"
		h.values = append(h.values, hole{name: name, text: value.Text, origin: value.Origin, bound: value.Bound})
	}
	return h, nil
}

// find returns the positions of placeholders in s and which they are.
func (h *holes) find(s string) []found {
	var all []found
	for _, m := range h.pattern.FindAllStringSubmatchIndex(s, -1) {
		i, err := strconv.Atoi(s[m[2]:m[3]])
		if err != nil || i >= len(h.values) {
			continue
		}
		all = append(all, found{start: m[0], end: m[1], index: i})
	}
	return all
}

type found struct{ start, end, index int }

// in reports whether s holds a value of the service.
func (h *holes) in(s string) bool { return strings.Contains(s, h.nonce) }

// broken reports whether s holds a piece of a placeholder.
func (h *holes) broken(s string) bool {
	return strings.Count(s, h.nonce) != len(h.find(s))
}

// replace puts what with returns in the place of each placeholder.
func (h *holes) replace(s string, with func(hole) string) string {
	var out strings.Builder
	last := 0
	for _, f := range h.find(s) {
		out.WriteString(s[last:f.start])
		out.WriteString(with(h.values[f.index]))
		last = f.end
	}
	out.WriteString(s[last:])
	return out.String()
}

// text gives the real text of an operand of a comparison.
func (h *holes) text(v any) string {
	return h.replace(fmt.Sprint(v), func(x hole) string { return x.text })
}

// mask names the variables in a text that is shown to people.
func (h *holes) mask(s string) string {
	return h.replace(s, func(x hole) string { return "$" + x.name })
}
