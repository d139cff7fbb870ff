package templates_test

import (
	"archive/tar"
	"errors"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/purser-backup/purser/dumpers"
	"github.com/purser-backup/purser/internal/docker/dockertest"
)

// untar returns the files of an archive of a dump.
func (b *bench) untar(t *testing.T, report dumpers.Report, name string) map[string][]byte {
	t.Helper()
	f, err := os.Open(filepath.Join(b.source, report.Path, name))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	files := map[string][]byte{}
	for r := tar.NewReader(f); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return files
		} else if err != nil {
			t.Fatal(err)
		}
		if h.Typeflag != tar.TypeReg {
			continue
		}
		if files[h.Name], err = io.ReadAll(r); err != nil {
			t.Fatal(err)
		}
	}
}

// Databases on volumes are found and copied while they are written.
func TestSQLite(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	data := filepath.Join(t.TempDir(), "a volume")
	if err := os.Mkdir(data, 0o777); err != nil {
		t.Fatal(err)
	}
	id := b.Start(t, dockertest.Container{Image: "sqlite:3", Name: "sqlite-" + filepath.Base(filepath.Dir(b.source)),
		Labels: map[string]string{"backup.type": "sqlite"}, Binds: []string{data + ":/var/lib/the app"}})
	_, err := b.dump(t, id)
	wantError(t, err, "SQLITE_PATHS", "no SQLite database in: /var/lib/the app")
	b.script(t, id, `mkdir -p "/var/lib/the app/it's" && cd "/var/lib/the app" && echo "SQLite is not here" >note
		sqlite3 app.db "pragma journal_mode = wal; create table goods (id integer primary key, name); insert into goods values (1, 'rope'), (2, 'tar')" >/dev/null
		sqlite3 "it's/other" "create table t (x); insert into t values (x'00ff')"`)
	// What is not committed must not be in the copy, and holds nobody up.
	b.script(t, id, `{ echo "begin immediate; insert into goods values (3, 'half');"; echo ".shell touch /tmp/begun"; while [ ! -e /tmp/over ]; do sleep 0.1; done; } |
		sqlite3 "/var/lib/the app/app.db" >/dev/null 2>&1 &`)
	b.ready(t, id, "[ -e /tmp/begun ]")
	report, err := b.dump(t, id)
	b.script(t, id, "touch /tmp/over")
	if err != nil {
		t.Fatal(err)
	}
	s, _ := b.service(t, id)
	files := b.untar(t, report, s.Primary().Name+"/databases.tar")
	if diff := cmp.Diff([]string{"./var/lib/the app/app.db", "./var/lib/the app/it's/other"}, slices.Sorted(maps.Keys(files))); diff != "" {
		t.Fatal(diff)
	}
	dump := func(content []byte) string {
		return b.ExecInput(t, id, content, "sh", "-c", "cat >/tmp/again && sqlite3 /tmp/again .dump")
	}
	if got := dump(files["./var/lib/the app/app.db"]); !strings.Contains(got, "(2,'tar')") || strings.Contains(got, "half") {
		t.Errorf("the copy has:\n%s", got)
	}
	if got := dump(files["./var/lib/the app/it's/other"]); !strings.Contains(got, "X'00ff'") {
		t.Errorf("the copy has:\n%s", got)
	}
	if left := b.script(t, id, "ls -d /tmp/tmp.* 2>/dev/null || true"); left != "" {
		t.Errorf("left in the service: %s", left)
	}
}

// Only the Engine's and the kernel's own places are left out, not those whose
// names begin like them.
func TestSQLitePlaces(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	c := dockertest.Container{Image: "sqlite:3", Name: "places-" + filepath.Base(filepath.Dir(b.source)), Labels: map[string]string{"backup.type": "sqlite"}}
	taken := []string{"/device-data", "/etc/hosts.d", "/process", "/run/secrets-of-mine", "/system"}
	left := []string{"/dev/mine", "/run/secrets"}
	for _, place := range append(slices.Clone(left), taken...) {
		c.Binds = append(c.Binds, t.TempDir()+":"+place)
	}
	id := b.Start(t, c)
	var want []string
	for _, place := range taken {
		want = append(want, "."+place+"/app.db")
	}
	b.script(t, id, `for place in `+strings.Join(append(left, taken...), " ")+`; do sqlite3 $place/app.db "create table t as select 1"; done`)
	report, err := b.dump(t, id)
	if err != nil {
		t.Fatal(err)
	}
	s, _ := b.service(t, id)
	if diff := cmp.Diff(want, slices.Sorted(maps.Keys(b.untar(t, report, s.Primary().Name+"/databases.tar")))); diff != "" {
		t.Error(diff)
	}
}

// An image without sqlite3 may have Python.
func TestSQLiteByPython(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	id := b.Start(t, dockertest.Container{Image: "duplicity", Name: "python-" + filepath.Base(filepath.Dir(b.source)), Env: []string{"SQLITE_PATHS=/tmp/it's/app.db"},
		Labels: map[string]string{"backup.type": "sqlite"}})
	b.Exec(t, id, "mkdir", "/tmp/it's")
	b.Exec(t, id, "python3", "-c", "import sqlite3; d = sqlite3.connect('/tmp/it\\'s/app.db'); d.execute('create table t as select 42 as x'); d.commit()")
	report, err := b.dump(t, id)
	if err != nil {
		t.Fatal(err)
	}
	s, _ := b.service(t, id)
	content := b.untar(t, report, s.Primary().Name+"/databases.tar")["./tmp/it's/app.db"]
	got := b.ExecInput(t, id, content, "sh", "-c", "cat >/tmp/again; python3 -c \"import sqlite3; print(sqlite3.connect('/tmp/again').execute('select x from t').fetchall())\"")
	if got != "[(42,)]\n" {
		t.Errorf("the copy has %q", got)
	}
	b.Exec(t, id, "sh", "-c", "dd if=/dev/zero of=/tmp/it\\'s/app.db bs=1 seek=4096 count=4096 conv=notrunc 2>/dev/null")
	_, err = b.dump(t, id)
	wantError(t, err, "", "exit status 1")
}

// nodetool stands in for Cassandra's: its snapshot is links to all tables.
const nodetool = `#!/bin/sh
echo "$*" >>/tmp/calls
cd /var/lib/cassandra/data || exit
case "$1 $2 $3" in
"snapshot -t purser")
	for table in */*/; do
		mkdir -p "$table/snapshots/purser"
		cp "$table"* "$table/snapshots/purser/" 2>/dev/null
	done
	[ ! -e /tmp/full ] || { echo "error: No space left on the node" >&2; exit 2; }
	;;
"clearsnapshot -t purser") rm -rf */*/snapshots/purser ;;
*) exit 1 ;;
esac
`

// Each node is dumped in its own container, all or none.
func TestCassandraNodes(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	tool := filepath.Join(t.TempDir(), "nodetool")
	if err := os.WriteFile(tool, []byte(nodetool), 0o755); err != nil {
		t.Fatal(err)
	}
	stack := "cassandra-" + filepath.Base(filepath.Dir(b.source))
	var nodes []string
	for _, n := range []string{"1", "2"} {
		id := b.Start(t, dockertest.Container{Image: "busybox", Name: stack + "-" + n, Cmd: []string{"sleep", "100000"}, Binds: []string{tool + ":/bin/nodetool:ro"},
			Labels: map[string]string{"backup.type": "cassandra", "com.docker.compose.project": stack, "com.docker.compose.service": "ring"}})
		b.script(t, id, "mkdir -p /var/lib/cassandra/data/shop/goods-1 && cd /var/lib/cassandra/data/shop/goods-1 && echo node "+n+" >nb-1-big-Data.db && echo schema >schema.cql")
		nodes = append(nodes, id)
	}
	report, err := b.dump(t, nodes[0])
	if err != nil {
		t.Fatal(err)
	}
	const table = "./shop/goods-1/snapshots/purser/"
	wantNode := func(n, content string) {
		t.Helper()
		want := map[string][]byte{table + "nb-1-big-Data.db": []byte(content), table + "schema.cql": []byte("schema\n")}
		if diff := cmp.Diff(want, b.untar(t, report, stack+"-"+n+"/snapshot.tar")); diff != "" {
			t.Error(diff)
		}
	}
	wantNode("1", "node 1\n")
	wantNode("2", "node 2\n")
	for _, id := range nodes {
		const want = "clearsnapshot -t purser\nsnapshot -t purser\nclearsnapshot -t purser\n"
		if got := b.script(t, id, "cat /tmp/calls; find / -path '*/snapshots/*'"); got != want {
			t.Errorf("node %s: %s", id, got)
		}
	}

	b.script(t, nodes[0], "echo newer >/var/lib/cassandra/data/shop/goods-1/nb-1-big-Data.db")
	b.script(t, nodes[1], "touch /tmp/full")
	_, err = b.dump(t, nodes[0])
	wantError(t, err, "", "in container "+stack+"-2", "exit status 2", "No space left on the node")
	wantNode("1", "node 1\n")
	if got := b.script(t, nodes[1], "find / -path '*/snapshots/*'"); got != "" {
		t.Errorf("left on the node: %s", got)
	}
	if err := b.API.ContainerKill(t.Context(), nodes[1], "KILL"); err != nil {
		t.Fatal(err)
	}
	_, err = b.dump(t, nodes[0])
	wantError(t, err, "docker logs", stack+"-2, which the last dump has, is not running")
	wantNode("1", "node 1\n")
}
