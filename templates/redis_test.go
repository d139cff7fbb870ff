package templates_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/purser-backup/purser/internal/docker/dockertest"
)

// word has all that a shell, a template or a command line could trip over.
const word = `-p "it's" $HOME: \n!` + "`id`é"

const redisSeed = `cli() { rcli "$@" >/dev/null; }
cli set greeting 'ahoy, "mate"'; cli set brief soon ex 3600; cli rpush crew ann bo; cli hset ship name 'Söderhamn' mast 3
cli zadd depth 3 bank 90 trench; cli xadd log 1-1 event 'set sail'; cli -n 17 set elsewhere yes
i=0; while [ $i -lt 2000 ]; do echo "set key:$i $i"; i=$((i + 1)); done | cli`

const redisLook = `{ echo dbsize; echo get greeting; echo lrange crew 0 -1; echo hgetall ship; echo zrange depth 0 -1 withscores
echo xrange log - +; echo get key:1999; echo select 17; echo dbsize; echo get elsewhere; } | rcli
rcli config get masterauth; rcli role | head -n 1; [ "$(rcli ttl brief)" -gt 3000 ] && echo brief`

// redis starts a server and returns its id and how a script in it connects.
func (b *bench) redis(t *testing.T, image, name, password string, settings ...string) (id string, run func(script string) string) {
	t.Helper()
	c := dockertest.Container{Image: image, Cmd: append([]string{"--databases", "20", "--repl-diskless-sync-delay", "0"}, settings...)}
	if password != "" {
		c.Env = []string{name + "=" + password}
	}
	id = b.Start(t, c)
	// The command line doesn't take every password.
	connect := `rcli() { client=$(command -v valkey-cli || command -v redis-cli); REDISCLI_AUTH="$` + name + `" "$client" "$@"; }; `
	b.ready(t, id, connect+`[ "$(rcli ping)" = PONG ] && printf %s "$`+name+`" | rcli -x config set requirepass`)
	return id, func(script string) string { return b.script(t, id, connect+script) }
}

// A snapshot comes back into a new server, and into its own with all data
// lost, with another password and another setting for replication.
func TestRedisLoads(t *testing.T) {
	t.Parallel()
	for image, name := range map[string]string{"redis:7": "REDIS_PASSWORD", "valkey:8": "VALKEY_PASSWORD"} {
		t.Run(image, func(t *testing.T) {
			t.Parallel()
			b := newBench(t)
			id, run := b.redis(t, image, name, word)
			run(redisSeed)
			want := run(redisLook)
			if !strings.HasSuffix(want, "brief\n") || !strings.Contains(want, "Söderhamn") {
				t.Fatalf("the server has:\n%s", want)
			}
			report, err := b.dump(t, id)
			if err != nil {
				t.Fatal(err)
			}
			again, runAgain := b.redis(t, image, name, "another", "--masterauth", "primary's")
			loaded, err := b.load(t, report, again, false)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(strings.Replace(want, "masterauth\n\n", "masterauth\nprimary's\n", 1), runAgain(redisLook)); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff([]string{"db0: 2006 keys", "db17: 1 keys"}, loaded.Summary); diff != "" {
				t.Error(diff)
			}
			_, err = b.load(t, report, again, false)
			wantError(t, err, "--force", "not empty: db0 has 2006 keys\ndb17 has 1 keys")
			run("rcli flushall; rcli set other thing")
			if _, err := b.load(t, report, id, true); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, run(redisLook)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// What fails leaves the service as it was: its own master, with its keys.
func TestRedisFails(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	id, run := b.redis(t, "redis:7", "REDIS_PASSWORD", "")
	run("rcli set a 1")
	report, err := b.dump(t, id)
	if err != nil {
		t.Fatal(err)
	}
	run("rcli set b 2")
	file := filepath.Join(b.source, report.Path, "dump.rdb")
	whole, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	broken := map[string][]byte{
		"incomplete":    whole[:len(whole)-9],
		"no snapshot":   append([]byte("RESID"), whole[5:]...),
		"RDB CRC error": append(append([]byte{}, whole[:len(whole)-1]...), whole[len(whole)-1]+1),

		"Can't handle RDB format version 9999": append([]byte("REDIS9999"), whole[9:]...),
	}
	for want, content := range broken {
		if err := os.WriteFile(file, content, 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := b.load(t, report, id, true)
		hint := "what was loaded until then may stay"
		if strings.Contains(want, "version") {
			hint = "into one of its version or newer"
		}
		wantError(t, err, hint, want)
	}
	if err := os.WriteFile(file, whole, 0o600); err != nil {
		t.Fatal(err)
	}
	run("rcli replicaof 127.0.0.1 1")
	_, err = b.load(t, report, id, true)
	wantError(t, err, "", "the server is a replica")
	run("rcli replicaof no one; rcli config set requirepass x; rcli -a x config set masterauth y")
	_, err = b.dump(t, id)
	wantError(t, err, "looked for REDIS_PASSWORD, VALKEY_PASSWORD", "NOAUTH")
	if got := run("rcli -a x --no-auth-warning get a; rcli -a x --no-auth-warning get b; rcli -a x --no-auth-warning role | head -n 1"); got != "1\n2\nmaster\n" {
		t.Errorf("the server has %q", got)
	}
}

// A wrong password is refused, also where the server knows users by name.
func TestRedisWrongPassword(t *testing.T) {
	t.Parallel()
	for image, name := range map[string]string{"redis:7": "REDIS_PASSWORD", "valkey:8": "VALKEY_PASSWORD"} {
		t.Run(image, func(t *testing.T) {
			t.Parallel()
			b := newBench(t)
			id, _ := b.redis(t, image, name, word)
			for _, env := range []map[string]string{{name: "wr0ng-one"}, {name: "wr0ng-one", "REDIS_USERNAME": "default"}, {name: word, "REDIS_USERNAME": "nobody"}} {
				b.wantRefusal(t, id, env, "the server has another password than the first of these that is set: REDIS_PASSWORD, VALKEY_PASSWORD", "WRONGPASS")
			}
		})
	}
}
