package main_test

import (
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// What each recipe dumps of an image loads into a new server of it.
func TestRecipeTest(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ kind, image, loaded string }{
		{"mariadb", "mariadb:11", "tables: 1"},
		{"mysql", "mariadb:10.11", "tables: 1"},
		{"postgresql", "postgres:13", "purser_test: 1 tables, 6 rows"},
		{"postgresql", "postgres:15", "purser_test: 1 tables, 6 rows"},
		{"postgresql", "postgres:17", "purser_test: 1 tables, 6 rows"},
		{"redis", "redis:7", "db0: 505 keys"},
		{"valkey", "valkey:8", "db3: 1 keys"},
		{"clickhouse", "clickhouse:18", "`purser_test`.`goods`: 5 rows"},
		{"influxdb", "influxdb:1", "shards: 2"},
		{"openldap", "openldap:2", "dc=ship,dc=test: 52 entries"},
	} {
		t.Run(c.image, func(t *testing.T) {
			t.Parallel()
			p := newWorld(t).purser("host process")
			r := p.must("recipe", "test", c.kind, "--image", c.image)
			if !strings.Contains(r.stdout, c.loaded) || !strings.Contains(r.stdout, "works with "+c.image) {
				t.Errorf("it says:\n%s", r.stdout)
			}
			p.wantNothingLeft()
			if n := count(t, filepath.Join(p.source, "dump")); n > 0 {
				t.Error("the dump is in the source path")
			}
		})
	}
}

// notesServer is the server that the README's example is for.
const notesServer = `mkdir -p /www/cgi-bin
cat >/www/cgi-bin/notes <<'END'
#!/bin/sh
printf 'Content-Type: text/plain\r\n\r\n'
[ "$HTTP_TOKEN" = "$NOTES_TOKEN" ] || { echo "-- wrong token"; exit; }
if [ "$REQUEST_METHOD" = POST ]; then { head -c "$CONTENT_LENGTH"; echo; } | grep -v -e '^-- ' -e '^$' >>/notes; wc -l </notes; exit; fi
cat /notes 2>/dev/null
echo "-- end"
END
chmod 755 /www/cgi-bin/notes
sleep "${NOTES_DELAY:-0}"
exec httpd -f -p 8080 -h /www`

// notes makes the image of that server, and returns purser with the example's
// recipe, changed.
func (w *world) notes(change ...string) (p *purser, image string) {
	w.t.Helper()
	image = "acme/notes:" + w.stack
	name := w.stack + "-made"
	w.docker("create", "--pull", "never", "--label", "purser-test="+w.stack, "--name", name, "busybox", "sh", "-c", notesServer)
	w.docker("commit", name, image)
	w.t.Cleanup(func() { w.docker("rmi", image) })
	files := regexp.MustCompile("(?s)\n```yaml\n(notes:.*?)```.*?\n```yaml\n(.*?)```").FindStringSubmatch(string(readFile(w.t, "../../README.md")))
	if files == nil {
		w.t.Fatal("the README has no recipe for notes")
	}
	index, recipe := files[1], files[2]
	for i := 0; i < len(change); i += 2 {
		if !strings.Contains(index+recipe, change[i]) {
			w.t.Fatalf("the example has no %q", change[i])
		}
		index, recipe = strings.Replace(index, change[i], change[i+1], 1), strings.Replace(recipe, change[i], change[i+1], 1)
	}
	config := w.t.TempDir()
	write(w.t, filepath.Join(config, "index/notes.yml"), []byte(index), 0o644)
	write(w.t, filepath.Join(config, "templates/notes.yml"), []byte(recipe), 0o644)
	p = w.purser("bind")
	p.mounts = append(p.mounts, config+":/opt/backup/config:ro")
	return p, image
}

// seeding is what the example's seed begins with.
const seeding = `sh -c 'wget -q --header "Token:$TOKEN" -O - --post-data`

// The README's example of a recipe works as it stands, and with a server that
// takes its time.
func TestRecipeOfTheReadme(t *testing.T) {
	t.Parallel()
	slow := []string{`"NOTES_TOKEN:a word"`, `"NOTES_TOKEN:a word", "NOTES_DELAY:2"`}
	for name, change := range map[string][]string{
		"as it stands":  nil,
		"slow":          slow,
		"without empty": append(slow[:2:2], "empty:  ", "#", "  - sh -c 'wget -q --header \"Token:$TOKEN\" -O /tmp/notes http", "#"),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, image := newWorld(t).notes(change...)
			r := p.must("recipe", "test", "notes", "--image", image)
			if !strings.Contains(r.stdout, "2 lines are the same") {
				t.Errorf("it says:\n%s", r.stdout)
			}
			p.wantNothingLeft()
		})
	}
}

// A recipe that doesn't do what it should is told where.
func TestRecipeTestFails(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		change []string // of the README's example
		image  string   // empty: the server's
		code   int
		words  []string
	}{
		{"no such kind", []string{"notes:\n", "others:\n"}, "", 1, []string{`no recipe is of the kind "notes"`, "purser recipe list", "others"}},
		{"image absent", nil, "127.0.0.1:1/acme/absent:1", 1, []string{"pull image 127.0.0.1:1/acme/absent:1", "check the image's name"}},
		{"no load", []string{"load:  ", "#load: ", "  - sh -c 'wget -q --header \"Token:$TOKEN\" -O - --post-file", "#"}, "", 1,
			[]string{"templates/notes.yml: the recipe has no load", "see the README"}},
		{"no test", []string{"test:\n  seed:  ", "#", "    - sh -c", "#", "  check:  ", "#", "    - sh -c", "#"}, "", 1,
			[]string{"templates/notes.yml: the recipe has no test", "see the README"}},
		{"no check", []string{"  check:  ", "#", "    - sh -c 'wget -q --header \"Token:$TOKEN\" -O - http", "#"}, "", 2, []string{"test: it needs seed and check"}},
		{"unknown key of test", []string{"  seed:  ", "  sead:  "}, "", 2, []string{`unknown key "sead"`, "known keys are seed, check"}},
		{"unknown key of the index", []string{"{environments: ", "{environment: "}, "", 2, []string{`index/notes.yml:4: unknown key "environment"`, "environments, command"}},
		{"seed fails", []string{seeding, "sh -c 'echo nothing doing >&2; exit 1; " + seeding[len("sh -c '"):]}, "", 1,
			[]string{"test of recipe/notes: seed: exit status 1: nothing doing", "NOTES_TOKEN"}},
		{"a new server that holds something", []string{"-v \"^-- \"", "-v \"^-- x\""}, "", 1,
			[]string{"empty: a new server holds nothing, but it printed: -- end", "correct empty in templates/notes.yml"}},
		{"a seeded server that is taken for a new one", []string{"-v \"^-- \"", "nothing"}, "", 1,
			[]string{"empty: it prints nothing of a server that was seeded", "correct empty"}},
		{"dump incomplete", []string{"contains: \"-- end\"", "contains: \"-- the end\""}, "", 1,
			[]string{"notes.txt is incomplete", "-- the end"}},
		{"dump of something else", []string{"-O {{ target_dir }}/notes.txt http://{{ ip }}:8080/cgi-bin/notes'",
			"-O {{ target_dir }}/notes.txt http://{{ ip }}:8080/cgi-bin/notes; sed -i s/rope/soap/ {{ target_dir }}/notes.txt'"}, "", 1,
			[]string{`compare: the server differs after the load: line 1 was "buy rope" and is "buy soap"`, "commands, load and check in templates/notes.yml"}},
		{"load that loads nothing", []string{"--post-file {{ target_dir }}/notes.txt", "--post-data \"-- \""}, "", 1,
			[]string{`line 1 was "buy rope" and is "-- end"; line 2 was "-- end" and is missing`}},
		{"load that fails", []string{"--post-file {{ target_dir }}/notes.txt", "--post-file {{ target_dir }}/other.txt"}, "", 1,
			[]string{"load into recipe/notes", "other.txt"}},
		{"server that ends", []string{"\"]}   #", "\"], command: [sh, -c, 'echo no berth here; exit 3']}   #"}, "", 1,
			[]string{"the server ended by itself; it printed: no berth here", "environment and command"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			p, image := newWorld(t).notes(c.change...)
			if c.image != "" {
				image = c.image
			}
			wantRefusal(t, p.run("recipe", "test", "notes", "--image", image), c.code, c.words...)
			p.wantNothingLeft()
		})
	}
}

// A recipe that is tried while another purser is at work has to wait; one that is
// interrupted leaves nothing.
func TestRecipeTestIsInterrupted(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p, image := w.notes(seeding, "sh -c 'sleep 1000; "+seeding[len("sh -c '"):])
	first := p.named(w.stack+"-first", "recipe", "test", "notes", "--image", image).start()
	w.eventually("the server is seeded", func() bool { return len(w.oneShots("status=running")) == 2 })
	wantRefusal(t, p.run("recipe", "test", "notes", "--image", image), 11, "another purser is at work")
	w.docker("stop", "--time", "60", w.stack+"-first")
	if r := first.wait(); r.code != 130 {
		t.Errorf("interrupted: %s", r)
	}
	p.wantNothingLeft()
}
