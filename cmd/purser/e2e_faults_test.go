package main_test

import (
	"path/filepath"
	"strings"
	"testing"
)

// wantFailedDump checks a run in which a service's dump failed: it is
// incomplete, and the last good dump is in the tree and in the backup.
func (p *purser) wantFailedDump(t *testing.T, r result, service string, good map[string]string, words ...string) {
	t.Helper()
	wantRefusal(t, r, 3, append(words, "dump of "+service)...)
	db := &database{w: p.w, service: filepath.Base(service)}
	wantSame(t, "the last good dump", dumpOf(good, db), dumpOf(snapshot(t, p.source), db))
	wantSame(t, "the restore", dumpOf(good, db), dumpOf(snapshot(t, p.fresh().restored()), db))
	p.wantNothingLeft()
}

// Whatever cuts a dump in the middle, the run is incomplete, and the last good
// dump stays.
func TestDumpIsCut(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	db := w.postgres("postgres", "postgres:17")
	db.fill()
	p := w.purser("named volume")
	p.must("run")
	good := snapshot(t, p.source)
	for _, c := range []struct {
		name string
		cut  func()
		word string
	}{
		{"connection", func() {
			db.query("select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'pg_dump';")
		}, "terminating connection"},
		{"container of the dump", func() { w.docker("kill", w.oneShots("status=running")[0]) }, "137"},
		{"server", func() { w.docker("kill", db.name) }, "stopped meanwhile"},
	} {
		t.Run(c.name, func(t *testing.T) {
			release := db.lock()
			run := p.command("run").start()
			w.waitingDumps(db, 1)
			c.cut()
			p.wantFailedDump(t, run.wait(), db.id(), good, c.word)
			if c.name != "server" {
				release()
			}
		})
	}
}

// What a dump's commands do wrong, they may do without a word.
func TestDumpIsWrong(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.container("own", "busybox", "-t", "--label", "backup.type=own")
	id := w.stack + "/own"
	config := t.TempDir()
	write(t, filepath.Join(config, "index/own.yml"), []byte("own: {regex: ^own$, template: own.yml}\n"), 0o644)
	recipe := func(script string) {
		write(t, filepath.Join(config, "templates/own.yml"),
			[]byte("commands:\n- - sh\n  - -c\n  - |\n    cd {{ target_dir }}\n    "+script+"\ntrailer: [{file: '*.sql', contains: '-- done'}]\nstderr: {fails: ^ERROR}\n"), 0o644)
	}
	p := w.purser("bind")
	p.mounts = append(p.mounts, config+":/opt/backup/config:ro")
	recipe(`echo "some rows" >a.sql; echo "-- done" >>a.sql`)
	p.must("run")
	good := snapshot(t, p.source)
	for _, c := range []struct {
		name, script string
		words        []string
	}{
		{"fails", "echo no login >&2; exit 2", []string{"exit status 2: no login"}},
		{"fails in the middle", "echo some >a.sql; echo lost the server >&2; exit 5", []string{"exit status 5: lost the server"}},
		{"fails in a pipe", "{ echo '-- done'; false; } | cat >a.sql", []string{"exit status 1"}},
		{"tells of an error and succeeds", "echo some >a.sql; echo ERROR: lost the server >&2", []string{"a.sql is incomplete", "ERROR: lost the server"}},
		{"tells of an error in a whole dump", "echo '-- done' >a.sql; echo ERROR: lost a table >&2", []string{"check: the commands succeeded, but said: ERROR: lost a table"}},
		{"writes nothing", "true", []string{"wrote nothing"}},
		{"writes an empty file", ": >a.sql", []string{"a.sql is incomplete"}},
		{"writes another file", "echo '-- done' >b.txt", []string{"no file *.sql"}},
		{"one of two files is cut", "echo '-- done' >a.sql; echo some >b.sql", []string{"b.sql is incomplete"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			recipe(c.script)
			p.wantFailedDump(t, p.run("run"), id, good, c.words...)
		})
	}
	recipe(`echo "new rows" >a.sql; echo "-- done" >>a.sql; echo "WARNING: old rows" >&2`)
	r := p.must("run")
	said := id + ": its commands succeeded, and said: WARNING: old rows"
	status := p.run("status")
	if !strings.Contains(r.stderr, "WARNING: old rows") || !strings.Contains(status.stdout, "wrong: "+said) {
		t.Errorf("what a good dump complains of is not told: %s%s", r, status)
	}
	recipe(`echo "new rows" >a.sql; echo "-- done" >>a.sql`)
	p.must("run")
	if status = p.run("status"); strings.Contains(status.stdout, "said:") {
		t.Errorf("it is told of the next dump too: %s", status)
	}
}
