package templates_test

import (
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/purser-backup/purser/dumpers"
	"github.com/purser-backup/purser/internal/docker/dockertest"
)

// The recipe hands ClickHouse's client its password in XML, which has rules of
// its own for blanks and marks. Half of the passwords come from files in the
// service. Without PURSER_SOAK it is only those that XML itself could trip over.
// Control characters are beyond the client; it says so.
func TestHostileClickHousePasswords(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	secrets := t.TempDir()
	id := b.Start(t, dockertest.Container{Image: "clickhouse:18", Binds: []string{secrets + ":/secrets:ro"}})
	b.ready(t, id, "clickhouse-client --query 'select 1'")
	users := "<yandex><profiles><default/></profiles><quotas><default/></quotas><users>"
	for i, value := range append([]string{""}, hostile()...) {
		users += fmt.Sprintf("<u%d><password_sha256_hex>%x</password_sha256_hex><networks><ip>::/0</ip></networks><profile>default</profile><quota>default</quota></u%[1]d>",
			i, sha256.Sum256([]byte(value)))
	}
	// The server sees a new file by its time, to the second, and the one that it
	// began with may be of this one.
	b.ExecInput(t, id, []byte(users+"</users></yandex>"), "sh", "-c", "cat >/tmp/users.xml; touch -d @4000000000 /tmp/users.xml; mv /tmp/users.xml /tmp/clickhouse/users.xml")
	b.ready(t, id, "clickhouse-client --user u0 --query 'create table if not exists cargo (name String) engine = Log'")
	b.script(t, id, `clickhouse-client --user u0 --query "insert into cargo values ('rope')"`)
	service, r := b.service(t, id)
	values := hostile()
	for i, value := range values {
		if os.Getenv("PURSER_SOAK") == "" && !strings.ContainsAny(value, "&\t") && strings.TrimSpace(value) == value && i < len(values)-1 {
			continue
		}
		t.Run(fmt.Sprintf("%q", value), func(t *testing.T) {
			s := service
			s.Containers = slices.Clone(s.Containers)
			env := map[string]string{"CLICKHOUSE_USER": fmt.Sprint("u", i+1), "CLICKHOUSE_PASSWORD": value}
			if i%2 == 1 {
				delete(env, "CLICKHOUSE_PASSWORD")
				env["CLICKHOUSE_PASSWORD_FILE"] = fmt.Sprint("/secrets/", i)
				if err := os.WriteFile(filepath.Join(secrets, fmt.Sprint(i)), []byte(value+"\n"), 0o444); err != nil {
					t.Fatal(err)
				}
			}
			s.Containers[0].Env = env
			report, err := b.dumper.Dump(t.Context(), s, r)
			if strings.ContainsAny(value, "\t\r\n") {
				wantError(t, err, "CLICKHOUSE_PASSWORD", "must not contain ASCII control characters")
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			wantQuiet(t, report)
			loaded, err := b.dumper.Load(t.Context(), s, r, dumpers.LoadOptions{Force: true, Fill: b.fill(report)})
			if diff := cmp.Diff([]string{"`default`.`cargo`: 1 rows"}, loaded.Summary); diff != "" || err != nil {
				t.Error(diff, err)
			}
		})
	}
	b.clean(t)
}
