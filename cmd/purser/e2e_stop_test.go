package main_test

import (
	"bytes"
	"math/rand/v2"
	"path/filepath"
	"testing"
	"time"
)

// stopTime is what a stop may take: less than the ten seconds after which
// Docker kills.
const stopTime = 8 * time.Second

// stop sends SIGTERM to a container and checks how it ends, and how soon.
func (w *world) stop(name string, running *process, code int) {
	w.t.Helper()
	began := time.Now()
	w.docker("stop", "--time", "30", name)
	if took := time.Since(began); took > stopTime {
		w.t.Errorf("the stop took %s", took)
	}
	if r := running.wait(); r.code != code {
		w.t.Errorf("stopped, want exit %d: %s", code, r)
	}
}

// On a signal purser ends its one-shots first, and then itself.
func TestStoppedDuringDump(t *testing.T) {
	for _, c := range []struct {
		command string
		code    int
	}{{"run", 130}, {"daemon", 0}} {
		t.Run(c.command, func(t *testing.T) {
			w := newWorld(t)
			postgres := w.postgres("postgres", "postgres:17")
			postgres.fill()
			p := w.purser("named volume")
			release := postgres.lock()
			name := w.stack + "-stopped"
			since := w.docker("info", "--format", "{{.SystemTime}}")
			running := p.named(name, c.command).start()
			w.waitingDumps(postgres, 1)
			one := w.oneShots("status=running")
			if len(one) != 1 {
				t.Fatalf("dumps under way: %s", one)
			}
			w.stop(name, running, c.code)
			p.wantNothingLeft()
			died := w.docker("events", "--since", since, "--until", w.docker("info", "--format", "{{.SystemTime}}"),
				"--filter", "event=die", "--filter", "container="+one[0], "--filter", "container="+name, "--format", "{{.Actor.Attributes.name}}")
			if want := one[0] + "\n" + name; died != want {
				t.Errorf("ended in the order %q, want %q", died, want)
			}
			if n := count(t, filepath.Join(p.target, "*")); n > 0 {
				t.Errorf("%d files were written to the target after the signal", n)
			}
			release()
			p.must("run")
			p.wantChain(0)
		})
	}
}

// A signal during the upload: no set is there, or the last one, whole; the next
// run goes on.
func TestStoppedDuringUpload(t *testing.T) {
	for _, c := range []struct {
		command string
		code    int
	}{{"run", 130}, {"daemon", 0}} {
		t.Run(c.command, func(t *testing.T) {
			w := newWorld(t)
			p := w.purser("named volume").with("BACKUP_DUPLICITY_VOLSIZE=1", "BACKUP_MODULE_DATABASE=false")
			random := rand.New(rand.NewPCG(5, 6))
			big := filepath.Join(p.source, "volumes/big")
			write(t, big, []byte("small\n"), 0o600)
			p.must("run")
			first := snapshot(t, p.source)

			write(t, big, bytes.Repeat(noise(random, 1<<20), 48), 0o600)
			write(t, big+"ger", noise(random, 48<<20), 0o600)
			// A daemon's first run is due at once only where there was none.
			state := p.fresh()
			name := w.stack + "-stopped"
			sets := count(t, filepath.Join(p.target, "duplicity-*.manifest.gpg"))
			running := state.named(name, c.command).start()
			w.eventually("two volumes are on the target", func() bool { return count(t, filepath.Join(p.target, "duplicity-*.vol*.gpg")) >= 3 })
			w.stop(name, running, c.code)
			if now := count(t, filepath.Join(p.target, "duplicity-*.manifest.gpg")); now != sets {
				t.Fatalf("the signal came too late: %d manifests, %d before", now, sets)
			}
			wantSame(t, "the last backup", first, snapshot(t, p.fresh().restored()))

			state.must("run")
			p.wantNothingLeft()
			wantSame(t, "the next restore", snapshot(t, p.source), snapshot(t, p.fresh().restored()))
			wantSame(t, "duplicity's restore", snapshot(t, p.source), snapshot(t, p.duplicity()))
		})
	}
}
