package docker_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/purser-backup/purser/discovery"
	"github.com/purser-backup/purser/dumpers"
	"github.com/purser-backup/purser/internal/docker"
	"github.com/purser-backup/purser/internal/docker/dockertest"
	"github.com/purser-backup/purser/templates"
)

// bench is purser as a process on the Engine's host.
type bench struct {
	*dockertest.Engine
	client   *docker.Client
	runtime  *docker.Runtime
	dumper   *dumpers.Dumper
	catalog  *dumpers.Catalog
	source   string
	instance string
}

func newBench(t *testing.T, recipes ...string) *bench {
	t.Helper()
	source := t.TempDir()
	return newBenchAt(t, source, "test-"+filepath.Base(filepath.Dir(source)), recipes...)
}

func newBenchAt(t *testing.T, source, instance string, recipes ...string) *bench {
	t.Helper()
	b := &bench{Engine: dockertest.Open(t), source: source, instance: instance}
	var err error
	if b.client, err = docker.Open(t.Context(), docker.Options{Host: dockertest.Host(t)}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.client.Close() })
	place, err := b.client.Locate(t.Context(), b.source)
	if err != nil {
		t.Fatal(err)
	}
	b.runtime = b.client.Runtime(docker.RuntimeOptions{Instance: b.instance, Place: place})
	b.dumper, err = dumpers.Open(dumpers.Options{Source: b.source, Instance: b.instance, Runtime: b.runtime, KeepReplaced: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.dumper.Close() })
	layers := fstest.MapFS{}
	for i := 0; i < len(recipes); i += 2 {
		layers["index/"+recipes[i]+".yml"] = &fstest.MapFile{Data: []byte(recipes[i] + ": {regex: '^" + recipes[i] + "$', template: " + recipes[i] + ".yml}")}
		layers["templates/"+recipes[i]+".yml"] = &fstest.MapFile{Data: []byte(recipes[i+1])}
	}
	if b.catalog, err = dumpers.Load(layers, templates.FS()); err != nil {
		t.Fatal(err)
	}
	return b
}

// service finds a container as a service.
func (b *bench) service(t *testing.T, id string) discovery.Service {
	t.Helper()
	services, problems, err := b.client.Services(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range services {
		if s.Primary().ID == id {
			return s
		}
	}
	t.Fatalf("container %s is no service; problems: %v", id, problems)
	return discovery.Service{}
}

func (b *bench) dump(ctx context.Context, t *testing.T, id string) (dumpers.Report, error) {
	t.Helper()
	s := b.service(t, id)
	m := b.catalog.Match(s)
	if m.Recipe == nil {
		t.Fatalf("no recipe: %s", m.Reason)
	}
	report, err := b.dumper.Dump(ctx, s, m.Recipe)
	b.clean(t)
	return report, err
}

// clean checks that nothing is left of a dump but the dump.
func (b *bench) clean(t *testing.T) {
	t.Helper()
	n, err := b.runtime.Sweep(t.Context())
	if err != nil || n != 0 {
		t.Errorf("%d containers were left behind, %v", n, err)
	}
	left, err := filepath.Glob(b.source + "/.purser/[^.]*/*")
	if err != nil || len(left) > 0 {
		t.Errorf("left in staging: %v, %v", left, err)
	}
}

func (b *bench) read(t *testing.T, report dumpers.Report, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(b.source, report.Path, name))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// failure dumps, expects an error that holds all the texts, and returns it.
func (b *bench) failure(t *testing.T, id string, texts ...string) error {
	t.Helper()
	_, err := b.dump(t.Context(), t, id)
	if err == nil {
		t.Fatal("the dump is reported as good")
	}
	t.Log(err)
	for _, text := range texts {
		if !strings.Contains(err.Error(), text) {
			t.Errorf("error %q doesn't contain %q", err, text)
		}
	}
	return err
}

func TestMariaDBDumpLoads(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	env := []string{"MARIADB_ROOT_PASSWORD=s3cret $x'\"`!", "MARIADB_DATABASE=shop"}
	id := b.MariaDB(t, dockertest.Container{Env: env, Labels: map[string]string{
		"com.docker.compose.project": "shop", "com.docker.compose.service": "db"}})
	mariadb := []string{"sh", "-c", `MYSQL_PWD="$MARIADB_ROOT_PASSWORD" mariadb -uroot -h127.0.0.1 --default-character-set=utf8mb4 -N "$@"`, "sh"}
	b.ExecInput(t, id, []byte(`
		create table fruit (id int primary key, name varchar(80), raw varbinary(20));
		insert into fruit values (1, 'apple', x'00ff27'), (2, 'zażółć 🍐', x'0a0d'), (3, null, null);
		create procedure peel() select 1;
		create trigger t before insert on fruit for each row set new.name = new.name;
		create event e on schedule every 1 day do select 1;
		create user app@'%' identified by 'pw'; grant select on shop.* to app@'%';`), append(mariadb, "shop")...)

	report, err := b.dump(t.Context(), t, id)
	if err != nil {
		t.Fatal(err)
	}
	if report.Path != "dump/shop/db" || report.Files != 1 || report.Bytes == 0 || report.Attempts != 1 || report.Complaint != "" {
		t.Errorf("report %+v", report)
	}
	dump := b.read(t, report, "all-databases.sql")

	second := b.MariaDB(t, dockertest.Container{Env: []string{"MARIADB_ROOT_PASSWORD=other"}})
	b.ExecInput(t, second, dump, "sh", "-c", `MYSQL_PWD=other mariadb -uroot -h127.0.0.1`)
	query := "select id, name, hex(raw) from fruit order by id; checksum table fruit; select trigger_name, action_statement from information_schema.triggers; " +
		"select routine_name from information_schema.routines where routine_schema='shop'; " +
		"select event_name from information_schema.events where event_schema='shop'; show grants for app@'%'"
	want := b.Exec(t, id, append(mariadb, "shop", "-e", query)...)
	// The users came along, so root has the first server's password now.
	got := b.Exec(t, second, "sh", "-c", `export MYSQL_PWD="$1"; shift; mariadb -uroot -h127.0.0.1 --default-character-set=utf8mb4 -N "$@"`,
		"sh", "s3cret $x'\"`!", "shop", "-e", query)
	if got != want || !strings.Contains(got, "🍐") {
		t.Errorf("restored:\n%s\nwant:\n%s", got, want)
	}

	// A second dump of the same data is the same file.
	if report, err = b.dump(t.Context(), t, id); err != nil {
		t.Fatal(err)
	}
	if string(b.read(t, report, "all-databases.sql")) != string(dump) {
		t.Error("two dumps of the same data differ")
	}
}

func TestMariaDBPlainUserAndFile(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	secret := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(secret, []byte("from a file\n"), 0o444); err != nil {
		t.Fatal(err)
	}
	id := b.MariaDB(t, dockertest.Container{
		Image: "mariadb:10.11",
		Binds: []string{secret + ":/run/secrets/pw:ro"},
		Env:   []string{"MYSQL_RANDOM_ROOT_PASSWORD=1", "MYSQL_ROOT_PASSWORD=x", "MYSQL_DATABASE=app", "MYSQL_USER=app", "MYSQL_PASSWORD_FILE=/run/secrets/pw"},
	})
	s := b.service(t, id)
	// As if the root password were unknown.
	delete(s.Containers[0].Env, "MYSQL_ROOT_PASSWORD")
	delete(s.Containers[0].Env, "MYSQL_RANDOM_ROOT_PASSWORD")
	report, err := b.dumper.Dump(t.Context(), s, b.catalog.Match(s).Recipe)
	if err != nil {
		t.Fatal(err)
	}
	if report.Complaint != "" {
		t.Errorf("the client said: %s", report.Complaint)
	}
	if dump := b.read(t, report, "database.sql"); !strings.Contains(string(dump), "CREATE DATABASE /*!32312 IF NOT EXISTS*/ `app`") {
		t.Errorf("dump: %.2000s", dump)
	}
}

func TestPostgreSQLDumpLoads(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	id := b.PostgreSQL(t, dockertest.Container{Env: []string{"POSTGRES_USER=boss", "POSTGRES_PASSWORD=it's $ecret", "POSTGRES_DB=shop"}})
	psql := []string{"psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-U", "boss", "-d"}
	b.ExecInput(t, id, []byte(`
		create table fruit (id int primary key, name text, raw bytea);
		insert into fruit values (1, 'apple', '\x00ff27'), (2, 'zażółć 🍐', '\x0a0d'), (3, null, null);
		create role app login password 'pw'; grant select on fruit to app;
		create database "a=b; touch /pwn"; create database "../up";`), append(psql, "shop")...)

	report, err := b.dump(t.Context(), t, id)
	if err != nil {
		t.Fatal(err)
	}
	// globals, shop, postgres and the two with odd names
	if report.Files != 5 || report.Complaint != "" {
		t.Errorf("report %+v", report)
	}
	second := b.PostgreSQL(t, dockertest.Container{Env: []string{"POSTGRES_USER=boss", "POSTGRES_PASSWORD=other"}})
	b.ExecInput(t, second, b.read(t, report, "globals.sql"), "psql", "-X", "-q", "-U", "boss", "-d", "postgres")
	b.ExecInput(t, second, b.read(t, report, "shop.sql"), append(psql, "postgres")...)
	query := append(psql, "shop", "-A", "-t", "-c", `select * from fruit order by id; select grantee, privilege_type from information_schema.table_privileges where table_name = 'fruit' and grantee = 'app'`)
	want, got := b.Exec(t, id, query...), b.Exec(t, second, query...)
	if got != want || !strings.Contains(got, "🍐") || !strings.Contains(got, "app|SELECT") {
		t.Errorf("restored:\n%s\nwant:\n%s", got, want)
	}
}

func TestPostgreSQLPlainUser(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	id := b.PostgreSQL(t, dockertest.Container{Env: []string{"POSTGRES_PASSWORD=pw"}})
	b.ExecInput(t, id, []byte(`create role app login password 'apppw'; create database app owner app; `), "psql", "-X", "-U", "postgres", "-d", "postgres")
	s := b.service(t, id)
	s.Containers[0].Env["POSTGRES_USER"], s.Containers[0].Env["POSTGRES_PASSWORD"] = "app", "apppw"
	report, err := b.dumper.Dump(t.Context(), s, b.catalog.Match(s).Recipe)
	if err != nil {
		t.Fatal(err)
	}
	if report.Complaint != "" {
		t.Errorf("the clients said: %s", report.Complaint)
	}
	if globals := string(b.read(t, report, "globals.sql")); strings.Contains(globals, "PASSWORD") || !strings.Contains(globals, "CREATE ROLE app") {
		t.Errorf("globals: %s", globals)
	}
	b.read(t, report, "app.sql")
}
