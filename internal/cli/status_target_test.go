package cli

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// Another machine, with nothing but the URL, learns how fresh the backups are,
// also when the last run has found nothing changed.
func TestStatusOfATarget(t *testing.T) {
	b := newBench(t, local, "BACKUP_MODULE_DATABASE=false", "PASSPHRASE=open sesame", "BACKUP_INSTANCE=nas", "BACKUP_CRON_SCHEDULE=@yearly")
	b.write("source/file", "one\n")
	b.bad(10, "error: no backup found in file://ROOT/target/\nhint: check the URL and the target path; `purser sets` lists what is there\n",
		"status", "--url", "file://ROOT/target")
	b.good("backup")
	other := &bench{t: t, root: b.root, env: []string{"TZ=UTC", "BACKUP_ARCHIVE_DIR=ROOT/other"}}
	if out := other.good("status", "--url", "file://ROOT/target"); !strings.Contains(out, "last good run:  unknown\n") || !strings.Contains(out, "wrong: nothing tells when") {
		t.Errorf("after a backup alone:\n%s", out)
	}
	b.good("run")
	read := func() (s targetStatus) {
		t.Helper()
		if err := json.Unmarshal([]byte(other.good("status", "--url", "file://ROOT/target", "--output", "json")), &s); err != nil {
			t.Fatal(err)
		}
		return s
	}
	first := read()
	b.good("run") // nothing has changed
	second := read()
	if !second.Run.After(first.Run) || !second.Newest.Time.Equal(first.Newest.Time) || second.Host != "nas" || len(second.Problem) != 0 {
		t.Errorf("first %+v, then %+v", first, second)
	}
	out := other.good("status", "--url", "file://ROOT/target")
	if !regexp.MustCompile(`(?s)target: +file://ROOT/target/\nlast good run: +\S+ \(\ds ago\), on nas\nnext run: +\S+ \(in .*newest set: +full, .*chains: +1\n$`).MatchString(out) {
		t.Errorf("status:\n%s", out)
	}
	for _, text := range []string{"open sesame", b.root + "/source", "file\n"} {
		if strings.Contains(string(mustRead(t, filepath.Join(b.root, "target", "purser-status.json"))), text) {
			t.Errorf("the target tells %q", text)
		}
	}
	if _, err := os.Stat(filepath.Join(b.root, "other", "state", "last-run.json")); err == nil {
		t.Error("the other machine keeps a state")
	}
}

// A target whose last good run is too old says so.
func TestStatusOfAStaleTarget(t *testing.T) {
	b := newBench(t, local, "BACKUP_MODULE_DATABASE=false", "PASSPHRASE=open sesame", "BACKUP_CRON_SCHEDULE=@daily")
	b.good("run")
	path := filepath.Join(b.root, "target", "purser-status.json")
	old := time.Now().Add(-48 * time.Hour).UTC().Format(time.RFC3339)
	if err := os.WriteFile(path, []byte(`{"version":1,"host":"nas","last_good_run":"`+old+`","newest_set":"2099-01-01T00:00:00Z","next_run":"`+old+`"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	out := b.good("status", "--url", "file://ROOT/target")
	if !strings.Contains(out, "wrong: no run has been good since the one that was due at "+old) || !strings.Contains(out, "wrong: the set of 2099-01-01T00:00:00Z is gone") {
		t.Errorf("status:\n%s", out)
	}
}

func mustRead(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
