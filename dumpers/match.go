package dumpers

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/purser-backup/purser/discovery"
)

// Match says which recipe a service gets, and why.
type Match struct {
	Recipe   *Recipe // nil: no dump
	Kind     string  // key of the index entry, as "mysql"
	Certain  bool    // false: a guess by a part of the image's name
	Disabled bool    // the user wants no dump
	Reason   string  // in plain words
	Warning  string  // something about the choice that the user should know
	Err      error   // the user asked for a recipe that isn't there; has a hint
}

// Match chooses the recipe for a service: by the label backup.type, else by
// the image's name. It is pure.
func (c *Catalog) Match(s discovery.Service) Match {
	if s.Settings.Disabled {
		return Match{Disabled: true, Reason: "disabled by the label " + discovery.LabelDisable}
	}
	wanted := s.Settings.Type
	if wanted != "" {
		if r := c.byType(wanted); r != nil {
			return Match{Recipe: r.recipe, Kind: r.kind, Certain: true,
				Reason: fmt.Sprintf("label %s=%s matches %s", discovery.LabelType, wanted, r.kind)}
		}
	}
	m := c.byImage(s.Primary())
	if wanted == "" {
		return m
	}
	if m.Recipe != nil {
		m.Warning = fmt.Sprintf("label %s=%s matches no recipe; the image's name was used", discovery.LabelType, wanted)
		return m
	}
	m.Err = &Error{Service: s.ID(), Op: "match",
		Err:    fmt.Errorf("label %s=%s matches no recipe, nor does the image: %s", discovery.LabelType, wanted, m.Reason),
		Advice: "known kinds are " + strings.Join(c.Kinds(), ", ")}
	return m
}

// byType searches the label's value. Exclusions are about image names and
// don't apply: the label is the user's word.
func (c *Catalog) byType(value string) *rule {
	for _, layer := range c.layers {
		var best *rule
		length := -1
		for i, r := range layer {
			if hit := r.regex.FindStringIndex(value); hit != nil && hit[1]-hit[0] > length {
				best, length = &layer[i], hit[1]-hit[0]
			}
		}
		if best != nil {
			return best
		}
	}
	return nil
}

// byImage searches the image's reference, or its tags if the container was
// created by id or digest only.
func (c *Catalog) byImage(container discovery.Container) Match {
	names := []string{container.Image}
	if anonymous(container.Image) {
		names = container.Tags
	}
	miss := Match{Reason: fmt.Sprintf("no recipe matches the image %s", strings.Join(names, ", "))}
	if len(names) == 0 {
		miss.Reason = "the image is known by its id only, and has no tag"
	}
	for _, name := range names {
		ref := parseReference(name)
		for _, layer := range c.layers {
			m, excluded := matchLayer(layer, ref)
			if m.Recipe != nil {
				return m
			}
			if excluded != "" {
				miss.Reason = excluded
			}
		}
	}
	return miss
}

// matchLayer returns the longest hit. If all hits are excluded, it says so.
func matchLayer(layer []rule, ref reference) (best Match, excluded string) {
	length := -1
	for _, r := range layer {
		hit, ok := ref.search(r.regex)
		if !ok || hit.end-hit.start <= length {
			continue
		}
		word := ref.text[hit.start:hit.end]
		certain := ref.exact(hit)
		if by := companion(r.exclude, ref.path()); by != "" && !certain {
			excluded = fmt.Sprintf("image %s contains %q, but %q says that it is a companion that holds no data", ref.full, word, by)
			continue
		}
		length = hit.end - hit.start
		best = Match{Recipe: r.recipe, Kind: r.kind, Certain: certain}
		if certain {
			best.Reason = fmt.Sprintf("image %s is %s", ref.full, r.kind)
		} else {
			best.Reason = fmt.Sprintf("image %s contains %q: a guess", ref.full, word)
		}
	}
	return best, excluded
}

// companion returns the part of an image's name that excludes it, or "".
func companion(exclude []*regexp.Regexp, path string) string {
	for _, p := range exclude {
		if hit := p.FindString(path); hit != "" {
			return strings.Trim(hit, "-_./")
		}
	}
	return ""
}

// anonymous reports a reference that names an image by its id only.
func anonymous(image string) bool {
	return image == "" || strings.HasPrefix(image, "sha256:") || hexID.MatchString(image)
}

var hexID = regexp.MustCompile(`^[0-9a-f]{64}$`)

// reference is an image reference, split for matching.
type reference struct {
	full string
	text string // without the digest: what regexes are searched in
	repo span   // of the repository's path within text, without registry and tag
}

type span struct{ start, end int }

func parseReference(s string) reference {
	text, _, _ := strings.Cut(s, "@")
	r := reference{full: s, text: text, repo: span{0, len(text)}}
	// As the Engine decides: the first component is a registry if it could
	// be a host.
	if host, _, ok := strings.Cut(text, "/"); ok && (strings.ContainsAny(host, ".:") || host == "localhost") {
		r.repo.start = len(host) + 1
	}
	if colon := strings.LastIndexByte(text, ':'); colon > strings.LastIndexByte(text, '/') {
		r.repo.end = colon
	}
	return r
}

func (r reference) path() string { return r.text[r.repo.start:r.repo.end] }

// search returns the longest hit that isn't wholly within the registry's
// name: "mysql.example.com/web" is no database.
func (r reference) search(re *regexp.Regexp) (span, bool) {
	best, found := span{}, false
	for _, hit := range re.FindAllStringIndex(r.text, -1) {
		if hit[1] <= r.repo.start || hit[0] == hit[1] {
			continue
		}
		if !found || hit[1]-hit[0] >= best.end-best.start {
			best, found = span{hit[0], hit[1]}, true
		}
	}
	return best, found
}

// exact reports whether the hit is the repository's name: its last path
// component, or its last ones, whole.
func (r reference) exact(hit span) bool {
	start, end := max(hit.start, r.repo.start), min(hit.end, r.repo.end)
	if start < end && r.text[start] == '/' {
		start++
	}
	return start < end && end == r.repo.end && (start == r.repo.start || r.text[start-1] == '/')
}
