package cli

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Two profiles, of which only the hourly one has the second state.
func profileBench(t *testing.T) *bench {
	t.Helper()
	b := newBench(t, local, "PASSPHRASE=open sesame", "BACKUP_RETENTION=daily;30, hourly;48")
	b.write("source/a", "one\n")
	b.good("backup")
	b.write("source/a", "two and more\n")
	b.good("backup", "--profile", "hourly")
	return b
}

func TestProfilesAreReadTogether(t *testing.T) {
	b := profileBench(t)
	const head = "CHAIN  TIME  KIND  VOLUMES  SIZE  ENCRYPTED\n1  TIME  full  1  SIZE  yes\n"
	const hourly = head + "1  TIME  incremental  1  SIZE  yes\n"
	b.expect("profile daily:\n"+head+"profile hourly:\n"+hourly, "sets")
	b.expect("profile hourly:\n"+hourly, "sets", "--profile", "hourly")
	fresh := newBench(t, "BACKUP_DUPLICITY_URL=file://"+filepath.Join(b.root, "target", "hourly"))
	fresh.expect(hourly, "sets")
	old := newBench(t, "BACKUP_DUPLICITY_URL=file://"+filepath.Join(b.root, "target"), "PASSPHRASE=open sesame")
	old.write("source/a", "before\n")
	old.good("backup", "--full")
	b.expect("profile daily:\n"+head+"profile hourly:\n"+hourly+"without a profile:\n"+head, "sets")
	var sets struct {
		URL    string
		Chains []struct {
			Profile string
			Sets    []struct{ Profile, Kind string }
		}
	}
	decode(t, b.good("sets", "--output", "json"), &sets)
	if len(sets.Chains) != 3 || sets.Chains[0].Profile != "daily" || sets.Chains[1].Sets[1].Profile != "hourly" || !strings.HasSuffix(sets.URL, "/target/") {
		t.Errorf("sets: %+v", sets)
	}
	b.expect("profile daily:\nverified 3 objects in 1 set (SIZE): all good\nprofile hourly:\nverified 6 objects in 2 sets (SIZE): all good\n", "verify")
	var verified verification
	decode(t, b.good("verify", "--output", "json"), &verified)
	if verified.Sets != 3 || verified.Objects != 9 {
		t.Errorf("verified: %+v", verified)
	}
	b.expect("profile hourly:\nverified 6 objects in 2 sets (SIZE), compared 1 file with the source: all good\n", "verify", "--data", "--profile", "hourly")
	if out := b.good("status"); !strings.Contains(out, "PROFILE  SCHEDULE") || !strings.Contains(out, "daily    cron @daily") {
		t.Errorf("status: %s", out)
	}
	b.bad(2, "error: --profile needs --url\nhint: without --url all profiles are shown\n", "status", "--profile", "daily")
}

func decode(t *testing.T, text string, into any) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), into); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
}

// A restore takes the newest backup of all profiles unless one is named, which
// needs no configuration but the URL.
func TestRestoreOfProfiles(t *testing.T) {
	b := profileBench(t)
	fresh := newBench(t, "BACKUP_DUPLICITY_URL=file://"+filepath.Join(b.root, "target"), "PASSPHRASE=open sesame")
	for n, c := range []struct {
		bench *bench
		args  []string
		want  string
	}{
		{b, nil, "two and more\n"},
		{b, []string{"--profile", "daily"}, "one\n"},
		{b, []string{"--profile", "Hourly"}, "two and more\n"},
		{fresh, []string{"--profile", "daily"}, "one\n"},
		{fresh, []string{"--profile", "hourly"}, "two and more\n"},
	} {
		out := filepath.Join(t.TempDir(), "restored")
		c.bench.good(append([]string{"restore", out}, c.args...)...)
		if text, err := os.ReadFile(filepath.Join(out, "a")); err != nil || string(text) != c.want {
			t.Errorf("restore %d: %q, %v, want %q", n, text, err, c.want)
		}
	}
	for _, c := range []struct{ args, size string }{{"ls a", "13 B"}, {"ls a --profile daily", "4 B"}} {
		if got := b.good(strings.Fields(c.args)...); !strings.Contains(got, c.size) {
			t.Errorf("%s: %s", c.args, got)
		}
	}
	b.bad(10, "error: no backup found in file://ROOT/target/weekly\nhint: check the URL and the target path; `purser sets` lists what is there\n", "ls", "--profile", "weekly")
	b.bad(2, "error: --profile: \"../x\" is no name of a profile\nhint: it is the name of a directory below the target\n", "ls", "--profile", "../x")
}

// After a good run the target tells which profiles it has: a restore needs
// nothing but the URL and the key.
func TestTargetTellsOfItsProfiles(t *testing.T) {
	b := newBench(t, local, "PASSPHRASE=open sesame", "BACKUP_RETENTION=daily;30, hourly;48", "BACKUP_MODULE_DATABASE=false")
	b.write("source/a", "one\n")
	b.good("run")
	b.write("source/a", "two\n")
	b.good("run", "--profile", "hourly")
	if got := b.good("run", "--due"); !strings.HasPrefix(got, "no run: nothing is due before 20") {
		t.Errorf("run --due: %s", got)
	}
	var skipped struct{ Result, Why string }
	decode(t, b.good("run", "--due", "--profile", "daily", "--output", "json"), &skipped)
	if skipped.Result != "skipped" || !strings.HasPrefix(skipped.Why, "nothing is due before ") {
		t.Errorf("run --due: %+v", skipped)
	}
	fresh := newBench(t, "BACKUP_DUPLICITY_URL=file://"+filepath.Join(b.root, "target"), "PASSPHRASE=open sesame")
	for profile, want := range map[string]string{"": "two\n", "daily": "one\n"} {
		out := filepath.Join(t.TempDir(), "restored")
		fresh.good("restore", out, "--profile", profile)
		if text, err := os.ReadFile(filepath.Join(out, "a")); err != nil || string(text) != want {
			t.Errorf("profile %q: %q, %v, want %q", profile, text, err, want)
		}
	}
	if got := fresh.good("ls", "a"); !strings.Contains(got, "4 B") {
		t.Errorf("ls: %s", got)
	}
	for _, args := range [][]string{{"sets"}, {"verify"}, {"status", "--url", "file://" + filepath.Join(b.root, "target")}} {
		got := fresh.good(args...)
		if !strings.Contains(got, "daily") || !strings.Contains(got, "hourly") {
			t.Errorf("%s: %s", args, got)
		}
	}
	if got := fresh.good("prune"); !strings.HasPrefix(got, "no backup in file://") {
		t.Errorf("prune without settings: %s", got)
	}
	// What is there by itself is not passed over.
	if err := os.WriteFile(filepath.Join(b.root, "target", "purser-status.json"), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	fresh.bad(10, "error: no backup found in file://"+filepath.Join(b.root, "target")+"/\nhint: check the URL and the target path; `purser sets` lists what is there\n", "ls")
}

// Each profile is pruned by its own retention.
func TestPruneOfProfiles(t *testing.T) {
	b := profileBench(t)
	const head = "TIME  KIND  SIZE  DECISION  WHY\n"
	b.expect("profile daily:\n"+head+"TIME  full  SIZE  keep  it is younger than 30 days\nnothing to delete\n"+
		"profile hourly:\n"+head+"TIME  full  SIZE  keep  it is younger than 48 hours\nTIME  incremental  SIZE  keep  it is younger than 48 hours\nnothing to delete\n", "prune")
	b.write("source/a", "three\n")
	b.good("backup", "--full", "--profile", "hourly")
	var pruned prunedSets
	decode(t, b.good("prune", "--output", "json", "--retention", "last 1 snapshot", "--execute", "--log-level", "error"), &pruned)
	if len(pruned.Sets) != 4 || pruned.Deleted == nil || pruned.Deleted.Sets != 2 || !pruned.Executed || pruned.Sets[0].Profile != "daily" || pruned.Sets[0].Delete {
		t.Errorf("pruned: %+v", pruned)
	}
	b.expect("profile daily:\n"+head+"TIME  full  SIZE  keep  it is in the newest chain\nnothing to delete\n", "cleanup", "--profile", "daily")
	b.bad(2, "error: no profile \"weekly\" is configured\nhint: say with a policy what of it is kept, such as --retention\n", "prune", "--profile", "weekly")
	b.expect("profile weekly:\nno backup in file://ROOT/target/weekly\n", "prune", "--profile", "weekly", "--keep-full", "1")
	b.bad(2, "error: no profile \"weekly\" is configured\nhint: there are daily, hourly\n", "backup", "--profile", "weekly")
}
