package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/purser-backup/purser/internal/config"
)

// shape replaces what differs from run to run.
func shape(s string) string {
	for pattern, with := range map[string]string{
		`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z`: "TIME",
		`\d+(\.\d+)? [KM]?i?B`:                    "SIZE",
		`\b\d+(\.\d+)?m?s\b`:                      "SPAN",
		` {2,}`:                                   "  ",
	} {
		s = regexp.MustCompile(pattern).ReplaceAllString(s, with)
	}
	return s
}

func (b *bench) expect(want string, args ...string) {
	b.t.Helper()
	if diff := cmp.Diff(want, shape(b.good(args...))); diff != "" {
		b.t.Errorf("purser %s (-want +got):\n%s", strings.Join(args, " "), diff)
	}
}

func (b *bench) bad(code int, want string, args ...string) {
	b.t.Helper()
	_, errs, got := b.run(args...)
	if diff := cmp.Diff(want, shape(errs)); got != code || diff != "" {
		b.t.Errorf("purser %s: exit status %d, want %d; stderr (-want +got):\n%s", strings.Join(args, " "), got, code, diff)
	}
}

// TestBackupListRestore is the way of one file through the command line.
func TestBackupListRestore(t *testing.T) {
	b := newBench(t, local, "PASSPHRASE=open sesame")
	b.expect("no backup in file://ROOT/target/\n", "sets")
	b.write("source/a", "one\n")
	b.expect("backup: full set TIME, 1 file (SIZE): 2 new, 0 changed, 0 deleted; SIZE in 1 volume on the target\n", "backup")
	b.write("source/a", "two and more\n")
	b.write("source/line\nbreak", "")
	b.expect("backup: incremental set TIME, 2 files (SIZE): 1 new, 2 changed, 0 deleted; SIZE in 1 volume on the target\n", "backup")
	b.expect("backup: nothing has changed in 2 files (SIZE), no set was written\n", "backup")
	b.expect("CHAIN  TIME  KIND  VOLUMES  SIZE  ENCRYPTED\n"+
		"1  TIME  full  1  SIZE  yes\n"+
		"1  TIME  incremental  1  SIZE  yes\n", "sets")
	listing := b.good("ls")
	if names := regexp.MustCompile(`(?m)\S+$`).FindAllString(listing, -1); !cmp.Equal(names, []string{".", "a", `line\nbreak`}) {
		t.Errorf("ls:\n%s", listing)
	}
	b.expect("restored 2 files (SIZE) as of TIME into ROOT/out\n", "restore", "ROOT/out")
	if got, err := os.ReadFile(filepath.Join(b.root, "out/a")); err != nil || string(got) != "two and more\n" {
		t.Errorf("restored %q, %v", got, err)
	}
	b.expect("restored 1 file (SIZE) as of TIME into ROOT/only\n", "restore", "--path", "/a", "ROOT/only")
	b.bad(1, "error: restore to ROOT/out: destination is not empty\nhint: restore into a new or an empty directory, or replace what is there with --force\n", "restore", "ROOT/out")
	b.bad(10, "error: no backup found of path \"nothing\"\nhint: `purser ls` without a path lists everything\n", "ls", "nothing")
	b.env = append(b.env[:len(b.env)-1], "PASSPHRASE=wrong")
	_, errs, code := b.run("restore", "ROOT/wrong")
	if code != 12 || !strings.HasSuffix(errs, "hint: set PASSPHRASE (or PASSPHRASE_FILE) to the passphrase that the backup was made with\n") {
		t.Errorf("wrong passphrase: %d\n%s", code, errs)
	}
	if _, err := os.Stat(filepath.Join(b.root, "wrong")); !os.IsNotExist(err) {
		t.Error("a restore with the wrong passphrase has made its directory")
	}
}

// TestJSON checks the names of the fields, which are interface.
func TestJSON(t *testing.T) {
	b := newBench(t, local, "PASSPHRASE=open sesame", "BACKUP_MODULE_DATABASE=false")
	if got := b.good("sets", "--output", "json"); got != `{
  "url": "file://ROOT/target/",
  "chains": [],
  "incomplete": [],
  "orphans": []
}
` {
		t.Errorf("sets of nothing: %s", got)
	}
	b.write("source/a", "one\n")
	for _, test := range []struct {
		args string
		want string // keys of the outermost object, or of a list's first
	}{
		{"run", "backup ended errors hints kept not_covered problems prune result services skipped started target trigger"},
		{"runs", "backup ended errors hints kept not_covered problems prune result services skipped started target trigger"},
		// Nothing has changed since the run: the set has no time.
		{"backup", "bytes changed deleted encrypted ended files kind new source_bytes unreadable uploaded_bytes volumes"},
		{"sets", "chains incomplete orphans url"},
		{"verify --data", "bytes damage differences files objects sets url"},
		{"prune", "deleted executed sets url"},
		{"cleanup", "deleted executed sets url"},
		{"config", "notes settings"},
		{"ls", "gid group mode mtime path size type uid user"},
		{"restore ROOT/out", "affected bytes destination entries files time torn"},
		{"status", "daemon_running docker instance last_backup last_complete_run last_run notifications running schedule services wrong"},
		{"version", "go platform version"},
	} {
		out := b.good(append(strings.Fields(test.args), "--output", "json")...)
		got := keys(t, out)
		if diff := cmp.Diff(strings.Fields(test.want), got); diff != "" {
			t.Errorf("purser %s (-want +got):\n%s", test.args, diff)
		}
	}
}

func keys(t *testing.T, document string) []string {
	t.Helper()
	var object map[string]json.RawMessage
	var list []map[string]json.RawMessage
	if json.Unmarshal([]byte(document), &object) != nil {
		if err := json.Unmarshal([]byte(document), &list); err != nil || len(list) == 0 {
			t.Fatalf("neither an object nor a list of some: %s", document)
		}
		object = list[0]
	}
	return slices.Sorted(maps.Keys(object))
}

func TestInterruptedCommand(t *testing.T) {
	b := newBench(t, local, "PASSPHRASE=open sesame")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, errs, code := b.runContext(ctx, "backup", "--log-level", "error")
	if code != 130 || errs != "error: interrupted\n" {
		t.Errorf("exit status %d, %q", code, errs)
	}
}

// wantWholeHelp checks that a command's help names every flag in a line of its
// own, its exit statuses, the way to the settings, and an example that parses.
func wantWholeHelp(t *testing.T, b *bench, c *command, text string) {
	t.Helper()
	if c.name == "help" {
		return
	}
	want := []string{"usage: purser " + c.name, "\nexit status: 0 done, ", "\nfor example:\n  "}
	if !c.raw {
		want = append(want, "`purser config`", "PASSPHRASE", "NAME_FILE")
		inv := newInvocation(nil, nil, nil, nil)
		flags, _ := flagNames(inv.flagSet(c))
		for _, f := range flags {
			want = append(want, "\n  "+f+" ")
		}
	}
	for _, w := range want {
		if !strings.Contains(text, w) {
			t.Errorf("help of %s lacks %q", c.name, w)
		}
	}
	examples := regexp.MustCompile(`purser (`+c.name+`\b[^\n&>)]*)`).FindAllStringSubmatch(c.example, -1)
	if c.name == "daemon" {
		examples = regexp.MustCompile(`purser:latest (daemon)`).FindAllStringSubmatch(c.example, -1)
	}
	if len(examples) == 0 {
		t.Errorf("the example of %s doesn't show it: %s", c.name, c.example)
	}
	for _, e := range examples {
		if c.raw {
			if _, err := config.ParseDuplicity(strings.Fields(e[1])[1:], []string{"HOME=/root"}); err != nil {
				t.Errorf("%s: %v", e[0], err)
			}
		} else if _, err := newInvocation(nil, nil, nil, nil).parse(strings.Fields(e[1])); err != nil {
			t.Errorf("%s: %v", e[0], err)
		}
	}
}

func TestHelpStandsAlone(t *testing.T) {
	b := newBench(t)
	all := b.good("help")
	if b.good("--help") != all || b.good("-h") != all || b.good("help", "help") != all {
		t.Error("the ways to ask for help differ")
	}
	for _, c := range commands() {
		if !strings.Contains(all, "  "+c.name+" ") {
			t.Errorf("help doesn't list %s", c.name)
		}
		one := b.good("help", c.name)
		if b.good(c.name, "--help") != one {
			t.Errorf("purser %s --help differs from purser help %s", c.name, c.name)
		}
		wantWholeHelp(t, b, c, one)
		for line := range strings.Lines(one) {
			if len(line) > 101 && !strings.HasPrefix(line, "exit status") {
				t.Errorf("help of %s has a long line: %s", c.name, line)
			}
		}
	}
	var buf bytes.Buffer
	if err := (&invocation{stdout: &buf}).printHelp(setsCommand()); err != nil || !strings.HasPrefix(buf.String(), "usage: purser sets [--profile NAME]\n") {
		t.Errorf("%v: %s", err, buf.String())
	}
}

// TestBackupNeedsNoRecipes: what is wrong with one stops the dumps, and not what
// needs none of them.
func TestBackupNeedsNoRecipes(t *testing.T) {
	b := newBench(t, local, "PASSPHRASE=open sesame")
	if err := os.Mkdir(filepath.Join(b.root, "index"), 0o700); err != nil {
		t.Fatal(err)
	}
	b.write("index/bad.yml", "shop: [no rule]\n")
	if _, errs, code := b.run("discover"); code != 2 || !strings.Contains(errs, "bad.yml") {
		t.Errorf("discover with a faulty recipe: exit status %d\n%s", code, errs)
	}
	b.good("backup")
}
