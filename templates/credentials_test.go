package templates_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/purser-backup/purser/dumpers"
	"github.com/purser-backup/purser/internal/docker/dockertest"
)

// Without a password that the server takes, the user learns where purser has
// looked. A login that is none of the service's is bound by the operator.
func TestPostgreSQLCredentials(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	id := b.PostgreSQL(t, dockertest.Container{Image: "postgres:17", Env: []string{"POSTGRES_PASSWORD=" + word}})
	sql := func(statement string) string {
		return b.Exec(t, id, "psql", "-U", "postgres", "-XAtq", "-v", "ON_ERROR_STOP=1", "-c", statement)
	}
	// As those demand it who come over a network.
	b.script(t, id, "printf '%s\\n' 'local all all trust' 'host all all all scram-sha-256' >$PGDATA/pg_hba.conf")
	sql("select pg_reload_conf()")
	sql("create role keeper superuser login password 'of its own'; create table goods (id int primary key); insert into goods values (1), (2), (3)")
	s, r := b.service(t, id)
	s.Containers[0].Env = map[string]string{}
	_, err := b.dumper.Dump(t.Context(), s, r)
	for _, advice := range []string{"looked for POSTGRES_PASSWORD, POSTGRESQL_PASSWORD, POSTGRESQL_POSTGRES_PASSWORD", "NAME_FILE", "BACKUP_SERVICE_SECRETS"} {
		wantError(t, err, advice, "no password supplied")
	}
	s.Containers[0].Env = map[string]string{"POSTGRES_USER": "nobody", "POSTGRES_PASSWORD": "wr0ng"}
	_, err = b.dumper.Dump(t.Context(), s, r)
	wantError(t, err, "POSTGRES_PASSWORD from the service's environment", "password authentication failed")

	secrets := t.TempDir()
	b.bound(t, dumpers.Secrets(secrets))
	dir := filepath.Join(secrets, s.Stack, s.Name)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"POSTGRES_USER": "keeper\n", "POSTGRES_PASSWORD": "of its own\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	report, err := b.dumper.Dump(t.Context(), s, r)
	if err != nil {
		t.Fatal(err)
	}
	sql("drop table goods")
	if _, err := b.dumper.Load(t.Context(), s, r, dumpers.LoadOptions{Force: true, Fill: b.fill(report)}); err != nil {
		t.Fatal(err)
	}
	if got := sql("select count(*) from goods"); got != "3\n" {
		t.Errorf("%q rows were loaded", got)
	}
	b.clean(t)
}

// bound opens the dumper again, with secrets of the operator.
func (b *bench) bound(t *testing.T, secrets dumpers.Secrets) {
	t.Helper()
	dumper, err := dumpers.Open(dumpers.Options{Source: b.source, Instance: "recipes-" + filepath.Base(filepath.Dir(b.source)), Runtime: b.runtime, Secrets: secrets})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { dumper.Close() })
	b.dumper = dumper
}
