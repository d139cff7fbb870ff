package templates_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/purser-backup/purser/internal/docker/dockertest"
)

// store is a kind of server, and how to fill one and look into it: with
// scripts in its own container.
type store struct {
	container dockertest.Container
	connect   string // what the scripts begin with
	ready     string
	seed      string
	refuses   string // what it says to a wrong password
	hint      string // that names a variable of the password
	noWord    string // the hint where there is none, if it has one
	look      string // prints all that must be there again
	file      string // of the dump, which byHand reads
	byHand    string // succeeds if the server's own offline tool takes it
	lose      string // loses some of it, and adds more
	holds     string // part of the refusal to load into one that holds data
	loaded    []string
}

func stores() map[string]store {
	return map[string]store{
		"influxdb": {
			container: dockertest.Container{Image: "influxdb:1"},
			connect:   "q() { influx -precision ns -format csv -execute \"$@\"; }; ",
			ready:     "q 'show databases'",
			seed: `q 'create database shop'; q 'create database "other base"'; q 'create database void'; q 'create retention policy short on shop duration 30d replication 1'
				influx -database 'other base' -execute 'insert wind speed=3.5 1500000000000000000'
				i=0; { echo "# DML"; echo "# CONTEXT-DATABASE: shop"; while [ $i -lt 2000 ]; do
				echo "depth,ship=a\ b value=$i,note=\"it's\" $((1500000000 + i * 100))000000000"; i=$((i + 1)); done; } >/tmp/points; influx -import -path /tmp/points`,
			look: `q 'select count(value), sum(value) from depth' -database shop; q 'select * from depth where value > 1990' -database shop
				q 'select * from wind' -database 'other base'; q 'show retention policies on shop'`,
			lose:   `q 'drop measurement depth' -database shop; q 'create database third'; influx -database third -execute 'insert a b=1'`,
			holds:  "the database shop has measurements",
			loaded: []string{"database: other base", "database: shop", "database: void", "shards: 2"},
		},
		"openldap": {
			container: dockertest.Container{Image: "openldap:2", Env: []string{"LDAP_ROOT=dc=ship,dc=test", "LDAP_ADMIN_PASSWORD=" + word}},
			connect: `auth="-x -H ldap://127.0.0.1:1389 -D cn=admin,dc=ship,dc=test -y /tmp/word"; printf %s "$LDAP_ADMIN_PASSWORD" >/tmp/word
				look() { ldapsearch $auth -LLL -o ldif-wrap=no -b dc=ship,dc=test; }; `,
			ready: "ldapsearch -x -H ldap://127.0.0.1:1389 -s base -b ''",
			seed: `{ printf 'dn: dc=ship,dc=test\nobjectClass: dcObject\nobjectClass: organization\ndc: ship\no: Ship\n\n'
				printf 'dn: ou=crew,dc=ship,dc=test\nobjectClass: organizationalUnit\nou: crew\n\n'
				i=0; while [ $i -lt 300 ]; do printf 'dn: uid=u%d,ou=crew,dc=ship,dc=test\nobjectClass: inetOrgPerson\nuid: u%d\ncn: Söderhamn %d\nsn: x\nuserPassword: pw%d\n\n' $i $i $i $i; i=$((i + 1)); done
				printf 'dn: ou=late,dc=ship,dc=test\nobjectClass: organizationalUnit\nou: late\n\n'; } | ldapadd $auth >/dev/null
				printf 'dn: uid=u7,ou=crew,dc=ship,dc=test\nchangetype: modrdn\nnewrdn: uid=u7\ndeleteoldrdn: 0\nnewsuperior: ou=late,dc=ship,dc=test\n' | ldapmodify $auth >/dev/null`,
			look:  "look >/tmp/all && sort /tmp/all && grep -c ^dn: /tmp/all",
			lose:  `ldapdelete $auth -r ou=crew,dc=ship,dc=test; printf 'dn: ou=new,dc=ship,dc=test\nobjectClass: organizationalUnit\nou: new\n' | ldapadd $auth`,
			holds: "ou=crew,dc=ship,dc=test",
			file:  "data-1.ldif",
			byHand: `rm -rf /tmp/new && mkdir /tmp/new && sed 's,/var/lib/ldap,/tmp/new,' /tmp/slapd.conf >/tmp/new.conf && slapadd -f /tmp/new.conf &&
				slapcat -f /tmp/slapd.conf | grep -vE '^(contextCSN|$)' | sort >/tmp/ours && slapcat -f /tmp/new.conf | grep -vE '^(contextCSN|$)' | sort | cmp - /tmp/ours`,
			refuses: "Invalid credentials", hint: "LDAP_ADMIN_PASSWORD", noWord: "set one of them on the service",
			loaded: []string{"dc=ship,dc=test: 303 entries"},
		},
		"clickhouse": {
			container: dockertest.Container{Image: "clickhouse:18", Env: []string{"CLICKHOUSE_PASSWORD=" + word}},
			connect:   `q() { clickhouse-client --password "$CLICKHOUSE_PASSWORD" --query "$1"; }; `,
			ready:     "q 'select 1'",
			seed: "clickhouse-client --password \"$CLICKHOUSE_PASSWORD\" --multiquery <<'END'\n" +
				"create database shop; create table shop.`it's\\t\\\\ odd` (day Date, id UInt32, name String, tags Array(String), note Nullable(String)) engine = MergeTree(day, id, 8192);\n" +
				"insert into shop.`it's\\t\\\\ odd` select toDate('2026-01-01'), number, concat('tab\\t and\\nline ', toString(number)), ['a', 'b\\'c'], if(number % 2, null, 'x') from system.numbers limit 3000;\n" +
				"create table goods (id Int32, weight Float64) engine = Log; insert into goods select number, number / 3 from system.numbers limit 2; create table bare (id Int32) engine = TinyLog;\n" +
				"create materialized view sums engine = SummingMergeTree(day, id, 8192) populate as select toDate(0) as day, id, weight from goods;\n" +
				"create view heavy as select * from sums where weight > 0;\nEND\n",
			look: "clickhouse-client --password \"$CLICKHOUSE_PASSWORD\" --multiquery <<'END'\n" +
				"select count(), sum(cityHash64(id, name, tags, note)) from shop.`it's\\t\\\\ odd`; select * from goods order by id; select * from sums order by id; select * from heavy;\n" +
				"select database, name, engine from system.tables where database != 'system' order by database, name;\nEND\n",
			lose:    "q 'drop table goods'; q 'create table extra (id Int32) engine = Log'",
			holds:   "table default.",
			refuses: "assword", hint: "CLICKHOUSE_PASSWORD", noWord: "CLICKHOUSE_ADMIN_PASSWORD",
			loaded: []string{"`default`.`bare`: 0 rows", "`default`.`goods`: 2 rows", "`shop`.`it's\\t\\\\ odd`: 3000 rows", "`default`.`sums`: 2 rows"},
		},
	}
}

// A dump comes back into a new server, and into its own over what it holds.
func TestStoresLoad(t *testing.T) {
	t.Parallel()
	for kind, s := range stores() {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			b := newBench(t)
			start := func() (string, func(string) string) {
				id := b.Start(t, s.container)
				run := func(script string) string { return b.script(t, id, "set -e\n"+s.connect+script) }
				b.ready(t, id, s.connect+s.ready)
				return id, run
			}
			id, run := start()
			run(s.seed)
			want := run(s.look)
			report, err := b.dump(t, id)
			if err != nil {
				t.Fatal(err)
			}
			if s.byHand != "" {
				dump, err := os.ReadFile(filepath.Join(b.source, report.Path, s.file))
				if err != nil {
					t.Fatal(err)
				}
				b.ExecInput(t, id, dump, "sh", "-c", s.byHand)
			}
			again, runAgain := start()
			loaded, err := b.load(t, report, again, false)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, runAgain(s.look)); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff(s.loaded, loaded.Summary); diff != "" {
				t.Error(diff)
			}
			_, err = b.load(t, report, again, false)
			wantError(t, err, "--force", "not empty", s.holds)
			b.wantRefused(t, id, s)
			run(s.lose)
			if _, err := b.load(t, report, id, true); err != nil {
				t.Fatal(err)
			}
			if got := run(s.look); got != want {
				t.Error(cmp.Diff(want, got))
			}
		})
	}
}

// wantRefused dumps with a wrong password, and with none.
func (b *bench) wantRefused(t *testing.T, id string, s store) {
	t.Helper()
	if s.refuses == "" {
		return // it asks for none
	}
	for password, hint := range map[string]string{"wr0ng-one": s.hint + " from the service's environment", "": s.noWord} {
		refuses := s.refuses
		if password == "" && s.hint == "LDAP_ADMIN_PASSWORD" {
			refuses = "no password found"
		}
		b.wantRefusal(t, id, map[string]string{s.hint: password}, hint, refuses)
	}
}

// wantRefusal dumps a service as if it had this environment, which the server
// doesn't let in.
func (b *bench) wantRefusal(t *testing.T, id string, env map[string]string, hint, refuses string) {
	t.Helper()
	s, r := b.service(t, id)
	s.Containers[0].Env = env
	_, err := b.dumper.Dump(t.Context(), s, r)
	b.clean(t)
	wantError(t, err, hint, "dump of "+s.ID()+": ", refuses)
	if err != nil && strings.Contains(err.Error(), "wr0ng-one") {
		t.Errorf("the password is in the error: %v", err)
	}
}

// An InfluxDB with authentication lets in only who has the password, although
// the port of its backup asks nobody.
func TestInfluxDBWrongPassword(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	id := b.Start(t, dockertest.Container{Image: "influxdb:1", Env: []string{"INFLUXDB_HTTP_AUTH_ENABLED=true", "WORD=right one"}})
	b.ready(t, id, `influx -execute "create user boss with password '$WORD' with all privileges" && INFLUX_USERNAME=boss INFLUX_PASSWORD="$WORD" influx -execute "create database shop" | grep -vq ERR:; `+
		`INFLUX_USERNAME=boss INFLUX_PASSWORD="$WORD" influx -execute "show databases" | grep shop`)
	const used = "it used INFLUXDB_ADMIN_PASSWORD from the service's environment, INFLUXDB_ADMIN_USER from the service's environment;"
	for _, c := range []struct {
		env           map[string]string
		hint, refuses string
	}{
		{map[string]string{"INFLUXDB_ADMIN_USER": "boss", "INFLUXDB_ADMIN_PASSWORD": "wr0ng-one"}, used, "authorization failed"},
		{map[string]string{"INFLUXDB_ADMIN_USER": "nobody", "INFLUXDB_ADMIN_PASSWORD": "right one"}, used, "authorization failed"},
		{nil, "no user found: looked for INFLUXDB_ADMIN_USER", "authentication credentials"},
	} {
		b.wantRefusal(t, id, c.env, c.hint, c.refuses)
	}
	s, r := b.service(t, id)
	s.Containers[0].Env = map[string]string{"INFLUXDB_ADMIN_USER": "boss", "INFLUXDB_ADMIN_PASSWORD": "right one"}
	if _, err := b.dumper.Dump(t.Context(), s, r); err != nil {
		t.Error(err)
	}
}

// An etcd takes no snapshot while it runs: a new one starts from it.
func TestEtcdSnapshot(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	id := b.Start(t, dockertest.Container{Image: "etcd:3", Env: []string{"WORD=" + word}})
	b.ready(t, id, "etcdctl endpoint health")
	b.script(t, id, `set -e; for i in 1 2 3 4 5; do etcdctl put "key $i" "a 'value' $i"; done
		etcdctl user add root:"$WORD"; etcdctl auth enable`)
	b.wantRefusal(t, id, nil, "no password found: looked for ETCD_ROOT_PASSWORD", "user name is empty")
	for _, env := range []map[string]string{{"ETCD_ROOT_PASSWORD": "wr0ng-one"}, {"ETCD_ROOT_PASSWORD": word, "ETCD_ROOT_USER": "nobody"}} {
		b.wantRefusal(t, id, env, "ETCD_ROOT_PASSWORD from the service's environment", "authentication failed")
	}
	s, r := b.service(t, id)
	s.Containers[0].Env = map[string]string{"ETCD_ROOT_PASSWORD": word}
	report, err := b.dumper.Dump(t.Context(), s, r)
	if err != nil {
		t.Fatal(err)
	}
	wantQuiet(t, report)
	again := b.Start(t, dockertest.Container{Image: "etcd:3", Binds: []string{b.source + "/" + report.Path + ":/dump:ro"},
		Cmd: []string{"sh", "-c", "etcdctl snapshot restore /dump/snapshot.db --data-dir /restored && exec etcd --data-dir /restored"}})
	get := `export ETCDCTL_USER="$0" ETCDCTL_PASSWORD="$1"; etcdctl get --prefix ""`
	b.ready(t, again, "etcdctl endpoint health || etcdctl get x 2>&1 | grep -q 'user name is empty'")
	want, got := b.Exec(t, id, "sh", "-c", get, "root", word), b.Exec(t, again, "sh", "-c", get, "root", word)
	if got != want || strings.Count(got, "value") != 5 {
		t.Error(cmp.Diff(want, got))
	}
	_, err = b.load(t, report, id, true)
	wantError(t, err, "purser restore --path", "the recipe has no load")
}
