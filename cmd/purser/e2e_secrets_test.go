package main_test

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// A password that was changed after the first start is in nobody's environment.
// The operator gives it to purser, and dumps, loads and drills go on.
func TestBoundSecret(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	db := w.postgres("db", "postgres:17")
	look := db.wares()
	change := func(word string) {
		db.query("alter role postgres password '" + word + "';")
		db.client[1] = "PGPASSWORD=" + word
	}
	const changed, again = `Ch4nged "since" $HOME`, `Ch4nged again`
	change(changed)
	want := look(db)
	dir := t.TempDir()
	p := w.purser("bind").with("BACKUP_SERVICE_SECRETS=/secrets")
	p.mounts = append(p.mounts, dir+":/secrets:ro")
	wantRefusal(t, p.run("dump", db.id()), 3, "password authentication failed", "POSTGRES_PASSWORD from the service's environment",
		"no secret is bound to it: there is none in /secrets/"+db.id())

	secret := filepath.Join(dir, db.id(), "POSTGRES_PASSWORD")
	write(t, secret, []byte(changed+"\n"), 0o600)
	ran := []result{p.must("run"), p.must("discover"), p.must("drill", db.id())}
	if !strings.Contains(ran[1].stdout, "its secrets: /secrets/"+db.id()+"/POSTGRES_PASSWORD") || strings.Contains(ran[1].stdout, "warning") {
		t.Errorf("it says:\n%s", ran[1])
	}
	db.query("drop table goods cascade;")
	ran = append(ran, p.must("load", "--force", db.id()))
	if got := look(db); got != want {
		t.Errorf("loaded: %s", got)
	}

	// The daemon reads the file anew for each dump. What others may read is told of.
	name := w.stack + "-daemon"
	daemon := p.with("BACKUP_CRON_SCHEDULE=@every 1s").named(name, "daemon").start()
	told := ""
	ends := func(result string, words ...string) {
		t.Helper()
		w.eventually(fmt.Sprintf("a run is %s and tells %q", result, words), func() bool {
			r := w.command(nil, "docker", "exec", name, "purser", "status", "--output", "json").run()
			told = r.stdout
			var status struct {
				LastRun *struct{ Result string } `json:"last_run"`
			}
			return r.code == 0 && decode(t, r.stdout, &status) && status.LastRun != nil && status.LastRun.Result == result &&
				!slices.ContainsFunc(words, func(word string) bool { return !strings.Contains(told, word) })
		})
	}
	ends("complete")
	change(again)
	ends("incomplete", "password authentication failed", "POSTGRES_PASSWORD from the file /secrets/"+db.id()+"/POSTGRES_PASSWORD")
	write(t, secret, []byte(again), 0o644)
	ends("complete", "its mode is 0644") // one that has begun before may tell less
	w.stop(name, daemon, 0)
	ran = append(ran, result{stdout: told}, result{0, daemon.stdout.String(), daemon.stderr.String()}, p.must("discover"))
	if last := ran[len(ran)-1]; !strings.Contains(last.stdout, "its mode is 0644") || !strings.Contains(last.stdout, "chmod 600 /secrets/"+db.id()) {
		t.Errorf("it says:\n%s", last)
	}
	write(t, secret, nil, 0o600)
	wantRefusal(t, p.run("dump", db.id()), 3, "POSTGRES_PASSWORD is empty", "0600")
	for _, r := range ran {
		if strings.Contains(r.stdout+r.stderr, "Ch4nged") {
			t.Errorf("it shows the secret:\n%s", r)
		}
	}
	p.wantNothingLeft()
}
