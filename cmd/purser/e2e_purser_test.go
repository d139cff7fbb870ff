package main_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// purser is one installation: where it runs, what it backs up, and to where.
// All its containers and processes share state, as after an upgrade.
type purser struct {
	w      *world
	host   bool // a plain process on the Engine's host
	binary string

	source  string   // directory on this machine
	target  string   // directory on this machine
	restore string   // directory on this machine that purser can write to
	env     []string // NAME=VALUE
	mounts  []string // what its containers mount, as docker run -v takes it
}

// places are the three ways in which purser can be given its source.
var places = []string{"named volume", "bind", "host process"}

func (w *world) purser(place string) *purser {
	w.t.Helper()
	dir := w.t.TempDir()
	p := &purser{
		w: w, host: place == "host process",
		source: filepath.Join(dir, "source"), target: filepath.Join(dir, "target"), restore: filepath.Join(dir, "restore"),
		env: []string{"BACKUP_INSTANCE=" + w.stack, "BACKUP_SCOPE=label=purser-test=" + w.stack, "PASSPHRASE=" + passphrase},
	}
	state := filepath.Join(dir, "state")
	for _, d := range []string{p.source, p.target, p.restore, state} {
		if err := os.Mkdir(d, 0o755); err != nil {
			w.t.Fatal(err)
		}
	}
	source := p.source
	switch place {
	case "host process":
		p.binary = w.binary(dir)
		p.env = append(p.env, "BACKUP_DUPLICITY_SOURCE_PATH="+p.source, "BACKUP_DUPLICITY_URL=file://"+p.target, "BACKUP_ARCHIVE_DIR="+state)
		return p
	case "named volume":
		source = w.docker("volume", "create", "--label", "purser-test="+w.stack, w.stack+"-backup-"+random(w.t))
		p.source = w.docker("volume", "inspect", "--format", "{{.Mountpoint}}", source)
	case "bind":
	default:
		w.t.Fatalf("no such place: %s", place)
	}
	p.env = append(p.env, "BACKUP_DUPLICITY_URL=file:///target")
	p.mounts = []string{
		w.socket + ":/var/run/docker.sock", source + ":/backup", state + ":/var/lib/purser",
		p.target + ":/target", p.restore + ":/restore",
	}
	return p
}

// binary takes the program out of the image: what is tested on the host is the
// very file that runs in containers.
func (w *world) binary(dir string) string {
	w.t.Helper()
	path := filepath.Join(dir, "purser")
	id := w.docker("create", "--pull", "never", "--label", "purser-test="+w.stack, w.image)
	w.docker("cp", id+":/usr/bin/purser", path)
	return path
}

// with returns the same installation with more in its environment, or other values.
func (p *purser) with(env ...string) *purser {
	q := *p
	q.env = slices.Clone(p.env)
	for _, e := range env {
		name, _, _ := strings.Cut(e, "=")
		q.env = slices.DeleteFunc(q.env, func(old string) bool { return strings.HasPrefix(old, name+"=") })
		q.env = append(q.env, e)
	}
	return &q
}

// without returns the same installation less some variables.
func (p *purser) without(names ...string) *purser {
	q := *p
	q.env = slices.DeleteFunc(slices.Clone(p.env), func(e string) bool {
		name, _, _ := strings.Cut(e, "=")
		return slices.Contains(names, name)
	})
	return &q
}

// remount returns the same installation with other mounts.
func (p *purser) remount(change func(mount string) string) *purser {
	q := *p
	q.mounts = nil
	for _, m := range p.mounts {
		if m = change(m); m != "" {
			q.mounts = append(q.mounts, m)
		}
	}
	return &q
}

// command prepares one command line of this installation.
func (p *purser) command(args ...string) *process {
	return p.named(p.w.stack+"-purser-"+random(p.w.t), args...)
}

func (p *purser) named(name string, args ...string) *process {
	if p.host {
		return p.w.command(p.env, p.binary, args...)
	}
	run := []string{
		"run", "--rm", "--pull", "never", "--name", name, "--label", "purser-test=" + p.w.stack,
		"--read-only", "--cap-drop", "ALL", "--cap-add", "CHOWN", "--cap-add", "DAC_OVERRIDE", "--cap-add", "FOWNER",
		"--security-opt", "no-new-privileges",
	}
	for _, e := range p.env {
		run = append(run, "-e", e)
	}
	for _, m := range p.mounts {
		run = append(run, "-v", m)
	}
	return p.w.command(nil, "docker", append(append(run, p.w.image), args...)...)
}

func (p *purser) run(args ...string) result { return p.command(args...).run() }

// must runs a command that has to succeed.
func (p *purser) must(args ...string) result {
	p.w.t.Helper()
	r := p.run(args...)
	if r.code != 0 {
		p.w.t.Fatalf("purser %s: %s", strings.Join(args, " "), r)
	}
	return r
}

// read runs a command that has to succeed and decodes its JSON.
func (p *purser) read(into any, args ...string) {
	p.w.t.Helper()
	r := p.must(append(args, "--output", "json")...)
	if err := json.Unmarshal([]byte(r.stdout), into); err != nil {
		p.w.t.Fatalf("purser %s: %v\n%s", strings.Join(args, " "), err, r)
	}
}

type setRow struct {
	Kind      string `json:"kind"`
	Time      string `json:"time"`
	Volumes   int    `json:"volumes"`
	Encrypted bool   `json:"encrypted"`
}

type collection struct {
	Chains []struct {
		Sets []setRow `json:"sets"`
	} `json:"chains"`
	Incomplete []setRow `json:"incomplete"`
	Orphans    []setRow `json:"orphans"`
}

func (p *purser) sets() collection {
	p.w.t.Helper()
	var c collection
	p.read(&c, "sets")
	return c
}

// wantChain checks that there is one chain of a full set and so many increments,
// and nothing else. It returns the chain.
func (p *purser) wantChain(increments int) []setRow {
	p.w.t.Helper()
	return p.wantChainOf(increments, increments)
}

// wantChainOf is wantChain for a number of increments within bounds.
func (p *purser) wantChainOf(least, most int) []setRow {
	p.w.t.Helper()
	c := p.sets()
	if len(c.Chains) != 1 || len(c.Chains[0].Sets) < 1+least || len(c.Chains[0].Sets) > 1+most || len(c.Incomplete)+len(c.Orphans) != 0 {
		p.w.t.Fatalf("got %+v, want one chain with %d to %d increments", c, least, most)
	}
	for i, s := range c.Chains[0].Sets {
		if kind := map[bool]string{true: "full", false: "incremental"}[i == 0]; s.Kind != kind || !s.Encrypted {
			p.w.t.Fatalf("set %d is %+v, want it %s and encrypted", i, s, kind)
		}
	}
	return c.Chains[0].Sets
}

// restored restores into a new directory and returns its path on this machine.
func (p *purser) restored(args ...string) string {
	p.w.t.Helper()
	name := random(p.w.t)
	p.must(append(append([]string{"restore"}, args...), p.inside(name))...)
	return filepath.Join(p.restore, name)
}

// inside is the path of a directory to restore into, as purser sees it.
func (p *purser) inside(name string) string {
	if p.host {
		return filepath.Join(p.restore, name)
	}
	return "/restore/" + name
}

// fresh is the same target seen by an installation that has no state at all.
func (p *purser) fresh() *purser {
	state := p.w.t.TempDir()
	if p.host {
		return p.with("BACKUP_ARCHIVE_DIR=" + state)
	}
	return p.remount(func(m string) string {
		if strings.HasSuffix(m, ":/var/lib/purser") {
			return state + ":/var/lib/purser"
		}
		return m
	})
}

// duplicity restores the target with the stock program, which knows nothing of purser's state.
func (p *purser) duplicity(args ...string) string {
	p.w.t.Helper()
	dir := p.w.t.TempDir()
	dest := filepath.Join(dir, "restored")
	gnupg := filepath.Join(dir, "gnupg")
	if err := os.Mkdir(gnupg, 0o700); err != nil {
		p.w.t.Fatal(err)
	}
	p.waitForNewestSet()
	args = append([]string{"restore", "--archive-dir", filepath.Join(dir, "archive")}, args...)
	r := p.w.command([]string{"PASSPHRASE=" + passphrase, "GNUPGHOME=" + gnupg}, "duplicity", append(args, "file://"+p.target, dest)...).run()
	if r.code != 0 {
		p.w.t.Fatalf("duplicity: %s", r)
	}
	return dest
}

// waitForNewestSet waits for the time of the newest set. Of two sets that were
// made within one second the later one bears the next second, and duplicity
// takes no set that is later than now.
func (p *purser) waitForNewestSet() {
	p.w.t.Helper()
	chains := p.sets().Chains
	sets := chains[len(chains)-1].Sets
	newest, err := time.Parse(time.RFC3339, sets[len(sets)-1].Time)
	if err != nil {
		p.w.t.Fatal(err)
	}
	p.w.eventually("the newest set is not later than now", func() bool { return !time.Now().Before(newest) })
}

// killable starts a command and returns how to kill purser itself, at once and
// without a chance to clean up.
func (p *purser) killable(args ...string) (*process, func()) {
	p.w.t.Helper()
	name := p.w.stack + "-purser-" + random(p.w.t)
	c := p.named(name, args...).start()
	if p.host {
		return c, func() { kill(p.w.t, c.cmd.Process.Pid) }
	}
	pid := 0
	p.w.eventually("purser's container runs", func() bool {
		r := p.w.command(nil, "docker", "inspect", "--format", "{{.State.Pid}}", name).run()
		pid, _ = strconv.Atoi(strings.TrimSpace(r.stdout))
		return r.code == 0 && pid > 0
	})
	return c, func() { kill(p.w.t, pid) }
}

func kill(t *testing.T, pid int) {
	t.Helper()
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatalf("kill purser: %v", err)
	}
}

// oneShots are the containers that this world's pursers have made.
func (w *world) oneShots(filters ...string) []string {
	w.t.Helper()
	args := []string{"ps", "-a", "--format", "{{.Names}}", "--filter", "label=io.purser.instance=" + w.stack}
	for _, f := range filters {
		args = append(args, "--filter", f)
	}
	return strings.Fields(w.docker(args...))
}

// wantNothingLeft checks that no container of a purser is there, nor a part of a dump.
func (p *purser) wantNothingLeft() {
	p.w.t.Helper()
	if left := p.w.oneShots(); len(left) > 0 {
		p.w.t.Errorf("containers were left behind: %s", left)
	}
	entries, err := os.ReadDir(filepath.Join(p.source, ".purser"))
	if err != nil && !os.IsNotExist(err) {
		p.w.t.Fatal(err)
	}
	for _, e := range entries {
		below, err := os.ReadDir(filepath.Join(p.source, ".purser", e.Name()))
		if !e.IsDir() || err != nil || len(below) > 0 {
			p.w.t.Errorf("left behind: .purser/%s %v", e.Name(), below)
		}
	}
}
