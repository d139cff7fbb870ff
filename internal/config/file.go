package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/purser-backup/purser/internal/nearest"
)

// readSettings reads the settings of a YAML file: a mapping of canonical names,
// in any case, to plain values. BACKUP_DUPLICITY_OPTIONS may also be a list of
// words, BACKUP_FILTER and BACKUP_EXCLUDE a list of lines, BACKUP_FILTER_SETS a
// mapping of names to such, and BACKUP_PROFILES one of names to settings. A file that isn't there has no settings.
func (l *loader) readSettings(path string, table []variable) {
	if path == "" {
		return
	}
	f := &settingsFile{path: path, given: map[string][]given{}}
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return
	}
	if err != nil {
		f.fault(0, "", err, "let purser read the file, or remove it")
	} else {
		f.parse(text, names(table))
	}
	l.path, l.document = path, f.given
	l.faults = append(l.faults, f.faults...)
}

// names gives all names that a setting can be given under.
func names(table []variable) map[string]bool {
	known := map[string]bool{}
	for _, v := range table {
		known[v.name], known[v.name+fileSuffix] = true, true
	}
	return known
}

// settingsFile is a file of settings on its way in.
type settingsFile struct {
	path   string
	given  map[string][]given // by canonical name
	faults []*Fault
}

func (f *settingsFile) fault(line int, name string, err error, hint string) {
	f.faults = append(f.faults, &Fault{Name: name, Origin: f.origin(line), Err: err, hint: hint})
}

func (f *settingsFile) origin(line int) Origin { return Origin{Document, f.path, line} }

const settingsForm = "write a mapping of settings, such as BACKUP_DUPLICITY_VOLSIZE: 100"

var yamlLine = regexp.MustCompile(`^yaml: (line (\d+): )?`)

func (f *settingsFile) parse(text []byte, known map[string]bool) {
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	var doc, second yaml.Node
	err := decoder.Decode(&doc)
	if errors.Is(err, io.EOF) {
		return
	}
	if err == nil {
		if err = decoder.Decode(&second); err == nil {
			f.fault(second.Line, "", errors.New("a second YAML document"), "write all settings in one mapping")
			return
		}
	}
	if !errors.Is(err, io.EOF) {
		m := yamlLine.FindStringSubmatch(err.Error())
		line, _ := strconv.Atoi(m[2]) // digits or none, and 0 says "unknown"
		f.fault(line, "", errors.New(strings.TrimPrefix(err.Error(), m[0])), "correct the YAML")
		return
	}
	root := doc.Content[0]
	switch {
	case root.Tag == "!!null": // nothing but comments
	case root.Kind != yaml.MappingNode:
		f.fault(root.Line, "", errors.New("not a mapping"), settingsForm)
	default:
		for i := 0; i < len(root.Content); i += 2 {
			f.add(root.Content[i], root.Content[i+1], known)
		}
	}
}

// add takes one setting. The value is taken as it is written: 08 and yes are
// text here, as in the environment.
func (f *settingsFile) add(key, value *yaml.Node, known map[string]bool) {
	name := canonical(key.Value)
	if key.Kind != yaml.ScalarNode || !known[name] {
		near := nearest.To(name, slices.Sorted(maps.Keys(known)))
		hint := "take it out; `purser config` lists all settings"
		if near != "" {
			hint = "write " + near + " if that was meant, else take it out"
		}
		f.fault(key.Line, key.Value, errors.New("no such setting"), hint)
		return
	}
	if value.Kind == yaml.AliasNode {
		value = value.Alias
	}
	text, err := scalar(name, value)
	if err != nil {
		f.fault(value.Line, name, err, "write one plain value, in quotes if it has special characters")
		return
	}
	if twice := f.given[name]; len(twice) > 0 {
		f.fault(key.Line, name, fmt.Errorf("given in line %d already", twice[0].line), "take one of the two out")
		return
	}
	if text != "" {
		f.given[name] = append(f.given[name], given{name: key.Value, value: text, line: key.Line})
	}
}

func scalar(name string, n *yaml.Node) (string, error) {
	switch {
	case n.Tag == "!!null":
		return "", nil
	case n.Kind == yaml.ScalarNode:
		return n.Value, nil
	case n.Kind == yaml.MappingNode && name == varFilterSets:
		return filterSets(n)
	case n.Kind == yaml.MappingNode && name == varProfiles:
		return profiles(n)
	case n.Kind != yaml.SequenceNode:
		return "", errors.New("not a plain value")
	case name == varFilter || name == varExclude:
		items, err := list(n)
		return strings.Join(items, "\n"), err
	case name != varOptions:
		return "", errors.New("not a plain value")
	}
	words, err := list(n)
	for i, word := range words {
		words[i] = "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
	}
	return strings.Join(words, " "), err
}

// list gives the items of a sequence.
func list(n *yaml.Node) ([]string, error) {
	var items []string
	for _, item := range n.Content {
		if item.Kind != yaml.ScalarNode {
			return nil, errors.New("not a list of plain values")
		}
		items = append(items, item.Value)
	}
	return items, nil
}

// filterSets writes a mapping of names to lists as the environment has it.
func filterSets(n *yaml.Node) (string, error) {
	var lines []string
	for i := 0; i < len(n.Content); i += 2 {
		if n.Content[i+1].Kind != yaml.SequenceNode {
			return "", errors.New("not a mapping of names to lists")
		}
		items, err := list(n.Content[i+1])
		if err != nil {
			return "", err
		}
		lines = append(append(lines, "["+n.Content[i].Value+"]"), items...)
	}
	return strings.Join(lines, "\n"), nil
}

// profiles writes a mapping of names to mappings as the environment has it.
func profiles(n *yaml.Node) (string, error) {
	var lines []string
	for i := 0; i < len(n.Content); i += 2 {
		settings := n.Content[i+1]
		if settings.Kind != yaml.MappingNode && settings.Tag != "!!null" {
			return "", errors.New("not a mapping of names to settings")
		}
		lines = append(lines, "["+n.Content[i].Value+"]")
		for j := 0; j < len(settings.Content); j += 2 {
			value := settings.Content[j+1]
			if value.Kind != yaml.ScalarNode || strings.Contains(value.Value, "\n") {
				return "", fmt.Errorf("%s of the profile %s is no plain value", settings.Content[j].Value, n.Content[i].Value)
			}
			lines = append(lines, settings.Content[j].Value+": "+value.Value)
		}
	}
	return strings.Join(lines, "\n"), nil
}
