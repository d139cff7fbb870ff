package cli

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// chainsOf makes a repository of n chains, each a full set and an increment.
func chainsOf(t *testing.T, n int, env ...string) *bench {
	t.Helper()
	b := newBench(t, append([]string{local, "BACKUP_DUPLICITY_OPTIONS=--no-encryption"}, env...)...)
	for i := range n {
		b.write("source/a", strings.Repeat("x", 2*i))
		b.good("backup", "--full")
		b.write("source/a", strings.Repeat("x", 2*i+1))
		b.good("backup")
	}
	return b
}

func TestPruneIsDryByDefault(t *testing.T) {
	b := chainsOf(t, 3, "BACKUP_DUPLICITY_REMOVE_ALL_BUT_N_FULL=2")
	before := b.objects()
	const table = "TIME  KIND  SIZE  DECISION  WHY\n" +
		"TIME  full  SIZE  delete  there are 2 newer full sets\n" +
		"TIME  incremental  SIZE  delete  there are 2 newer full sets\n" +
		"TIME  full  SIZE  keep  its full set is one of the 2 newest\n" +
		"TIME  incremental  SIZE  delete  an increment on a full set with 1 newer ones\n" +
		"TIME  full  SIZE  keep  it is in the newest chain\n" +
		"TIME  incremental  SIZE  keep  it is in the newest chain\n"
	b.expect(table+"3 sets (SIZE) to delete; `--execute` deletes\n", "prune")
	if !slices.Equal(b.objects(), before) {
		t.Error("a dry run has deleted something")
	}
	b.expect(table+"deleted 3 sets: 9 objects, SIZE\n", "prune", "--execute")
	b.expect("CHAIN  TIME  KIND  VOLUMES  SIZE  ENCRYPTED\n1  TIME  full  1  SIZE  no\n2  TIME  full  1  SIZE  no\n2  TIME  incremental  1  SIZE  no\n", "sets")
	b.good("restore", "ROOT/out")
}

// A policy among the flags stands alone: the settings would delete more.
func TestPruneByFlags(t *testing.T) {
	b := chainsOf(t, 3, "BACKUP_DUPLICITY_REMOVE_ALL_BUT_N_FULL=1")
	for args, want := range map[string]int{
		"":                                          4,
		"--keep-full 2":                             2,
		"--keep-incremental-of 1":                   2,
		"--keep-incremental-of 2":                   1,
		"--keep-full=3":                             0,
		"--older-than 1D":                           0,
		"--older-than 2037-01-01":                   4, // the newest chain stays
		"--older-than 1D --keep-full 2":             2,
		"--retention last;1;snapshot":               4,
		"--retention last;9;days":                   0,
		"--retention last;1;snapshot --keep-full 2": 2,
	} {
		out := b.good(words("prune --output json " + args + " --log-level error")...)
		var got struct {
			Executed bool
			Sets     []decidedSet
			Deleted  *deletedSets
		}
		if err := json.Unmarshal([]byte(out), &got); err != nil {
			t.Fatal(err)
		}
		n := 0
		for _, s := range got.Sets {
			if s.Delete {
				n++
			}
			if s.Reason == "" {
				t.Errorf("%q: a set has no reason", args)
			}
		}
		if n != want || len(got.Sets) != 6 || got.Executed || got.Deleted != nil {
			t.Errorf("%q: deletes %d of %d, want %d", args, n, len(got.Sets), want)
		}
	}
	const hint = "hint: `purser help prune` lists the flags\n"
	b.bad(2, "error: invalid value \"0\" for flag -keep-full: not a number of chains, 1 or more\n"+hint, "prune", "--keep-full", "0")
	b.bad(2, "error: --older-than: read time \"old\": unknown form\nhint: write it as 2026-05-20T03:00:00, 2026-05-20, 3D or now\n", "prune", "--older-than", "old")
}

// words splits a command line; a semicolon is a blank within a word.
func words(line string) []string {
	list := strings.Fields(line)
	for i := range list {
		list[i] = strings.ReplaceAll(list[i], ";", " ")
	}
	return list
}

// What is kept only for what builds on it is told.
func TestPruneByRules(t *testing.T) {
	b := chainsOf(t, 2, "BACKUP_RETENTION=last 1 snapshot", "BACKUP_RETENTION_HOLD=2037-01-01")
	b.expect("TIME  KIND  SIZE  DECISION  WHY\n"+
		"TIME  full  SIZE  delete  no rule selects it\n"+
		"TIME  incremental  SIZE  delete  no rule selects it\n"+
		"TIME  full  SIZE  keep  a kept set builds on it\n"+
		"TIME  incremental  SIZE  keep  it is the newest\n"+
		"1 set (SIZE) kept only since newer ones build on them\n"+
		"2 sets (SIZE) to delete; `--execute` deletes\n", "prune")
	b.bad(2, "error: invalid value \"last 0 days\" for flag -retention: at character 1: \"last 0 days\" would keep nothing\nhint: `purser help prune` lists the flags\n",
		"prune", "--retention", "last 0 days")
}

func TestCleanup(t *testing.T) {
	b := chainsOf(t, 2)
	foreign := filepath.Join(b.root, "target", "duplicity-notes.txt")
	if err := os.WriteFile(foreign, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	if out := b.good("cleanup"); !strings.HasSuffix(out, "\nnothing to delete\n") {
		t.Errorf("a good repository: %s", out)
	}
	for _, name := range b.objects() {
		if strings.HasPrefix(name, "duplicity-full.") && strings.HasSuffix(name, ".manifest") {
			if err := os.Remove(filepath.Join(b.root, "target", name)); err != nil {
				t.Fatal(err)
			}
			break
		}
	}
	out := shape(b.good("cleanup"))
	if !strings.Contains(out, "TIME  full  SIZE  delete  it has no manifest") || !strings.Contains(out, "TIME  incremental  SIZE  delete  the set of TIME that it builds on is missing") ||
		!strings.HasSuffix(out, "2 sets (SIZE) to delete; `--execute` deletes\n") {
		t.Errorf("dry: %s", out)
	}
	if out := shape(b.good("cleanup", "--execute")); !strings.HasSuffix(out, "deleted 2 sets: 5 objects, SIZE\n") {
		t.Errorf("executed: %s", out)
	}
	if out := b.good("cleanup"); !strings.HasSuffix(out, "\nnothing to delete\n") {
		t.Errorf("after it: %s", out)
	}
	if _, err := os.Stat(foreign); err != nil {
		t.Errorf("a foreign object is gone: %v", err)
	}
	b.good("restore", "ROOT/out")
}

func TestPruneOfNothing(t *testing.T) {
	b := newBench(t, local)
	b.expect("no backup in file://ROOT/target/\n", "prune")
	b.expect("no backup in file://ROOT/target/\n", "cleanup", "--execute")
}
