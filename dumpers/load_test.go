package dumpers_test

import (
	"errors"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/purser-backup/purser/discovery"
	"github.com/purser-backup/purser/dumpers"
)

// files makes a layer of pairs of name and content.
func files(pairs ...string) fstest.MapFS {
	layer := fstest.MapFS{}
	for i := 0; i < len(pairs); i += 2 {
		layer[pairs[i]] = &fstest.MapFile{Data: []byte(pairs[i+1])}
	}
	return layer
}

const index = "x:\n  regex: \"x\"\n  template: \"x.yml\"\n"

func TestLoadFaults(t *testing.T) {
	recipe := func(text string) fstest.MapFS { return files("index/x.yml", index, "templates/x.yml", text) }
	for _, c := range []struct {
		name  string
		layer fstest.MapFS
		want  []string
		hint  string
	}{
		{"index syntax", files("index/x.yml", "x: [\n"), []string{"index/x.yml:1: did not find expected node content"}, ""},
		{"index not a mapping", files("index/x.yml", "- x\n"), []string{"index/x.yml:1: not a mapping"}, "regex: mysql"},
		{"index key", files("index/x.yml", "x:\n  regex: x\n  tmplate: x.yml\n"), []string{`index/x.yml:3: unknown key "tmplate"`}, "template"},
		{"index key twice", files("index/x.yml", "x:\n  regex: x\n  regex: y\n"), []string{`index/x.yml:3: key "regex" is given twice`}, ""},
		{"no template named", files("index/x.yml", "x:\n  regex: x\n"), []string{"index/x.yml:1:", "needs regex and template"}, "regex: mysql"},
		{"regex", files("index/x.yml", "x:\n  regex: '('\n  template: x.yml\n", "x.yml", "commands: [a]"), []string{"index/x.yml:2: error parsing regexp"}, "RE2"},
		{"template absent", files("index/x.yml", index), []string{`index/x.yml:3: template "x.yml" does not exist`}, "templates"},
		{"template elsewhere", files("index/x.yml", "x: {regex: x, template: ../x.yml}"), []string{"not a plain file name"}, ""},
		{"jinja block", recipe("image: a\ncommands:\n  {% if env.A and env.B %}\n"), []string{"templates/x.yml:3: this is Jinja2: {% if"}, "{{ if and env.A (not env.B) }}"},
		{"jinja comment", recipe("{# a comment #}\ncommands: [a]\n"), []string{"templates/x.yml:1: this is Jinja2: {#"}, "{{/*"},
		{"jinja infix", recipe("commands:\n{{ if env.A and env.B }}\n- a\n{{ end }}"), []string{`templates/x.yml:2: this is Jinja2: "and"`}, "{{ if and"},
		{"jinja infix not", recipe("commands: [\"{{ env.A or 'x' }}\"]"), []string{"templates/x.yml:1:"}, "{{ or env.A"},
		{"jinja filter", recipe("commands:\n- '{{ env.A | upper }}'"), []string{"templates/x.yml:2:", `"upper" not defined`}, "text/template"},
		{"jinja default", recipe("commands:\n- '{{ env.A | default(\"x\") }}'"), []string{"templates/x.yml:2:"}, "text/template"},
		{"jinja index", recipe("commands:\n- \"{{ env['A'] }}\""), []string{"templates/x.yml:2:"}, "text/template"},
		{"argument", recipe("commands:\n- '{{ env.A \"x\" }}'"), []string{"templates/x.yml:2: env.A takes no arguments"}, ""},
		{"pipe", recipe("commands:\n- 'dump | gzip > x'"), []string{`"|" outside of a script`}, "sh -c"},
		{"each", recipe("commands: [a]\neach: container\noutput: x"), []string{`each: it must be "replica"`}, ""},
		{"each without output", recipe("commands: [a]\neach: replica"), []string{"output: it must be a plain file name"}, ""},
		{"output without each", recipe("commands: [a]\noutput: x"), []string{`each: it must be "replica"`}, ""},
		{"output elsewhere", recipe("commands: [a]\neach: replica\noutput: ../x"), []string{"output: it must be a plain file name"}, ""},
		{"output of a value", recipe("commands: [a]\neach: replica\noutput: 'x{{ env.A }}'"), []string{"output: it must be plain text"}, ""},
		{"load", recipe("commands: [a]\nload: ['']"), []string{"load: an item is empty"}, ""},
		{"empty", recipe("commands: [a]\nempty: [{a: b}]"), []string{"a command is a text or a list of texts"}, ""},
		{"load of code", recipe("commands: [a]\nload: [\"sh -c 'eval {{ env.A }}'\"]"), []string{"load: a value of the service would become part of the code"}, ""},
		{"unclosed", recipe("commands:\n- '{{ if env.A }}'"), []string{"templates/x.yml:2:", "unexpected EOF"}, ""},
		{"dot", recipe("commands:\n- '{{ .A }}'"), []string{"refers to something that isn't there"}, "text/template"},
		{"yaml", recipe("commands: [a\nimage: b"), []string{"templates/x.yml: line 1 of the rendered recipe: did not"}, ""},
		{"key", recipe("commands: [a]\n{{ if env.A }}\ncommmand: [b]\n{{ end }}"), []string{`templates/x.yml:3: unknown key "commmand"`}, "known keys are image, commands"},
		{"documents", recipe("commands: [a]\n---\nimage: b\n"), []string{"more than one YAML document"}, ""},
		{"quote", recipe("commands: [\"sh -c 'a\"]"), []string{"single quote is not closed"}, ""},
		{"command of commands", recipe("commands: [[[a]]]"), []string{"a text or a list of texts"}, ""},
		{"environment", recipe("commands: [a]\nenvironments: ['A=b']"), []string{"not KEY:VALUE"}, "KEY:VALUE"},
		{"environment name", recipe("commands: [a]\nenvironments: ['A B:b']"), []string{"not KEY:VALUE"}, ""},
		{"image", recipe("image: \"x:{{ env.TAG }}\"\ncommands: [a]"), []string{"image must be plain text"}, ""},
		{"trailer", recipe("commands: [a]\ntrailer: [{file: '*.sql'}]"), []string{"needs file and contains"}, ""},
		{"trailer key", recipe("commands: [a]\ntrailer: [{file: '*.sql', contain: x}]"), []string{"unknown key \"contain\""}, ""},
		{"trailer pattern", recipe("commands: [a]\ntrailer: [{file: '[', contains: x}]"), []string{"syntax error in pattern"}, ""},
		{"nested script", recipe(`commands: ["sh -c \"su db -c 'dump {{ env.A }}'\""]`), []string{"part of the code after"}, `"NAME:{{ env.X }}"`},
		{"eval", recipe(`commands: ["sh -c 'eval \"dump {{ env.A }}\"'"]`), []string{"part of the code"}, "NAME"},
		{"sql", recipe(`commands: ["psql -c 'copy {{ env.A }} to stdout'"]`), []string{"part of the code after \"-c\""}, "NAME"},
		{"arithmetic", recipe(`commands: ["sh -c 'echo $(( {{ env.A }} ))'"]`), []string{"arithmetic"}, ""},
		{"here-document", recipe(`commands: [["sh", "-c", "cat <<E\n{{ env.A }}\nE"]]`), []string{"here-document"}, ""},
		{"pieces", recipe(`commands: ["dump {{ slice env.A 3 }}"]`), []string{"templates/x.yml"}, ""},
		{"stderr", recipe("commands: [a]\nstderr: 'Error'"), []string{"not a mapping; expected the keys fails, ignore"}, ""},
		{"stderr key", recipe("commands: [a]\nstderr: {fail: Error}"), []string{`unknown key "fail"`}, "fails, ignore"},
		{"stderr expression", recipe("commands: [a]\nstderr: {ignore: '('}"), []string{"stderr: ignore: error parsing regexp"}, "RE2"},
		{"stderr of a value", recipe("commands: [a]\nstderr: {fails: '{{ env.A }}'}"), []string{"stderr: fails must be plain text"}, ""},
		{"two faults", files("index/x.yml", "x: {regex: '(', template: absent.yml}"), []string{"error parsing regexp", "does not exist"}, ""},
	} {
		_, err := dumpers.Load(c.layer)
		var all *dumpers.LoadError
		if !errors.As(err, &all) {
			t.Errorf("%s: error %v", c.name, err)
			continue
		}
		for _, want := range c.want {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%s: error %q lacks %q", c.name, err, want)
			}
		}
		if !strings.Contains(all.Hint(), c.hint) {
			t.Errorf("%s: hint %q lacks %q", c.name, all.Hint(), c.hint)
		}
	}
}

// The shell's own syntax isn't Jinja2.
func TestLoadAcceptsShell(t *testing.T) {
	_, err := dumpers.Load(files("index/x.yml", index, "x.yml",
		"commands:\n- [\"sh\", \"-c\", \"echo ${#A} ${A%x} $(( 1 + 2 )) {%d}; cat <<E\\nx\\nE\"]\n"))
	if err != nil {
		t.Error(err)
	}
}

func TestLayers(t *testing.T) {
	ours := files("index/mysql.yml", "mysql: {regex: mysql, template: mysql.yml}", "mysql.yml", "commands: [ours]",
		"index/db.yml", "db: {regex: db, template: db.yml}\nlong: {regex: bigdb, template: db.yml}", "db.yml", "commands: [db]")
	for _, c := range []struct {
		name  string
		user  fstest.MapFS
		image string
		kind  string
		word  string
	}{
		{"no layer of the user", files(), "mysql", "mysql", "ours"},
		{"the user's template", files("templates/mysql.yml", "commands: [theirs]"), "mysql", "mysql", "theirs"},
		{"the user's index replaces", files("index/mysql.yml", "mine: {regex: acme, template: mine.yml}", "templates/mine.yml", "commands: [mine]"), "mysql", "", ""},
		{"the user's index adds", files("index/acme.yml", "mine: {regex: my, template: mine.yml}", "templates/mine.yml", "commands: [mine]"), "mysql", "mine", "mine"},
		{"the ancestor's directory", files("index/acme.yml", "mine: {regex: my, template: mine.yml}", "template/mine.yml", "commands: [mine]"), "mysql", "mine", "mine"},
		{"the longest match", files(), "bigdb", "long", "db"},
	} {
		catalog, err := dumpers.Load(c.user, ours)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		s := discovery.Service{Stack: "_", Name: "x", Containers: []discovery.Container{{Image: c.image}}}
		m := catalog.Match(s)
		if m.Kind != c.kind {
			t.Errorf("%s: %+v", c.name, m)
		}
		if m.Recipe == nil {
			continue
		}
		spec, err := m.Recipe.Render(s, vars())
		if err != nil || !strings.Contains(spec.Script, "'"+c.word+"'") {
			t.Errorf("%s: script %q, %v", c.name, spec.Script, err)
		}
	}
}

func TestKinds(t *testing.T) {
	catalog, err := dumpers.Load(files("index/x.yml", index, "x.yml", "commands: [a]"))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"x"}, catalog.Kinds()); diff != "" {
		t.Error(diff)
	}
}
