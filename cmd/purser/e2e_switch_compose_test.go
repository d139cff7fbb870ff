package main_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// compose is a project of Docker Compose whose name is the test's stack.
type compose struct {
	w       *world
	command []string
	files   []string
	env     []string
}

// newCompose finds Compose, the plug-in or the older program.
func (w *world) newCompose(env []string, files ...string) *compose {
	w.t.Helper()
	c := &compose{w: w, command: []string{"docker", "compose"}, env: append(env, "COMPOSE_PROJECT_NAME="+w.stack)}
	if w.command(nil, "docker", "compose", "version").run().code != 0 {
		path, err := exec.LookPath("docker-compose")
		if err != nil {
			w.t.Fatalf("there is no Compose: %v", err)
		}
		c.command = []string{path}
	}
	for _, f := range files {
		c.files = append(c.files, "-f", f)
	}
	w.t.Cleanup(func() { c.run("down", "-v", "--timeout", "30") })
	return c
}

func (c *compose) run(args ...string) {
	c.w.t.Helper()
	line := append(append(append([]string{}, c.command...), c.files...), args...)
	if r := c.w.command(c.env, line[0], line[1:]...).run(); r.code != 0 {
		c.w.t.Fatalf("%s: %s", strings.Join(line, " "), r)
	}
}

// container is the id of a service's container.
func (c *compose) container(service string) string {
	c.w.t.Helper()
	id := c.w.docker("ps", "-aq", "--filter", "label=com.docker.compose.project="+c.w.stack, "--filter", "label=com.docker.compose.service="+service)
	if id == "" || strings.Contains(id, "\n") {
		c.w.t.Fatalf("the service %s has the containers %q", service, id)
	}
	return id
}

// mariadb is a server of the project, when it takes connections.
func (c *compose) mariadb(service string) *database {
	c.w.t.Helper()
	db := &database{w: c.w, service: service, system: "mysql", name: c.container(service)}
	return db.connected()
}

// postgres is a server of the project, when it takes connections.
func (c *compose) postgres(service string) *database {
	c.w.t.Helper()
	db := &database{w: c.w, service: service, system: "postgres", name: c.container(service)}
	return db.connected()
}

// seedCompose is a Compose file of a user of rancher-backup, with purser's image,
// with what it mounts in a directory of the test instead of /mnt, and with the
// test Engine's socket. Beside it, a file narrows purser to the project, as the
// Engine has other tests' containers too.
func (w *world) seedCompose(mnt string, env ...string) *compose {
	w.t.Helper()
	text := string(readFile(w.t, "testdata/rancher-backup.yml"))
	text = strings.NewReplacer("webcenter/rancher-backup:2.0.1-1", w.image, "- /mnt/", "- "+mnt+"/", "- /var/run/docker.sock:", "- "+w.socket+":").Replace(text)
	dir := w.t.TempDir()
	file, scope := filepath.Join(dir, "docker-compose.yml"), filepath.Join(dir, "scope.yml")
	write(w.t, file, []byte(text), 0o644)
	write(w.t, scope, []byte("version: '2'\nservices:\n  backup:\n    environment:\n      BACKUP_SCOPE: project\n"), 0o644)
	return w.newCompose(env, file, scope)
}

// rancher-backup's Compose file runs as it is: the environment in its spellings,
// volumes below /backup, the keys, the labels. Only the image's name differs.
func TestSeedCompose(t *testing.T) {
	w := newWorld(t)
	w.docker("tag", "mariadb:10.11", "mysql:5.7")
	w.docker("tag", "mariadb:11", "acme/records:7")
	mnt := t.TempDir()
	p := w.purser("bind").without("BACKUP_DUPLICITY_URL").with("BACKUP_DUPLICITY_URL=file:///target/production")
	p.source, p.target = filepath.Join(mnt, "backup"), filepath.Join(mnt, "remote")
	for _, d := range []string{p.source, p.target, filepath.Join(mnt, "files"), filepath.Join(mnt, "keys")} {
		if err := os.Mkdir(d, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	p.mounts = []string{p.restore + ":/restore", p.target + ":/target", filepath.Join(mnt, "keys") + ":/opt/backup/.gnupg", t.TempDir() + ":/var/lib/purser"}
	write(t, filepath.Join(mnt, "files/invoices/1.txt"), []byte("three casks of rum\n"), 0o640)
	keys := p.ancestor()
	c := w.seedCompose(mnt, "ENCRYPT_KEY="+keys.makeKey())
	keys.remove()

	c.run("up", "-d", "mysql", "records", "postgres", "scratch")
	databases := []*database{c.mariadb("mysql"), c.mariadb("records"), c.postgres("postgres")}
	for _, db := range databases {
		db.fill()
	}
	c.run("up", "-d", "backup")
	daemon := c.container("backup")
	var status struct {
		LastRun *struct{ Result string } `json:"last_run"`
	}
	w.eventually("the first run is over", func() bool {
		r := w.command(nil, "docker", "exec", daemon, "purser", "status", "--output", "json").run()
		return r.code == 0 && decode(t, r.stdout, &status) && status.LastRun != nil
	})
	if status.LastRun.Result != "complete" {
		t.Fatalf("the first run: %s", w.docker("logs", daemon))
	}
	wantActions(t, w, daemon, map[string]string{"mysql": "dump", "records": "dump", "postgres": "dump", "scratch": "skip", "backup": "none"})

	restored := p.restored()
	wantSame(t, "the files", snapshot(t, filepath.Join(mnt, "files")), snapshot(t, filepath.Join(restored, "files")))
	wantSame(t, "the dumps", snapshot(t, filepath.Join(p.source, "dump")), snapshot(t, filepath.Join(restored, "dump")))
	for _, db := range databases {
		if got := db.loaded(t, restored); got != db.goods() {
			t.Errorf("%s: the rows that were loaded differ from the server's", db.service)
		}
	}
	if sets := p.wantIncrements(0, true); len(sets) == 0 {
		t.Error("there is no set")
	}
}

// wantActions checks what a daemon would do with each service of its project.
func wantActions(t *testing.T, w *world, daemon string, want map[string]string) {
	t.Helper()
	var found struct {
		Services []struct{ ID, Action, Reason string }
	}
	decode(t, w.docker("exec", daemon, "purser", "discover", "--output", "json"), &found)
	got := map[string]string{}
	for _, s := range found.Services {
		got[strings.TrimPrefix(s.ID, w.stack+"/")] = s.Action
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("would do %v, want %v", got, want)
	}
}
