package templates_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/purser-backup/purser/dumpers"
	"github.com/purser-backup/purser/internal/docker/dockertest"
	"github.com/purser-backup/purser/templates"
)

// certificate writes a self-signed certificate and its key, as cert.pem and
// key.pem, for whoever in a container reads the directory.
func certificate(t *testing.T) (dir string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "db"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour)}
	cert, err := x509.CreateCertificate(rand.Reader, &template, &template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	dir = t.TempDir()
	for name, block := range map[string]*pem.Block{"cert.pem": {Type: "CERTIFICATE", Bytes: cert}, "key.pem": {Type: "PRIVATE KEY", Bytes: private}} {
		if err := os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(block), 0o444); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// A dump over the loopback device does without TLS where the server lets it,
// and uses it where the server demands it, of all or of the user. So does a load.
func TestMariaDBDemandsTLS(t *testing.T) {
	t.Parallel()
	for _, image := range []string{"mariadb:10.11", "mariadb:11"} {
		t.Run(image, func(t *testing.T) {
			t.Parallel()
			b := newBench(t)
			id := b.MariaDB(t, dockertest.Container{Image: image, Binds: []string{certificate(t) + ":/tls:ro"}, Env: []string{"MARIADB_ROOT_PASSWORD=" + word},
				Cmd: []string{"--ssl-cert=/tls/cert.pem", "--ssl-key=/tls/key.pem"}})
			// By the socket, which may do without TLS at all times.
			sql := func(statement string) string {
				return strings.TrimSpace(b.Exec(t, id, "sh", "-c", `MYSQL_PWD=$MARIADB_ROOT_PASSWORD exec mariadb -u root --skip-ssl -N -B -e "$1"`, "sh", statement))
			}
			encrypted := func() string { return sql("show global status like 'Ssl_finished_accepts'") }
			sql("create database shop; create table shop.goods (id int primary key); insert into shop.goods values (1), (2), (3)")
			for _, c := range []struct {
				demand string
				tls    bool
			}{
				{"set global require_secure_transport = off", false},
				{"set global require_secure_transport = on", true},
				{"set global require_secure_transport = off; alter user root@'%' require ssl", true},
			} {
				sql(c.demand)
				before := encrypted()
				report, err := b.dump(t, id)
				if err != nil {
					t.Fatalf("%s: %v", c.demand, err)
				}
				if used := encrypted() != before; used != c.tls {
					t.Errorf("%s: the dump has used TLS: %v", c.demand, used)
				}
				sql("delete from shop.goods")
				before = encrypted()
				if _, err := b.load(t, report, id, true); err != nil {
					t.Fatalf("%s: %v", c.demand, err)
				}
				if used := encrypted() != before; used != c.tls {
					t.Errorf("%s: the load has used TLS: %v", c.demand, used)
				}
				if got := sql("select count(*) from shop.goods"); got != "3" {
					t.Errorf("%s: %s rows were loaded", c.demand, got)
				}
			}
			s, r := b.service(t, id)
			s.Containers[0].Env = map[string]string{"MARIADB_ROOT_PASSWORD": "wrong"}
			_, err := b.dumper.Dump(t.Context(), s, r)
			wantError(t, err, "MARIADB_ROOT_PASSWORD from the service's environment", "Access denied")
		})
	}
}

// PostgreSQL's clients do so too. The server's log tells what they used.
func TestPostgreSQLDemandsTLS(t *testing.T) {
	t.Parallel()
	for _, image := range []string{"postgres:13", "postgres:17"} {
		t.Run(image, func(t *testing.T) {
			t.Parallel()
			b := newBench(t)
			id := b.PostgreSQL(t, dockertest.Container{Image: image, Binds: []string{certificate(t) + ":/tls:ro"}, Env: []string{"POSTGRES_PASSWORD=" + word},
				Cmd: []string{"-c", "logging_collector=on", "-c", "log_directory=/tmp", "-c", "log_filename=log", "-c", "log_connections=on"}})
			// By the socket, which has no TLS.
			sql := func(statement string) string {
				return strings.TrimSpace(b.Exec(t, id, "psql", "-U", "postgres", "-XAtq", "-v", "ON_ERROR_STOP=1", "-c", statement))
			}
			// The key must be its own.
			b.script(t, id, "install -d -o postgres /tmp/tls && install -m 600 -o postgres /tls/* /tmp/tls")
			sql("alter system set ssl_cert_file = '/tmp/tls/cert.pem'")
			sql("alter system set ssl_key_file = '/tmp/tls/key.pem'")
			sql("alter system set ssl = on")
			sql("create table goods (id int primary key); insert into goods values (1), (2), (3)")
			for _, c := range []struct {
				allowed string // by the server
				tls     bool
			}{{"host", false}, {"hostssl", true}} {
				b.script(t, id, fmt.Sprintf("printf '%%s\n' 'local all all trust' '%s all all all scram-sha-256' >$PGDATA/pg_hba.conf", c.allowed))
				sql("select pg_reload_conf()")
				b.script(t, id, ": >/tmp/log")
				report, err := b.dump(t, id)
				if err != nil {
					t.Fatalf("%s: %v", c.allowed, err)
				}
				sql("drop table goods")
				if _, err := b.load(t, report, id, true); err != nil {
					t.Fatalf("%s: %v", c.allowed, err)
				}
				if got := sql("select count(*) from goods"); got != "3" {
					t.Errorf("%s: %s rows were loaded", c.allowed, got)
				}
				log := b.script(t, id, "grep 'connection authorized: user=postgres .*application_name=pg_dump\\b' /tmp/log")
				if used := strings.Contains(log, "SSL enabled"); used != c.tls {
					t.Errorf("%s: the dump has used TLS: %v\n%s", c.allowed, used, log)
				}
			}
		})
	}
}

// Over a network the clients choose, as they do by themselves.
func TestGoldenElsewhere(t *testing.T) {
	catalog, err := dumpers.Load(templates.FS())
	if err != nil {
		t.Fatal(err)
	}
	wantGolden(t, "testdata/golden/mysql-8,elsewhere.txt", renderedAt(t, catalog, "10.42.0.6", "mysql:8", "MYSQL_ROOT_PASSWORD=p"))
}
