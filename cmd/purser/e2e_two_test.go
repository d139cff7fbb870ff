package main_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// instance returns the same installation as another instance.
func (p *purser) instance(name string) *purser {
	p.w.t.Cleanup(func() {
		if ids := p.w.containersOf(name); len(ids) > 0 {
			p.w.docker(append([]string{"rm", "-fv"}, ids...)...)
		}
	})
	return p.with("BACKUP_INSTANCE=" + name)
}

// containersOf are the ids of an instance's one-shots.
func (w *world) containersOf(instance string, filters ...string) []string {
	w.t.Helper()
	args := []string{"ps", "-aq", "--no-trunc", "--filter", "label=io.purser.instance=" + instance}
	for _, f := range filters {
		args = append(args, "--filter", f)
	}
	return strings.Fields(w.docker(args...))
}

// staged are the dumps on their way of an instance.
func (p *purser) staged(instance string) []string {
	p.w.t.Helper()
	entries, err := os.ReadDir(filepath.Join(p.source, ".purser", instance))
	if err != nil && !os.IsNotExist(err) {
		p.w.t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// Two pursers look after the same services of one Engine at once. One is
// killed in its dump and started again; the other notices nothing, and neither
// removes what is the other's.
func TestTwoPursers(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, place, command string
		shared               bool // one source path for both
	}{
		{"each with its own source", "named volume", "run", false},
		{"processes with one source", "host process", "dump", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			postgres := w.postgres("postgres", "postgres:17")
			postgres.fill()
			first, second := w.stack+"-first", w.stack+"-second"
			a, b := w.purser(c.place).instance(first), w.purser(c.place).instance(second)
			if c.shared {
				b = b.with("BACKUP_DUPLICITY_SOURCE_PATH=" + a.source)
				b.source = a.source
			}
			a.must("run")
			b.must("run")
			good := [2]map[string]string{dumpOf(snapshot(t, a.source), postgres), dumpOf(snapshot(t, b.source), postgres)}

			release := postgres.lock()
			dead, kill := a.killable(c.command)
			w.waitingDumps(postgres, 1)
			alive := b.command(c.command).start()
			w.waitingDumps(postgres, 2)
			before := postgres.waiting()
			left, others := w.containersOf(first, "status=running"), w.containersOf(second, "status=running")
			leftStage, otherStage := a.staged(first), b.staged(second)
			if len(left) != 1 || len(others) != 1 || len(leftStage) != 1 || len(otherStage) != 1 {
				t.Fatalf("not one dump each is under way: %s %s, %s %s", left, others, leftStage, otherStage)
			}
			kill()
			if r := dead.wait(); r.code == 0 {
				t.Fatalf("the first purser was killed and yet: %s", r)
			}
			// Each has a lock of its own; the second one's is held, the first one's free.
			wantRefusal(t, b.run(c.command), 11, "another purser is at work")
			again := a.command(c.command).start()
			w.eventually("the first purser has swept and dumps again", func() bool {
				now := w.containersOf(first, "status=running")
				return len(now) == 1 && !slices.Contains(now, left[0])
			})
			w.eventually("the new dump waits for the lock", func() bool {
				// Its server may not notice that the killed one's client is gone.
				return slices.ContainsFunc(postgres.waiting(), func(pid string) bool { return !slices.Contains(before, pid) })
			})
			if now := w.containersOf(second, "status=running"); !cmp.Equal(now, others) {
				t.Errorf("the second purser's containers were %s, are %s", others, now)
			}
			if now := b.staged(second); !cmp.Equal(now, otherStage) {
				t.Errorf("the second purser's staging was %s, is %s", otherStage, now)
			}
			if now := a.staged(first); len(now) != 1 || now[0] == leftStage[0] {
				t.Errorf("the first purser's staging was %s, is %s", leftStage, now)
			}
			for i, p := range []*purser{a, b} {
				wantSame(t, "the last good dump", good[i], dumpOf(snapshot(t, p.source), postgres))
			}
			release()
			for name, p := range map[string]*process{"killed": again, "other": alive} {
				if r := p.wait(); r.code != 0 {
					t.Errorf("the %s purser: %s", name, r)
				}
			}
			for _, p := range []*purser{a, b} {
				p.must("run")
				p.wantNothingLeft()
				wantSame(t, "the restore", snapshot(t, p.source), snapshot(t, p.fresh().restored()))
			}
			if got := postgres.loaded(t, a.fresh().restored()); got != postgres.goods() {
				t.Error("the killed purser's next dump does not have the server's rows")
			}
			if left := append(w.containersOf(first), w.containersOf(second)...); len(left) > 0 {
				t.Errorf("containers were left behind: %s", left)
			}
		})
	}
}

// waitingDumps waits until so many dumps wait for the database's lock.
func (w *world) waitingDumps(db *database, n int) {
	w.t.Helper()
	w.eventually("dumps wait for the lock", func() bool { return len(db.waiting()) == n })
}

// waiting are the server's processes that wait for a lock.
func (db *database) waiting() []string {
	db.w.t.Helper()
	return strings.Fields(db.query("select pid from pg_locks where not granted;"))
}

// The containers of "docker compose run" are the same instance as the service
// that they are of, whatever their names are.
func TestInstanceOfComposeRun(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.postgres("postgres", "postgres:17")
	p := w.purser("named volume").without("BACKUP_INSTANCE")
	engine := w.docker("info", "--format", "{{.ID}}")
	for _, c := range []struct {
		name  string
		extra []string
	}{
		{"purser-1", nil},
		{"purser-run-" + random(t), []string{"--label", "com.docker.compose.oneoff=True"}},
		{"purser-run-" + random(t), []string{"--label", "com.docker.compose.oneoff=True"}},
	} {
		run := p.named(w.stack+"-"+c.name, "run")
		options := append([]string{"--label", "com.docker.compose.project=" + w.stack, "--label", "com.docker.compose.service=purser"}, c.extra...)
		run.cmd.Args = slices.Insert(run.cmd.Args, 2, options...) // behind "docker run"
		if r := run.run(); r.code != 0 {
			t.Fatalf("%s: %s", c.name, r)
		}
		var status struct{ Instance string }
		p.read(&status, "status")
		if want := engine + "/" + w.stack + "/purser"; status.Instance != want {
			t.Errorf("%s is the instance %s, want %s", c.name, status.Instance, want)
		}
	}
	p.wantNothingLeft()
}
