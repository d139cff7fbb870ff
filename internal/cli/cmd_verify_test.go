package cli

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// objects lists the names on the target.
func (b *bench) objects() []string {
	b.t.Helper()
	entries, err := os.ReadDir(filepath.Join(b.root, "target"))
	if err != nil {
		b.t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// damage changes one byte of each object that matches.
func (b *bench) damage(pattern string) {
	b.t.Helper()
	hit := false
	for _, name := range b.objects() {
		if !regexp.MustCompile(pattern).MatchString(name) {
			continue
		}
		hit = true
		path := filepath.Join(b.root, "target", name)
		data, err := os.ReadFile(path)
		if err != nil {
			b.t.Fatal(err)
		}
		data[len(data)/2] ^= 1
		if err := os.WriteFile(path, data, 0o600); err != nil {
			b.t.Fatal(err)
		}
	}
	if !hit {
		b.t.Fatalf("no object matches %s in %q", pattern, b.objects())
	}
}

func TestVerify(t *testing.T) {
	b := newBench(t, local, "PASSPHRASE=open sesame")
	b.bad(10, "error: no backup found in file://ROOT/target/\nhint: check the URL and the target path; `purser sets` lists what is there\n", "verify")
	b.write("source/a", "one\n")
	b.good("backup")
	b.write("source/a", "two and more\n")
	b.good("backup")
	b.expect("verified 6 objects in 2 sets (SIZE): all good\n", "verify")
	b.expect("verified 6 objects in 2 sets (SIZE), compared 1 file with the source: all good\n", "verify", "--data")

	b.write("source/a", "three is here\n")
	b.write("source/b", "")
	out, errs, code := b.run("verify", "--data")
	if code != 1 || !strings.Contains(out, "differs: a: has another content in the source\n") || !strings.Contains(out, "differs: b: is not in the backup\n") ||
		!strings.Contains(errs, "between the backup and the source\nhint: ") {
		t.Errorf("changed source: exit status %d\n%s%s", code, out, errs)
	}

	b.damage(`inc.*vol1\.difftar`)
	out, errs, code = b.run("verify", "--data")
	if code != 20 || !regexp.MustCompile(`(?m)^TIME +1 +NAME +\S+`).MatchString(shape(out)) || strings.Contains(out, "differs") {
		t.Errorf("damaged volume: exit status %d\n%s%s", code, out, errs)
	}
	const want = "error: damage found: 1 of 6 objects\nhint: make a new full backup with `purser backup --full`; earlier sets without damage restore with --time\n"
	if diff := cmp.Diff(want, errs); diff != "" {
		t.Errorf("stderr (-want +got):\n%s", diff)
	}
	b.damage(`full.*manifest`)
	out, _, code = b.run("verify", "--output", "json")
	var got verification
	if err := json.Unmarshal([]byte(out), &got); err != nil || code != 20 || len(got.Damage) != 2 {
		t.Fatalf("exit status %d, %v\n%s", code, err, out)
	}
	if got.Damage[0].Volume != nil || *got.Damage[1].Volume != 1 || got.Damage[0].Set.Equal(got.Damage[1].Set) || got.Damage[0].Error == "" {
		t.Errorf("damage: %s", out)
	}
	b.env = append(b.env[:len(b.env)-1], "PASSPHRASE=wrong")
	if _, _, code := b.run("verify"); code != 12 {
		t.Errorf("with a wrong passphrase the exit status is %d", code)
	}
}
