package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Two targets, of which one is damaged and then gone.
func TestCommandsOnTwoTargets(t *testing.T) {
	b := newBench(t, "BACKUP_DUPLICITY_URL=file://ROOT/target file://ROOT/second", "PASSPHRASE=open sesame")
	b.write("source/a", "one\n")
	b.good("backup")
	b.expect("verified 6 objects in 2 sets (SIZE): all good\n", "verify")
	out := b.good("doctor")
	if strings.Count(out, "write much") != 2 || !strings.Contains(out, "/second/") || strings.Contains(out, "compare") {
		t.Errorf("doctor says\n%s", out)
	}
	if out := b.good("sets"); !strings.Contains(out, "TARGET") || strings.Count(out, "file://") != 2 {
		t.Errorf("sets says\n%s", out)
	}

	b.damage(`vol1\.difftar`)
	out, _, code := b.run("verify")
	if code != 20 || strings.Count(out, " in file://") != 1 || !strings.Contains(out, "/target/") {
		t.Errorf("verify, exit status %d\n%s", code, out)
	}
	b.good("restore", filepath.Join(b.root, "restored"))
	if text, err := os.ReadFile(filepath.Join(b.root, "restored", "a")); err != nil || string(text) != "one\n" {
		t.Errorf("restored %q, %v", text, err)
	}

	second := filepath.Join(b.root, "second")
	if err := os.RemoveAll(second); err != nil {
		t.Fatal(err)
	}
	if out := b.good("doctor"); !strings.Contains(out, "/second/ lacks 3 of the 3 objects") || strings.Contains(out, "/target/ lacks") {
		t.Errorf("doctor says of an empty target\n%s", out)
	}
	if err := os.RemoveAll(second); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(second, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	b.write("source/a", "two and more\n")
	for _, command := range [][]string{{"backup"}, {"prune", "--execute"}, {"doctor"}} {
		_, errs, code := b.run(command...)
		if code == 0 || !strings.Contains(errs, "second") || strings.Count(errs, "error: ") != 1 || !strings.Contains(errs, "hint: ") {
			t.Errorf("%q, exit status %d\n%s", command, code, errs)
		}
		if command[0] == "backup" && code != 3 {
			t.Errorf("backup, exit status %d", code)
		}
	}
}
