package dumpers

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Catalog is a set of recipes and the rules that select them. It is
// immutable and safe for concurrent use.
type Catalog struct {
	layers [][]rule
}

// rule is one entry of an index file.
type rule struct {
	kind    string // the entry's key, as "mysql"
	file    string
	regex   *regexp.Regexp
	exclude []*regexp.Regexp
	recipe  *Recipe
	server  Server // for a trial
}

// Load reads the index files and the recipes that they name. Each layer has
// index/*.yml, and its recipes in templates/ or beside index. A file of an
// earlier layer replaces one of the same name in a later one; the user's
// layer comes first. A layer without index files is no error. All faults are
// returned together as a *LoadError.
func Load(layers ...fs.FS) (*Catalog, error) {
	l := loader{layers: layers, recipes: map[string]*Recipe{}}
	c := &Catalog{}
	taken := map[string]bool{}
	for _, layer := range layers {
		names, err := indexFiles(layer)
		if err != nil {
			return nil, fmt.Errorf("list recipe index: %w", err)
		}
		var rules []rule
		for _, name := range names {
			if taken[path.Base(name)] {
				continue
			}
			taken[path.Base(name)] = true
			rules = append(rules, l.index(layer, name)...)
		}
		c.layers = append(c.layers, rules)
	}
	if len(l.faults) > 0 {
		return nil, &LoadError{Faults: l.faults}
	}
	return c, nil
}

// Kinds returns the keys of all index entries, in the order in which they
// are tried.
func (c *Catalog) Kinds() []string {
	var kinds []string
	for _, layer := range c.layers {
		for _, r := range layer {
			if !slices.Contains(kinds, r.kind) {
				kinds = append(kinds, r.kind)
			}
		}
	}
	return kinds
}

// ByKind returns the recipe of an index entry by its key; the first one counts.
func (c *Catalog) ByKind(kind string) (*Recipe, bool) {
	for _, layer := range c.layers {
		for _, r := range layer {
			if r.kind == kind {
				return r.recipe, true
			}
		}
	}
	return nil, false
}

// Entry describes one entry of an index file.
type Entry struct {
	Kind   string
	Regex  string // what of an image's name, or of the label backup.type, it is for
	Recipe string // file name
	Last   bool   // the recipe is of the last layer that Load was given
	Loads  bool   // the recipe says how its dump is loaded
	Each   bool   // it runs in the service's own containers
}

// Entries returns all index entries, in the order in which they are tried.
func (c *Catalog) Entries() []Entry {
	var entries []Entry
	for _, layer := range c.layers {
		for _, r := range layer {
			entries = append(entries, Entry{Kind: r.kind, Regex: r.regex.String(), Recipe: r.recipe.file, Last: r.recipe.layer == len(c.layers)-1,
				Loads: r.recipe.declares("load"), Each: r.recipe.declares("each")})
		}
	}
	return entries
}

func indexFiles(layer fs.FS) ([]string, error) {
	var names []string
	for _, pattern := range []string{"index/*.yml", "index/*.yaml"} {
		found, err := fs.Glob(layer, pattern)
		if err != nil {
			return nil, err
		}
		names = append(names, found...)
	}
	slices.Sort(names)
	return names, nil
}

type loader struct {
	layers  []fs.FS
	recipes map[string]*Recipe // by file name; nil for one with faults
	faults  []*FileError
}

func (l *loader) fault(f *FileError) { l.faults = append(l.faults, f) }

// index reads one index file: a mapping of kind to its rule.
func (l *loader) index(layer fs.FS, name string) []rule {
	data, err := fs.ReadFile(layer, name)
	if err != nil {
		l.fault(&FileError{File: name, Reason: "read: " + err.Error()})
		return nil
	}
	root, fault := parseYAML(name, data)
	if fault != nil {
		l.fault(fault)
		return nil
	}
	if root == nil {
		return nil
	}
	if root.Kind != yaml.MappingNode {
		l.fault(&FileError{File: name, Line: root.Line, Reason: "not a mapping of names to rules", Advice: indexForm})
		return nil
	}
	var rules []rule
	for i := 0; i < len(root.Content); i += 2 {
		if r, ok := l.rule(name, root.Content[i], root.Content[i+1]); ok {
			rules = append(rules, r)
		}
	}
	return rules
}

const indexForm = `an index entry is written as "mysql: {regex: mysql, template: mysql.yml}"`

func (l *loader) rule(file string, key, value *yaml.Node) (rule, bool) {
	before := len(l.faults)
	r := rule{kind: key.Value, file: file}
	fields, fault := mapping(file, value, "regex", "template", "exclude", "test")
	if fault != nil {
		l.fault(fault)
		return r, false
	}
	pattern, template := fields["regex"], fields["template"]
	if pattern == nil || pattern.Value == "" || template == nil || template.Value == "" {
		l.fault(&FileError{File: file, Line: key.Line, Reason: fmt.Sprintf("entry %q needs regex and template", key.Value), Advice: indexForm})
		return r, false
	}
	r.regex = l.regex(file, pattern)
	for _, n := range sequence(fields["exclude"]) {
		r.exclude = append(r.exclude, l.regex(file, n))
	}
	r.server = l.server(file, fields["test"])
	r.recipe = l.recipe(file, template)
	return r, len(l.faults) == before && r.recipe != nil
}

// server reads how a service is started for a trial.
func (l *loader) server(file string, n *yaml.Node) (s Server) {
	if n == nil {
		return s
	}
	fields, fault := mapping(file, n, "environments", "command")
	if fault != nil {
		l.fault(fault)
		return s
	}
	for _, item := range sequence(fields["environments"]) {
		name, value, ok := pair(item)
		if !ok || !variableName.MatchString(name) {
			l.fault(&FileError{File: file, Line: item.Line, Reason: "test: environments: an item is not KEY:VALUE", Advice: `write "KEY:VALUE" in quotes`})
			continue
		}
		s.Env = append(s.Env, name+"="+value)
	}
	for _, item := range sequence(fields["command"]) {
		s.Command = append(s.Command, item.Value)
	}
	return s
}

func (l *loader) regex(file string, n *yaml.Node) *regexp.Regexp {
	re, err := regexp.Compile(n.Value)
	if err != nil {
		l.fault(&FileError{File: file, Line: n.Line, Reason: err.Error(), Advice: "the syntax is RE2: https://golang.org/s/re2syntax"})
		return nil
	}
	re.Longest()
	return re
}

// recipe finds and compiles the recipe that an index entry names.
func (l *loader) recipe(file string, n *yaml.Node) *Recipe {
	name := n.Value
	if r, ok := l.recipes[name]; ok {
		return r
	}
	l.recipes[name] = nil
	if !fs.ValidPath(name) || strings.Contains(name, "/") {
		l.fault(&FileError{File: file, Line: n.Line, Reason: fmt.Sprintf("template %q is not a plain file name", name)})
		return nil
	}
	for i, layer := range l.layers {
		for _, candidate := range []string{"templates/" + name, "template/" + name, name} {
			data, err := fs.ReadFile(layer, candidate)
			if errors.Is(err, fs.ErrNotExist) {
				continue
			}
			if err != nil {
				l.fault(&FileError{File: candidate, Reason: "read: " + err.Error()})
				return nil
			}
			r, faults := compile(candidate, string(data))
			if len(faults) > 0 {
				l.faults = append(l.faults, faults...)
				return nil
			}
			r.layer = i
			l.recipes[name] = r
			return r
		}
	}
	l.fault(&FileError{File: file, Line: n.Line, Reason: fmt.Sprintf("template %q does not exist", name),
		Advice: "put it into the directory templates, beside the directory index"})
	return nil
}
