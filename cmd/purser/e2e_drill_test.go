package main_test

import (
	"path/filepath"
	"strings"
	"testing"
)

// The newest backup is proved to load, or not to, and the service itself
// notices nothing.
func TestDrill(t *testing.T) {
	t.Parallel()
	for kind, image := range map[string]string{"mariadb": "mariadb:11", "postgres": "postgres:17"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			start, variable, file := w.postgres, "POSTGRES_PASSWORD", "postgres.sql"
			if kind == "mariadb" {
				start, variable, file = w.mariadb, "MARIADB_ROOT_PASSWORD", "all-databases.sql"
			}
			// Files of the service aren't in the new server.
			word := filepath.Join(t.TempDir(), "word")
			write(t, word, []byte(passphrase+"\n"), 0o644)
			db := start("db", image, "-e", variable+"=", "-e", variable+"_FILE=/word", "-v", word+":/word:ro")
			db.wares()
			p := w.purser("bind")
			p.must("run")
			db.query("update goods set weight = 77;")
			want := db.goods()
			r := p.fresh().must("drill", db.id())
			if !strings.Contains(r.stdout, "1 table") && !strings.Contains(r.stdout, "tables: 1") || !strings.Contains(r.stdout, "loads into a new "+image) {
				t.Errorf("it says:\n%s", r.stdout)
			}
			if got := db.goods(); got != want {
				t.Error("the service has changed")
			}
			p.wantNothingLeft()

			dump := filepath.Join(p.source, "dump", db.id(), file)
			write(t, dump, append([]byte("select no_such_column;\n"), readFile(t, dump)...), 0o600)
			p.must("backup")
			wantRefusal(t, p.run("drill", db.id()), 1, "drill of "+db.id(), "no_such_column")
			p.wantNothingLeft()
		})
	}
}

func TestDrillIsRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.container("etcd", "etcd:3")
	w.container("idle", "redis:7")
	w.container("ends", "busybox", "-t", "--label", "backup.type=ends")
	config := t.TempDir()
	write(t, filepath.Join(config, "index/ends.yml"), []byte("ends: {regex: ^ends$, template: ends.yml}\n"), 0o644)
	write(t, filepath.Join(config, "templates/ends.yml"), []byte("commands: [touch {{ target_dir }}/it]\nempty: ['true']\nload: ['true']\n"), 0o644)
	p := w.purser("bind")
	p.mounts = append(p.mounts, config+":/opt/backup/config:ro")
	for _, c := range []struct {
		name, service string
		code          int
		words         []string
	}{
		{"no such service", "nobody", 1, []string{"no such service: " + w.stack + "/nobody", "purser discover"}},
		{"a recipe without load", "etcd", 1, []string{"etcd.yml: the recipe has no load", "purser restore --path dump/" + w.stack + "/etcd"}},
		{"no backup", "idle", 10, nil},
		{"a server that ends", "ends", 1, []string{"the server ended by itself; it printed: nothing", "without its volumes"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			wantRefusal(t, p.run("drill", w.stack+"/"+c.service), c.code, c.words...)
		})
	}
	p.wantNothingLeft()
}
