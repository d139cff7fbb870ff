package cli

import (
	"strings"
	"testing"
)

func TestDoctor(t *testing.T) {
	b := newBench(t, local)
	out := b.good("doctor")
	for _, check := range []string{"list", "write", "read", "overwrite", "write much", "read much", "delete"} {
		if !strings.Contains(out, check) {
			t.Errorf("no %q in:\n%s", check, out)
		}
	}
	if !strings.Contains(out, "MiB/s") && !strings.Contains(out, "GiB/s") || strings.Contains(out, "failed") {
		t.Errorf("got:\n%s", out)
	}
	if left := b.objects(); len(left) != 0 {
		t.Errorf("left: %q", left)
	}
}

// What fails is said below the table, once, with its hint.
func TestDoctorFindsFault(t *testing.T) {
	b := newBench(t, local)
	out, errs, code := b.run("doctor", "--url", "file:///proc/none")
	if code != 1 || !strings.Contains(out, "failed") || strings.Count(errs, "error: ") != 1 || strings.Count(errs, "hint: ") > 1 {
		t.Errorf("exit %d:\n%s%s", code, out, errs)
	}
}
