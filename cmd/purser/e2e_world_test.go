package main_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// patience bounds every wait for a condition. It is generous: a loaded machine
// is no failure.
const patience = 2 * time.Minute

const passphrase = "a passphrase with blanks"

// world is a part of the test Engine that belongs to one test: databases, and
// pursers that look after nothing else. It is gone when the test ends.
type world struct {
	t      *testing.T
	stack  string
	socket string
	image  string
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, stack: "e2e-" + random(t), image: need(t, "PURSER_TEST_IMAGE")}
	host := need(t, "PURSER_TEST_DOCKER_HOST")
	var ok bool
	if w.socket, ok = strings.CutPrefix(host, "unix://"); !ok {
		t.Fatalf("PURSER_TEST_DOCKER_HOST is %s, not a Unix socket", host)
	}
	t.Cleanup(w.remove)
	return w
}

func need(t *testing.T, name string) string {
	t.Helper()
	v := os.Getenv(name)
	if v == "" {
		t.Fatalf("%s is not set: run the tests with scripts/test", name)
	}
	return v
}

func random(t *testing.T) string {
	t.Helper()
	b := make([]byte, 4)
	if _, err := rand.Read(b); err != nil {
		t.Fatal(err)
	}
	return hex.EncodeToString(b)
}

// remove ends all that is left of the test, the one-shots of its pursers included.
func (w *world) remove() {
	for _, label := range []string{"purser-test=" + w.stack, "io.purser.instance=" + w.stack} {
		if ids := strings.Fields(w.docker("ps", "-aq", "--filter", "label="+label)); len(ids) > 0 {
			w.docker(append([]string{"rm", "-fv"}, ids...)...)
		}
	}
	if names := strings.Fields(w.docker("volume", "ls", "-q", "--filter", "label=purser-test="+w.stack)); len(names) > 0 {
		w.docker(append([]string{"volume", "rm"}, names...)...)
	}
}

// docker runs Docker's own client on the test Engine and returns what it prints.
func (w *world) docker(args ...string) string {
	w.t.Helper()
	r := w.command(nil, "docker", args...).run()
	if r.code != 0 {
		w.t.Fatalf("docker %s: exit %d\n%s", strings.Join(args, " "), r.code, r.stderr)
	}
	return strings.TrimSpace(r.stdout)
}

// result is what became of a command.
type result struct {
	code           int
	stdout, stderr string
}

// process is a command that is about to run, or running.
type process struct {
	t              *testing.T
	cmd            *exec.Cmd
	stdout, stderr bytes.Buffer
}

// command prepares a program with nothing in its environment but the way to
// the test Engine, a path, and env.
func (w *world) command(env []string, name string, args ...string) *process {
	p := &process{t: w.t, cmd: exec.Command(name, args...)}
	p.cmd.Env = append([]string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME"), "TMPDIR=" + os.TempDir(),
		"LC_ALL=C.UTF-8", "DOCKER_HOST=unix://" + w.socket,
	}, env...)
	p.cmd.Stdout, p.cmd.Stderr = &p.stdout, &p.stderr
	return p
}

func (p *process) start() *process {
	p.t.Helper()
	if err := p.cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	return p
}

// wait returns what became of a command; one that was killed has the code -1.
func (p *process) wait() result {
	p.t.Helper()
	return p.waitFor(2 * patience)
}

// waitFor is wait for a command that may take longer.
func (p *process) waitFor(longest time.Duration) result {
	p.t.Helper()
	timer := time.AfterFunc(longest, func() { _ = p.cmd.Process.Kill() })
	defer timer.Stop()
	err := p.cmd.Wait()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		p.t.Fatal(err)
	}
	return result{p.cmd.ProcessState.ExitCode(), p.stdout.String(), p.stderr.String()}
}

func (p *process) run() result {
	p.t.Helper()
	return p.start().wait()
}

// eventually waits until cond holds.
func (w *world) eventually(what string, cond func() bool) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), patience)
	defer cancel()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !cond() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			w.t.Fatalf("waited %s in vain: %s", patience, what)
		}
	}
}

// container starts a container of the test's stack, as Compose would label it.
func (w *world) container(service, image string, options ...string) string {
	w.t.Helper()
	name := w.stack + "-" + service
	args := []string{
		"run", "-d", "--pull", "never", "--name", name, "--label", "purser-test=" + w.stack,
		"--label", "com.docker.compose.project=" + w.stack, "--label", "com.docker.compose.service=" + service,
	}
	w.docker(append(append(args, options...), image)...)
	return name
}

// mariadb starts a server with a database named shop and waits until it takes connections.
func (w *world) mariadb(service, image string, options ...string) *database {
	w.t.Helper()
	db := &database{w: w, service: service, system: "mysql"}
	db.name = w.container(service, image, append([]string{"-e", "MARIADB_ROOT_PASSWORD=" + passphrase, "-e", "MARIADB_DATABASE=shop"}, options...)...)
	return db.connected()
}

// postgres starts a server with a database named shop and waits until it takes connections.
func (w *world) postgres(service, image string, options ...string) *database {
	w.t.Helper()
	db := &database{w: w, service: service, system: "postgres"}
	db.name = w.container(service, image, append([]string{"-e", "POSTGRES_PASSWORD=" + passphrase, "-e", "POSTGRES_DB=shop"}, options...)...)
	return db.connected()
}

// database is a server.
type database struct {
	w             *world
	service, name string
	system        string   // the database that every server of the kind has
	client        []string // arguments of docker exec for its own client, less the database
}

// connected chooses the client and waits until the server takes connections.
func (db *database) connected() *database {
	db.w.t.Helper()
	db.client = []string{"-e", "MYSQL_PWD=" + passphrase, db.name, "mariadb", "--host=127.0.0.1", "--user=root", "--batch", "--skip-column-names"}
	if db.system == "postgres" {
		db.client = []string{"-e", "PGPASSWORD=" + passphrase, db.name, "psql", "-h", "127.0.0.1", "-U", "postgres", "-XAtq", "-F", "\t", "-v", "ON_ERROR_STOP=1"}
	}
	db.w.eventually(db.service+" is ready", func() bool {
		p := db.session(db.system)
		p.cmd.Stdin = strings.NewReader("select 1;")
		return p.run().code == 0
	})
	return db
}

// session is a client that is about to connect to a database of the server.
func (db *database) session(name string) *process {
	return db.w.command(nil, "docker", append(append([]string{"exec", "-i"}, db.client...), name)...)
}

// query runs statements in the database shop and returns what they print.
func (db *database) query(statements string) string {
	db.w.t.Helper()
	return db.queryFor(2*patience, statements)
}

// queryFor is query for statements that may take longer.
func (db *database) queryFor(longest time.Duration, statements string) string {
	db.w.t.Helper()
	p := db.session("shop")
	p.cmd.Stdin = strings.NewReader(statements)
	r := p.start().waitFor(longest)
	if r.code != 0 {
		db.w.t.Fatalf("%s: %s: %s", db.service, statements, r)
	}
	return strings.TrimSpace(r.stdout)
}

// id is the service's identity, as purser shows it.
func (db *database) id() string { return db.w.stack + "/" + db.service }

// fill makes a table of many rows. Both kinds of server understand it.
func (db *database) fill() {
	db.w.t.Helper()
	db.query(`create table goods (id int primary key, name varchar(60), weight int);
insert into goods values (1, 'rope, 100 fathoms', 40), (2, 'ship''s biscuit', 3), (3, 'Söderhamn tar', 90);` +
		strings.Repeat("insert into goods select id + (select max(id) from goods), name, weight + 1 from goods;\n", 8))
}

// goods are the rows of the table, in a text that both kinds of server print alike.
func (db *database) goods() string {
	db.w.t.Helper()
	return db.query("select id, name, weight from goods order by id;")
}

func count(t *testing.T, pattern string) int {
	t.Helper()
	paths, err := filepath.Glob(pattern)
	if err != nil {
		t.Fatal(err)
	}
	return len(paths)
}

func write(t *testing.T, path string, content []byte, mode os.FileMode) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, content, mode); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil { // whatever the umask is
		t.Fatal(err)
	}
}

func (r result) String() string {
	return fmt.Sprintf("exit %d\n--- stdout\n%s--- stderr\n%s", r.code, r.stdout, r.stderr)
}
