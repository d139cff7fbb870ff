package main_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// store is a server other than those of SQL: scripts in its own container
// fill it and look into it.
type store struct {
	image   string
	options []string // of docker run
	command []string
	connect string // what the scripts begin with
	ready   string
	seed    string
	look    string
	restore string // brings the dump, below /restore, back by hand; empty: purser load
}

func stores() map[string]store {
	redis := `q() { $(command -v valkey-cli || command -v redis-cli) "$@"; }; `
	return map[string]store{
		"redis": {image: "redis:7", connect: redis, ready: "q ping",
			seed: `q set greeting 'ahoy, "mate"'; q rpush crew ann bo; q -n 3 hset ship name Söderhamn; i=0; while [ $i -lt 5000 ]; do echo "set key:$i $i"; i=$((i + 1)); done | q`,
			look: "q dbsize; q get greeting; q lrange crew 0 -1; q -n 3 hgetall ship; q get key:4999"},
		"valkey": {image: "valkey:8", connect: redis, ready: "q ping",
			seed: "q zadd depth 3 bank 90 trench; q xadd log 1-1 event 'set sail'", look: "q zrange depth 0 -1 withscores; q xrange log - +"},
		"clickhouse": {image: "clickhouse:18", options: []string{"-e", "CLICKHOUSE_PASSWORD=" + passphrase},
			connect: `q() { clickhouse-client --password "$CLICKHOUSE_PASSWORD" --query "$1"; }; `, ready: "q 'select 1'",
			seed: `q 'create database shop'; q 'create table shop.goods (day Date, id UInt32, name String) engine = MergeTree(day, id, 8192)'
				q "insert into shop.goods select toDate('2026-01-01'), number, concat('tab\\t ', toString(number)) from system.numbers limit 5000"`,
			look: "q 'select count(), sum(cityHash64(day, id, name)) from shop.goods'; q 'show create table shop.goods'"},
		"influxdb": {image: "influxdb:1", connect: `q() { influx -precision ns -format csv -execute "$@"; }; `, ready: "q 'show databases'",
			seed: `q 'create database shop'; i=0; { echo "# DML"; echo "# CONTEXT-DATABASE: shop"; while [ $i -lt 2000 ]; do
				echo "depth,ship=a\ b value=$i $((1500000000 + i * 100))000000000"; i=$((i + 1)); done; } >/tmp/points; influx -import -path /tmp/points`,
			look: "q 'select count(value), sum(value) from depth' -database shop; q 'select * from depth where value > 1990' -database shop"},
		"openldap": {image: "openldap:2", options: []string{"-e", "LDAP_ROOT=dc=ship,dc=test", "-e", "LDAP_ADMIN_PASSWORD=" + passphrase},
			connect: `printf %s "$LDAP_ADMIN_PASSWORD" >/tmp/word; auth="-x -H ldap://127.0.0.1:1389 -D cn=admin,dc=ship,dc=test -y /tmp/word"; `,
			ready:   "ldapsearch -x -H ldap://127.0.0.1:1389 -s base -b ''",
			seed: `{ printf 'dn: dc=ship,dc=test\nobjectClass: dcObject\nobjectClass: organization\ndc: ship\no: Ship\n\n'
				i=0; while [ $i -lt 200 ]; do printf 'dn: uid=u%d,dc=ship,dc=test\nobjectClass: inetOrgPerson\nuid: u%d\ncn: Söderhamn %d\nsn: x\n\n' $i $i $i; i=$((i + 1)); done; } | ldapadd $auth`,
			look: "ldapsearch $auth -LLL -o ldif-wrap=no -b dc=ship,dc=test >/tmp/all && sort /tmp/all"},
		"etcd": {image: "etcd:3", ready: "etcdctl endpoint health", seed: `for i in 1 2 3 4 5; do etcdctl put "key $i" "a 'value' $i"; done`,
			command: []string{"sh", "-c", "[ ! -e /restored ] || exec etcd --data-dir /restored; exec etcd"}, look: `etcdctl get --prefix ""`,
			restore: "etcdctl snapshot restore /restore/snapshot.db --data-dir /restored"},
		"sqlite": {image: "sqlite:3", options: []string{"--label", "backup.type=sqlite", "-v", "/data"}, ready: "true",
			seed:    `sqlite3 /data/app.db "pragma journal_mode=wal; create table goods (id int, name text); insert into goods values (1, 'Söderhamn tar'), (2, 'it''s')"`,
			look:    `sqlite3 /data/app.db .dump`,
			restore: "tar -C / -xf /restore/*/databases.tar"},
	}
}

// start starts a server of the kind and returns its container's name.
func (s store) start(w *world) string {
	w.t.Helper()
	name := w.stack + "-store"
	args := []string{"run", "-d", "--pull", "never", "--name", name, "--label", "purser-test=" + w.stack,
		"--label", "com.docker.compose.project=" + w.stack, "--label", "com.docker.compose.service=store"}
	w.docker(append(append(append(args, s.options...), s.image), s.command...)...)
	s.wait(w, name)
	return name
}

func (s store) exec(w *world, name, script string) result {
	w.t.Helper()
	return w.command(nil, "docker", "exec", name, "sh", "-c", "set -e\n"+s.connect+script).run()
}

func (s store) wait(w *world, name string) {
	w.t.Helper()
	w.eventually("the server is ready", func() bool { return s.exec(w, name, s.ready).code == 0 })
}

// must runs a script that has to succeed, and returns what it prints.
func (s store) must(w *world, name, script string) string {
	w.t.Helper()
	r := s.exec(w, name, script)
	if r.code != 0 {
		w.t.Fatal(r)
	}
	return r.stdout
}

// All that is left of a host is the target: a server made anew gets back what
// the lost one held.
func TestStoresComeBack(t *testing.T) {
	t.Parallel()
	for kind, s := range stores() {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			name := s.start(w)
			s.must(w, name, s.seed)
			want := s.must(w, name, s.look)
			p := w.purser("named volume")
			p.must("run")
			w.docker("rm", "-fv", name)
			p.loseDumps()

			s.start(w)
			if r := s.exec(w, name, s.look); r.stdout == want {
				t.Fatalf("a new server has: %s", r)
			}
			if s.restore == "" {
				p.fresh().must("load", w.stack+"/store")
			} else {
				s.byHand(p, name)
			}
			if diff := cmp.Diff(want, s.must(w, name, s.look)); diff != "" {
				t.Error(diff)
			}
			p.wantNothingLeft()
		})
	}
}

// loseDumps removes what the source path has.
func (p *purser) loseDumps() {
	p.w.t.Helper()
	if err := os.RemoveAll(filepath.Join(p.source, "dump")); err != nil {
		p.w.t.Fatal(err)
	}
}

// byHand restores the dump into the container, with the kind's own program.
func (s store) byHand(p *purser, name string) {
	p.w.t.Helper()
	dump := p.fresh().restored("--path", "dump/"+p.w.stack+"/store")
	p.w.docker("cp", dump, name+":/restore")
	s.must(p.w, name, s.restore)
	p.w.docker("restart", "--time", "1", name)
	s.wait(p.w, name)
}

// The same for each version of the SQL servers, with all that a database has
// beside rows; and from an older version to a newer one, never the other way.
func TestVersionsComeBack(t *testing.T) {
	t.Parallel()
	for _, image := range []string{"postgres:13", "postgres:15", "postgres:17", "mariadb:10.11", "mariadb:11"} {
		t.Run(image, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			start, newest, oldest := w.postgres, "postgres:17", "postgres:13"
			if strings.HasPrefix(image, "mariadb") {
				start, newest, oldest = w.mariadb, "mariadb:11", "mariadb:10.11"
			}
			db := start("db", image)
			look := db.wares()
			want := look(db)
			p := w.purser("bind")
			p.must("run")
			w.docker("rm", "-fv", db.name)
			p.loseDumps()

			p.fresh().must("load", start("db", image).id())
			if got := look(db); got != want {
				t.Errorf("loaded into a new server: %s", cmp.Diff(want, got))
			}
			if image != newest {
				newer := start("newer", newest)
				p.must("load", "--to", newer.id(), db.id())
				if got := look(newer); got != want {
					t.Errorf("loaded into %s: %s", newest, cmp.Diff(want, got))
				}
			}
			if image != oldest {
				older := start("older", oldest)
				wantRefusal(t, p.run("load", "--to", older.id(), db.id()), 1, "the dump is of server version", "hint: load it with --to into a ", "--force loads it here")
				if got := older.tables(); got != "0" {
					t.Errorf("%s has %s tables", oldest, got)
				}
			}
			p.wantNothingLeft()
		})
	}
}

// tables is how many tables and views the database shop has.
func (db *database) tables() string {
	db.w.t.Helper()
	return db.query("select count(*) from information_schema.tables where table_schema in ('shop', 'public');")
}
