package dumpers

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

var yamlLine = regexp.MustCompile(`^line (\d+): `)

// parseYAML returns the root node of the only document, or nil if it is empty.
func parseYAML(file string, data []byte) (*yaml.Node, *FileError) {
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	var doc, second yaml.Node
	if err := decoder.Decode(&doc); errors.Is(err, io.EOF) {
		return nil, nil
	} else if err != nil {
		return nil, syntaxFault(file, err)
	}
	if err := decoder.Decode(&second); err == nil {
		return nil, &FileError{File: file, Line: second.Line, Reason: "more than one YAML document"}
	} else if !errors.Is(err, io.EOF) {
		return nil, syntaxFault(file, err)
	}
	root := doc.Content[0]
	if root.Kind == yaml.ScalarNode && root.Tag == "!!null" {
		return nil, nil
	}
	return root, nil
}

func syntaxFault(file string, err error) *FileError {
	f := &FileError{File: file, Reason: strings.TrimPrefix(err.Error(), "yaml: ")}
	if m := yamlLine.FindStringSubmatch(f.Reason); m != nil {
		f.Line, _ = strconv.Atoi(m[1]) // digits only, and 0 says "unknown"
		f.Reason = f.Reason[len(m[0]):]
	}
	return f
}

// mapping returns the values of a mapping by key, and refuses other keys.
// Values that are null are left out.
func mapping(file string, n *yaml.Node, known ...string) (map[string]*yaml.Node, *FileError) {
	if n.Kind != yaml.MappingNode {
		return nil, &FileError{File: file, Line: n.Line, Reason: "not a mapping; expected the keys " + strings.Join(known, ", ")}
	}
	fields := map[string]*yaml.Node{}
	for i := 0; i < len(n.Content); i += 2 {
		key, value := n.Content[i], resolve(n.Content[i+1])
		if !slices.Contains(known, key.Value) {
			return nil, &FileError{File: file, Line: key.Line, Reason: fmt.Sprintf("unknown key %q", key.Value),
				Advice: "known keys are " + strings.Join(known, ", ")}
		}
		if _, twice := fields[key.Value]; twice {
			return nil, &FileError{File: file, Line: key.Line, Reason: fmt.Sprintf("key %q is given twice", key.Value)}
		}
		if value.Tag != "!!null" {
			fields[key.Value] = value
		}
	}
	return fields, nil
}

// sequence returns the items of a list, or a single value as a list of one.
func sequence(n *yaml.Node) []*yaml.Node {
	if n == nil {
		return nil
	}
	if n.Kind != yaml.SequenceNode {
		return []*yaml.Node{n}
	}
	items := make([]*yaml.Node, len(n.Content))
	for i, item := range n.Content {
		items[i] = resolve(item)
	}
	return items
}

func resolve(n *yaml.Node) *yaml.Node {
	if n.Kind == yaml.AliasNode {
		return n.Alias
	}
	return n
}
