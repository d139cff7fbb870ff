package main_test

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// What is wrong in a user's recipes is told at the start, with file and line,
// before anything is dumped.
func TestBadRecipes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	p := w.purser("bind")
	const index = "own: {regex: ^own$, template: own.yml}\n"
	for _, c := range []struct {
		name, index, recipe string
		words               []string
	}{
		{"unknown key", index, "commands: [a]\ncommmand: [b]\n", []string{`templates/own.yml:2: unknown key "commmand"`, "known keys are image, commands"}},
		{"not YAML", index, "commands: [a\nimage: b\n", []string{"templates/own.yml: line 1", "correct templates/own.yml"}},
		{"not a template", index, "commands:\n- '{{ if env.A }}'\n", []string{"templates/own.yml:3", "unexpected EOF", "hint: "}},
		{"Jinja2 block", index, "commands:\n{% if env.A %}\n- a\n{% endif %}\n", []string{"templates/own.yml:2: this is Jinja2: {% if", "{{ if and env.A (not env.B) }}"}},
		{"Jinja2 comment", index, "{# dumps #}\ncommands: [a]\n", []string{"templates/own.yml:1: this is Jinja2: {#", "{{/* "}},
		{"Jinja2 filter", index, "commands:\n- '{{ env.A | default(\"x\") }}'\n", []string{"templates/own.yml:2", "text/template"}},
		{"Jinja2 infix or", index, "commands: [\"a {{ env.A or 'x' }}\"]\n", []string{"templates/own.yml:1: this is Jinja2", "{{ or env.A"}},
		{"Jinja2 infix and", index, "commands:\n{{ if env.A and env.B }}\n- a\n{{ end }}\n", []string{"templates/own.yml:2: this is Jinja2", "{{ if and"}},
		{"unknown key of the index", "own: {regexp: own, template: own.yml}\n", "commands: [a]\n", []string{`index/own.yml:1: unknown key "regexp"`, "known keys are regex"}},
		{"index that isn't YAML", "own: [\n", "commands: [a]\n", []string{"index/own.yml:1", "correct index/own.yml"}},
		{"template that isn't there", "own: {regex: own, template: other.yml}\n", "commands: [a]\n", []string{`index/own.yml:1: template "other.yml" does not exist`, "templates"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			config := t.TempDir()
			write(t, filepath.Join(config, "index/own.yml"), []byte(c.index), 0o644)
			write(t, filepath.Join(config, "templates/own.yml"), []byte(c.recipe), 0o644)
			faulty := p.with()
			faulty.mounts = append(faulty.mounts[:len(faulty.mounts):len(faulty.mounts)], config+":/opt/backup/config:ro")
			wantRefusal(t, faulty.run("run"), 2, c.words...)
			if n := count(t, filepath.Join(p.target, "*")); n > 0 {
				t.Errorf("%d files were written to the target", n)
			}
		})
	}
}

// What is wrong with one service concerns that service alone: the run goes on,
// is incomplete, and says what to do.
func TestBadServices(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.postgres("postgres", "postgres:17")
	p := w.purser("named volume")
	p.must("run")
	for _, c := range []struct {
		name  string
		args  []string // of docker run
		words []string
	}{
		{"unknown label", []string{"--label", "backup.tpye=mysql"}, []string{`label "backup.tpye" is unknown`, "did you mean backup.type?"}},
		{"type that no recipe has", []string{"--label", "backup.type=oracle"},
			[]string{"label backup.type=oracle matches no recipe, nor does the image", "known kinds are"}},
		{"image without the client", []string{"--label", "backup.type=mysql", "-e", "MYSQL_ROOT_PASSWORD=x"},
			[]string{"the image has none of: mariadb-dump mysqldump", "a recipe of your own can name another image"}},
		{"no password", []string{"--label", "backup.type=mysql"}, []string{"no password found", "set one of them on the service"}},
		{"identity that is no name", []string{"--label", "backup.id=../../etc"}, []string{"label backup.id: ", "give the container a plain name"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			name := w.container("bad", "busybox", append([]string{"-t"}, c.args...)...)
			defer w.docker("rm", "-f", name)
			r := p.run("run")
			wantRefusal(t, r, 3, append(c.words, "bad")...)
			if !strings.Contains(r.stdout, "postgres") {
				t.Errorf("the other service was not dumped: %s", r)
			}
			p.wantNothingLeft()
		})
	}
}

// The source path has no room for the next dump: the last good one stays, in
// the tree and in the backup, until there is room again.
func TestDiskFull(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	postgres := w.postgres("postgres", "postgres:17")
	postgres.fill()
	p := w.purser("bind")
	if err := syscall.Mount("purser-test", p.source, "tmpfs", 0, "size=2m"); err != nil {
		t.Fatalf("mount a small file system: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(p.source, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	p.must("run")
	good := snapshot(t, p.source)

	postgres.query("create table big as select md5(i::text) || repeat('x', 1000) as text from generate_series(1, 4000) i;")
	wantRefusal(t, p.run("run"), 3, "No space left on device", "free space on the file system of /backup")
	wantSame(t, "the last good dump", dumpOf(good, postgres), dumpOf(snapshot(t, p.source), postgres))
	p.wantNothingLeft()
	wantSame(t, "the restore", dumpOf(good, postgres), dumpOf(snapshot(t, p.fresh().restored()), postgres))

	postgres.query("drop table big; update goods set weight = 0;")
	p.must("run")
	if got := postgres.loaded(t, p.fresh().restored()); got != postgres.goods() {
		t.Error("the dump after the full disk does not have the server's rows")
	}
}

// Of two runs at once the second is refused, whatever command it is.
func TestTwoRunsAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	postgres := w.postgres("postgres", "postgres:17")
	postgres.fill()
	p := w.purser("named volume")
	release := postgres.lock()
	first := p.command("run").start()
	w.waitingDumps(postgres, 1)
	for _, command := range []string{"run", "dump", "backup"} {
		wantRefusal(t, p.run(command), 11, "another purser is at work")
	}
	release()
	if r := first.wait(); r.code != 0 {
		t.Errorf("the first run: %s", r)
	}
	p.wantChain(0)
	p.wantNothingLeft()
}

// The socket belongs to another user, and purser's own may not connect.
func TestSocketForbidden(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	dir, err := os.MkdirTemp("/var/tmp", "purser") // whatever temporary directory is root's alone
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	binary := w.binary(dir)
	proxy := w.proxyIn(dir, documentedCalls(t))
	chmod := func(path string, mode os.FileMode) {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
	}
	chmod(dir, 0o755)
	chmod(filepath.Dir(proxy.socket), 0o755)
	discover := func() result {
		c := w.command([]string{"BACKUP_ARCHIVE_DIR=" + filepath.Join(dir, "state")}, binary, "discover")
		c.cmd.Env = append(c.cmd.Env, "DOCKER_HOST=unix://"+proxy.socket)
		c.cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
		return c.run()
	}
	chmod(proxy.socket, 0o600)
	wantRefusal(t, discover(), 1, "permission denied", "run it as root, or with the group that owns the socket")
	chmod(proxy.socket, 0o666)
	if r := discover(); r.code != 0 {
		t.Errorf("with the socket for everybody: %s", r)
	}
}
