package templates_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/purser-backup/purser/dumpers"
	"github.com/purser-backup/purser/internal/docker/dockertest"
)

// What a plain user has in a database: some of each kind.
const plainSeed = `create extension hstore; create schema "it's"; create type "it's".mood as enum ('fair', 'foul'); create type pair as (a int, b text);
create domain knots as int check (value >= 0); create table "it's".ships (id serial primary key, speed knots, mood "it's".mood, extra hstore);
create table cargo (id int generated always as identity primary key, ship int references "it's".ships, name text);
create view heavy as select name from cargo; create materialized view light as select name from cargo;
create function tare() returns int language sql as 'select 0'; create procedure nothing() language sql as 'select 1';
create aggregate total(int) (sfunc = int4pl, stype = int); create sequence berths start 7; create statistics stats on ship, name from cargo;
create operator === (leftarg = int, rightarg = int, function = int4eq); create text search configuration plain (parser = "default");
insert into "it's".ships (speed, mood, extra) values (7, 'fair', 'a=>1'); insert into cargo (ship, name) values (1, 'rope'), (1, 'tar');
refresh materialized view light; select lo_from_bytea(4711, '\x00ff'); alter default privileges in schema "it's" grant select on tables to public`

const plainLook = `select id, speed, mood, extra from "it's".ships; select * from cargo order by id; select * from heavy; select * from light order by 1;
select total(1); select tare(), last_value, 1 operator(public.===) 1 from berths; select lo_get(oid) from pg_largeobject_metadata order by oid;
select n.nspname, relname, relkind, pg_get_userbyid(relowner) from pg_class c join pg_namespace n on n.oid = relnamespace where relowner = 'app'::regrole and nspname <> 'pg_toast' order by 1, 2;
select nspname, nspacl, pg_get_userbyid(nspowner) from pg_namespace where nspname !~ '^pg_' order by 1; select extname, pg_get_userbyid(extowner) from pg_extension order by 1;
select has_database_privilege('app', current_database(), 'create')`

// As a plain user a load replaces what he owns, all of it or nothing, and
// leaves his grants and what is others'.
func TestPostgreSQLReplacesOwn(t *testing.T) {
	t.Parallel()
	for _, image := range []string{"postgres:13", "postgres:17"} {
		t.Run(image, func(t *testing.T) {
			t.Parallel()
			b := newBench(t)
			id := b.PostgreSQL(t, dockertest.Container{Image: image, Env: []string{"POSTGRES_PASSWORD=" + word}})
			sql := func(user, statements string) string {
				return b.ExecInput(t, id, []byte(statements), "psql", "-U", user, "-d", "shop", "-XAtq", "-v", "ON_ERROR_STOP=1")
			}
			b.ExecInput(t, id, []byte("create database shop; create role app login password 'open sesame'; grant create on database shop to app;"), "psql", "-U", "postgres", "-v", "ON_ERROR_STOP=1")
			sql("postgres", "grant create, usage on schema public to app")
			sql("app", plainSeed)
			want := sql("postgres", plainLook)
			s, r := b.service(t, id)
			s.Containers[0].Env = map[string]string{"POSTGRES_USER": "app", "POSTGRES_PASSWORD": "open sesame", "POSTGRES_DB": "shop"}
			report, err := b.dumper.Dump(t.Context(), s, r)
			if err != nil {
				t.Fatal(err)
			}
			load := func() (dumpers.Loaded, error) {
				return b.dumper.Load(t.Context(), s, r, dumpers.LoadOptions{Force: true, Fill: b.fill(report)})
			}
			for range 2 {
				sql("app", `delete from cargo; create table extra (); create schema more; create table more.still (); drop function tare; select lo_create(0)`)
				loaded, err := load()
				if diff := cmp.Diff([]string{"shop: 2 tables, 3 rows"}, loaded.Summary); err != nil || diff != "" {
					t.Fatal(err, diff)
				}
				if diff := cmp.Diff(want, sql("postgres", plainLook)); diff != "" {
					t.Error(diff)
				}
			}
			// What would take away from others fails, and so does what can't be
			// made: all is as before.
			for _, c := range []struct{ statements, fails string }{
				{"create view theirs as select * from cargo", "what other roles own depends on what app owns"},
				{"drop view theirs; create table theirs (mood \"it's\".mood)", "what other roles own depends on what app owns"},
				{"drop table theirs; revoke create on schema public from app, public", "permission denied for schema public"},
			} {
				sql("postgres", c.statements)
				sql("app", "insert into cargo (name) values ('newer')")
				want := sql("postgres", plainLook+"; select count(*) from pg_class")
				_, err := load()
				wantError(t, err, "", c.fails)
				if diff := cmp.Diff(want, sql("postgres", plainLook+"; select count(*) from pg_class")); diff != "" {
					t.Errorf("%s: %s", c.statements, diff)
				}
			}
			b.clean(t)
		})
	}
}

// The database "postgres" is never dropped: it is as new before a load replaces
// what is in it, also for those who are no superusers.
func TestPostgreSQLReplacesPostgres(t *testing.T) {
	t.Parallel()
	for _, image := range []string{"postgres:13", "postgres:17"} {
		t.Run(image, func(t *testing.T) {
			t.Parallel()
			b := newBench(t)
			id := b.PostgreSQL(t, dockertest.Container{Image: image, Env: []string{"POSTGRES_PASSWORD=" + word}})
			sql := func(statements string) string {
				return b.ExecInput(t, id, []byte(statements), "psql", "-U", "postgres", "-XAtq", "-v", "ON_ERROR_STOP=1")
			}
			sql(`create role app login; create extension hstore; create schema own; create table own.goods as select 1 as id; create view public.seen as select * from own.goods;
				grant usage on schema own to app; grant select on seen, own.goods to app; select lo_from_bytea(4711, '\x00ff'); create publication news for all tables;
				create foreign data wrapper nowhere; create server far foreign data wrapper nowhere; create type pair as (a int); create cast (pair as text) with inout;
				create function quiet() returns event_trigger language plpgsql as 'begin end'; create event trigger hush on sql_drop execute function quiet()`)
			// What a role that is no superuser can do there.
			look := func() string {
				return sql(`select nspname, nspacl, pg_get_userbyid(nspowner), obj_description(oid) from pg_namespace where nspname !~ '^pg_' order by 1;
					select lo_get(oid) from pg_largeobject_metadata; select extname from pg_extension order by 1; select evtname from pg_event_trigger; select pubname from pg_publication;
					select srvname from pg_foreign_server; set role app; select id from seen; select has_schema_privilege('public', 'usage'), has_schema_privilege('public', 'create')`)
			}
			want := look()
			report, err := b.dump(t, id)
			if err != nil {
				t.Fatal(err)
			}
			for _, lose := range []string{
				"create table extra (); create schema more; select lo_create(0); create extension citext schema more; drop table own.goods cascade",
				"drop schema public cascade; create schema public; revoke usage on schema own from app",
			} {
				sql(lose)
				if _, err := b.load(t, report, id, true); err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(want, look()); diff != "" {
					t.Errorf("after %s: %s", lose, diff)
				}
			}
			if sql("select 1 from pg_class where relname = 'extra'") != "" {
				t.Error("a table that the dump doesn't have is still there")
			}
		})
	}
}

// A database may hold something else than tables.
func TestPostgreSQLHolds(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	id := b.PostgreSQL(t, dockertest.Container{Image: "postgres:17", Env: []string{"POSTGRES_PASSWORD=" + word, "POSTGRES_DB=shop"}})
	sql := func(statements string) {
		b.ExecInput(t, id, []byte(statements), "psql", "-U", "postgres", "-d", "shop", "-XAtq", "-v", "ON_ERROR_STOP=1")
	}
	report, err := b.dump(t, id)
	if err != nil {
		t.Fatal(err)
	}
	if content, err := os.ReadFile(filepath.Join(b.source, report.Path, "shop.sql")); err != nil || !strings.Contains(string(content), "CREATE DATABASE shop") {
		t.Errorf("the dump has %q, %v", content, err)
	}
	sql("create extension hstore; create extension citext")
	if _, err := b.load(t, report, id, false); err != nil {
		t.Errorf("extensions count as data: %v", err)
	}
	for _, c := range []struct{ make, drop, want string }{
		{"create function f() returns int language sql as 'select 1'", "drop function f", "functions: 1"},
		{"create type mood as enum ('fair')", "drop type mood", "types: 1"},
		{"create type pair as (a int)", "drop type pair", "types: 1"},
		{"create domain knots as int", "drop domain knots", "types: 1"},
		{"select lo_create(4711)", "select lo_unlink(4711)", "large objects: 1"},
		{"create table t (id int)", "drop table t", "tables, views and sequences: 1"},
	} {
		sql(c.make)
		_, err := b.load(t, report, id, false)
		wantError(t, err, "--force", "not empty", "database shop has "+c.want)
		sql(c.drop)
	}
}
