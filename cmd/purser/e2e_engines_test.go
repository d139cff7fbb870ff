package main_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The main job, short, for any Engine that PURSER_TEST_DOCKER_HOST names: a
// database that is found, dumped and backed up twice from each place in which
// purser may run, restored by purser and by duplicity, and loaded again.
// scripts/engines runs it on other Engines than the tests' own.
func TestMainJobOnThisEngine(t *testing.T) {
	w := newWorld(t)
	t.Logf("Engine: %s", w.docker("version", "--format", "{{(index .Server.Components 0).Name}} {{.Server.Version}}, API {{.Server.APIVersion}}"))
	db := w.postgres("postgres", "postgres:17")
	w.postgres("scratch", "postgres:17", "--label", "backup.disable=true")
	db.fill()
	for _, place := range places {
		t.Run(place, func(t *testing.T) {
			w := &world{t: t, stack: w.stack, socket: w.socket, image: w.image}
			p := w.purser(place)
			wantDiscovered(t, p, map[string]string{"postgres": "dump", "scratch": "skip"})
			write(t, filepath.Join(p.source, "volumes/app/log.txt"), []byte("started\n"), 0o640)
			p.must("run")
			db.query("update goods set weight = weight + 1 where id % 7 = 0;")
			write(t, filepath.Join(p.source, "volumes/app/log.txt"), []byte("one line more\n"), 0o644)
			p.must("run")
			p.wantChain(1)
			p.wantNothingLeft()

			restored := p.fresh().restored()
			want := snapshot(t, p.source)
			if len(want) < 5 {
				t.Errorf("the source has only %d entries", len(want))
			}
			wantSame(t, "purser's restore", want, snapshot(t, restored))
			wantSame(t, "duplicity's restore", want, snapshot(t, p.duplicity(asUser()...)))
			if got := db.loaded(t, restored); got != db.goods() {
				t.Error("the rows that were loaded differ from the server's")
			}
		})
	}
	t.Run("instance", func(t *testing.T) {
		sameInstance(t, &world{t: t, stack: w.stack, socket: w.socket, image: w.image})
	})
	t.Run("daemon", func(t *testing.T) {
		daemonSees(t, &world{t: t, stack: w.stack, socket: w.socket, image: w.image})
	})
}

// asUser lets duplicity restore as a plain user, as on a rootless Engine.
func asUser() []string {
	if os.Getuid() == 0 {
		return nil
	}
	return []string{"--do-not-restore-ownership"}
}

// sameInstance checks that purser bears the same id in each run by itself, as
// what a killed one has left is found by it. Podman's own id changes.
func sameInstance(t *testing.T, w *world) {
	t.Helper()
	p := w.purser("host process").without("BACKUP_INSTANCE")
	var first, second struct{ Instance string }
	for _, status := range []*struct{ Instance string }{&first, &second} {
		p.must("dump")
		p.read(status, "status")
	}
	if first.Instance == "" || first.Instance != second.Instance {
		t.Errorf("the instance is %q, and then %q", first.Instance, second.Instance)
	}
	t.Logf("instance %s", first.Instance)
}

// daemonSees starts the daemon, and then a service: the Engine's events must
// bring it to the daemon's notice before its next run.
func daemonSees(t *testing.T, w *world) {
	t.Helper()
	p := w.purser("named volume").with("BACKUP_CRON_SCHEDULE=0 0 0 1 1 *")
	args := []string{}
	for _, e := range p.env {
		args = append(args, "-e", e)
	}
	for _, m := range p.mounts {
		args = append(args, "-v", m)
	}
	daemon := w.container("purser-daemon", w.image, args...)
	status := func() string {
		return w.command(nil, "docker", "exec", daemon, "purser", "status", "--output", "json").run().stdout
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(w.docker("logs", daemon))
		}
	})
	w.eventually("the first run is over", func() bool { return strings.Contains(status(), `"result"`) })
	w.postgres("newcomer", "postgres:17")
	w.eventually("the daemon has seen the new service", func() bool { return strings.Contains(status(), w.stack+"/newcomer") })
	w.docker("stop", "--time", "30", daemon)
	if code := w.docker("inspect", "--format", "{{.State.ExitCode}}", daemon); code != "0" {
		t.Errorf("the daemon stopped with %s: %s", code, w.docker("logs", daemon))
	}
	w.docker("rm", "-fv", w.stack+"-newcomer")
}
