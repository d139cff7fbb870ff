package templates_test

import (
	"strings"
	"testing"

	"github.com/purser-backup/purser/discovery"
	"github.com/purser-backup/purser/dumpers"
	"github.com/purser-backup/purser/templates"
)

const id = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

// What becomes of a service.
const (
	certain = "certain" // it is dumped
	guess   = "guess"   // it is dumped, and a failure counts once a dump has succeeded
	none    = "none"    // it is not dumped
	fails   = "fails"   // it should be dumped, and nobody knows how
)

const disabled = "(disabled)" // in place of a type: the label backup.disable

// TestMatch is the table of what the recipes that purser brings are for.
func TestMatch(t *testing.T) {
	catalog, err := dumpers.Load(templates.FS())
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ label, image, kind, verdict, why string }{
		{"", "mysql", "mysql", certain, "is mysql"},
		{"", "mysql:8.4", "mysql", certain, "is mysql"},
		{"", "docker.io/library/mysql:8", "mysql", certain, "is mysql"},
		{"", "registry:5000/x/mysql@" + id, "mysql", certain, "is mysql"},
		{"", "registry:5000/x/mysql:8@" + id, "mysql", certain, "is mysql"},
		{"", "mysql/mysql-server:8.0", "mysql", certain, "is mysql"},
		{"", "container-registry.oracle.com/mysql/community-server:9.1", "mysql", certain, "is mysql"},
		{"", "bitnami/mysql:8.0", "mysql", certain, "is mysql"},
		{"", "acme/mysql-prod", "mysql", guess, "a guess"},
		{"", "mysql57", "mysql", guess, "a guess"},
		{"", "percona:8", "mysql", certain, "is mysql"},
		{"", "percona/percona-server:8.0", "mysql", certain, "is mysql"},
		{"", "percona/percona-xtradb-cluster:8.0", "mysql", certain, "is mysql"},
		{"", "percona/percona-server-mongodb:7", "mongodb", certain, "is mongodb"},
		{"", "percona/pmm-server:2", "", none, "no recipe matches"},
		{"", "mariadb:11", "mariadb", certain, "is mariadb"},
		{"", "linuxserver/mariadb", "mariadb", certain, "is mariadb"},
		{"", "lscr.io/linuxserver/mariadb:10.11", "mariadb", certain, "is mariadb"},
		{"", "bitnami/mariadb-galera:11", "mariadb", guess, "a guess"},
		{"", "yobasystems/alpine-mariadb", "mariadb", guess, "a guess"},
		{"", "postgres:17-alpine", "postgresql", certain, "is postgresql"},
		{"", "my-postgres15", "postgresql", guess, "a guess"},
		{"", "postgis/postgis:16-3.4", "postgresql", certain, "is postgresql"},
		{"", "bitnami/postgresql:16", "postgresql", certain, "is postgresql"},
		{"", "bitnami/postgresql-repmgr", "postgresql", guess, "a guess"},
		{"", "timescale/timescaledb:latest-pg16", "postgresql", certain, "is postgresql"},
		{"", "timescale/timescaledb-ha:pg16", "postgresql", certain, "is postgresql"},
		{"", "pgvector/pgvector:pg16", "postgresql", certain, "is postgresql"},
		{"", "tensorchord/pgvecto-rs:pg14-v0.2.0", "postgresql", certain, "is postgresql"},
		{"", "citusdata/citus:12", "postgresql", certain, "is postgresql"},
		{"", "supabase/postgres:15", "postgresql", certain, "is postgresql"},
		{"", "ghcr.io/cloudnative-pg/postgresql:17", "postgresql", certain, "is postgresql"},
		{"", "localhost/postgres", "postgresql", certain, "is postgresql"},
		{"", "registry.acme.com:5000/team/postgres-prod:1", "postgresql", guess, "a guess"},
		{"", "mysql.example.com/web/frontend:1", "", none, "no recipe matches"},
		{"", "postgres.acme.com:5000/web", "", none, "no recipe matches"},
		{"", "phpmyadmin:5", "", none, "no recipe matches"},
		{"", "phpmyadmin/phpmyadmin", "", none, "no recipe matches"},
		{"", "adminer:4", "", none, "no recipe matches"},
		{"", "acme/mysql-tools", "", none, `"tools" says that it is a companion`},
		{"", "acme/mysql-backup:3", "", none, `"backup" says that it is a companion`},
		{"", "databack/mysql-backup", "", none, `"backup" says that it is a companion`},
		{"", "fradelg/mysql-cron-backup", "", none, `"cron" says that it is a companion`},
		{"", "prom/mysqld-exporter:v0.15", "", none, `"exporter" says that it is a companion`},
		{"", "mysql/mysql-router:8", "", none, `"router" says that it is a companion`},
		{"", "mysql/mysql-operator", "", none, `"operator" says that it is a companion`},
		{"", "container-registry.oracle.com/mysql/community-router", "", none, `"router" says that it is a companion`},
		{"", "proxysql/proxysql:2", "", none, "no recipe matches"},
		{"", "mariadb/maxscale:24", "", none, `"maxscale" says that it is a companion`},
		{"", "mariadb-operator/mariadb-operator", "", none, `"operator" says that it is a companion`},
		{"", "zabbix/zabbix-server-mysql:7.0-alpine", "", none, `"zabbix" says that it is a companion`},
		{"", "postgrest/postgrest", "", none, `"postgrest" says that it is a companion`},
		{"", "prometheuscommunity/postgres-exporter", "", none, `"exporter" says that it is a companion`},
		{"", "wrouesnel/postgres_exporter", "", none, `"exporter" says that it is a companion`},
		{"", "quay.io/prometheuscommunity/postgres-exporter:v0.15.0", "", none, `"exporter" says that it is a companion`},
		{"", "bitnami/postgres-exporter:0", "", none, `"exporter" says that it is a companion`},
		{"", "prodrigestivill/postgres-backup-local:16", "", none, `"backup" says that it is a companion`},
		{"", "eeshugerman/postgres-backup-s3", "", none, `"backup" says that it is a companion`},
		{"", "registry.opensource.zalan.do/acid/postgres-operator:v1", "", none, `"operator" says that it is a companion`},
		{"", "crunchydata/postgres-operator", "", none, `"operator" says that it is a companion`},
		{"", "zalando/postgres-operator-ui", "", none, `"operator" says that it is a companion`},
		{"", "dpage/pgadmin4", "", none, "no recipe matches"},
		{"", "bitnami/pgbouncer", "", none, "no recipe matches"},
		{"", "mongo-express", "", none, `"express" says that it is a companion`},
		{"", "mongo:7", "mongodb", certain, "is mongodb"},
		{"", "bitnami/mongodb:7.0", "mongodb", certain, "is mongodb"},
		{"", "mongodb/mongodb-community-server:7.0-ubi9", "mongodb", certain, "is mongodb"},
		{"", "percona/mongodb_exporter:0.40", "", none, `"exporter" says that it is a companion`},
		{"", "mongodb/mongodb-kubernetes-operator", "", none, `"kubernetes" says that it is a companion`},
		{"", "elasticsearch:8.15.0", "elasticsearch", certain, "is elasticsearch"},
		{"", "docker.elastic.co/elasticsearch/elasticsearch:8.15.0", "elasticsearch", certain, "is elasticsearch"},
		{"", "docker.elastic.co/elasticsearch/elasticsearch-oss:7.10.2", "elasticsearch", certain, "is elasticsearch"},
		{"", "elasticsearch-oss:7", "elasticsearch", certain, "is elasticsearch"},
		{"", "opensearchproject/opensearch:2", "elasticsearch", certain, "is elasticsearch"},
		{"", "opensearchproject/opensearch-dashboards:2", "", none, `"dashboards" says that it is a companion`},
		{"", "elasticdump/elasticsearch-dump", "", none, `"dump" says that it is a companion`},
		{"", "quay.io/prometheuscommunity/elasticsearch-exporter", "", none, `"exporter" says that it is a companion`},
		{"", "mobz/elasticsearch-head:5", "", none, `"head" says that it is a companion`},
		{"", "docker.elastic.co/kibana/kibana:8.15.0", "", none, "no recipe matches"},
		{"mongo", "acme/store", "mongodb", certain, "label backup.type=mongo matches mongodb"},
		{"opensearch", "acme/search", "elasticsearch", certain, "label backup.type=opensearch matches elasticsearch"},
		{"", "redis:7", "redis", certain, "is redis"},
		{"", "redis:7-alpine", "redis", certain, "is redis"},
		{"", "bitnami/redis:7.4", "redis", certain, "is redis"},
		{"", "bitnami/redis-cluster:7.4", "redis", guess, `contains "redis": a guess`},
		{"", "redis/redis-stack:7.4.0-v1", "redis", certain, "is redis"},
		{"", "redis/redis-stack-server", "redis", certain, "is redis"},
		{"", "acme/shop-redis", "redis", guess, "a guess"},
		{"", "valkey/valkey:8-alpine", "valkey", certain, "is valkey"},
		{"", "bitnami/valkey:8.1", "valkey", certain, "is valkey"},
		{"", "valkey/valkey-bundle:8", "valkey", certain, "is valkey"},
		{"", "oliver006/redis_exporter", "", none, `"exporter" says that it is a companion`},
		{"", "bitnami/redis-exporter:1", "", none, `"exporter" says that it is a companion`},
		{"", "rediscommander/redis-commander", "", none, `"commander" says that it is a companion`},
		{"", "redis/redisinsight", "", none, `"redisinsight" says that it is a companion`},
		{"", "redislabs/redisinsight:1.14", "", none, `"redisinsight" says that it is a companion`},
		{"", "bitnami/redis-sentinel:7", "", none, `"sentinel" says that it is a companion`},
		{"", "bitnami/valkey-sentinel:8", "", none, `"sentinel" says that it is a companion`},
		{"", "quay.io/opstree/redis-operator", "", none, `"operator" says that it is a companion`},
		{"", "erikdubbelboer/phpredisadmin", "", none, `"phpredisadmin" says that it is a companion`},
		{"", "quay.io/coreos/etcd:v3.5.17", "etcd", certain, "is etcd"},
		{"", "bitnami/etcd:3.5", "etcd", certain, "is etcd"},
		{"", "gcr.io/etcd-development/etcd:v3.6.0", "etcd", certain, "is etcd"},
		{"", "evildecay/etcdkeeper", "", none, `"etcdkeeper" says that it is a companion`},
		{"", "acme/etcd-operator", "", none, `"operator" says that it is a companion`},
		{"", "influxdb:1.8", "influxdb", certain, "is influxdb"},
		{"", "bitnami/influxdb:1", "influxdb", certain, "is influxdb"},
		{"", "prom/influxdb-exporter", "", none, `"exporter" says that it is a companion`},
		{"", "influxdb/influxdb-relay", "", none, `"relay" says that it is a companion`},
		{"", "osixia/openldap:1.5.0", "openldap", certain, "is openldap"},
		{"", "bitnami/openldap:2.6", "openldap", certain, "is openldap"},
		{"", "osixia/phpldapadmin", "", none, "no recipe matches"},
		{"", "osixia/openldap-backup", "", none, `"backup" says that it is a companion`},
		{"", "clickhouse/clickhouse-server:24.8", "clickhouse", certain, "is clickhouse"},
		{"", "clickhouse:25", "clickhouse", certain, "is clickhouse"},
		{"", "yandex/clickhouse-server", "clickhouse", certain, "is clickhouse"},
		{"", "bitnami/clickhouse:24", "clickhouse", certain, "is clickhouse"},
		{"", "clickhouse/clickhouse-keeper:24.8", "", none, `"keeper" says that it is a companion`},
		{"", "altinity/clickhouse-backup", "", none, `"backup" says that it is a companion`},
		{"", "altinity/clickhouse-operator", "", none, `"operator" says that it is a companion`},
		{"", "yandex/clickhouse-client", "", none, `"client" says that it is a companion`},
		{"", "cassandra:5", "cassandra", certain, "is cassandra"},
		{"", "bitnami/cassandra:5.0", "cassandra", certain, "is cassandra"},
		{"", "thelastpickle/cassandra-reaper", "", none, `"reaper" says that it is a companion`},
		{"", "criteord/cassandra_exporter", "", none, `"exporter" says that it is a companion`},
		{"", "keinos/sqlite3:3.47", "", none, "no recipe matches"},
		{"sqlite", "acme/app", "sqlite", certain, "label backup.type=sqlite matches sqlite"},
		{"cassandra", "acme/ring", "cassandra", certain, "label backup.type=cassandra matches cassandra"},
		{"redis", "acme/cache", "redis", certain, "label backup.type=redis matches redis"},
		{"valkey", "acme/cache", "valkey", certain, "label backup.type=valkey matches valkey"},
		{"", "nginx", "", none, "no recipe matches"},
		{"", "busybox", "", none, "no recipe matches"},
		{"", "wordpress:php8.3-apache", "", none, "no recipe matches"},
		{"", "sqlite/web", "", none, "no recipe matches"},
		{"", "debian:12", "", none, "no recipe matches"},
		{"", "mysql:8-debian", "mysql", certain, "is mysql"},
		{"", "mysql/mysql-cluster:8.0", "mysql", guess, `contains "mysql": a guess`},
		{"", "acme/app:mysql", "mysql", guess, `contains "mysql": a guess`},
		{"", "docker.io/postgres", "postgresql", certain, "is postgresql"},
		{"", "ghcr.io/immich-app/postgres:14-vectorchord", "postgresql", certain, "is postgresql"},
		{"", "kartoza/postgis:16", "postgresql", certain, "is postgresql"},
		{"", "bitnami/postgresql-ha", "postgresql", guess, `contains "postgresql": a guess`},
		{"", "percona/percona-postgresql-operator", "", none, `"operator" says that it is a companion`},
		{"", "mcr.microsoft.com/mssql/server:2022", "", none, "no recipe matches"},
		{"", id, "", none, "known by its id only"},

		{"mysql", "acme/shop-db", "mysql", certain, "label backup.type=mysql matches mysql"},
		{"mariadb", "acme/shop-db", "mariadb", certain, "label backup.type=mariadb matches mariadb"},
		{"postgres", "acme/mysql", "postgresql", certain, "label backup.type=postgres matches postgresql"},
		{"postgresql", "acme/mysql", "postgresql", certain, "label backup.type=postgresql matches postgresql"},
		{"postgres", "acme/postgres-backup", "postgresql", certain, "label backup.type=postgres matches postgresql"},
		{"mysql", id, "mysql", certain, "label backup.type=mysql matches mysql"},
		{"oracle", "mysql:8", "mysql", certain, "is mysql"},
		{"oracle", "acme/mysql-prod", "mysql", guess, "a guess"},
		{"oracle", "acme/mysql-tools", "", fails, `"tools" says that it is a companion`},
		{"oracle", "acme/shop-db", "", fails, "no recipe matches"},
		{disabled, "mysql:8", "", none, "disabled by the label backup.disable"},
		{disabled, "nginx", "", none, "disabled by the label backup.disable"},
	} {
		settings := discovery.Settings{Type: c.label}
		if c.label == disabled {
			settings = discovery.Settings{Disabled: true}
		}
		m := catalog.Match(discovery.Service{Stack: "_", Name: "x", Settings: settings, Containers: []discovery.Container{{Image: c.image}}})
		if got := verdict(m); m.Kind != c.kind || got != c.verdict || !strings.Contains(m.Reason, c.why) {
			t.Errorf("%s %s: %q, %s, %s; want %q, %s, %s", c.label, c.image, m.Kind, got, m.Reason, c.kind, c.verdict, c.why)
		}
		// The label is wrong, and the image helps out.
		if warned := m.Warning != ""; warned != (c.label == "oracle" && c.kind != "") {
			t.Errorf("%s %s: warning %q", c.label, c.image, m.Warning)
		}
		if m.Disabled != (c.label == disabled) {
			t.Errorf("%s %s: disabled %v", c.label, c.image, m.Disabled)
		}
	}
}

func verdict(m dumpers.Match) string {
	switch {
	case m.Err != nil:
		return fails
	case m.Recipe == nil:
		return none
	case m.Certain:
		return certain
	}
	return guess
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
