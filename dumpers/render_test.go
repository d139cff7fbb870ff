package dumpers_test

import (
	"crypto/rand"
	"errors"
	"os/exec"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/purser-backup/purser/discovery"
	"github.com/purser-backup/purser/dumpers"
)

func vars() dumpers.Vars {
	return dumpers.Vars{IP: "127.0.0.1", TargetDir: "/purser", Rand: rand.Reader}
}

func service(env map[string]string) discovery.Service {
	return discovery.Service{Stack: "shop", Name: "db", Containers: []discovery.Container{{Image: "x", Env: env}}}
}

func render(t *testing.T, recipe string, env map[string]string) (dumpers.Spec, error) {
	t.Helper()
	catalog, err := dumpers.Load(files("index/x.yml", index, "x.yml", recipe))
	if err != nil {
		t.Fatal(err)
	}
	s := service(env)
	return catalog.Match(s).Recipe.Render(s, vars())
}

// ancestor is the recipe in rancher-backup's README, in Go's template syntax.
const ancestor = `image: "mysql:latest"
commands:
  {{ if and env.MYSQL_USER env.MYSQL_DATABASE }}
  {{/* When user, password and database setted */}}
  - "sh -c 'mysqldump -h {{ ip }} -u {{ env.MYSQL_USER }} {{env.MYSQL_DATABASE}} > {{ target_dir }}/{{ env.MYSQL_DATABASE }}.dump'"

  {{ else if and env.MYSQL_USER (not env.MYSQL_DATABASE) }}
  - "sh -c 'mysqldump -h {{ ip }} -u {{ env.MYSQL_USER }} --all-databases > {{ target_dir }}/all-databases.dump'"

  {{ else if and (not env.MYSQL_USER) env.MYSQL_DATABASE }}
  - "sh -c 'mysqldump -h {{ ip }} -u root {{env.MYSQL_DATABASE}} > {{ target_dir }}/{{ env.MYSQL_DATABASE }}.dump'"

  {{ else }}
  - "sh -c 'mysqldump -h {{ ip }} -u root --all-databases > {{ target_dir }}/all-databases.dump'"

  {{ end }}
environments:
  {{ if env.MYSQL_PASSWORD }}
  - MYSQL_PWD:{{ env.MYSQL_PASSWORD }}
  {{ else if env.MYSQL_ROOT_PASSWORD }}
  - MYSQL_PWD:{{ env.MYSQL_ROOT_PASSWORD }}
  {{ end }}
`

func TestRenderAncestor(t *testing.T) {
	for _, c := range []struct {
		env      map[string]string
		command  string
		password string
		used     []string
	}{
		{map[string]string{"MYSQL_USER": "u", "MYSQL_DATABASE": "d", "MYSQL_PASSWORD": "p: 'x'"},
			`mysqldump -h 127.0.0.1 -u "${PURSER_2}" "${PURSER_0}" > /purser/"${PURSER_0}".dump`, "p: 'x'", []string{"MYSQL_DATABASE", "MYSQL_PASSWORD", "MYSQL_USER"}},
		{map[string]string{"MYSQL_USER": "u"}, `mysqldump -h 127.0.0.1 -u "${PURSER_0}" --all-databases > /purser/all-databases.dump`, "", []string{"MYSQL_USER"}},
		{map[string]string{"MYSQL_DATABASE": "d"}, `mysqldump -h 127.0.0.1 -u root "${PURSER_0}" > /purser/"${PURSER_0}".dump`, "", []string{"MYSQL_DATABASE"}},
		{map[string]string{"MYSQL_ROOT_PASSWORD": "r", "OTHER": "x"}, `mysqldump -h 127.0.0.1 -u root --all-databases > /purser/all-databases.dump`, "r", []string{"MYSQL_ROOT_PASSWORD"}},
	} {
		spec, err := render(t, ancestor, c.env)
		if err != nil {
			t.Error(err)
			continue
		}
		if spec.Image != "mysql:latest" || spec.Commands != 1 || !strings.Contains(spec.Script, c.command+"'") || !strings.Contains(spec.Script, "'sh' '-c'") {
			t.Errorf("%v: image %s, script %s", c.env, spec.Image, spec.Script)
		}
		password := ""
		for _, v := range spec.Env {
			if v.Name == "MYSQL_PWD" {
				password = v.Value.Reveal()
			}
		}
		var used []string
		for _, u := range spec.Used {
			used = append(used, u.Name)
		}
		if diff := cmp.Diff(c.used, used); diff != "" || password != c.password {
			t.Errorf("%v: password %q, used: %s", c.env, password, diff)
		}
	}
}

// The scripts of a recipe are of one language; only "commands" must be there.
func TestRenderLoad(t *testing.T) {
	const recipe = "entrypoint: [sh, -c]\ncommands: [['a']]\nempty: [['b {{ env.U }}']]\nload: [['c {{ env.U }}'], ['d']]\n"
	spec, err := render(t, recipe, map[string]string{"U": "x y"})
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(spec.Script, "PURSER_0") || !strings.Contains(spec.Empty, `b "${PURSER_0}"'`) ||
		!strings.Contains(spec.Load, `c "${PURSER_0}"'`) || !strings.Contains(spec.Load, "failed 2") {
		t.Errorf("dump %q, empty %q, load %q", spec.Script, spec.Empty, spec.Load)
	}
	if spec, err = render(t, "commands: [a]", nil); err != nil || spec.Empty != "" || spec.Load != "" {
		t.Errorf("empty %q, load %q, %v", spec.Empty, spec.Load, err)
	}
	if _, err := render(t, "load: [a]", nil); err == nil || !strings.Contains(err.Error(), "no commands") {
		t.Errorf("only load: %v", err)
	}
}

func TestRender(t *testing.T) {
	for _, c := range []struct {
		name, recipe string
		env          map[string]string
		want         string // part of the script, or of the error after "!"
	}{
		{"words", `commands: ['dump --user={{ env.U }} "a b" c\ d']`, map[string]string{"U": "x y"}, `'dump' '--user='"${PURSER_0}" 'a b' 'c d' || failed 1 $?`},
		{"entrypoint", "entrypoint: /bin/dump\ncommands: [--all]", nil, `'/bin/dump' '--all'`},
		{"entrypoint list", "entrypoint: [sh, -c]\ncommands: [['echo {{ env.U }}']]", map[string]string{"U": "x"}, `echo "${PURSER_0}"'`},
		{"output", `commands: ["dump --all > {{ target_dir }}/{{ env.U }}.dump"]`, map[string]string{"U": "x y"}, `'dump' '--all' > '/purser/'"${PURSER_0}"'.dump' || failed 1 $?`},
		{"two", "commands: [a, b]", nil, "'a' || failed 1 $?\n'b' || failed 2 $?"},
		{"equal", `commands: ['{{ if eq env.MODE "a" "b" }}yes{{ else }}no{{ end }}']`, map[string]string{"MODE": "b"}, "'yes'"},
		{"not equal", `commands: ['{{ if ne env.MODE env.OTHER }}yes{{ else }}no{{ end }}']`, map[string]string{"MODE": "b", "OTHER": "b"}, "'no'"},
		{"default", `commands: ['dump {{ or env.PORT "3306" }}']`, nil, "'3306'"},
		{"empty is absent", `commands: ['dump {{ or env.PORT "3306" }}']`, map[string]string{"PORT": ""}, "'3306'"},
		{"range", "commands: ['dump{{ range $k, $v := env }} {{ $k }}{{ end }}']", map[string]string{"A": "1", "B-\n- evil": "2"}, "'dump' 'A' ||"},
		{"index", `commands: ['dump {{ index env "A" }}']`, map[string]string{"A": "1"}, `"${PURSER_0}"`},
		{"wrapped shell", `commands: ["timeout 5 bash -o pipefail -ec 'dump {{ env.A }}'"]`, map[string]string{"A": "1"}, `dump "${PURSER_0}"'`},
		{"no shell", `commands: ["tar c {{ env.A }}"]`, map[string]string{"A": "1"}, `'tar' 'c' "${PURSER_0}"`},
		{"fail", `{{ fail "no way" "try this" }}`, nil, "!no way"},
		{"fail masks", `{{ if env.A }}{{ fail (printf "bad %s" env.A) }}{{ end }}commands: [a]`, map[string]string{"A": "topsecret"}, "!bad $A"},
		{"nothing", "{{ if env.A }}commands: [a]{{ end }}", nil, "!renders to nothing"},
		{"no commands", "commands:\n{{ if env.A }}- a{{ end }}", nil, "!no commands"},
	} {
		spec, err := render(t, c.recipe, c.env)
		if want, fails := strings.CutPrefix(c.want, "!"); fails {
			var e *dumpers.Error
			if !errors.As(err, &e) || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "shop/db") || strings.Contains(err.Error(), "topsecret") {
				t.Errorf("%s: error %v", c.name, err)
			}
			continue
		}
		if err != nil || !strings.Contains(spec.Script, c.want) {
			t.Errorf("%s: script %q, %v", c.name, spec.Script, err)
		}
	}
}

// TestScriptsInShells runs rendered scripts in every shell that is there,
// with values that would break out of a text.
func TestScriptsInShells(t *testing.T) {
	values := []string{"plain", "two  words", "$(echo pwn)", "`echo pwn`", "'; echo pwn; '", `"; echo pwn; "`, "a\nb", "*", `\`, "-n x", "${HOME}", "#x", "a;b|c&d", "ż🍐", "~"}
	scripts := map[string]string{ // what it prints, with V for the value
		`printf %s {{ env.V }}`:                                 "V",
		`printf %s "{{ env.V }}"`:                               "V",
		`printf %s '{{ env.V }}'`:                               "V",
		`printf %s a{{ env.V }}b"c{{ env.V }}d"'e{{ env.V }}f'`: "aVbcVdeVf",
		`printf %s "$(printf %s {{ env.V }})"`:                  "V",
		`printf %s "$(printf %s "{{ env.V }}")x"`:               "Vx",
		`printf %s "$(printf %s '{{ env.V }}')x"`:               "Vx",
		"printf %s \"`printf %s {{ env.V }}`x\"":                "Vx",
		`(printf %s {{ env.V }}); printf %s {{ env.V }}`:        "VV",
		`A={{ env.V }}; printf %s "$A"`:                         "V",
		`printf %s "${NONE:-{{ env.V }}}"`:                      "V",
		`printf %s x # it's {{ env.V }}
printf %s {{ env.V }}`: "xV",
		`printf %s 'it'\''s' {{ env.V }}`:                                            "it'sV",
		`for x in {{ env.V }} z; do printf '%s.' "$x"; done`:                         "V.z.",
		`case {{ env.V }} in a) echo no;; *) printf %s "{{ env.V }}";; esac`:         "V",
		`f() { printf %s "$1"; }; f {{ env.V }} && { printf %s '<'{{ env.V }}'>'; }`: "V<V>",
		`if [ {{ env.V }} = "{{ env.V }}" ]; then printf %s "\"{{ env.V }}\""; fi`:   `"V"`,
	}
	ran := 0
	for _, shell := range [][]string{{"sh"}, {"bash"}, {"busybox", "sh"}} {
		if _, err := exec.LookPath(shell[0]); err != nil && shell[0] != "sh" {
			continue
		}
		for script, want := range scripts {
			recipe := "commands:\n- - " + strings.Join(shell, "\n  - ") + "\n  - -c\n  - |\n    " + strings.ReplaceAll(script, "\n", "\n    ") + "\n"
			for _, value := range values {
				spec, err := render(t, recipe, map[string]string{"V": value})
				if err != nil {
					t.Fatalf("%s: %v", script, err)
				}
				cmd := exec.Command(shell[0], append(shell[1:], "-c", spec.Script)...)
				for _, v := range spec.Env {
					cmd.Env = append(cmd.Env, v.Name+"="+v.Value.Reveal())
				}
				out, err := cmd.CombinedOutput()
				if got, want := string(out), strings.ReplaceAll(want, "V", value); err != nil || got != want {
					t.Errorf("%v: %s with %q: %q, want %q, %v", shell, script, value, got, want, err)
				}
				ran++
			}
		}
	}
	if ran == 0 {
		t.Error("nothing was run")
	}
}

// Values of a service never appear in what is not a value.
func TestValuesAreNotText(t *testing.T) {
	spec, err := render(t, ancestor, map[string]string{"MYSQL_USER": "canary1", "MYSQL_DATABASE": "canary2", "MYSQL_PASSWORD": "canary3"})
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(spec.Script+spec.Image, "canary") {
		t.Error(spec.Script)
	}
}
