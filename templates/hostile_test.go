package templates_test

import (
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/purser-backup/purser/dumpers"
	"github.com/purser-backup/purser/internal/docker/dockertest"
)

// hostile are 40 values that a shell, YAML, a template, an option parser, a
// connection string or SQL could trip over.
func hostile() []string {
	return []string{
		"two words", " leading", "trailing ", "tab\there", "line\nfeed", "cr\r\nlf", "$HOME", "${PATH}", "$(id)", "`id`",
		"it's", "''", `say "hi"`, `"`, `back\slash`, `\`, `\n\t\0`, "a:b", ":", "host:5432/db",
		"bang!", "!!", "-p", "--help", "-", "#comment", "a=b", "dbname=postgres user=x", "a&b|c;d<e>f", "*", "{{ env.HOME }}", "%s%d%n",
		"{% if %}", "[redacted]", "żółć 🍐", "ñandú", "null", "~", strings.Repeat("long", 50), `'; drop table cargo; -- "` + "`$\\",
	}
}

// sqlServer is how the test speaks to one kind of SQL server.
type sqlServer struct {
	image   string
	client  string // its own, as the administrator; $1 is the database
	system  string // a database that is there
	prefix  string // of its variables
	base    string // the variable of the database, less the prefix
	quote   string // around names
	users   string // statements with USER, DATABASE, PATTERN for it, and PASSWORD
	tables  string // statements with PASSWORD, in DATABASE
	lose    string
	look    string
	refuses string // what it says to a wrong password
}

var sqlServers = map[string]sqlServer{
	"mariadb": {
		image: "mariadb:11", prefix: "MARIADB", base: "_DATABASE", quote: "`", system: "mysql",
		client: `MYSQL_PWD=root exec mariadb -h 127.0.0.1 -u root -N --binary-mode --default-character-set=utf8mb4 -- "$1"`,
		users: "set sql_mode = concat(@@sql_mode, ',NO_BACKSLASH_ESCAPES');\ncreate database DATABASE;\n" +
			"create user USER identified by PASSWORD;\ngrant all on PATTERN.* to USER;\n",
		tables:  "set sql_mode = concat(@@sql_mode, ',NO_BACKSLASH_ESCAPES');\ncreate table cargo (name varchar(300));\ninsert into cargo values (PASSWORD);\n",
		lose:    "delete from cargo;",
		look:    "select lower(hex(name)) from cargo;",
		refuses: "Access denied for user",
	},
	"postgres": {
		image: "postgres:17", prefix: "POSTGRES", base: "_DB", quote: `"`, system: "postgres",
		client:  `PGDATABASE="$1" PGPASSWORD=root exec psql -h 127.0.0.1 -U postgres -XAtq -v ON_ERROR_STOP=1`,
		users:   "create role USER login password PASSWORD;\ncreate database DATABASE owner USER;\n",
		tables:  "set role USER;\ncreate table cargo (name text);\ninsert into cargo values (PASSWORD);\n",
		lose:    "drop table cargo;",
		look:    "select encode(convert_to(name, 'UTF8'), 'hex') from cargo;",
		refuses: "password authentication failed",
	},
}

// name makes a name that both kinds of server take of a value.
func name(value string, i int) string {
	name := strings.Map(func(r rune) rune {
		if r == '\n' || r == '\r' || r > 0xffff {
			return '_'
		}
		return r
	}, value)
	return name[:min(len(name), 57)] + fmt.Sprint(i)
}

func (s sqlServer) quoted(name string) string {
	return s.quote + strings.ReplaceAll(name, s.quote, s.quote+s.quote) + s.quote
}

// Passwords and names hold whatever the server takes: each goes through a
// dump and a load, half of the passwords from files in the service.
func TestHostileValues(t *testing.T) {
	t.Parallel()
	for kind, server := range sqlServers {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			b := newBench(t)
			secrets := t.TempDir()
			c := dockertest.Container{Image: server.image, Binds: []string{secrets + ":/secrets:ro"},
				Env: []string{"MARIADB_ROOT_PASSWORD=root", "POSTGRES_PASSWORD=root"}}
			start := b.PostgreSQL
			if kind == "mariadb" {
				start = b.MariaDB
			}
			id := start(t, c)
			t.Cleanup(func() { b.clean(t) })
			values := hostile()
			if len(values) != 40 {
				t.Errorf("%d values", len(values))
			}
			for i, value := range values {
				t.Run(fmt.Sprintf("%q", value), func(t *testing.T) {
					t.Parallel()
					b.hostile(t, server, id, secrets, i, value)
				})
			}
		})
	}
}

func (b *bench) hostile(t *testing.T, server sqlServer, id, secrets string, i int, value string) {
	t.Helper()
	user, database := name(value, i), name(value, 50+i)
	fill := strings.NewReplacer("USER", server.quoted(user), "DATABASE", server.quoted(database),
		"PATTERN", server.quoted(strings.NewReplacer(`\`, `\\`, "_", `\_`, "%", `\%`).Replace(database)), "PASSWORD", "'"+strings.ReplaceAll(value, "'", "''")+"'")
	query := func(database, statements string) string {
		return b.ExecInput(t, id, []byte(fill.Replace(statements)), "sh", "-c", server.client, "sh", database)
	}
	query(server.system, server.users)
	query(database, server.tables)

	// One server for all: the service is listed as it would be, had it been
	// started for this user.
	s, r := b.service(t, id)
	s.Name = fmt.Sprint("user", i)
	password := server.prefix + "_PASSWORD"
	env := map[string]string{server.prefix + "_USER": user, server.prefix + server.base: database, password: value}
	s.Containers[0].Env = env
	if i%2 == 1 {
		delete(env, password)
		env[password+"_FILE"] = fmt.Sprintf("/secrets/%d", i)
		if err := os.WriteFile(filepath.Join(secrets, fmt.Sprint(i)), []byte(value+"\n"), 0o444); err != nil {
			t.Fatal(err)
		}
	}
	report, err := b.dumper.Dump(t.Context(), s, r)
	if err != nil {
		t.Fatal(err)
	}
	wantQuiet(t, report)
	query(database, server.lose)
	if _, err := b.dumper.Load(t.Context(), s, r, dumpers.LoadOptions{Force: true, Fill: b.fill(report)}); err != nil {
		t.Fatal(err)
	}
	if got, want := query(database, server.look), hex.EncodeToString([]byte(value))+"\n"; got != want {
		t.Errorf("loaded %q, want %q", got, want)
	}
	if i%10 != 0 {
		return
	}
	env[password] = value + "wrong"
	_, err = b.dumper.Dump(t.Context(), s, r)
	wantError(t, err, password+" from the service's environment", server.refuses)
	if err != nil && strings.Contains(err.Error(), value+"wrong") {
		t.Errorf("the password is in the error: %v", err)
	}
	if _, err := os.Stat(filepath.Join(b.source, report.Path)); err != nil {
		t.Errorf("the good dump is gone: %v", err)
	}
}
