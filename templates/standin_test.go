package templates_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/purser-backup/purser/dumpers"
	"github.com/purser-backup/purser/internal/docker/dockertest"
	"github.com/purser-backup/purser/templates"
)

// What is run for servers that the tests can't have is in files, to be read.
func TestGoldenRecipes(t *testing.T) {
	catalog, err := dumpers.Load(templates.FS())
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ image, env string }{
		{"mysql:8", "MYSQL_ROOT_PASSWORD=p"},
		{"mysql:8", "MYSQL_USER=u MYSQL_PASSWORD=p MYSQL_DATABASE=d"},
		{"mongo:7", ""},
		{"mongo:7", "MONGO_INITDB_ROOT_USERNAME=u MONGO_INITDB_ROOT_PASSWORD=p"},
		{"mongo:7", "MONGO_PASS=p"},
		{"bitnami/mongodb:7", "MONGODB_USERNAME=u MONGODB_PASSWORD=p MONGODB_DATABASE=d"},
		{"elasticsearch:8", "ELASTIC_PASSWORD=p"},
		{"opensearchproject/opensearch:2", "OPENSEARCH_INITIAL_ADMIN_PASSWORD=p"},
		{"bitnami/opensearch:2", "OPENSEARCH_PASSWORD=p OPENSEARCH_HTTP_PORT_NUMBER=9201"},
		{"cassandra:5", ""},
	} {
		name := strings.NewReplacer("/", "-", ":", "-", " ", ",").Replace(strings.TrimSpace(c.image + " " + c.env))
		t.Run(name, func(t *testing.T) {
			wantGolden(t, filepath.Join("testdata/golden", name+".txt"), rendered(t, catalog, c.image, c.env))
		})
	}
}

// mongo stands in for MongoDB's programs. Its shell obeys whoever logs in as
// it must, and its tools say what they were told.
var mongo = map[string]string{
	"mongosh": `for file; do :; done
case $1,$file in --quiet,/tmp/script.js) ;; *) exit 64 ;; esac
if ! grep -qF 'getDB("admin").auth("root", "-p \"it'"'"'s\" $HOME: \\n!` + "`id`" + `é")' $file; then echo "MongoServerError: Authentication failed." >&2; exit 1; fi
case $(cat $file) in
*'print("ok")'*) echo ok ;;
*isMaster*) echo set:rs0 ;;
*listDatabases*) [ ! -e /held ] || echo "collection shop.goods" ;;
esac
`,
	"mongodump": `for a; do case $a in --out=*) out=${a#--out=} ;; --config=*) login=${a#--config=} ;; esac; done
mkdir "$out/shop" && echo "bson" >"$out/shop/goods.bson" && echo "{}" >"$out/shop/goods.metadata.json" && echo oplog >"$out/oplog.bson"
echo "$* $(cat "$login")" >"$out/shop/called"
[ ! -e /fails ] || { echo "Failed: error writing data: connection closed" >&2; exit 1; }
printf '2026-05-20T00:00:00.000+0000\twriting shop.goods to %s\n2026-05-20T00:00:00.000+0000\tdone dumping shop.goods (3 documents)\n' "$out" >&2
printf '2026-05-20T00:00:00.000+0000\tdone dumping admin.system.users (1 document)\n' >&2
`,
	"mongorestore": `for a; do case $a in --dir=*) dir=${a#--dir=} ;; esac; done
[ -e "$dir/shop/goods.bson" ] && [ ! -e "$dir/documents" ] || exit 1
case $* in *" --oplogReplay --stopOnError "*) ;; *) echo "called with $*" >&2; exit 1 ;; esac
n=3; [ ! -e /loses ] || n=2
printf '2026-05-20T00:00:00.000+0000\t%s document(s) restored successfully. 0 document(s) failed to restore.\n' $n >&2
`,
}

// with is a set of programs in an image in which a file is there too.
func with(programs map[string]string, file string) map[string]string {
	all := map[string]string{"../" + file: ""}
	for name, script := range programs {
		all[name] = script
	}
	return all
}

func TestMongoDBStandIn(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	server := func(tag string, programs map[string]string) string {
		tag = "mongo:stand-in-" + tag
		b.StandIn(t, tag, programs)
		return b.Start(t, dockertest.Container{Image: tag, Cmd: []string{"sleep", "100000"}, Env: []string{"MONGO_INITDB_ROOT_PASSWORD=" + word}})
	}
	id := server("good", mongo)
	report, err := b.dump(t, id)
	if err != nil {
		t.Fatal(err)
	}
	read := func(name string) string {
		content, err := os.ReadFile(filepath.Join(b.source, report.Path, name))
		if err != nil {
			t.Fatal(err)
		}
		return string(content)
	}
	want := "--host=127.0.0.1 --port=27017 --config=/tmp/login.yml --username=root --authenticationDatabase=admin --oplog --out=/purser " +
		`password: "` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(word) + "\"\n"
	if diff := cmp.Diff(want, read("shop/called")); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff("1 admin.system.users\n3 shop.goods\n-- complete\n", read("documents")); diff != "" {
		t.Error(diff)
	}
	loaded, err := b.load(t, report, id, false)
	if diff := cmp.Diff([]string{"documents: 3"}, loaded.Summary); diff != "" || err != nil {
		t.Error(diff, err)
	}
	_, err = b.load(t, report, server("held", with(mongo, "held")), false)
	wantError(t, err, "--force", "collection shop.goods")
	_, err = b.load(t, report, server("loses", with(mongo, "loses")), true)
	wantError(t, err, "what was loaded until then may stay", "the dump has 3 documents, 2 were loaded")
	_, err = b.dump(t, server("fails", with(mongo, "fails")))
	wantError(t, err, "", "connection closed")
	s, r := b.service(t, id)
	s.Containers[0].Env = map[string]string{"MONGO_INITDB_ROOT_PASSWORD": "wrong"}
	_, err = b.dumper.Dump(t.Context(), s, r)
	wantError(t, err, "MONGO_INITDB_ROOT_PASSWORD", "Authentication failed")
}

// elasticdump stands in for it and for Node.js, which asks the server. One at port
// 9201 loses the connection, at 9202 it has a document less, and at 9203 one more.
var elasticdump = map[string]string{
	"node": `case "$DUMP_URL $2 $3" in
"https://"*" GET /") [ "$DUMP_USER:$DUMP_PASSWORD" = "elastic:open sesame" ] || { echo "GET /: 401 denied" >&2; exit 1; } ;;
"http://"*) echo "GET /: socket hang up" >&2; exit 1 ;;
*" GET /_cat/indices?h=index&s=index") cat /indices 2>/dev/null || printf '.ds-hits-1\ngoods\nlogs-1\n' ;;
*":9202 "*/_count) echo '{"count":1,"_shards":{}}' ;;
*":9203 "*/_count) echo '{"count":3,"_shards":{}}' ;;
*/_count) echo '{"count":2,"_shards":{}}' ;;
esac
`,
	"elasticdump": `for a; do case $a in --output=*) out=${a#--output=} ;; --type=*) type=${a#--type=} ;; --input=*) in=${a#--input=} ;; esac; done
case $in,$out,$type in *:9201/*,data) echo '{"_id":1}' >/purser/goods.data.json; echo "Error Emitted => ECONNRESET: socket hang up" >&2; exit 1 ;; esac
case $out in https://*) [ -s "$in" ] && exit; esac
[ "$(cat /tmp/login.ini)" = 'user=elastic
password="open sesame"' ] || exit 1
case $type in data) printf '{"_id":1}\n{"_id":2}\n' ;; alias) ;; *) echo "$*" ;; esac >"$out"
`,
}

func TestElasticsearchStandIn(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.StandIn(t, "elasticdump/elasticsearch-dump:latest", elasticdump)
	server := func(password, port string) string {
		return b.Start(t, dockertest.Container{Image: "busybox", Cmd: []string{"sleep", "100000"},
			Labels: map[string]string{"backup.type": "elasticsearch"}, Env: []string{"ELASTIC_PASSWORD=" + password, "ELASTICSEARCH_PORT_NUMBER=" + port}})
	}
	id := server("open sesame", "9200")
	report, err := b.dump(t, id)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"documents":          "2 .ds-hits-1\n2 goods\n2 logs-1\n-- complete\n",
		"goods.data.json":    "{\"_id\":1}\n{\"_id\":2}\n",
		"logs-1.alias.json":  "",
		"goods.mapping.json": "--quiet --limit=1000 --httpAuthFile=/tmp/login.ini --input=https://127.0.0.1:9200/goods --output=goods.mapping.json --type=mapping\n",
	} {
		got, err := os.ReadFile(filepath.Join(b.source, report.Path, name))
		if err != nil || string(got) != want {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
	_, err = b.load(t, report, id, false)
	wantError(t, err, "--force", "index goods\nindex logs-1")
	loaded, err := b.load(t, report, id, true)
	if diff := cmp.Diff([]string{".ds-hits-1: not loaded, 2 documents", "goods: 2 documents", "logs-1: 2 documents"}, loaded.Summary); diff != "" || err != nil {
		t.Error(diff, err)
	}
	for password, hint := range map[string]string{"wrong": "ELASTIC_PASSWORD from", "": "OPENSEARCH_INITIAL_ADMIN_PASSWORD"} {
		_, err = b.dump(t, server(password, "9200"))
		wantError(t, err, hint, "401 denied")
	}
	cut, loses, grows := server("open sesame", "9201"), server("open sesame", "9202"), server("open sesame", "9203")
	_, err = b.dump(t, cut)
	wantError(t, err, "ELASTIC_PASSWORD from", "exit status 1: Error Emitted => ECONNRESET")
	_, err = b.load(t, report, cut, true)
	wantError(t, err, "what was loaded until then may stay", "exit status 1: Error Emitted => ECONNRESET")
	loaded, err = b.load(t, report, loses, true)
	wantError(t, err, "what was loaded until then may stay", "the dump has 2 documents of goods, the server 1 after the load")
	if diff := cmp.Diff([]string{".ds-hits-1: not loaded, 2 documents"}, loaded.Summary); diff != "" {
		t.Error(diff)
	}
	_, err = b.dump(t, grows)
	wantError(t, err, "ELASTIC_PASSWORD from", "has 3 documents, and 2 were written")
	if left, err := os.ReadDir(filepath.Join(b.source, "dump")); err != nil || len(left) != 1 {
		t.Errorf("dumps that failed are there: %v, %v", left, err)
	}
}
