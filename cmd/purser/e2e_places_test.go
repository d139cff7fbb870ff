package main_test

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/purser-backup/purser/engine/storage/servertest"
)

// objects are the sums of what a target's directory holds, less what tells of
// the run and not of the backup.
func objects(t *testing.T, dir string) map[string]string {
	t.Helper()
	sums := map[string]string{}
	entries, err := os.ReadDir(dir)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), "duplicity-") {
			sums[e.Name()] = fmt.Sprintf("%x", sha256.Sum256(readFile(t, filepath.Join(dir, e.Name()))))
		}
	}
	return sums
}

// A directory and an SSH server that is killed in the middle of an upload, and
// stays away for a run. Both end byte for byte the same, and duplicity restores
// from each.
func TestTwoTargetsOneKilled(t *testing.T) {
	w := newTwins(t, "PASSPHRASE="+passphrase)
	ssh := servertest.SSHD(t)
	known := filepath.Join(w.real.dir, "home/.ssh/known_hosts") // where duplicity looks for it
	write(t, known, readFile(t, ssh.KnownHosts), 0o600)
	local, remote := filepath.Join(t.TempDir(), "local"), filepath.Join(ssh.Dir, "remote")
	sftp := "sftp://" + ssh.User + "@" + ssh.Addr() + "/" + remote
	key := "--ssh-options='-oIdentityFile=" + ssh.KeyFile + " -oUserKnownHostsFile=" + known + "'"
	w.ours.env = append(w.ours.env,
		"BACKUP_DUPLICITY_URL=file://"+local+" "+sftp, "BACKUP_DUPLICITY_OPTIONS=--num-retries 1 "+key,
		"BACKUP_DUPLICITY_SOURCE_PATH="+filepath.Join(w.root, "source"), "BACKUP_ARCHIVE_DIR="+filepath.Join(t.TempDir(), "state"),
		"BACKUP_DUPLICITY_VOLSIZE=1", "BACKUP_MODULE_DATABASE=false", "BACKUP_MODULE_STACK=false")
	equal := func(when string) {
		t.Helper()
		if diff := cmp.Diff(objects(t, local), objects(t, remote)); diff != "" {
			t.Errorf("%s the targets differ (-local +remote):\n%s", when, diff)
		}
	}
	w.grow("source", 0)
	w.ours.must("purser run")
	equal("after the first run")

	incomplete := func(what string, r result) {
		t.Helper()
		if r.code != 3 || !strings.Contains(r.stderr, ssh.Addr()) || !strings.Contains(r.stderr, "hint:") || strings.Contains(r.stderr, passphrase) {
			t.Errorf("%s: exit status %d\n%s", what, r.code, r.stderr)
		}
	}
	w.grow("source", 1)
	write(t, filepath.Join(w.root, "source/noise"), noise(rand.New(rand.NewPCG(1, 2)), 12<<20), 0o600)
	before := len(objects(t, remote))
	p := w.ours.command("BACKUP_BWLIMIT=8M purser run").start()
	(&world{t: t}).eventually("volumes reach the server", func() bool { return len(objects(t, remote)) > before+3 })
	ssh.Cut(t)
	ssh.Stop()
	incomplete("killed in the middle", p.wait())
	w.grow("source", 2)
	incomplete("away", w.ours.run("purser run"))
	if len(objects(t, remote)) >= len(objects(t, local)) {
		t.Error("the server was killed too late to miss anything")
	}
	ssh.Restart(t)
	w.grow("source", 3)
	w.ours.must("purser run")
	equal("at the end")

	want := snapshot(t, filepath.Join(w.root, "source"))
	for name, url := range map[string]string{"local": "file://" + local, "remote": sftp} {
		dest := filepath.Join(t.TempDir(), name)
		w.real.must("duplicity restore --num-retries 1 --archive-dir " + t.TempDir() + " " + key + " " + url + " " + dest)
		wantSame(t, "duplicity's restore from "+name, want, snapshot(t, dest))
	}
	placesAreShown(t, w)
}

// placesAreShown checks what commands tell of two targets.
func placesAreShown(t *testing.T, w *twins) {
	t.Helper()
	var sets struct {
		Targets []struct {
			URL  string
			Sets int
		}
	}
	if err := json.Unmarshal([]byte(w.ours.must("purser sets --output json")), &sets); err != nil {
		t.Fatal(err)
	}
	if len(sets.Targets) != 2 || sets.Targets[0].Sets != 4 || sets.Targets[1].Sets != 4 {
		t.Errorf("sets: %+v", sets.Targets)
	}
	var report struct{ Checks []struct{ Target string } }
	if err := json.Unmarshal([]byte(w.ours.must("purser doctor --output json")), &report); err != nil {
		t.Fatal(err)
	}
	if len(report.Checks) != 16 || report.Checks[0].Target == report.Checks[15].Target {
		t.Errorf("doctor: %+v", report.Checks)
	}
	if text := w.ours.must("purser verify"); !strings.Contains(text, "8 sets") || !strings.Contains(text, "all good") {
		t.Errorf("verify says %s", text)
	}
}
