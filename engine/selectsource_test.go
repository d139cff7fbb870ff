package engine_test

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/purser-backup/purser/engine"
	"github.com/purser-backup/purser/engine/internal/format"
	"github.com/purser-backup/purser/engine/internal/selection"
)

// chooser compares the choice of duplicity with ours in one working directory.
type chooser struct {
	t   *testing.T
	dir string
	now time.Time
}

// newChooser builds the paths below src in a fresh working directory. A path
// that ends in a slash is a directory; -> makes a symbolic link.
func newChooser(t *testing.T, paths []string) *chooser {
	t.Helper()
	c := &chooser{t, t.TempDir(), time.Now()}
	for _, p := range paths {
		p, link, isLink := strings.Cut(filepath.Join(c.dir, "src")+"/"+p, "->")
		var err error
		switch {
		case isLink:
			err = errors.Join(os.MkdirAll(filepath.Dir(p), 0o755), os.Symlink(link, p))
		case strings.HasSuffix(p, "/"):
			err = os.MkdirAll(p, 0o755)
		default:
			err = errors.Join(os.MkdirAll(filepath.Dir(p), 0o755), os.WriteFile(p, []byte("x"), 0o644))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	t.Chdir(c.dir)
	return c
}

// ours lists what the walk yields.
func (c *chooser) ours(source string, rules []engine.Rule) ([]string, error) {
	c.t.Helper()
	src, err := engine.OpenDir(source, nil)
	if err != nil {
		c.t.Fatal(err)
	}
	defer src.Close()
	if err := src.Select(rules, c.now); err != nil {
		return nil, err
	}
	var paths []string
	for e, err := range src.Walk(c.t.Context()) {
		if err != nil || e.Err != nil {
			c.t.Fatalf("walk: %v, %s: %v", err, e.Path, e.Err)
		}
		if n := len(paths); n > 0 && format.Compare(paths[n-1], e.Path) >= 0 {
			c.t.Errorf("%q comes after %q", e.Path, paths[n-1])
		}
		paths = append(paths, e.Path)
	}
	return paths, nil
}

// theirs lists what duplicity stores, or gives its exit status.
func (c *chooser) theirs(source string, rules []engine.Rule) ([]string, int, string) {
	c.t.Helper()
	scratch, err := os.MkdirTemp(c.t.TempDir(), "")
	if err != nil {
		c.t.Fatal(err)
	}
	defer os.RemoveAll(scratch)
	args := []string{"full", "--no-encryption", "--no-compression", "--no-print-statistics", "--archive-dir", scratch + "/archive"}
	for _, r := range rules {
		args = append(args, r.Option)
		if r.Value != "" || !slices.Contains([]string{"--exclude-device-files", "--exclude-other-filesystems", "--null-separator"}, r.Option) {
			args = append(args, r.Value)
		}
	}
	cmd := exec.CommandContext(c.t.Context(), "duplicity", append(args, source, "file://"+scratch+"/target")...)
	cmd.Env = append(os.Environ(), "HOME="+scratch)
	out, err := cmd.CombinedOutput()
	if err != nil {
		exit, ok := errors.AsType[*exec.ExitError](err)
		if !ok {
			c.t.Fatal(err)
		}
		return nil, exit.ExitCode(), string(out)
	}
	volumes, err := filepath.Glob(scratch + "/target/*.difftar")
	if err != nil || len(volumes) != 1 {
		c.t.Fatalf("volumes %v, %v", volumes, err)
	}
	return c.archived(volumes[0]), 0, string(out)
}

func (c *chooser) archived(volume string) []string {
	c.t.Helper()
	f, err := os.Open(volume)
	if err != nil {
		c.t.Fatal(err)
	}
	defer f.Close()
	var paths []string
	for r := format.NewReader(f, format.Difftar); ; {
		h, err := r.Next()
		if err == io.EOF {
			return paths
		}
		if err != nil {
			c.t.Fatal(err)
		}
		paths = append(paths, h.Path)
	}
}

// statuses are duplicity's exit statuses for our faults. 30 is that of a
// Python exception that it doesn't catch.
var statuses = map[selection.Fault][]int{
	selection.BadOption: {2}, selection.BadValue: {2, 30}, selection.BadList: {7},
	selection.Outside: {14}, selection.BadGlob: {15, 30}, selection.Redundant: {16},
}

// same compares the two and gives the status, 0 if both have chosen.
func (c *chooser) same(source string, rules ...engine.Rule) (paths []string, status int) {
	c.t.Helper()
	ours, err := c.ours(source, rules)
	theirs, status, log := c.theirs(source, rules)
	fits, shown := false, showRules(rules)
	for _, e := range faultsOf(err) {
		fits = fits || slices.Contains(statuses[e.Fault], status)
		if e.Hint() == "" {
			c.t.Errorf("%v has no hint", e)
		}
	}
	switch {
	case err == nil && status == 0:
		if diff := cmp.Diff(theirs, ours); diff != "" {
			c.t.Errorf("%s%s: duplicity (-), purser (+):\n%s", source, shown, diff)
		}
	case !fits:
		c.t.Errorf("%s%s: purser says %v, duplicity %d\n%s", source, shown, err, status, log)
	}
	return ours, status
}

// showRules writes rules with the content of their file lists.
func showRules(rules []engine.Rule) string {
	var b strings.Builder
	for _, r := range rules {
		fmt.Fprintf(&b, " %s %q", r.Option, r.Value)
		if list, err := os.ReadFile(r.Value); err == nil && strings.HasSuffix(r.Option, "list") {
			fmt.Fprintf(&b, "{%q}", list)
		}
	}
	return b.String()
}

func faultsOf(err error) []*selection.Error {
	var all []*selection.Error
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		for _, err := range joined.Unwrap() {
			all = append(all, faultsOf(err)...)
		}
	} else if e, ok := errors.AsType[*selection.Error](err); ok {
		all = append(all, e)
	}
	return all
}

// rules reads options as on a command line, with * for what takes no value.
func rules(words ...string) []engine.Rule {
	var list []engine.Rule
	for i := 0; i < len(words); i++ {
		r := engine.Rule{Option: "--" + words[i]}
		if words[i] != "exclude-device-files" && words[i] != "exclude-other-filesystems" && words[i] != "null-separator" {
			i++
			r.Value = words[i]
		}
		list = append(list, r)
	}
	return list
}

func TestSelectAsDuplicity(t *testing.T) {
	c := newChooser(t, []string{"1.txt", "10.txt", "a/2.txt", "a/b/3.txt", "A/5.log", "a.TXT", "k\n", "dev/"})
	if err := unix.Mknod("src/dev/null", unix.S_IFCHR|0o600, int(unix.Mkdev(1, 3))); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes("src/10.txt", time.Time{}, time.Unix(1000, 5e8)); err != nil {
		t.Fatal(err)
	}
	write := func(name, list string) {
		if err := os.WriteFile(name, []byte(list), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("list", "# a comment\n\n + src/a/b \r\n- 'src/a'\n\"src/1.txt\"\n")
	write("include", "src/a/b\n- **\n")
	write("null", "src/k\n\x00 src/a\n\x00#src/1.txt\x00")
	const all = " 1.txt 10.txt A A/5.log a a/2.txt a/b a/b/3.txt a.TXT dev dev/null k\n"
	for _, test := range []struct {
		rules []engine.Rule
		want  string // what is stored besides the root; "" for all
		drop  string // or what is not stored of all
		fails int
	}{
		// The table of the specification, section 11.
		{rules: rules("exclude", "src/*.txt"), drop: "1.txt 10.txt"},
		{rules: rules("exclude", "**.txt"), drop: "1.txt 10.txt a/2.txt a/b/3.txt"},
		{rules: rules("exclude", "**/*.txt"), drop: "1.txt 10.txt a/2.txt a/b/3.txt"},
		{rules: rules("include", "**.txt", "exclude", "**"), want: "1.txt 10.txt a a/2.txt a/b a/b/3.txt"},
		{rules: rules("include", "src/a/b", "exclude", "src/a"), drop: "a/2.txt"},
		{rules: rules("exclude", "src/a", "include", "src/a/b", "exclude", "src/zz"), drop: "a a/2.txt a/b a/b/3.txt"},
		{rules: rules("exclude", "src/a/*"), drop: "a/2.txt a/b a/b/3.txt"},
		{rules: rules("exclude", "src/a/**"), drop: "a/2.txt a/b a/b/3.txt"},
		{rules: rules("exclude", "src/1.txt/")},
		{rules: rules("exclude", "ignorecase:src/A*"), drop: "A A/5.log a a/2.txt a/b a/b/3.txt a.TXT"},
		// Its text.
		{rules: rules("include", "**/7", "exclude", "src/zz"), want: "-"},
		{rules: rules("include", "src/a", "exclude", "**/7", "include", "src/zz"), fails: 16},
		{rules: rules("include", "src/zz", "exclude-device-files"), fails: 16},
		{rules: rules("exclude", "/zz"), fails: 14},
		{rules: rules("include", "zz", "exclude", "**"), fails: 14},
		{rules: rules("exclude", "src//a"), fails: 15},
		{rules: rules("exclude", "src/[b-a]"), fails: 30},
		{rules: rules("include", "src/dev", "exclude-device-files", "exclude", "src/a"), drop: "a a/2.txt a/b a/b/3.txt dev/null"},
		{rules: rules("exclude-older-than", "1000")},
		{rules: rules("exclude-older-than", "1001"), drop: "10.txt"},
		{rules: rules("exclude-older-than", "1D"), drop: "10.txt"},
		{rules: rules("exclude-regexp", "SRC|b$"), drop: "a/b a/b/3.txt"},
		{rules: rules("include-regexp", "b", "exclude", "**"), want: "-"},
		{rules: rules("exclude-regexp", "("), fails: 30},
		{rules: rules("exclude-filelist", "list"), drop: "1.txt a/2.txt"},
		{rules: rules("exclude-globbing-filelist", "list"), drop: "1.txt a/2.txt"},
		{rules: rules("include-filelist", "include"), want: "a a/b a/b/3.txt"},
		{rules: rules("include-filelist", "list"), fails: 16},
		{rules: rules("exclude-filelist", "missing"), fails: 7},
		{rules: rules("exclude-filelist", "null", "null-separator"), drop: "a a/2.txt a/b a/b/3.txt k\n"},
		// A pattern that ends in a slash, on what is no directory.
		{rules: rules("include", "src/1.txt/", "exclude", "src/a"), drop: "a a/2.txt a/b a/b/3.txt"},
		// A final line feed needs no character of the pattern.
		{rules: rules("exclude", "src/k"), drop: "k\n"},
	} {
		got, status := c.same("src", test.rules...)
		if status != test.fails {
			t.Errorf("%q: status %d, want %d", test.rules, status, test.fails)
		}
		if status != 0 {
			continue
		}
		want := strings.Split(all, " ")
		switch {
		case test.want == "-":
			want = []string{""}
		case test.want != "":
			want = strings.Split(" "+test.want, " ")
		}
		want = slices.DeleteFunc(want, func(p string) bool { return p != "" && slices.Contains(strings.Split(test.drop, " "), p) })
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%q: wanted (-), stored (+):\n%s", test.rules, diff)
		}
	}
}

// What is on another file system, and directories that bear a mark.
func TestSelectAsDuplicityByDirectory(t *testing.T) {
	c := newChooser(t, []string{"mounted/", "a/keep/x", "marked/.nobackup", "marked/y", "loose/.nobackup->nowhere", "loose/z",
		"deep/.nobackup/w", "deep/v", "link->marked"})
	if err := unix.Mount("none", "src/mounted", "tmpfs", 0, ""); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Unmount(c.dir+"/src/mounted", 0) })
	if err := os.WriteFile("src/mounted/file", nil, 0o644); err != nil {
		t.Fatal(err)
	}
	for _, list := range [][]engine.Rule{
		rules("exclude-other-filesystems"),
		rules("include", "src/mounted/file", "exclude-other-filesystems"),
		rules("include", "src/a", "exclude-other-filesystems"),
		rules("exclude-if-present", ".nobackup"),
		rules("exclude-if-present", ".nobackup/w"),
		rules("exclude-if-present", "."),
		rules("include", "src/marked", "exclude-if-present", ".nobackup", "exclude", "src/a"),
		rules("include", "**/x", "exclude-if-present", "x", "exclude", "**"),
	} {
		if _, status := c.same("src", list...); status != 0 {
			t.Errorf("%q: status %d", list, status)
		}
	}
}

// The source as it may be written.
func TestSelectAsDuplicityBySource(t *testing.T) {
	c := newChooser(t, []string{"a/x", "b"})
	abs := c.dir + "/src"
	for _, test := range []struct{ source, pattern string }{
		{"src/", "src/a"}, {"./src", "src/a"}, {"./src", "./src/a"}, {"src//.", "src/a"}, {".", "./src/a"}, {".", "src/a"},
		{abs, abs + "/a"}, {abs + "//", abs + "/a"}, {abs, "/"}, {"src", "/"},
	} {
		c.same(test.source, rules("exclude", test.pattern)...)
	}
}

// Names with everything that means something to somebody.
var oddNames = []string{
	"a", "A", "b/a", "b/B/a", "b/B/c.txt", "b/b b/x", "b/b b/y.TXT", " lead", "trail ", "new\nline", "end\n", "[x]", "x", "[", "]", "a]", "!a", "^a", "a-b",
	"-", "back\\slash", "*", "?", "**/star", "'quoted'", "\"double\"", "+ plus", "- minus", "#hash", "\xff", "\xff\xfe/a", "d\xffd/é", "é", "É", "ß", "İ", "日本/語",
	".hidden", ".a/.b/.c", "...", "deep/a/b/c/d/e/f/g/h", "deep/a/b/c/D/e", "deep/A/b/c", "dir/", "dir2/", "link->a", "loose->none", "linkdir->b", "tab\t", "\x01",
	"ignorecase:x", "c/.mark", "c/in", "c/sub/in", "c/sub/.mark", "b/.mark->none", "cr\rx",
}

// fuzzy makes a pattern for one path out of others.
func fuzzy(rnd *rand.Rand, paths []string) string {
	full := "src/" + paths[rnd.IntN(len(paths))]
	parts := strings.Split(full, "/")
	for i := range parts {
		switch p := parts[i]; rnd.IntN(16) {
		case 0:
			parts[i] = "*"
		case 1:
			parts[i] = "**"
		case 2:
			parts[i] = p[:len(p)/2] + "*"
		case 3:
			parts[i] = "**" + p[len(p)/2:]
		case 4:
			parts[i] = strings.Repeat("?", len([]rune(p)))
		case 5:
			parts[i] = p[:max(len(p)-1, 0)] + "?"
		case 6:
			parts[i] = "[" + p + "]" + p[min(1, len(p)):]
		case 7:
			parts[i] = "[!" + p + "]*"
		case 8:
			parts[i] = "[a-" + p + "]"
		case 9:
			parts[i] = "[" + p
		}
	}
	if n := rnd.IntN(8); n == 0 {
		parts = parts[:1+rnd.IntN(len(parts))]
	}
	pattern := strings.Join(parts, "/")
	switch rnd.IntN(12) {
	case 0:
		pattern += "/"
	case 1:
		pattern = "ignorecase:" + strings.ToUpper(pattern)
	case 2:
		pattern = "**" + pattern[rnd.IntN(len(pattern)):]
	case 3:
		pattern = strings.Replace(pattern, "/", []string{"[/]", "?", "//", "**", "/**/"}[rnd.IntN(5)], 1+rnd.IntN(2))
	}
	return strings.ReplaceAll(pattern, "\x00", "")
}

// randomRules makes a list of one to six rules.
func (c *chooser) randomRules(rnd *rand.Rand) []engine.Rule {
	sign := func() string { return []string{"include", "exclude"}[rnd.IntN(2)] }
	var list []engine.Rule
	for range 1 + rnd.IntN(5) {
		switch rnd.IntN(14) {
		case 0:
			p := oddNames[rnd.IntN(len(oddNames))]
			expr := []string{regexp.QuoteMeta(p), "/" + regexp.QuoteMeta(p) + "$", `\w\W`, `[^\w/]`, `\bb`, `^.*/.$`, `(?i)/A`, `\d|\s`, `[é-ü]`, `x\Z`}[rnd.IntN(10)]
			list = append(list, rules(sign()+"-regexp", strings.ToValidUTF8(expr, "."))...)
		case 1:
			list = append(list, rules("exclude-if-present", []string{".mark", "in", "a", "none"}[rnd.IntN(4)])...)
		case 2:
			list = append(list, rules([]string{"exclude-device-files", "exclude-other-filesystems"}[rnd.IntN(2)])...)
		case 3, 4:
			list = append(list, engine.Rule{Option: "--" + sign() + "-filelist", Value: c.randomList(rnd)})
		default:
			list = append(list, rules(sign(), fuzzy(rnd, oddNames))...)
		}
	}
	if rnd.IntN(3) > 0 {
		list = append(list, rules("exclude", []string{"**", "src/b", fuzzy(rnd, oddNames)}[rnd.IntN(3)])...)
	}
	return list
}

// randomList writes a file list; duplicity reads UTF-8 only.
func (c *chooser) randomList(rnd *rand.Rand) string {
	var b strings.Builder
	for range rnd.IntN(5) {
		line := strings.ToValidUTF8(strings.NewReplacer("\n", "?", "\r", "?").Replace(fuzzy(rnd, oddNames)), "?")
		switch rnd.IntN(8) {
		case 0:
			line = "# " + line
		case 1, 2:
			line = "+ " + line
		case 3, 4:
			line = "- " + line
		case 5:
			line = "\"" + line + "\""
		case 6:
			line = "\t" + line + " \r"
		}
		b.WriteString(line + "\n")
	}
	f, err := os.CreateTemp(c.t.TempDir(), "list")
	if err != nil {
		c.t.Fatal(err)
	}
	if _, err := f.WriteString(b.String()); err != nil {
		c.t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		c.t.Fatal(err)
	}
	return f.Name()
}

func TestSelectAsDuplicityAtRandom(t *testing.T) {
	c := newChooser(t, oddNames)
	if err := syscall.Mkfifo("src/fifo", 0o600); err != nil {
		t.Fatal(err)
	}
	n, seed := 15, uint64(4)
	if soak() {
		n, seed = 600, uint64(time.Now().UnixNano())
	}
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 11))
	chosen := 0
	for range n {
		list := c.randomRules(rnd)
		if _, status := c.same("src", list...); status == 0 {
			chosen++
		}
	}
	if chosen < n/4 {
		t.Errorf("only %d of %d lists of rules were accepted", chosen, n)
	}
}
