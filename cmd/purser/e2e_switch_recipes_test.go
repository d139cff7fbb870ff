package main_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// standIn builds an image that stands in for a client that isn't to be had: a
// shell, and a script under the client's name that says how it was called.
func (w *world) standIn(client, script string, tags ...string) {
	w.t.Helper()
	dir := w.t.TempDir()
	write(w.t, filepath.Join(dir, client), []byte("#!/bin/sh\n"+script), 0o755)
	write(w.t, filepath.Join(dir, "Dockerfile"), []byte("FROM busybox\nCOPY "+client+" /bin/\nCMD [\"sleep\", \"infinity\"]\n"), 0o644)
	if r := w.command([]string{"DOCKER_BUILDKIT=0"}, "docker", "build", "--tag", tags[0], dir).run(); r.code != 0 {
		w.t.Fatalf("build %s: %s", tags[0], r)
	}
	for _, tag := range tags[1:] {
		w.docker("tag", tags[0], tag)
	}
}

// rancher-backup's own recipes, converted by hand and mounted where its users
// have theirs, run against real servers; for MongoDB and Elasticsearch, whose
// clients are not to be had, against commands that stand in for them.
func TestAncestorRecipesRun(t *testing.T) {
	w := newWorld(t)
	for _, tag := range []string{"mysql:5.7", "mysql:latest", "mariadb:latest"} {
		w.docker("tag", "mariadb:10.11", tag)
	}
	w.docker("tag", "postgres:17", "postgres:latest")
	w.standIn("mongodump", "printf '2026-05-20T00:00:00.000+0000\\twriting shop.goods to archive on stdout\\n' >&2; echo \"mongodump $*\"\n", "mongo:3.4", "mongo:latest")
	w.standIn("elasticdump", `for a; do case $a in --output=*) echo "elasticdump $*" >"${a#--output=}" ;; esac; done`,
		"elasticsearch:5", "taskrabbit/elasticsearch-dump:latest")

	databases := []*database{
		w.mariadb("mysql", "mysql:5.7", "-e", "MYSQL_ROOT_PASSWORD="+passphrase, "-e", "MYSQL_DATABASE=shop"),
		w.mariadb("mariadb", "mariadb:10.11", "-e", "MYSQL_USER=clerk", "-e", "MYSQL_PASSWORD=a: 'b' $c", "-e", "MYSQL_DATABASE=shop"),
		w.postgres("postgres", "postgres:17"),
	}
	for _, db := range databases {
		db.fill()
	}
	w.container("mongo", "mongo:3.4", "-e", "MONGO_PASS=open sesame")
	w.container("elasticsearch", "elasticsearch:5")
	p := w.purser("named volume")
	config, err := filepath.Abs("../../compose/rancher-backup/config")
	if err != nil {
		t.Fatal(err)
	}
	p.mounts = append(p.mounts, config+":/opt/backup/config:ro")
	p.must("run")
	if r := p.run("status"); strings.Contains(r.stdout, "said:") {
		t.Errorf("a client that tells of its progress is told about: %s", r)
	}

	dump := func(parts ...string) string {
		content, err := os.ReadFile(filepath.Join(p.source, "dump", w.stack, filepath.Join(parts...)))
		if err != nil {
			t.Fatal(err)
		}
		return string(content)
	}
	for path, want := range map[string]string{
		"mongo/databases.archive.gz":      "mongodump --host 127.0.0.1 -u admin -p open sesame --gzip --archive\n",
		"elasticsearch/dump_mapping.json": "elasticdump --input=http://127.0.0.1:9200/ --output=/purser/dump_mapping.json --type=mapping\n",
		"elasticsearch/dump_data.json":    "elasticdump --input=http://127.0.0.1:9200/ --output=/purser/dump_data.json --type=data\n",
	} {
		if got := dump(path); got != want {
			t.Errorf("%s: %q, want %q", path, got, want)
		}
	}
	for _, db := range databases {
		if got := db.reloaded(dump(db.service, "shop.dump")); got != db.goods() {
			t.Errorf("%s: the rows that were loaded differ from the server's", db.service)
		}
	}
	p.wantNothingLeft()
}

// reloaded loads the dump of one database into an empty server and returns the
// rows that it then has.
func (db *database) reloaded(dump string) string {
	db.w.t.Helper()
	start := db.w.mariadb
	image := "mariadb:11"
	if db.system == "postgres" {
		start, image = db.w.postgres, "postgres:17"
	}
	again := start("again-"+random(db.w.t), image, "--label", "backup.disable=true")
	session := again.session("shop")
	session.cmd.Stdin = strings.NewReader(dump)
	if r := session.run(); r.code != 0 {
		db.w.t.Fatalf("load the dump of %s: %s", db.service, r)
	}
	return again.discard()
}
