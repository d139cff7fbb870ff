package engine_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/purser-backup/purser/engine"
)

func day(n int) time.Time { return epoch.Add(time.Duration(n) * 24 * time.Hour) }

// days makes the repository of duplicity's worked example: on days 0 to 8 the
// chains F0 I1 I2, F3 I4, F5, F6 I7 I8.
func days(t *testing.T) (*site, *fixture) {
	f := small(t)
	s := newSite(t, "", f.dir)
	s.opt.VolumeSize = 64 << 10
	for n := range 9 {
		f.gen = n
		f.append("big", 10)
		s.now = day(n)
		src, err := engine.OpenDir(f.dir, nil)
		f.check(err)
		_, err = s.open().Backup(t.Context(), src, engine.BackupOptions{Full: slices.Contains([]int{0, 3, 5, 6}, n)})
		f.check(err)
	}
	return s, f
}

// copySite is another repository with the same content.
func (s *site) copySite() *site {
	s.t.Helper()
	c := newSite(s.t, s.opt.Passphrase.Reveal(), s.opt.Localdir)
	c.now = s.now
	if err := os.CopyFS(c.target, os.DirFS(s.target)); err != nil {
		s.t.Fatal(err)
	}
	return c
}

// setNames lists the sets on the target as F0, I1 ...
func (s *site) setNames() string {
	s.t.Helper()
	c, err := s.open().Collection(s.t.Context())
	if err != nil {
		s.t.Fatal(err)
	}
	var names []string
	for _, chain := range c.Chains {
		for _, set := range chain.Sets {
			names = append(names, setName(set))
		}
	}
	return strings.Join(names, " ")
}

func setName(s engine.Set) string {
	kind := "I"
	if s.Full() {
		kind = "F"
	}
	return kind + strconv.Itoa(int(s.Time.Sub(epoch)/(24*time.Hour)))
}

func TestRetentionAsDuplicity(t *testing.T) {
	t.Parallel()
	s, _ := days(t)
	const all = "F0 I1 I2 F3 I4 F5 F6 I7 I8"
	cases := []struct {
		command string
		arg     int
		left    string
	}{
		{"remove-older-than", 1, all},
		{"remove-older-than", 2, all},
		{"remove-older-than", 3, "F3 I4 F5 F6 I7 I8"},
		{"remove-older-than", 4, "F3 I4 F5 F6 I7 I8"},
		{"remove-older-than", 5, "F5 F6 I7 I8"},
		{"remove-older-than", 6, "F6 I7 I8"},
		{"remove-older-than", 8, "F6 I7 I8"},
		{"remove-older-than", 9, "F6 I7 I8"}, // here duplicity deletes the newest chain's signatures
		{"remove-all-but-n-full", 1, "F6 I7 I8"},
		{"remove-all-but-n-full", 2, "F5 F6 I7 I8"},
		{"remove-all-but-n-full", 4, all},
		{"remove-all-but-n-full", 9, all},
		{"remove-all-inc-of-but-n-full", 1, "F0 F3 F5 F6 I7 I8"},
		{"remove-all-inc-of-but-n-full", 2, "F0 F3 F5 F6 I7 I8"},
		{"remove-all-inc-of-but-n-full", 3, "F0 F3 I4 F5 F6 I7 I8"},
	}
	for _, c := range cases {
		t.Run(fmt.Sprint(c.command, " ", c.arg), func(t *testing.T) {
			ours, theirs := s.copySite(), s.copySite()
			ours.t, theirs.t = t, t
			r := ours.open()
			collection, err := r.Collection(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			arg, plan := strconv.Itoa(c.arg), engine.Plan(nil)
			switch c.command {
			case "remove-older-than":
				plan, arg = engine.RemoveOlderThan(&collection, day(c.arg)), strconv.FormatInt(day(c.arg).Unix(), 10)
			case "remove-all-but-n-full":
				plan = engine.RemoveAllButNFull(&collection, c.arg)
			default:
				plan = engine.RemoveAllIncOfButNFull(&collection, c.arg)
			}
			if _, err := r.Prune(t.Context(), plan); err != nil {
				t.Fatal(err)
			}
			if left := ours.setNames(); left != c.left {
				t.Errorf("left %s, want %s", left, c.left)
			}
			theirs.duplicity(t.TempDir(), day(8), c.command, arg, "--force", theirs.url())
			if left := theirs.setNames(); left != c.left {
				t.Errorf("duplicity left %s, want %s", left, c.left)
			}
			if c.arg != 9 || c.command != "remove-older-than" {
				if diff := cmp.Diff(targetNames(t, theirs), targetNames(t, ours)); diff != "" {
					t.Errorf("objects (-duplicity +purser):\n%s", diff)
				}
			}
		})
	}
}

func TestPlansCombineAndProtect(t *testing.T) {
	t.Parallel()
	s, _ := days(t)
	c, err := s.open().Collection(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	both := engine.RemoveAllButNFull(&c, 3).And(engine.RemoveAllIncOfButNFull(&c, 1))
	for _, test := range []struct {
		name string
		plan engine.Plan
		left string
	}{
		{"both", both, "F3 F5 F6 I7 I8"},
		{"protect an increment", both.Protect(day(1)), "F0 I1 F3 F5 F6 I7 I8"},
		{"protect two", both.Protect(day(4), day(2)), "F0 I1 I2 F3 I4 F5 F6 I7 I8"},
	} {
		var left []string
		for _, d := range test.plan {
			if d.Reason == "" {
				t.Errorf("%s: no reason for %s", test.name, setName(d.Set))
			}
			if !d.Delete {
				left = append(left, setName(d.Set))
			}
		}
		if got := strings.Join(left, " "); got != test.left {
			t.Errorf("%s: left %s, want %s", test.name, got, test.left)
		}
	}
}

// What a run or another tool left behind goes, and nothing that restores.
func TestCleanup(t *testing.T) {
	t.Parallel()
	s, f := days(t)
	remove := func(pattern string) {
		t.Helper()
		names, err := filepath.Glob(filepath.Join(s.target, pattern))
		f.check(err)
		if len(names) == 0 {
			t.Fatalf("nothing matches %s", pattern)
		}
		for _, name := range names {
			f.check(os.Remove(name))
		}
	}
	stamp := func(n int) string { return day(n).Format("20060102T150405Z") }
	remove("*.to." + stamp(1) + ".manifest*")       // I1 is incomplete, I2 an orphan
	remove("*signatures*.to." + stamp(8) + ".sig*") // I8 restores all the same
	foreign := []string{"notes.txt", "duplicity-full.20240501T030000Z.vol1.difftar.gz.par2", ".purser-lease"}
	for _, name := range foreign {
		f.check(os.WriteFile(filepath.Join(s.target, name), nil, 0o600))
	}
	r := s.open()
	c, err := r.Collection(t.Context())
	f.check(err)
	plan := engine.Cleanup(&c)
	if plan.Deletes() != 2 {
		t.Errorf("plan deletes %d sets, want I1 and I2: %+v", plan.Deletes(), plan)
	}
	_, err = r.Prune(t.Context(), plan)
	f.check(err)
	if left := s.setNames(); left != "F0 F3 I4 F5 F6 I7 I8" {
		t.Errorf("left %s", left)
	}
	for _, name := range foreign {
		if _, err := os.Stat(filepath.Join(s.target, name)); err != nil {
			t.Errorf("foreign object: %v", err)
		}
	}
	sameTree(t, "set without signatures", snapshot(t, f.dir, exact), snapshot(t, s.restore(time.Time{}), exact))
	for _, name := range targetNames(t, s) {
		if strings.Contains(name, stamp(1)) || strings.Contains(name, stamp(2)) {
			t.Errorf("%s was left behind", name)
		}
	}
}

// A plan that was made before somebody else changed the target is refused.
func TestStalePlanIsRefused(t *testing.T) {
	t.Parallel()
	s, _ := days(t)
	r := s.open()
	c, err := r.Collection(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	plan := engine.RemoveAllButNFull(&c, 1)
	gone := plan[:0:0]
	for _, d := range plan {
		d.Delete = true
		gone = append(gone, d)
	}
	before := targetNames(t, s)
	if _, err := r.Prune(t.Context(), gone); err == nil {
		t.Error("a plan that deletes the newest chain was carried out")
	}
	if after := targetNames(t, s); !slices.Equal(before, after) {
		t.Errorf("target went from %q to %q", before, after)
	}
}
