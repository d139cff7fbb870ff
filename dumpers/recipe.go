package dumpers

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"text/template"
	"text/template/parse"

	"github.com/purser-backup/purser/discovery"
)

// Recipe says how one kind of service is dumped. It is immutable and safe
// for concurrent use.
type Recipe struct {
	file   string
	layer  int // of those that Load was given
	source string
	tmpl   *template.Template
	names  []string // of the environment variables that it refers to
}

// Vars are what a recipe is rendered with, besides the service.
type Vars struct {
	IP        string           // where the one-shot container reaches the service
	TargetDir string           // where the dump goes, as the one-shot sees it
	Env       map[string]Value // environment of the service; nil: as it was listed
	Rand      io.Reader
}

// Value is one environment variable of a service.
type Value struct {
	Text   string
	Origin string // where it was found, for messages: "the environment", a file's path
	Bound  bool   // by the operator: never shown, whatever the variable's name
}

// Name returns the recipe's file name.
func (r *Recipe) Name() string { return r.file }

// Names returns the environment variables of the service that the recipe
// refers to, sorted.
func (r *Recipe) Names() []string { return slices.Clone(r.names) }

// declares reports whether the recipe's text has a key, whatever it renders to.
func (r *Recipe) declares(key string) bool {
	for line := range strings.Lines(r.source) {
		if strings.HasPrefix(line, key+":") || strings.HasPrefix(line, `"`+key+`":`) {
			return true
		}
	}
	return false
}

const goForm = "recipes are Go text/template: {{ if and env.A (not env.B) }} … {{ else if … }} … {{ end }}, {{ or env.A \"default\" }}, {{/* comment */}}"

var (
	jinjaBlock   = regexp.MustCompile(`\{%[-+]?\s*(if|elif|else|endif|for|endfor|set|endset|block|endblock|macro|include|import|from|raw|filter|with)\b`)
	jinjaComment = regexp.MustCompile(`(^|[^$])\{#`) // not the shell's ${#name}
	templateLine = regexp.MustCompile(`^template: [^:]*:(\d+)(?::\d+)?: (.*)$`)
)

// compile parses a recipe and renders it on trial, once with an empty
// environment and once with every variable set, so that its faults show when
// it is loaded.
func compile(file, source string) (*Recipe, []*FileError) {
	for i, line := range strings.Split(source, "\n") {
		if m := jinjaBlock.FindString(line); m != "" {
			return nil, []*FileError{{File: file, Line: i + 1, Reason: "this is Jinja2: " + m, Advice: goForm}}
		}
		if jinjaComment.MatchString(line) {
			return nil, []*FileError{{File: file, Line: i + 1, Reason: "this is Jinja2: {#", Advice: goForm}}
		}
	}
	tmpl, err := template.New(file).Option("missingkey=zero").Funcs(functions(Vars{}, nil)).Parse(source)
	if err != nil {
		return nil, []*FileError{templateFault(file, err)}
	}
	r := &Recipe{file: file, source: source, tmpl: tmpl}
	w := walker{names: map[string]bool{}}
	for _, t := range tmpl.Templates() {
		if t.Tree != nil {
			w.tree = t.Tree
			w.walk(t.Root)
		}
	}
	for _, f := range w.faults {
		f.File = file
	}
	r.names = slices.Sorted(maps.Keys(w.names))
	if len(w.faults) > 0 {
		return nil, w.faults
	}
	for _, text := range []string{"", "x"} {
		if fault := r.trial(text); fault != nil {
			return nil, []*FileError{fault}
		}
	}
	return r, nil
}

// trialNonce needs no randomness: the values of a trial are made up.
const trialNonce = "0123456789abcdef"

func (r *Recipe) trial(text string) *FileError {
	env := map[string]Value{}
	for _, name := range r.names {
		env[name] = Value{Text: text}
	}
	_, err := r.render(Vars{IP: "127.0.0.1", TargetDir: "/target", Env: env, Rand: strings.NewReader(trialNonce)})
	// A recipe may well refuse these made-up environments, or have nothing to
	// do; only faults of the file itself count.
	var fault *FileError
	if errors.As(err, &fault) {
		return fault
	}
	return nil
}

// Render gives what to run for a service. It is pure. Values of the
// service's environment are placeholders while the template and its YAML are
// parsed, and become references to environment variables of the one-shot
// afterwards: whatever they hold, they stay one word of a command.
func (r *Recipe) Render(s discovery.Service, v Vars) (Spec, error) {
	if v.Env == nil {
		v.Env = Environment(s.Primary().Env)
	}
	spec, err := r.render(v)
	if err == nil {
		return spec, nil
	}
	e := &Error{Service: s.ID(), Op: "render " + r.file, Err: err}
	var hinted interface{ Hint() string }
	if errors.As(err, &hinted) {
		e.Advice = hinted.Hint()
	}
	return Spec{}, e
}

// Environment gives plain variables their origin.
func Environment(env map[string]string) map[string]Value {
	values := make(map[string]Value, len(env))
	for name, text := range env {
		values[name] = Value{Text: text, Origin: "the service's environment"}
	}
	return values
}

func (r *Recipe) render(v Vars) (Spec, error) {
	h, err := newHoles(v)
	if err != nil {
		return Spec{}, err
	}
	tmpl, err := r.tmpl.Clone()
	if err != nil {
		return Spec{}, fmt.Errorf("clone template: %w", err)
	}
	var out strings.Builder
	if err := tmpl.Funcs(functions(v, h)).Execute(&out, nil); err != nil {
		var refused *refusal
		if errors.As(err, &refused) {
			return Spec{}, refused
		}
		return Spec{}, templateFault(r.file, err)
	}
	if strings.Contains(out.String(), "<no value>") {
		return Spec{}, &FileError{File: r.file, Reason: "the template refers to something that isn't there, as {{ .Name }}", Advice: goForm}
	}
	return r.decode(out.String(), h)
}

// functions are what a recipe may call, bare: text/template has no variables
// from outside.
func functions(v Vars, h *holes) template.FuncMap {
	same := func(a any, others ...any) (bool, error) {
		if len(others) == 0 {
			return false, errors.New("eq needs two arguments")
		}
		for _, b := range others {
			if h.text(a) == h.text(b) {
				return true, nil
			}
		}
		return false, nil
	}
	return template.FuncMap{
		"ip":         func() string { return v.IP },
		"target_dir": func() string { return v.TargetDir },
		"env":        func() map[string]string { return h.tokens },
		"eq":         same,
		"ne": func(a, b any) (bool, error) {
			equal, err := same(a, b)
			return !equal, err
		},
		"fail": func(reason string, advice ...string) (string, error) {
			return "", &refusal{reason: h.mask(reason), advice: h.mask(strings.Join(advice, "\n"))}
		},
	}
}

// refusal is a recipe's own "fail".
type refusal struct{ reason, advice string }

func (e *refusal) Error() string { return e.reason }
func (e *refusal) Hint() string  { return e.advice }

func templateFault(file string, err error) *FileError {
	f := &FileError{File: file, Reason: strings.TrimPrefix(err.Error(), "template: "), Advice: goForm}
	if m := templateLine.FindStringSubmatch(err.Error()); m != nil {
		f.Line, _ = strconv.Atoi(m[1]) // digits only, and 0 says "unknown"
		f.Reason = m[2]
	}
	return f
}

// walker visits a template's tree: it collects the names after "env." and
// finds Jinja2's infix operators, which text/template takes for arguments.
type walker struct {
	tree   *parse.Tree
	names  map[string]bool
	faults []*FileError
}

func (w *walker) walk(n parse.Node) {
	switch n := n.(type) {
	case *parse.ListNode:
		if n == nil {
			return
		}
		for _, child := range n.Nodes {
			w.walk(child)
		}
	case *parse.ActionNode:
		w.walk(n.Pipe)
	case *parse.IfNode:
		w.branch(&n.BranchNode)
	case *parse.RangeNode:
		w.branch(&n.BranchNode)
	case *parse.WithNode:
		w.branch(&n.BranchNode)
	case *parse.TemplateNode:
		w.walk(n.Pipe)
	case *parse.PipeNode:
		if n == nil {
			return
		}
		for _, c := range n.Cmds {
			w.command(c)
		}
	case *parse.ChainNode:
		if id, ok := n.Node.(*parse.IdentifierNode); ok && id.Ident == "env" {
			w.names[n.Field[0]] = true
			return
		}
		w.walk(n.Node)
	}
}

func (w *walker) branch(n *parse.BranchNode) {
	w.walk(n.Pipe)
	w.walk(n.List)
	w.walk(n.ElseList)
}

func (w *walker) command(c *parse.CommandNode) {
	first, called := c.Args[0].(*parse.IdentifierNode)
	if called && first.Ident == "index" && len(c.Args) == 3 && c.Args[1].String() == "env" {
		if s, ok := c.Args[2].(*parse.StringNode); ok {
			w.names[s.Text] = true
		}
	}
	for i, arg := range c.Args {
		id, ok := arg.(*parse.IdentifierNode)
		if ok && i > 0 && slices.Contains([]string{"and", "or", "not"}, id.Ident) {
			w.faults = append(w.faults, &FileError{Line: w.line(c), Reason: fmt.Sprintf("this is Jinja2: %q between its operands", id.Ident), Advice: goForm})
			return
		}
	}
	if len(c.Args) > 1 && !called {
		w.faults = append(w.faults, &FileError{Line: w.line(c), Reason: fmt.Sprintf("%s takes no arguments", c.Args[0]), Advice: goForm})
	}
	for _, arg := range c.Args {
		w.walk(arg)
	}
}

// line returns the line of a node, 0 if unknown.
func (w *walker) line(n parse.Node) int {
	location, _ := w.tree.ErrorContext(n)
	fields := strings.Split(location, ":")
	if len(fields) < 3 {
		return 0
	}
	line, _ := strconv.Atoi(fields[len(fields)-2]) // digits only, and 0 says "unknown"
	return line
}
