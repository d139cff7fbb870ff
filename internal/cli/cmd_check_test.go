package cli

import (
	"strings"
	"testing"
)

// Monitoring systems read the first line of the result and the exit status.
func TestCheck(t *testing.T) {
	b := newBench(t, local, "BACKUP_DUPLICITY_OPTIONS=--no-encryption", "BACKUP_MODULE_DATABASE=false")
	for _, args := range [][]string{{"check"}, {"check", "--output", "json"}} {
		out, errs, code := b.run(args...)
		if code != 2 || errs != "" || !strings.Contains(out, "daemon") || !strings.Contains(out, "it is not running") {
			t.Errorf("%q: exit status %d, output %q, errors %q", args, code, out, errs)
		}
	}
	out, _, _ := b.run("check")
	if want := "CRITICAL 0/0 services\ndaemon: it is not running\n"; out != want {
		t.Errorf("got %q, want %q", out, want)
	}
}
