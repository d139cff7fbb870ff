package dumpers

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/purser-backup/purser/internal/secret"
)

// builder turns the fields of a rendered recipe into a Spec.
type builder struct {
	file     string
	holes    *holes
	used     map[int]bool // values that went in anywhere
	referred map[int]bool // values that a command refers to
	spec     Spec
}

func (b *builder) build(fields map[string]*yaml.Node) (Spec, error) {
	if n := fields["image"]; n != nil {
		if n.Kind != yaml.ScalarNode || b.holes.in(n.Value) {
			return Spec{}, b.fault(n, "image must be plain text that doesn't come from the service's environment")
		}
		b.spec.Image = n.Value
	}
	for _, n := range sequence(fields["environments"]) {
		if err := b.environment(n); err != nil {
			return Spec{}, err
		}
	}
	if err := b.scripts(fields); err != nil {
		return Spec{}, err
	}
	if err := b.each(fields["each"], fields["output"]); err != nil {
		return Spec{}, err
	}
	for _, n := range sequence(fields["trailer"]) {
		if err := b.trailer(n); err != nil {
			return Spec{}, err
		}
	}
	if err := b.stderr(fields["stderr"]); err != nil {
		return Spec{}, err
	}
	for i, v := range b.holes.values {
		if b.referred[i] {
			b.spec.Env = append(b.spec.Env, Variable{Name: slot(i), Value: secret.New(v.text)})
		}
		if b.used[i] && (v.bound || secretName.MatchString(v.name)) {
			b.hide(v.text)
		}
		if b.used[i] {
			b.spec.Used = append(b.spec.Used, Use{Name: v.name, Origin: v.origin})
		}
	}
	return b.spec, nil
}

// secretName tells variables whose values must not be shown from those that
// a message needs, as the name of a user or a database.
var secretName = regexp.MustCompile(`(?i)PASS|PWD|SECRET|TOKEN|KEY|CRED|AUTH|URL|URI|DSN`)

// hide keeps a text out of messages, and each of its lines: output may be cut
// between two.
func (b *builder) hide(text string) {
	for _, part := range append(strings.FieldsFunc(text, endsLine), text) {
		if part != "" && !slices.Contains(b.spec.secrets, part) {
			b.spec.secrets = append(b.spec.secrets, part)
		}
	}
	// The longest first: one may be part of another.
	slices.SortFunc(b.spec.secrets, func(a, b string) int { return len(b) - len(a) })
}

// slot is the name of the one-shot's variable that holds a value.
func slot(i int) string { return "PURSER_" + strconv.Itoa(i) }

func (b *builder) fault(n *yaml.Node, format string, args ...any) *FileError {
	reason := fmt.Sprintf(format, args...)
	if n != nil {
		reason = fmt.Sprintf("line %d of the rendered recipe: %s", n.Line, reason)
	}
	return &FileError{File: b.file, Reason: b.holes.mask(reason)}
}

// environment reads one KEY:VALUE item, split at the first colon only.
func (b *builder) environment(n *yaml.Node) error {
	name, value, ok := pair(n)
	if !ok || !variableName.MatchString(name) {
		f := b.fault(n, "environments: an item is not KEY:VALUE")
		f.Advice = `write "KEY:VALUE" in quotes; a key has letters, digits and underscores`
		return f
	}
	if b.holes.broken(value) {
		return b.fault(n, "environments: %s: the template cut a value of the service in pieces", name)
	}
	for _, f := range b.holes.find(value) {
		b.used[f.index] = true
	}
	text := b.holes.replace(value, func(h hole) string { return h.text })
	b.spec.Env = append(b.spec.Env, Variable{Name: name, Value: secret.New(text)})
	if secretName.MatchString(name) {
		b.hide(text)
	}
	return nil
}

// pair splits an item of environments. An item that ends with the colon, or
// has a blank after it, is a mapping of one key to YAML.
func pair(n *yaml.Node) (name, value string, ok bool) {
	switch {
	case n.Kind == yaml.ScalarNode:
		return strings.Cut(n.Value, ":")
	case n.Kind == yaml.MappingNode && len(n.Content) == 2 && n.Content[1].Kind == yaml.ScalarNode:
		return n.Content[0].Value, n.Content[1].Value, true
	}
	return "", "", false
}

// scripts makes one script of each list of commands.
func (b *builder) scripts(fields map[string]*yaml.Node) error {
	entry, output, err := b.argv(fields["entrypoint"])
	if err != nil {
		return err
	}
	if output != "" {
		return b.fault(fields["entrypoint"], "entrypoint: it can't have \"> FILE\"")
	}
	for _, key := range []string{"commands", "empty", "load"} {
		lines, err := b.commands(key, entry, fields[key])
		if err != nil {
			return err
		}
		switch {
		case key == "commands" && len(lines) == 0:
			return &refusal{reason: "the recipe has no commands for this service",
				advice: "none of its conditions holds for the service's environment"}
		case key == "commands":
			b.spec.Script, b.spec.Commands = script(lines), len(lines)
		case key == "empty" && len(lines) > 0:
			b.spec.Empty = script(lines)
		case key == "load" && len(lines) > 0:
			b.spec.Load = script(lines)
		}
	}
	return b.test(entry, fields["test"])
}

// test reads how the recipe is tried.
func (b *builder) test(entry []string, n *yaml.Node) error {
	if n == nil {
		return nil
	}
	fields, fault := mapping(b.file, n, "seed", "check")
	if fault != nil {
		return fault
	}
	seed, err := b.commands("test: seed", entry, fields["seed"])
	if err != nil {
		return err
	}
	check, err := b.commands("test: check", entry, fields["check"])
	if err != nil {
		return err
	}
	if len(seed) == 0 || len(check) == 0 {
		return b.fault(n, "test: it needs seed and check")
	}
	b.spec.Seed, b.spec.Check = script(seed), script(check)
	return nil
}

// commands writes the commands under a key for the outer shell, one a line.
func (b *builder) commands(key string, entry []string, commands *yaml.Node) ([]string, error) {
	var lines []string
	for _, n := range sequence(commands) {
		argv, output, err := b.argv(n)
		if err != nil {
			return nil, err
		}
		if len(argv) == 0 {
			return nil, b.fault(n, "%s: an item is empty", key)
		}
		line, err := b.line(append(slices.Clone(entry), argv...), output)
		if err != nil {
			f := b.fault(n, "%s: %v", key, err)
			f.Advice = nestedAdvice
			return nil, f
		}
		lines = append(lines, line)
	}
	return lines, nil
}

// argv reads a command: a text in shell words, or a list of arguments. A text
// may end with "> FILE", the output.
func (b *builder) argv(n *yaml.Node) (argv []string, output string, err error) {
	if n == nil {
		return nil, "", nil
	}
	if n.Kind == yaml.ScalarNode {
		argv, output, err := splitCommand(n.Value)
		if err != nil {
			f := b.fault(n, "%v", err)
			f.Advice = `write "sh -c '...'" around what a shell must do, and quotes around a word with its signs`
			return nil, "", f
		}
		return argv, output, nil
	}
	for _, item := range sequence(n) {
		if item.Kind != yaml.ScalarNode {
			return nil, "", b.fault(item, "a command is a text or a list of texts")
		}
		argv = append(argv, item.Value)
	}
	return argv, "", nil
}

const nestedAdvice = `put the value under environments, as "NAME:{{ env.X }}", and use "$NAME" in the inner script`

// line writes a command for the outer shell. Values are references: within
// the script of "sh -c" for the inner shell, elsewhere for the outer one.
func (b *builder) line(argv []string, output string) (string, error) {
	words := make([]string, len(argv), len(argv)+2)
	for i, arg := range argv {
		if b.holes.broken(arg) {
			return "", errors.New("the template cut a value of the service in pieces")
		}
		found := b.holes.find(arg)
		for _, f := range found {
			b.used[f.index], b.referred[f.index] = true, true
		}
		switch {
		case isScript(argv, i):
			bound, err := bindScript(arg, found)
			if err != nil {
				return "", err
			}
			words[i] = quoteWord(pipefail + bound)
		case len(found) > 0 && (i > 0 && takesCode(argv[i-1]) || assignsCode(arg)):
			return "", fmt.Errorf("a value of the service would become part of the code after %q", argv[i-1])
		default:
			words[i] = expandWord(arg, found)
		}
	}
	if output != "" {
		if b.holes.broken(output) {
			return "", errors.New("the template cut a value of the service in pieces")
		}
		found := b.holes.find(output)
		for _, f := range found {
			b.used[f.index], b.referred[f.index] = true, true
		}
		words = append(words, ">", expandWord(output, found))
	}
	return strings.Join(words, " "), nil
}

// each reads where the commands run. The service's own containers don't see
// the dump's directory: only their standard output gets there.
func (b *builder) each(each, output *yaml.Node) error {
	switch {
	case each == nil && output == nil:
		return nil
	case each == nil || each.Value != "replica":
		return b.fault(cmp.Or(each, output), "each: it must be \"replica\", and go with output")
	case output == nil || !fs.ValidPath(output.Value) || strings.Contains(output.Value, "/") || output.Value == ".":
		return b.fault(cmp.Or(output, each), "output: it must be a plain file name, and go with each")
	case b.holes.in(output.Value):
		return b.fault(output, "output: it must be plain text that doesn't come from the service's environment")
	}
	b.spec.Output = output.Value
	return nil
}

func (b *builder) trailer(n *yaml.Node) error {
	fields, fault := mapping(b.file, n, "file", "contains")
	if fault != nil {
		return fault
	}
	file, contains := fields["file"], fields["contains"]
	if file == nil || contains == nil || file.Value == "" || contains.Value == "" {
		return b.fault(n, "trailer: an item needs file and contains")
	}
	if b.holes.in(file.Value + contains.Value) {
		return b.fault(n, "trailer: must be plain text that doesn't come from the service's environment")
	}
	if _, err := path.Match(file.Value, ""); err != nil {
		return b.fault(n, "trailer: file: %v", err)
	}
	b.spec.Trailers = append(b.spec.Trailers, Trailer{File: file.Value, Contains: contains.Value})
	return nil
}

// stderr reads what is made of the lines that commands complain in.
func (b *builder) stderr(n *yaml.Node) error {
	if n == nil {
		return nil
	}
	fields, fault := mapping(b.file, n, "fails", "ignore")
	if fault != nil {
		return fault
	}
	for key, to := range map[string]**regexp.Regexp{"fails": &b.spec.Stderr.Fails, "ignore": &b.spec.Stderr.Ignore} {
		n := fields[key]
		if n == nil {
			continue
		}
		if n.Kind != yaml.ScalarNode || n.Value == "" || b.holes.in(n.Value) {
			return b.fault(n, "stderr: %s must be plain text that doesn't come from the service's environment", key)
		}
		var err error
		if *to, err = regexp.Compile(n.Value); err != nil {
			f := b.fault(n, "stderr: %s: %v", key, err)
			f.Advice = "write a regular expression as of Go (RE2) that lines are searched for"
			return f
		}
	}
	return nil
}
