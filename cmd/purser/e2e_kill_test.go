package main_test

import (
	"bytes"
	"io"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"
)

// purser is killed while a dump is under way. The last good dump stays, and the
// next run removes what was left behind and completes.
func TestKilledDuringDump(t *testing.T) {
	for _, place := range []string{"named volume", "host process"} {
		t.Run(place, func(t *testing.T) {
			w := newWorld(t)
			maria, postgres := w.mariadb("mariadb", "mariadb:11"), w.postgres("postgres", "postgres:17")
			maria.fill()
			postgres.fill()
			p := w.purser(place)
			p.must("run")
			good := snapshot(t, p.source)

			release := postgres.lock()
			running, kill := p.killable("run")
			w.eventually("the dump waits for the lock", func() bool {
				return postgres.query("select count(*) from pg_locks where not granted;") == "1"
			})
			if n := len(w.oneShots("status=running")); n == 0 {
				t.Fatal("no dump is under way")
			}
			kill()
			if r := running.wait(); r.code == 0 {
				t.Fatalf("purser was killed and yet: %s", r)
			}
			wantSame(t, "the last good dump", dumpOf(good, postgres), dumpOf(snapshot(t, p.source), postgres))
			wantSame(t, "the last backup", good, snapshot(t, p.fresh().restored()))
			release()

			postgres.query("update goods set weight = 0;")
			p.must("run")
			p.wantNothingLeft()
			restored := p.fresh().restored()
			wantSame(t, "purser's restore", snapshot(t, p.source), snapshot(t, restored))
			wantSame(t, "duplicity's restore", snapshot(t, p.source), snapshot(t, p.duplicity()))
			if got := postgres.loaded(t, restored); got != postgres.goods() {
				t.Error("the dump after the kill does not have the server's rows")
			}
		})
	}
}

// lock holds a lock that every dump of the database waits for.
func (db *database) lock() (release func()) {
	db.w.t.Helper()
	in, out := io.Pipe()
	p := db.session("shop")
	p.cmd.Stdin = in
	p.start()
	db.w.t.Cleanup(func() { out.Close() })
	if _, err := io.WriteString(out, "begin;\nlock table goods in access exclusive mode;\n"); err != nil {
		db.w.t.Fatal(err)
	}
	db.w.eventually("the table is locked", func() bool {
		return db.query("select count(*) from pg_locks where mode = 'AccessExclusiveLock' and granted;") == "1"
	})
	return func() {
		db.w.t.Helper()
		out.Close()
		if r := p.wait(); r.code != 0 {
			db.w.t.Fatalf("the session with the lock: %s", r)
		}
	}
}

// dumpOf is the part of a tree that is a service's dump.
func dumpOf(tree map[string]string, db *database) map[string]string {
	part := map[string]string{}
	for path, line := range tree {
		if strings.HasPrefix(path, "dump/"+db.id()+"/") {
			part[path] = line
		}
	}
	return part
}

// purser is killed while it uploads: first in a full backup, then in an
// increment. What was good stays good, and the next run completes.
func TestKilledDuringUpload(t *testing.T) {
	for _, place := range []string{"named volume", "host process"} {
		t.Run(place, func(t *testing.T) {
			w := newWorld(t)
			maria := w.mariadb("mariadb", "mariadb:11")
			maria.fill()
			p := w.purser(place).with("BACKUP_DUPLICITY_VOLSIZE=1")
			random := rand.New(rand.NewPCG(3, 4))
			big := filepath.Join(p.source, "volumes/big")
			write(t, big, noise(random, 24<<20), 0o600)

			killDuringUpload(t, p, "duplicity-full.*.vol*.difftar.gpg", "duplicity-full.*.manifest.gpg")
			if r := p.fresh().run("restore", p.inside("none")); r.code != 10 {
				t.Errorf("restore without any complete set: %s", r)
			}
			// A set that is continued has what was there before the kill, and what has
			// changed since is an increment on it.
			p.must("run")
			begun := len(p.wantChainOf(0, 1))
			first := snapshot(t, p.source)
			wantSame(t, "purser's restore", first, snapshot(t, p.fresh().restored()))

			write(t, big, bytes.Repeat(noise(random, 1<<20), 24), 0o600)
			write(t, big+"ger", noise(random, 24<<20), 0o600)
			killDuringUpload(t, p, "duplicity-inc.*.vol*.difftar.gpg", "duplicity-inc.*.manifest.gpg")
			wantSame(t, "purser's restore after the kill", first, snapshot(t, p.fresh().restored()))
			wantSame(t, "duplicity's restore after the kill", first, snapshot(t, p.duplicity()))

			p.must("run")
			p.wantChainOf(begun, begun+1)
			p.wantNothingLeft()
			wantSame(t, "purser's last restore", snapshot(t, p.source), snapshot(t, p.fresh().restored()))
			wantSame(t, "duplicity's last restore", snapshot(t, p.source), snapshot(t, p.duplicity()))
		})
	}
}

// killDuringUpload makes a run and kills purser as soon as the target has volumes
// of the new set, long before its last one.
func killDuringUpload(t *testing.T, p *purser, volumes, manifest string) {
	t.Helper()
	sets := count(t, filepath.Join(p.target, manifest))
	running, kill := p.killable("run")
	p.w.eventually("two volumes are on the target", func() bool { return count(t, filepath.Join(p.target, volumes)) >= 2 })
	kill()
	if r := running.wait(); r.code == 0 {
		t.Fatalf("purser was killed and yet: %s", r)
	}
	if now := count(t, filepath.Join(p.target, manifest)); now != sets {
		t.Fatalf("the kill came too late: %d manifests, %d before", now, sets)
	}
}
