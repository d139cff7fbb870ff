package templates_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/purser-backup/purser/internal/docker/dockertest"
)

// mysql stands in for MySQL's own programs, which take other options than
// MariaDB's. They know the password, and say what they were told.
var mysql = map[string]string{
	"mysqladmin": `case "$*" in *"--loose-ssl-mode=DISABLED "*" status") [ ! -e /demands ] ;; esac
`,
	"word": "cat <<'END'\n" + word + "\nEND\n",
	"mysqldump": `case $1 in --version) echo "mysqldump  Ver 8.0.36 for Linux on x86_64 (MySQL Community Server - GPL)"; exit ;; esac
for a; do case $a in --result-file=*) out=${a#--result-file=} ;; esac; done
[ "$MYSQL_PWD" = "$(word)" ] || { echo "mysqldump: Got error: 1045: Access denied for user 'root'@'localhost' (using password: YES) when trying to connect" >&2; exit 2; }
printf '%s\n' "-- MySQL dump 10.13  Distrib 8.0.36, for Linux (x86_64)" "-- Server version	8.0.36" "-- $*" 'USE ` + "`mysql`;' '-- Table structure for table `user`' 'CREATE DATABASE /*!32312 IF NOT EXISTS*/ `shop`;' 'USE `shop`;' '-- Table structure for table `goods`" + `' >"$out"
case "$*" in *--loose-ssl-mode=DISABLED*) [ ! -e /demands ] || { echo "mysqldump: Got error: 3159: Connections using insecure transport are prohibited" >&2; exit 2; } ;; esac
[ ! -e /fails ] || { echo "mysqldump: Error 2013: Lost connection to MySQL server during query when dumping table goods at row: 7" >&2; exit 3; }
echo "-- Dump completed" >>"$out"
echo "mysqldump: [Warning] unknown option '--loose-get-server-public-key'." >&2
[ ! -e /mumbles ] || echo "mysqldump: Couldn't execute 'show events': Access denied (1044)" >&2
`,
	"mysql": `[ "$MYSQL_PWD" = "$(word)" ] || exit 1
case "$*" in
*"--loose-get-server-public-key "*"select version()") if [ -e /older ]; then echo 5.7.44-log; elif [ -e /maria ]; then echo 11.8.3-MariaDB; else echo 8.4.0; fi ;;
*"select concat('table ',"*) [ ! -e /held ] || echo "table shop.goods" ;;
*" -N -B --binary-mode") grep '^-- Dump completed' >/dev/null && if [ -e /loses ]; then echo 0; else echo 1; fi ;;
*" --binary-mode") [ "$(cat)" = 'set foreign_key_checks = 0;
drop database if exists ` + "`shop`" + `;' ] ;;
*) exit 64 ;;
esac
`,
}

func TestMySQLStandIn(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	server := func(tag string, programs map[string]string) string {
		tag = "mysql:stand-in-" + tag
		b.StandIn(t, tag, programs)
		return b.Start(t, dockertest.Container{Image: tag, Cmd: []string{"sleep", "100000"}, Env: []string{"MYSQL_ROOT_PASSWORD=" + word}})
	}
	id := server("good", mysql)
	report, err := b.dump(t, id)
	if err != nil {
		t.Fatal(err)
	}
	dump, err := os.ReadFile(filepath.Join(b.source, report.Path, "all-databases.sql"))
	if err != nil {
		t.Fatal(err)
	}
	want := "-- --no-defaults --host=127.0.0.1 --port=3306 --user=root --protocol=tcp --default-character-set=utf8mb4 --loose-get-server-public-key --loose-ssl-mode=DISABLED --max-allowed-packet=1G " +
		"--loose-set-gtid-purged=OFF --single-transaction --quick --routines --events --triggers --hex-blob --skip-dump-date --flush-privileges " +
		"--result-file=/purser/all-databases.sql --all-databases"
	if diff := cmp.Diff(want, strings.Split(string(dump), "\n")[2]); diff != "" {
		t.Error(diff)
	}
	loaded, err := b.load(t, report, id, false)
	if diff := cmp.Diff([]string{"tables: 1"}, loaded.Summary); diff != "" || err != nil {
		t.Error(diff, err)
	}
	if _, err := b.load(t, report, id, true); err != nil {
		t.Error(err)
	}
	for _, c := range []struct{ file, hint, text string }{
		{"held", "--force", "table shop.goods"},
		{"older", "into a MySQL server of this version or a newer one; --force", "the dump is of server version 8.0.36, this server is 5.7.44-log"},
		{"maria", "into a MySQL server of this version or a newer one; --force", "the dump is of server version 8.0.36, this server is 11.8.3-MariaDB"},
		{"loses", "what was loaded until then may stay", "the dump has 1 tables of `shop`, the server 0 after the load"},
	} {
		_, err = b.load(t, report, server(c.file, with(mysql, c.file)), false)
		wantError(t, err, c.hint, c.text)
	}
	if _, err = b.dump(t, server("demands", with(mysql, "demands"))); err != nil {
		t.Errorf("of a server that demands TLS: %v", err)
	}
	_, err = b.dump(t, server("fails", with(mysql, "fails")))
	wantError(t, err, "", "exit status 3: mysqldump: Error 2013")
	_, err = b.dump(t, server("mumbles", with(mysql, "mumbles")))
	wantError(t, err, "is kept", "check: the commands succeeded, but said: mysqldump: Couldn't execute 'show events'")
	s, r := b.service(t, id)
	s.Containers[0].Env = map[string]string{"MYSQL_ROOT_PASSWORD": "wrong"}
	_, err = b.dumper.Dump(t.Context(), s, r)
	wantError(t, err, "MYSQL_ROOT_PASSWORD from the service's environment", "Access denied")
}

// A load by force replaces the databases that the dump has, whole, and leaves
// the others. The tables are counted of each apart.
func TestMariaDBReplaces(t *testing.T) {
	t.Parallel()
	for _, image := range []string{"mariadb:10.11", "mariadb:11"} {
		t.Run(image, func(t *testing.T) {
			t.Parallel()
			b := newBench(t)
			id := b.MariaDB(t, dockertest.Container{Image: image, Env: []string{"MARIADB_ROOT_PASSWORD=" + word}})
			sql := func(statements string) string {
				return b.ExecInput(t, id, []byte(statements), "sh", "-c", `MYSQL_PWD=$MARIADB_ROOT_PASSWORD exec mariadb -u root -N -B --binary-mode`)
			}
			sql("create database shop; create database `an \"odd\" ``one``  \\`;\n" +
				"create table shop.goods (id int primary key, name text); insert into shop.goods values (1, 'a\nUSE `nowhere`;\n-- Table structure for table `none`\n');\n" +
				"create table shop.kept (id int) with system versioning; insert into shop.kept values (1); create view shop.seen as select id from shop.goods;\n" +
				"create table `an \"odd\" ``one``  \\`.parts (id int, foreign key (id) references shop.goods (id));\n" +
				"delimiter //\nuse shop//\ncreate procedure told() begin\n/*\nCREATE DATABASE `bystander`;\nUSE `bystander`;\n-- Table structure for table `none`\n*/\nselect 1;\nend//\n")
			const look = "select table_schema, table_name, table_type from information_schema.tables where table_schema not in ('mysql', 'sys', 'information_schema', 'performance_schema') order by 1, 2;" +
				"select routine_schema, routine_name, md5(routine_definition) from information_schema.routines where routine_schema not in ('mysql', 'sys') order by 1, 2; select id, hex(name) from shop.goods; select * from shop.seen; select * from shop.kept"
			want := sql(look)
			report, err := b.dump(t, id)
			if err != nil {
				t.Fatal(err)
			}
			sql("create database bystander; create table bystander.stays (id int)")
			bystander := "bystander\tstays\tBASE TABLE\n"
			sql("use shop; create table extra (id int); create procedure more() select 1; drop procedure told; delete from kept; drop view seen")
			loaded, err := b.load(t, report, id, true)
			if diff := cmp.Diff([]string{"tables: 3"}, loaded.Summary); err != nil || diff != "" {
				t.Fatal(err, diff)
			}
			got := sql(look)
			if diff := cmp.Diff(want, strings.Replace(got, bystander, "", 1)); diff != "" || !strings.Contains(got, bystander) {
				t.Errorf("the bystander stays: %v; %s", strings.Contains(got, bystander), diff)
			}

			// The bystander's table makes up for none of the dump's.
			file := filepath.Join(b.source, report.Path, "all-databases.sql")
			content, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			const goods = "-- Table structure for table `goods`\n"
			more := strings.Replace(string(content), goods, goods+"-- Table structure for table `lost`\n", 1)
			if err := os.WriteFile(file, []byte(more), 0o600); err != nil {
				t.Fatal(err)
			}
			_, err = b.load(t, report, id, true)
			wantError(t, err, "", "the dump has 3 tables of `shop`, the server 2 after the load")
		})
	}
}
