package main_test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// wares fills the database shop with more than rows, and returns what shows
// whether all of it is there again.
func (db *database) wares() (look func(*database) string) {
	db.w.t.Helper()
	db.fill()
	if db.system == "mysql" {
		db.query("create view heavy as select id from goods where weight > 50;" +
			"create procedure tare() update goods set weight = 0;" +
			"create trigger kept before delete on goods for each row signal sqlstate '45000';" +
			"create user clerk identified by 'another word'; grant select on shop.goods to clerk;")
		return func(db *database) string {
			return db.goods() + db.query("select count(*) from heavy; show grants for clerk;"+
				"select routine_name from information_schema.routines where routine_schema = 'shop';"+
				"select trigger_name from information_schema.triggers where trigger_schema = 'shop';")
		}
	}
	db.query("create view heavy as select id from goods where weight > 50;" +
		"create function tare() returns int language sql as 'select 0';" +
		"create sequence berths start 7; select nextval('berths');" +
		"create role clerk login password 'another word'; grant select on goods to clerk; alter view heavy owner to clerk;" +
		`create database "a ""quoted"" one" template template0;`)
	return func(db *database) string {
		return db.goods() + db.query("select count(*) from heavy; select tare(), last_value from berths; select rolname from pg_roles where rolname !~ '^pg_' order by 1;"+
			"select grantee, privilege_type from information_schema.role_table_grants where table_name = 'goods' and grantee = 'clerk';"+
			"select viewowner from pg_views where viewname = 'heavy'; select datname from pg_database order by 1;")
	}
}

// A dump comes back out of the backup into a new server, into its own server
// with all data lost, and over what a server holds where that is asked for.
func TestLoad(t *testing.T) {
	t.Parallel()
	for name, place := range map[string]string{"mariadb": "named volume", "postgres": "host process"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			start, image := w.postgres, "postgres:17"
			if name == "mariadb" {
				start, image = w.mariadb, "mariadb:11"
			}
			db := start("db", image)
			look := db.wares()
			want := look(db)
			p := w.purser(place)
			p.must("run")
			first := p.wantChain(0)[0].Time

			again := start("again", image)
			r := p.must("load", "--to", again.name, db.id())
			if got := look(again); got != want {
				t.Errorf("loaded into a new server: %s\n%s", cmp.Diff(want, got), r)
			}
			if !strings.Contains(r.stdout, "into "+again.id()) || !strings.Contains(r.stdout, "1 table") && !strings.Contains(r.stdout, "tables: 1") {
				t.Errorf("it says:\n%s", r.stdout)
			}
			wantRefusal(t, p.run("load", "--to", again.id(), db.id()), 1, again.id(), "is not empty", "--force")
			db.w.t = t
			db.query("update goods set weight = 7 where id = 1; create table more (id int); insert into more values (1);")
			p.must("run")
			db.query("drop table goods cascade;")
			p.must("load", "--force", db.id())
			if got := db.query("select weight from goods where id = 1; select count(*) from more;"); got != "7\n1" {
				t.Errorf("the newest dump gives %q", got)
			}
			p.must("load", "--force", "--time", first, db.id())
			if got := db.goods(); !strings.HasPrefix(want, got) {
				t.Errorf("the first dump gives: %s", cmp.Diff(want, got))
			}
			p.wantNothingLeft()
		})
	}
}

// What can't be loaded is refused before anything is changed.
func TestLoadIsRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	db := w.mariadb("db", "mariadb:11")
	db.fill()
	old := w.mariadb("old", "mariadb:10.11")
	other := w.postgres("other", "postgres:17", "-e", "POSTGRES_DB=postgres")
	plain := w.container("plain", "busybox", "-t")
	w.container("own", "busybox", "-t", "--label", "backup.type=own")
	config := t.TempDir()
	write(t, filepath.Join(config, "index/own.yml"), []byte("own: {regex: ^own$, template: own.yml}\n"), 0o644)
	write(t, filepath.Join(config, "templates/own.yml"), []byte("commands: ['echo it > {{ target_dir }}/it']\n"), 0o644)
	p := w.purser("bind")
	p.mounts = append(p.mounts, config+":/opt/backup/config:ro")
	p.must("run")
	for _, c := range []struct {
		name  string
		args  []string
		code  int
		words []string
	}{
		{"no such service", []string{w.stack + "/nobody"}, 1, []string{w.stack + "/nobody", "purser discover"}},
		{"no dump of that name", []string{"--to", old.name, w.stack + "/nobody"}, 10, []string{w.stack + "/nobody", "purser ls"}},
		{"no dump at that time", []string{"--time", "2020-01-01", "--force", db.id()}, 10, []string{"2020-01-01"}},
		{"no recipe", []string{"--to", plain, db.id()}, 1, []string{"plain"}},
		{"a recipe without load", []string{w.stack + "/own"}, 1, []string{"own.yml", "the recipe has no load", "purser restore --path dump/" + w.stack + "/own"}},
		{"another kind of dump", []string{"--to", other.name, db.id()}, 1, []string{other.id(), "postgresql.yml"}},
		{"a newer server's dump", []string{"--to", old.name, db.id()}, 1, []string{"10.11", "--force"}},
		{"a server that holds data", []string{db.id()}, 1, []string{"shop.goods", "--force", "--to"}},
		{"a bad time", []string{"--time", "yesterday", db.id()}, 2, []string{"yesterday"}},
		{"two services", []string{db.id(), db.id()}, 2, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			wantRefusal(t, p.run(append([]string{"load"}, c.args...)...), c.code, c.words...)
		})
	}
	if got := old.query("select count(*) from information_schema.tables where table_schema = 'shop';"); got != "0" {
		t.Errorf("the old server has %s tables", got)
	}
	p.wantNothingLeft()
}
