package templates_test

import (
	"testing"

	"github.com/purser-backup/purser/discovery"
	"github.com/purser-backup/purser/dumpers"
	"github.com/purser-backup/purser/templates"
)

const id = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

// TestMatch is the table of what the recipes that purser brings are for.
func TestMatch(t *testing.T) {
	catalog, err := dumpers.Load(templates.FS())
	if err != nil {
		t.Fatal(err)
	}
	const none = ""
	for _, c := range []struct {
		image, kind string
		certain     bool
	}{
		{"mysql", "mysql", true},
		{"mysql:8.4", "mysql", true},
		{"docker.io/library/mysql:8", "mysql", true},
		{"registry:5000/x/mysql@" + id, "mysql", true},
		{"registry:5000/x/mysql:8@" + id, "mysql", true},
		{"mysql/mysql-server:8.0", "mysql", true},
		{"container-registry.oracle.com/mysql/community-server:9.1", "mysql", true},
		{"bitnami/mysql:8.0", "mysql", true},
		{"acme/mysql-prod", "mysql", false},
		{"mysql57", "mysql", false},
		{"percona:8", "mysql", true},
		{"percona/percona-server:8.0", "mysql", true},
		{"percona/percona-xtradb-cluster:8.0", "mysql", true},
		{"percona/percona-server-mongodb:7", none, false},
		{"percona/pmm-server:2", none, false},
		{"mariadb:11", "mariadb", true},
		{"linuxserver/mariadb", "mariadb", true},
		{"lscr.io/linuxserver/mariadb:10.11", "mariadb", true},
		{"bitnami/mariadb-galera:11", "mariadb", false},
		{"yobasystems/alpine-mariadb", "mariadb", false},
		{"postgres:17-alpine", "postgresql", true},
		{"my-postgres15", "postgresql", false},
		{"postgis/postgis:16-3.4", "postgresql", true},
		{"bitnami/postgresql:16", "postgresql", true},
		{"bitnami/postgresql-repmgr", "postgresql", false},
		{"timescale/timescaledb:latest-pg16", "postgresql", true},
		{"timescale/timescaledb-ha:pg16", "postgresql", true},
		{"pgvector/pgvector:pg16", "postgresql", true},
		{"tensorchord/pgvecto-rs:pg14-v0.2.0", "postgresql", true},
		{"citusdata/citus:12", "postgresql", true},
		{"supabase/postgres:15", "postgresql", true},
		{"ghcr.io/cloudnative-pg/postgresql:17", "postgresql", true},
		{"localhost/postgres", "postgresql", true},
		{"registry.acme.com:5000/team/postgres-prod:1", "postgresql", false},

		{"mysql.example.com/web/frontend:1", none, false},
		{"postgres.acme.com:5000/web", none, false},
		{"phpmyadmin:5", none, false},
		{"phpmyadmin/phpmyadmin", none, false},
		{"adminer:4", none, false},
		{"acme/mysql-tools", none, false},
		{"acme/mysql-backup:3", none, false},
		{"databack/mysql-backup", none, false},
		{"fradelg/mysql-cron-backup", none, false},
		{"prom/mysqld-exporter:v0.15", none, false},
		{"mysql/mysql-router:8", none, false},
		{"mysql/mysql-operator", none, false},
		{"container-registry.oracle.com/mysql/community-router", none, false},
		{"proxysql/proxysql:2", none, false},
		{"mariadb/maxscale:24", none, false},
		{"mariadb-operator/mariadb-operator", none, false},
		{"zabbix/zabbix-server-mysql:7.0-alpine", none, false},
		{"postgrest/postgrest", none, false},
		{"prometheuscommunity/postgres-exporter", none, false},
		{"wrouesnel/postgres_exporter", none, false},
		{"quay.io/prometheuscommunity/postgres-exporter:v0.15.0", none, false},
		{"bitnami/postgres-exporter:0", none, false},
		{"prodrigestivill/postgres-backup-local:16", none, false},
		{"eeshugerman/postgres-backup-s3", none, false},
		{"registry.opensource.zalan.do/acid/postgres-operator:v1", none, false},
		{"crunchydata/postgres-operator", none, false},
		{"zalando/postgres-operator-ui", none, false},
		{"dpage/pgadmin4", none, false},
		{"bitnami/pgbouncer", none, false},
		{"mongo-express", none, false},
		{"mongo:7", none, false},
		{"elasticsearch-oss:7", none, false},
		{"redis:7", none, false},
		{"nginx", none, false},
		{"busybox", none, false},
		{"wordpress:php8.3-apache", none, false},
		{"sqlite/web", none, false},
		{"debian:12", none, false},
	} {
		m := catalog.Match(discovery.Service{Stack: "_", Name: "x", Containers: []discovery.Container{{Image: c.image}}})
		if m.Kind != c.kind || m.Certain != c.certain || m.Reason == "" || m.Err != nil || (m.Recipe != nil) != (c.kind != none) {
			t.Errorf("%s: %+v", c.image, m)
		}
	}
}

func TestMatchByLabel(t *testing.T) {
	catalog, err := dumpers.Load(templates.FS())
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		label, image string
		kind         string
		certain      bool
		warning      bool
		fails        bool
	}{
		{"mysql", "acme/shop-db", "mysql", true, false, false},
		{"mariadb", "acme/shop-db", "mariadb", true, false, false},
		{"postgres", "acme/mysql", "postgresql", true, false, false},
		{"postgresql", "acme/mysql", "postgresql", true, false, false},
		{"postgres", "acme/postgres-backup", "postgresql", true, false, false},
		{"oracle", "mysql:8", "mysql", true, true, false},
		{"oracle", "acme/shop-db", "", false, false, true},
	} {
		m := catalog.Match(discovery.Service{Stack: "_", Name: "x", Settings: discovery.Settings{Type: c.label},
			Containers: []discovery.Container{{Image: c.image}}})
		if m.Kind != c.kind || m.Certain != c.certain || (m.Warning != "") != c.warning || (m.Err != nil) != c.fails {
			t.Errorf("%s on %s: %+v", c.label, c.image, m)
		}
	}
	m := catalog.Match(discovery.Service{Settings: discovery.Settings{Disabled: true}, Containers: []discovery.Container{{Image: "mysql"}}})
	if !m.Disabled || m.Recipe != nil {
		t.Errorf("disabled: %+v", m)
	}
}

// A container that was created by id is known by the tags of its image.
func TestMatchByTag(t *testing.T) {
	catalog, err := dumpers.Load(templates.FS())
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		tags []string
		kind string
	}{
		{[]string{"acme/x:1", "mysql:8"}, "mysql"},
		{[]string{"registry:5000/postgres@" + id}, "postgresql"},
		{nil, ""},
	} {
		m := catalog.Match(discovery.Service{Containers: []discovery.Container{{Image: id, Tags: c.tags}}})
		if m.Kind != c.kind || m.Reason == "" {
			t.Errorf("%v: %+v", c.tags, m)
		}
	}
}
