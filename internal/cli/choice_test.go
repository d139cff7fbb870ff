package cli

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// Options that users of duplicity and rancher-backup have choose files.
func TestSelection(t *testing.T) {
	b := newBench(t, local, "PASSPHRASE=secret", "BACKUP_DUPLICITY_OPTIONS=--exclude ROOT/source/**.tmp --exclude-if-present .nobackup")
	if err := os.Mkdir(filepath.Join(b.root, "source/cache"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"a", "b.tmp", "cache/.nobackup", "cache/c"} {
		b.write("source/"+name, "x")
	}
	b.good("backup")
	got := b.good("ls", "--output", "json")
	if strings.Contains(got, "tmp") || strings.Contains(got, "cache") || !strings.Contains(got, `"a"`) {
		t.Errorf("files: %s", got)
	}
	if _, errs, code := b.run("backup", "--source", "ROOT/target"); code != 2 || !strings.Contains(errs, "hint: ") {
		t.Errorf("a pattern outside the source: exit status %d\n%s", code, errs)
	}
}

// With a public key, backups need no secret; a restore finds it in GnuPG's own
// folder and unlocks it with the passphrase.
func TestPublicKey(t *testing.T) {
	home, err := os.MkdirTemp("", "gpg") // short enough for the names of gpg-agent's sockets
	if err != nil {
		t.Fatal(err)
	}
	gpg := func(args ...string) {
		t.Helper()
		args = append([]string{"--homedir", home, "--batch", "--pinentry-mode=loopback", "--passphrase", "secret"}, args...)
		if out, err := exec.CommandContext(t.Context(), "gpg", args...).CombinedOutput(); err != nil {
			t.Fatalf("gpg: %v\n%s", err, out)
		}
	}
	t.Cleanup(func() {
		if out, err := exec.Command("gpgconf", "--homedir", home, "--kill", "all").CombinedOutput(); err != nil {
			t.Errorf("end gpg-agent: %v\n%s", err, out)
		}
		if err := os.RemoveAll(home); err != nil {
			t.Error(err)
		}
	})
	gpg("--quick-generate-key", "backup@example.com", "default", "default", "never")
	b := newBench(t, local, "BACKUP_DUPLICITY_encrypt-key=backup@example.com")
	public := filepath.Join(b.root, "keys")
	if err := os.Mkdir(public, 0o700); err != nil {
		t.Fatal(err)
	}
	gpg("--armor", "--output", filepath.Join(public, "public.asc"), "--export")
	b.write("source/a", "x")
	b.good("backup")
	b.write("source/b", "y")
	b.good("backup")
	_, errs, code := b.run("restore", "ROOT/none")
	if code != 12 || !strings.HasPrefix(errs, "error: ") || !strings.Contains(errs, "hint: ") {
		t.Errorf("restore without the secret key: exit status %d\n%s", code, errs)
	}
	if err := os.RemoveAll(public); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(home, public); err != nil {
		t.Fatal(err)
	}
	b.env = append(b.env, "PASSPHRASE=secret")
	b.good("restore", "ROOT/out")
	if got, err := os.ReadFile(filepath.Join(b.root, "out/b")); err != nil || string(got) != "y" {
		t.Errorf("restored %q, %v", got, err)
	}
	b.env = append(b.env, "BACKUP_DUPLICITY_OPTIONS=--encrypt-key nobody@example.com")
	if _, errs, code := b.run("backup"); code != 12 || !strings.Contains(errs, "nobody@example.com") || !strings.Contains(errs, "hint: ") {
		t.Errorf("a key that isn't there: exit status %d\n%s", code, errs)
	}
}
