package cli

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// bench is a set of directories and an environment to run commands in.
type bench struct {
	t    *testing.T
	root string
	env  []string
}

func newBench(t *testing.T, env ...string) *bench {
	t.Helper()
	b := &bench{t: t, root: t.TempDir()}
	if err := os.Mkdir(filepath.Join(b.root, "source"), 0o755); err != nil {
		t.Fatal(err)
	}
	b.env = append([]string{
		"TZ=UTC", "BACKUP_DUPLICITY_SOURCE_PATH=ROOT/source", "BACKUP_ARCHIVE_DIR=ROOT/state", "DOCKER_HOST=unix://ROOT/docker.sock",
	}, env...)
	return b
}

// run runs purser in this process and returns what it printed, with the
// bench's directory as ROOT.
func (b *bench) run(args ...string) (stdout, stderr string, code int) {
	return b.runContext(b.t.Context(), args...)
}

func (b *bench) runContext(ctx context.Context, args ...string) (stdout, stderr string, code int) {
	var out, errs bytes.Buffer
	in := func(list []string) []string {
		var l []string
		for _, s := range list {
			l = append(l, strings.ReplaceAll(s, "ROOT", b.root))
		}
		return l
	}
	inv := newInvocation(in(b.env), strings.NewReader(""), &out, &errs)
	inv.configDir, inv.keyDir = b.root, filepath.Join(b.root, "keys")
	code = inv.run(ctx, in(args))
	return b.plain(out.String()), b.plain(errs.String()), code
}

// plain replaces what differs from run to run by a word.
func (b *bench) plain(s string) string {
	s = strings.ReplaceAll(s, b.root, "ROOT")
	s = regexp.MustCompile(`supported are: file:///path.*`).ReplaceAllString(s, "supported are: KINDS")
	return regexp.MustCompile(`duplicity-[\w.-]+`).ReplaceAllString(s, "NAME")
}

// good runs a command that must succeed and returns what it printed.
func (b *bench) good(args ...string) string {
	b.t.Helper()
	out, errs, code := b.run(args...)
	if code != 0 {
		b.t.Fatalf("purser %s: exit status %d\n%s", strings.Join(args, " "), code, errs)
	}
	return out
}

func (b *bench) write(name, text string) {
	b.t.Helper()
	if err := os.WriteFile(filepath.Join(b.root, name), []byte(text), 0o600); err != nil {
		b.t.Fatal(err)
	}
}

const local = "BACKUP_DUPLICITY_URL=file://ROOT/target"

// TestBadInput has what goes wrong on a first try. Each has one error line and
// a hint for each fault.
func TestBadInput(t *testing.T) {
	for _, test := range []struct {
		name string
		env  []string
		args []string
		want string
		code int
	}{
		{"no command", nil, nil,
			"error: no command given\nhint: `purser help` lists the commands\n", 2},
		{"unknown command", nil, []string{"restroe"},
			"error: unknown command \"restroe\"\nhint: did you mean `purser restore`?\n", 2},
		{"unknown command like none", nil, []string{"frobnicate"},
			"error: unknown command \"frobnicate\"\nhint: `purser help` lists the commands\n", 2},
		{"unknown flag", nil, []string{"backup", "--fulll"},
			"error: backup: unknown flag --fulll\nhint: did you mean `--full`?\n", 2},
		{"unknown flag before the command", nil, []string{"--urll", "x", "backup"},
			"error: unknown flag --urll before the command\nhint: did you mean `--url`?\n", 2},
		{"flag of another command", nil, []string{"sets", "--full"},
			"error: sets: unknown flag --full\nhint: `purser help sets` lists the flags\n", 2},
		{"flag without its value", nil, []string{"restore", "x", "--time"},
			"error: flag needs an argument: -time\nhint: `purser help restore` lists the flags\n", 2},
		{"missing argument", nil, []string{"restore"},
			"error: restore: an argument is missing\nhint: usage: purser restore [--time T] [--path P] [--profile NAME] [--force] DEST\n", 2},
		{"too many arguments", nil, []string{"sets", "x"},
			"error: sets: unexpected argument \"x\"\nhint: usage: purser sets [--profile NAME]\n", 2},
		{"bad output", nil, []string{"sets", "--output", "yaml"},
			"error: unknown output \"yaml\"\nhint: use `--output text` or `--output json`\n", 2},
		{"bad log level", []string{local}, []string{"sets", "--log-level", "loud"},
			"error: unknown log level \"loud\"\nhint: use debug, info, warn or error\n", 2},
		{"bad time", []string{local}, []string{"ls", "--time", "yesterday"},
			"error: --time: read time \"yesterday\": unknown form\nhint: write it as 2026-05-20T03:00:00, 2026-05-20, 3D or now\n", 2},
		{"no target", nil, []string{"run"},
			"error: BACKUP_DUPLICITY_URL: not set\nhint: set it to the place for the backups, such as file:///path\n", 2},
		{"no target for the daemon", nil, []string{"daemon"},
			"error: BACKUP_DUPLICITY_URL: not set\nhint: set it to the place for the backups, such as file:///path\n", 2},
		{"unknown scheme", []string{"BACKUP_DUPLICITY_URL=flie:///target"}, []string{"backup"},
			"error: open flie:///target/: unknown kind of target \"flie\"\nhint: supported are: KINDS\n", 2},
		{"several faults", []string{"BACKUP_CRON_SCHEDULE=noon", "BACKUP_DUPLICITY_VOLSIZE=much"}, []string{"status"},
			"error: BACKUP_CRON_SCHEDULE=\"noon\": schedule \"noon\": at character 1: unknown word \"noon\"\n" +
				"hint: write hourly, daily, weekly, monthly or a weekday such as sunday, then a window if need be (daily, 2200-0400), or six fields such as 0 0 3 * * *\n" +
				"error: BACKUP_DUPLICITY_VOLSIZE=\"much\": not a whole number\nhint: write a whole number, such as 3\n", 2},
		{"target can't be a directory", []string{"BACKUP_DUPLICITY_URL=file://ROOT/file/target", "PASSPHRASE=x"}, []string{"backup", "--log-level", "error"},
			"error: open file://ROOT/file/target/: stat ROOT/file/target/: not a directory\n" +
				"hint: the target must be a folder, and so must all that is above it; ROOT/file/target/ is not such a path\n", 2},
		{"target forbidden", []string{"BACKUP_DUPLICITY_URL=file:///sys/purser", "PASSPHRASE=x"}, []string{"backup", "--log-level", "error"},
			"error: store NAME on file:///sys/purser/: make folder: mkdir /sys/purser: operation not permitted\n" +
				"hint: let the user that purser runs as read and write the folder /sys/purser/\n", 1},
		{"no passphrase for a new repository", []string{local}, []string{"backup", "--log-level", "error"},
			"error: no passphrase for a new repository: file://ROOT/target/\n" +
				"hint: set PASSPHRASE or PASSPHRASE_FILE, or BACKUP_DUPLICITY_ENCRYPT_KEY, or write in the clear with BACKUP_DUPLICITY_OPTIONS=--no-encryption\n", 12},
		{"socket absent", []string{local, "PASSPHRASE=x"}, []string{"run", "--log-level", "error"},
			"error: docker: connect to unix://ROOT/docker.sock: dial unix ROOT/docker.sock: connect: no such file or directory\n" +
				"hint: the socket isn't there; mount it with -v /var/run/docker.sock:/var/run/docker.sock, or set DOCKER_HOST\n" +
				"hint: where nothing is to be dumped, set BACKUP_MODULE_DATABASE=false\n", 1},
		{"socket absent for discover", nil, []string{"discover"},
			"error: docker: connect to unix://ROOT/docker.sock: dial unix ROOT/docker.sock: connect: no such file or directory\n" +
				"hint: the socket isn't there; mount it with -v /var/run/docker.sock:/var/run/docker.sock, or set DOCKER_HOST\n", 1},
		{"no source", []string{local, "PASSPHRASE=x"}, []string{"backup", "--source", "ROOT/nothing", "--log-level", "error"},
			"error: open source ROOT/nothing: open ROOT/nothing: no such file or directory\n" +
				"hint: set BACKUP_DUPLICITY_SOURCE_PATH or --source to a directory that exists\n", 1},
		{"no backup there", []string{local, "PASSPHRASE=x"}, []string{"restore", "ROOT/out"},
			"error: no backup found in file://ROOT/target/\nhint: check the URL and the target path; `purser sets` lists what is there\n", 10},
		{"daemon does not run", nil, []string{"health"},
			"error: the daemon is not running\nhint: start it with `purser daemon`, on the same BACKUP_ARCHIVE_DIR\n", 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, test.env...)
			b.write("file", "")
			stdout, stderr, code := b.run(test.args...)
			if code != test.code {
				t.Errorf("exit status %d, want %d", code, test.code)
			}
			if diff := cmp.Diff(test.want, stderr); diff != "" {
				t.Errorf("stderr (-want +got):\n%s", diff)
			}
			if stdout != "" {
				t.Errorf("stdout: %q", stdout)
			}
		})
	}
}
