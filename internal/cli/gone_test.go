package cli

import (
	"os"
	"path/filepath"
	"testing"
)

// A target, or a profile, whose backups are gone is not good because nothing
// there is bad.
func TestVerifyTellsWhatIsGone(t *testing.T) {
	b := newBench(t, "BACKUP_DUPLICITY_URL=file://ROOT/target file://ROOT/second", "PASSPHRASE=open sesame")
	b.write("source/a", "one\n")
	b.good("backup")
	b.good("verify")
	b.write("source/a", "one two\n")
	b.good("backup")
	for _, pattern := range []string{"duplicity-inc*", "duplicity-*"} {
		list, err := filepath.Glob(filepath.Join(b.root, "second", pattern))
		if err != nil || len(list) == 0 {
			t.Fatal(list, err)
		}
		for _, name := range list {
			if err := os.Remove(name); err != nil {
				t.Fatal(err)
			}
		}
		if out, errs, code := b.run("verify"); code != exitIncomplete {
			t.Errorf("%s are gone: exit status %d\n%s%s", pattern, code, out, errs)
		}
	}
}

func TestVerifyTellsOfProfilesThatAreGone(t *testing.T) {
	b := profileBench(t)
	b.good("verify")
	if err := os.RemoveAll(filepath.Join(b.root, "target", "daily")); err != nil {
		t.Fatal(err)
	}
	if out, errs, code := b.run("verify"); code != exitNoBackup {
		t.Errorf("exit status %d\n%s%s", code, out, errs)
	}
	// Whoever has no policy for them prunes none of them.
	plain := newBench(t, "BACKUP_DUPLICITY_URL=file://"+filepath.Join(b.root, "target"), "PASSPHRASE=open sesame")
	if out, errs, code := plain.run("prune", "--profile", "hourly"); code != exitUsage {
		t.Errorf("prune: exit status %d\n%s%s", code, out, errs)
	}
}
