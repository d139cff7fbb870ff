package main_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const day = 24 * time.Hour

// history makes a repository with duplicity, in the past: F0 I1 I2, F3 I4, F5,
// F6 I7 I8, a day apart, the last of them two days ago. Each of the two gets a
// copy, and no archive directory.
func (w *twins) history() {
	w.t.Helper()
	first := time.Now().Add(-10 * day)
	for step, kind := range strings.Fields("full incr incr full incr full full incr incr") {
		w.grow("source", step)
		at := strconv.FormatInt(first.Add(time.Duration(step)*day).Unix(), 10)
		w.real.must("duplicity " + kind + " --no-encryption --volsize 1 --current-time " + at + " source file://$TWIN/repo")
	}
	if err := os.CopyFS(filepath.Join(w.ours.dir, "repo"), os.DirFS(filepath.Join(w.real.dir, "repo"))); err != nil {
		w.t.Fatal(err)
	}
	if err := os.RemoveAll(filepath.Join(w.real.dir, "home/.cache")); err != nil {
		w.t.Fatal(err)
	}
}

// copied gives each of the two a copy of his repository to spoil, and returns
// its name.
func (w *twins) copied(name string) string {
	w.t.Helper()
	name = regexp.MustCompile(`\W+`).ReplaceAllString(name, "-")
	for _, u := range []*twin{w.real, w.ours} {
		if err := os.CopyFS(filepath.Join(u.dir, name), os.DirFS(filepath.Join(u.dir, "repo"))); err != nil {
			w.t.Fatal(err)
		}
	}
	return name
}

// facts are the lines of an output that programs look for, with times that
// differ from run to run as a word.
func facts(r result, patterns ...string) []string {
	var list []string
	for line := range strings.Lines(r.stdout) {
		for _, p := range patterns {
			if regexp.MustCompile(p).MatchString(line) {
				list = append(list, strings.TrimRight(line, "\n"))
			}
		}
	}
	return list
}

func (w *twins) wantSameFacts(line string, patterns ...string) {
	w.t.Helper()
	real, ours := w.both(line)
	want := facts(real, patterns...)
	if len(want) == 0 {
		w.t.Fatalf("%s: duplicity says none of %q: %s", line, patterns, real)
	}
	if diff := cmp.Diff(want, facts(ours, patterns...)); diff != "" {
		w.t.Errorf("%s (-duplicity +purser):\n%s\n%s", line, diff, ours.stderr)
	}
}

// What programs for duplicity do, on a history that duplicity has made.
func TestDuplicityCommands(t *testing.T) {
	w := newTwins(t, "GNUPGHOME="+gpgHome(t, "secret"))
	w.history()
	for name, test := range map[string]func(*testing.T, *twins){
		"looks": duplicityLooks, "restores": duplicityRestores, "removes": duplicityRemoves, "cleans up": duplicityCleansUp,
	} {
		t.Run(name, func(t *testing.T) { test(t, w.in(t)) })
	}
	t.Run("backs up", func(t *testing.T) { duplicityBacksUp(t, w.in(t)) })
}

// Commands that only look at a repository say the same of it.
func duplicityLooks(t *testing.T, w *twins) {
	const url = " --no-encryption file://$TWIN/repo"
	w.wantSameFacts("duplicity collection-status"+url, "^Found", "^Secondary", "^Chain", "^Number", "^Total", "^ ", "^Last", "^No ", "^-")
	w.wantSameFacts("duplicity coll file://$TWIN/none", "^Found", "^Last", "^No ")
	const listed = `^\w{3} \w{3} [ \d]\d \d\d:\d\d:\d\d \d{4} `
	for _, options := range []string{"", " -t 5D", " --time=" + time.Now().UTC().Add(-9*day).Format("2006-01-02T15:04:05")} {
		w.wantSameFacts("duplicity list-current-files"+url+options, listed)
	}
	// Before the first backup there is nothing. duplicity lists the first set.
	if r := w.ours.run("duplicity list-current-files --restore-time 2001-01-01" + url); r.code != 10 {
		t.Errorf("before the first backup: %s", r)
	}
	const verdict = "^Verify complete"
	w.wantSameFacts("duplicity verify"+url+" source", verdict)
	w.wantSameFacts("duplicity verify --compare-data"+url+" source", verdict)
	changed := filepath.Join(w.root, "source/changed")
	before, info := readFile(t, changed), stat(t, changed)
	write(t, changed, []byte("else"), 0o640)
	w.wantSameFacts("duplicity verify --compare-data"+url+" source", verdict)
	w.wantSameFacts("duplicity verify"+url+" source", verdict)
	write(t, changed, before, 0o640)
	if err := os.Chtimes(changed, info.ModTime(), info.ModTime()); err != nil {
		t.Fatal(err)
	}
}

func stat(t *testing.T, path string) os.FileInfo {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info
}

// Restores give the same tree, and end in the same way.
func duplicityRestores(t *testing.T, w *twins) {
	for i, line := range []string{
		"duplicity URL DEST", "duplicity restore -t 4D URL DEST", "duplicity rest --file-to-restore d --time=8D URL DEST",
		"duplicity -r changed -v0 URL DEST", "duplicity restore -r nothing URL DEST", "duplicity restore file://$TWIN/none DEST",
		"mkdir DEST && duplicity URL DEST", "mkdir -p DEST/full && duplicity URL DEST", "mkdir -p DEST/full && duplicity --force URL DEST",
		"duplicity --numeric-owner URL DEST", "duplicity --do-not-restore-ownership URL DEST",
	} {
		dest := "out" + strconv.Itoa(i)
		line = strings.NewReplacer("URL", "--no-encryption file://$TWIN/repo", "DEST", "$TWIN/"+dest).Replace(line)
		real, ours := w.both(line)
		if real.code != 0 {
			if !strings.Contains(ours.stderr, "hint: ") {
				t.Errorf("%s: %s", line, ours)
			}
			continue
		}
		want, got := snapshot(t, filepath.Join(w.real.dir, dest)), snapshot(t, filepath.Join(w.ours.dir, dest))
		if strings.HasPrefix(line, "mkdir -p") {
			delete(want, "full") // what was there before, at two moments
			delete(got, "full")
		}
		wantSame(t, line, want, got)
	}
}

// Commands that delete leave the same objects; without --force, all.
func duplicityRemoves(t *testing.T, w *twins) {
	before := w.ours.objects("repo")
	for _, action := range []string{
		"remove-older-than 1Y", "remove-older-than 7D", "remove-older-than 5D", "remove-older-than 3D",
		"remove-all-but-n-full 1", "remove-all-but-n-full 2", "remove-all-but-n-full 9",
		"remove-all-inc-of-but-n-full 1", "remove-all-inc-of-but-n-full 3", "cleanup",
	} {
		repo := w.copied(action)
		line := "duplicity " + action + " --no-encryption file://$TWIN/" + repo
		for _, dry := range []string{line, line + " --force --dry-run"} {
			w.ours.must(dry)
			if !slices.Equal(w.ours.objects(repo), before) {
				t.Errorf("%s has deleted something", dry)
			}
		}
		w.both(line + " --force")
		w.wantSameRemains(line, repo)
	}
	w.ours.must("duplicity restore --no-encryption file://$TWIN/remove-all-but-n-full-1 $TWIN/left")
}

func (w *twins) wantSameRemains(line, repo string) {
	w.t.Helper()
	// The times are the same: the two repositories are copies.
	list := func(u *twin) []string {
		names, err := filepath.Glob(filepath.Join(u.dir, repo, "*"))
		if err != nil {
			w.t.Fatal(err)
		}
		for i := range names {
			names[i] = filepath.Base(names[i])
		}
		return names
	}
	if diff := cmp.Diff(list(w.real), list(w.ours)); diff != "" {
		w.t.Errorf("%s leaves (-duplicity +purser):\n%s", line, diff)
	}
}

// What an interrupted backup has left goes, and nothing else.
func duplicityCleansUp(t *testing.T, w *twins) {
	repo := w.copied("spoilt")
	for _, u := range []*twin{w.real, w.ours} {
		write(t, filepath.Join(u.dir, repo, "duplicity-full.20200101T000000Z.vol1.difftar.gz"), []byte("half"), 0o600)
		write(t, filepath.Join(u.dir, repo, "notes.txt"), []byte("mine"), 0o600)
	}
	line := "duplicity cleanup --no-encryption file://$TWIN/" + repo
	w.wantSameFacts("duplicity coll file://$TWIN/"+repo, "^Number", "^and .* incomplete backup set", "^These")
	before := w.ours.objects(repo)
	if w.ours.must(line); !slices.Equal(w.ours.objects(repo), before) {
		t.Errorf("%s has deleted something", line)
	}
	w.both(line + " --force")
	w.wantSameRemains(line, repo)
	w.wantSameFacts(line, "^No extraneous files")
}

// Both go on with the history, and make sets of the same kinds and content.
// What is no file and has changed counts as new for duplicity, as changed for
// purser.
func duplicityBacksUp(t *testing.T, w *twins) {
	const counted = "^(DeletedFiles|DeltaEntries|Errors) |^-.* Statistics"
	for i, options := range []string{
		"incr --no-encryption --volsize=1", "--full-if-older-than 1D --no-encryption",
		"incremental --full-if-older-than=1Y --no-encryption", "--no-encryption --exclude source/d --exclude-regexp .*ew.*",
	} {
		repo := w.copied(options)
		w.grow("source", 9+i)
		w.wantSameFacts("duplicity "+options+" source file://$TWIN/"+repo, counted)
		w.wantSameRepository(repo)
	}
	const prefixed = "--no-encryption --file-prefix p- --file-prefix-manifest m- file://$TWIN/prefixed"
	w.wantSameFacts("mkdir $TWIN/prefixed; duplicity source "+prefixed, counted)
	if diff := cmp.Diff(w.real.objects("prefixed"), w.ours.objects("prefixed")); diff != "" {
		t.Errorf("prefixes (-duplicity +purser):\n%s", diff)
	}
	w.ours.must("duplicity " + strings.Replace(prefixed, "$TWIN", w.real.dir, 1) + " $TWIN/unprefixed")
	for _, line := range []string{
		"duplicity incr --no-encryption source file://$TWIN/none", "duplicity --no-encryption nothing file://$TWIN/none",
		"duplicity --no-encryption --exclude elsewhere source file://$TWIN/none", "duplicity source nowhere",
	} {
		if _, ours := w.both(line); ours.code == 0 || !strings.Contains(ours.stderr, "hint: ") {
			t.Errorf("%s: %s", line, ours)
		}
	}
	if r := w.ours.run("duplicity --no-encryption --no-print-statistics source file://$TWIN/repo"); r.code != 0 || r.stdout != "" {
		t.Errorf("without statistics: %s", r)
	}
}

// The two take turns in one home on one target. With a public key alone that
// works because they share the archive directory.
func TestDuplicityTakesTurns(t *testing.T) {
	w := newTwins(t, "GNUPGHOME="+gpgHome(t, "secret"))
	u, theirs := w.ours, w.real
	theirs.env = append(theirs.env, "HOME="+filepath.Join(u.dir, "home"), "TWIN="+u.dir)
	for step, by := range []*twin{theirs, u, theirs, u} {
		w.grow("source", step)
		time.Sleep(time.Until(time.Now().Truncate(time.Second).Add(time.Second))) // duplicity refuses two sets in a second
		out := by.must("PASSPHRASE= duplicity --encrypt-key me@example.com source file://$TWIN/repo")
		if step > 0 && !strings.Contains(out, "\nDeltaEntries 4\n") {
			t.Errorf("set %d is no increment:\n%s", step, out)
		}
	}
	u.env, theirs.env = append(u.env, "PASSPHRASE=secret"), append(theirs.env, "PASSPHRASE=secret")
	want := snapshot(t, filepath.Join(w.root, "source"))
	wantSame(t, "duplicity's restore", want, w.restored(theirs, u, "repo"))
	wantSame(t, "purser's restore", want, w.restored(u, u, "repo"))
	if r := u.run("PASSPHRASE=wrong duplicity restore file://$TWIN/repo $TWIN/wrong"); r.code != 12 {
		t.Errorf("wrong passphrase: %s", r)
	}
}
