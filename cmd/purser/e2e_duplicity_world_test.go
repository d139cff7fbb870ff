package main_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// twins are two users with one source: for one of them the command duplicity
// is the real program, for the other it is purser. Each has a home and a
// directory of his own, and $TWIN leads there.
type twins struct {
	t    *testing.T
	root string // has what both read
	env  []string
	real *twin
	ours *twin
}

type twin struct {
	t         *testing.T
	dir, path string
	env       []string
}

func newTwins(t *testing.T, env ...string) *twins {
	t.Helper()
	w := &twins{t: t, root: t.TempDir()}
	bin := filepath.Join(w.root, "bin")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", filepath.Join(bin, "purser"), ".")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	if err := os.Symlink("purser", filepath.Join(bin, "duplicity")); err != nil {
		t.Fatal(err)
	}
	w.env = append([]string{"TZ=UTC", "LANG=C.UTF-8", "ROOT=" + w.root}, env...)
	w.real = w.twin("real", os.Getenv("PATH"))
	w.ours = w.twin("ours", bin+":"+os.Getenv("PATH"))
	return w
}

func (w *twins) twin(name, path string) *twin {
	w.t.Helper()
	u := &twin{t: w.t, dir: filepath.Join(w.root, name), path: path}
	u.env = append(slices.Clone(w.env), "PATH="+path, "HOME="+filepath.Join(u.dir, "home"), "TWIN="+u.dir)
	if err := os.MkdirAll(filepath.Join(u.dir, "home"), 0o700); err != nil {
		w.t.Fatal(err)
	}
	return u
}

// in is the same for a part of the test.
func (w *twins) in(t *testing.T) *twins {
	part, real, ours := *w, *w.real, *w.ours
	part.t, real.t, ours.t = t, t, t
	part.real, part.ours = &real, &ours
	return &part
}

// run runs a line of shell in the directory that both share.
func (u *twin) run(line string) result {
	u.t.Helper()
	return u.command(line).run()
}

// command prepares a line for run.
func (u *twin) command(line string) *process {
	u.t.Helper()
	cmd := exec.CommandContext(u.t.Context(), "sh", "-c", line)
	cmd.Dir, cmd.Env = filepath.Dir(u.dir), u.env
	p := &process{t: u.t, cmd: cmd}
	cmd.Stdout, cmd.Stderr = &p.stdout, &p.stderr
	return p
}

// must runs a line that has to end well.
func (u *twin) must(line string) string {
	u.t.Helper()
	r := u.run(line)
	if r.code != 0 {
		u.t.Fatalf("%s: %s", line, r)
	}
	return r.stdout
}

// both runs a line for each of them. Both must succeed, or both must fail.
func (w *twins) both(line string) (real, ours result) {
	w.t.Helper()
	real, ours = w.real.run(line), w.ours.run(line)
	if (real.code == 0) != (ours.code == 0) {
		w.t.Errorf("%s\nduplicity: %s\npurser: %s", line, real, ours)
	}
	return real, ours
}

// objects lists what is in a repository, with the times of sets that the two
// have made at different moments as one word.
func (u *twin) objects(repo string) []string {
	u.t.Helper()
	entries, err := os.ReadDir(filepath.Join(u.dir, repo))
	if err != nil {
		u.t.Fatal(err)
	}
	recent := strconv.Itoa(time.Now().UTC().Year())
	var names []string
	for _, e := range entries {
		names = append(names, regexp.MustCompile(recent+`\d{4}T\d{6}Z`).ReplaceAllString(e.Name(), "NOW"))
	}
	slices.Sort(names)
	return names
}

// wantSameRepository compares the sets of both, and what they restore: each
// program restores the other's repository, and its own.
func (w *twins) wantSameRepository(repo string) {
	w.t.Helper()
	if diff := cmp.Diff(w.real.objects(repo), w.ours.objects(repo)); diff != "" {
		w.t.Errorf("sets (-duplicity +purser):\n%s", diff)
	}
	want := w.restored(w.real, w.real, repo)
	for what, got := range map[string]map[string]string{
		"purser restores duplicity's":  w.restored(w.ours, w.real, repo),
		"duplicity restores purser's":  w.restored(w.real, w.ours, repo),
		"purser restores its own sets": w.restored(w.ours, w.ours, repo),
	} {
		wantSame(w.t, what, want, got)
	}
}

// restored is the tree that one of them restores from a repository of another.
func (w *twins) restored(by, of *twin, repo string) map[string]string {
	w.t.Helper()
	dir, err := os.MkdirTemp(w.root, "restored-")
	if err != nil {
		w.t.Fatal(err)
	}
	by.must("PASSPHRASE=${PASSPHRASE-none} duplicity restore --archive-dir " + dir + ".cache file://" + filepath.Join(of.dir, repo) + " " + dir)
	tree := snapshot(w.t, dir)
	if len(tree) == 0 {
		w.t.Errorf("nothing was restored from %s", repo)
	}
	return tree
}

// gpgHome makes a key for me@example.com that a passphrase locks, and returns
// GnuPG's folder.
func gpgHome(t *testing.T, passphrase string) string {
	t.Helper()
	home, err := os.MkdirTemp("", "gpg") // short enough for the names of gpg-agent's sockets
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if out, err := exec.Command("gpgconf", "--homedir", home, "--kill", "all").CombinedOutput(); err != nil {
			t.Errorf("end gpg-agent: %v\n%s", err, out)
		}
		if err := os.RemoveAll(home); err != nil {
			t.Error(err)
		}
	})
	gpg := exec.CommandContext(t.Context(), "gpg", "--homedir", home, "--batch", "--pinentry-mode=loopback", "--passphrase", passphrase,
		"--quick-generate-key", "me@example.com", "default", "default", "never")
	if out, err := gpg.CombinedOutput(); err != nil {
		t.Fatalf("gpg: %v\n%s", err, out)
	}
	return home
}

// grow changes the source: what is new, what is changed, what is gone.
func (w *twins) grow(dir string, step int) {
	w.t.Helper()
	at := func(name string) string { return filepath.Join(w.root, dir, name) }
	text := strings.Repeat("step "+strconv.Itoa(step)+"\n", 20000+step)
	write(w.t, at("changed"), []byte(text), 0o640)
	write(w.t, at("new"+strconv.Itoa(step)), []byte(text[:100]), 0o600)
	if step == 0 {
		write(w.t, at("d/deep/ü b"), nil, 0o644)
		if err := os.Symlink("changed", at("link")); err != nil {
			w.t.Fatal(err)
		}
	} else if err := os.Remove(at("new" + strconv.Itoa(step-1))); err != nil {
		w.t.Fatal(err)
	}
}
