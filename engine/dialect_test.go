package engine_test

import (
	"cmp"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/purser-backup/purser/engine"
)

// A tarball is made by GNU tar, an entry at a time.
type tarball struct {
	t      *testing.T
	format string // of tar's --format
	path   string
	stage  string // holds content that is not an object's own
}

func newTarball(t *testing.T, format string) *tarball {
	dir := t.TempDir()
	return &tarball{t: t, format: format, path: filepath.Join(dir, "tar"), stage: filepath.Join(dir, "stage")}
}

// add appends word/rel: the object rel of dir as it is.
func (b *tarball) add(word, dir, rel string) {
	b.t.Helper()
	cmd := exec.CommandContext(b.t.Context(), "tar", "--format="+b.format, "--no-recursion", "-C", dir,
		"--transform=flags=rSH;s,^,"+word+"/,", "-rf", b.path, rel)
	if out, err := cmd.CombinedOutput(); err != nil {
		b.t.Fatalf("tar: %v\n%s", err, out)
	}
}

// addData appends word/rel with this data and the metadata of dir's file rel;
// a file that is not there leaves none.
func (b *tarball) addData(word, dir, rel string, data []byte) {
	b.t.Helper()
	path := filepath.Join(b.stage, rel)
	check := func(err error) {
		b.t.Helper()
		if err != nil {
			b.t.Fatal(err)
		}
	}
	check(os.MkdirAll(filepath.Dir(path), 0o700))
	check(os.WriteFile(path, data, 0o600))
	mode, uid, gid, when := fs.FileMode(0), 0, 0, time.Unix(0, 0)
	if info, err := os.Lstat(filepath.Join(dir, rel)); err == nil {
		st := info.Sys().(*syscall.Stat_t)
		mode, uid, gid, when = info.Mode(), int(st.Uid), int(st.Gid), info.ModTime()
	}
	check(os.Lchown(path, uid, gid))
	check(os.Chmod(path, mode))
	check(os.Chtimes(path, when, when))
	b.add(word, b.stage, rel)
}

func (b *tarball) bytes() []byte {
	b.t.Helper()
	content, err := os.ReadFile(b.path)
	if err != nil {
		b.t.Fatal(err)
	}
	return content
}

// rdiff runs the real one on files with these contents and returns its output.
func rdiff(t *testing.T, args []string, inputs ...[]byte) []byte {
	t.Helper()
	dir := t.TempDir()
	for i, in := range inputs {
		path := filepath.Join(dir, fmt.Sprint(i))
		if err := os.WriteFile(path, in, 0o600); err != nil {
			t.Fatal(err)
		}
		args = append(args, path)
	}
	out := filepath.Join(dir, "out")
	if b, err := exec.CommandContext(t.Context(), "rdiff", append(args, out)...).CombinedOutput(); err != nil {
		t.Fatalf("rdiff %v: %v\n%s", args, err, b)
	}
	b, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// indexOrder lists the objects of dir below its root, without it.
func indexOrder(t *testing.T, dir string) []string {
	t.Helper()
	var list []string
	err := filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		if rel, _ := filepath.Rel(dir, path); rel != "." {
			list = append(list, rel)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	key := func(path string) string { return strings.ReplaceAll(path, "/", "\x00") }
	slices.SortFunc(list, func(a, b string) int { return cmp.Compare(key(a), key(b)) })
	return list
}

// A dialect is a way in which other tools, or an older Python below duplicity,
// write archives.
type dialect struct {
	format string   // of tar
	hash   []string // options of rdiff signature
	uid    int      // of one file
}

// full makes the full set of dir.
func (d dialect) full(t *testing.T, dir string, when time.Time) handmade {
	difftar, sigtar := newTarball(t, d.format), newTarball(t, d.format)
	difftar.add("snapshot", dir, "./")
	sigtar.add("snapshot", dir, "./")
	for _, rel := range indexOrder(t, dir) {
		difftar.add("snapshot", dir, rel)
		if content, ok := regular(t, dir, rel); ok {
			sigtar.addData("signature", dir, rel, d.signature(t, content))
		} else {
			sigtar.add("snapshot", dir, rel)
		}
	}
	return handmade{time: when, volumes: [][]byte{difftar.bytes()}, signatures: sigtar.bytes()}
}

func (d dialect) signature(t *testing.T, content []byte) []byte {
	t.Helper()
	return rdiff(t, append([]string{"signature", "--block-size=512"}, d.hash...), content)
}

func regular(t *testing.T, dir, rel string) ([]byte, bool) {
	t.Helper()
	info, err := os.Lstat(filepath.Join(dir, rel))
	if err != nil {
		t.Fatal(err)
	}
	if !info.Mode().IsRegular() {
		return nil, false
	}
	b, err := os.ReadFile(filepath.Join(dir, rel))
	if err != nil {
		t.Fatal(err)
	}
	return b, true
}

// Archives that GNU tar and rdiff wrote, in each dialect and with each kind of
// signature, are restored and continued, by duplicity as by purser.
func TestForeignDialects(t *testing.T) {
	t.Parallel()
	for _, d := range []dialect{
		{"gnu", []string{"-H", "blake2", "-R", "rabinkarp"}, 3_000_000}, // a number of base 256
		{"ustar", []string{"-H", "md4", "-R", "rollsum"}, 2_000_000},
		{"posix", []string{"-H", "blake2", "-R", "rollsum"}, 3_000_000}, // with fractions of seconds
		{"gnu", []string{"-H", "md4", "-R", "rabinkarp", "-S", "8"}, 5},
	} {
		t.Run(strings.Join(append([]string{d.format}, d.hash...), " "), func(t *testing.T) {
			t.Parallel()
			testDialect(t, d)
		})
	}
}

func dialectTree(t *testing.T, uid int) *fixture {
	f := &fixture{t: t, dir: filepath.Join(t.TempDir(), "src"), rand: newRand()}
	long := strings.Repeat("d", 90) + "/" + strings.Repeat("e", 90)
	for rel, size := range map[string]int{"a": 10, "a.b": 0, "log": 200_000, "gone": 5, long + "/f": 20, "owned": 30} {
		f.write(rel, size)
	}
	f.check(os.Symlink(strings.Repeat("t", 99), f.path("link")))
	f.check(os.Lchown(f.path("owned"), uid, 7))
	f.check(os.Mkdir(f.path("empty"), 0o700))
	f.check(syscall.Mkfifo(f.path("fifo"), 0o640))
	return f
}

func testDialect(t *testing.T, d dialect) {
	f := dialectTree(t, d.uid)
	s := newSite(t, "", f.dir)
	d.full(t, f.dir, at(0)).put(s)
	history := []map[string]node{snapshot(t, f.dir, duplicity)}

	old, _ := regular(t, f.dir, "log")
	f.gen = 1
	f.append("log", 700)
	f.write("new", 70_000)
	f.check(os.Remove(f.path("gone")))
	d.increment(t, f.dir, old).put(s)
	history = append(history, snapshot(t, f.dir, duplicity))

	f.gen = 2
	f.append("log", 300)
	s.now = at(2)
	res := s.backup(f.dir)
	if res.Set.Full() || res.Changed != 1 || res.New+res.Deleted != 0 || res.UploadedBytes > 50_000 {
		t.Errorf("purser's increment: full %v, %d new, %d changed, %d deleted, %d bytes; want a small one with one change",
			res.Set.Full(), res.New, res.Changed, res.Deleted, res.UploadedBytes)
	}
	history = append(history, snapshot(t, f.dir, duplicity))
	for n, want := range history {
		for _, by := range []tool{byPurser, byDuplicity} {
			sameTree(t, fmt.Sprintf("generation %d by %s", n, by), want, snapshot(t, s.restoreBy(by, n), duplicity))
		}
	}
	if res := s.verify(engine.VerifyOptions{}); len(res.Damage) > 0 {
		t.Errorf("damage: %+v", res.Damage)
	}
}

// increment is what dialectTree's edits make of it: log has changed from old,
// and so has the root's time.
func (d dialect) increment(t *testing.T, dir string, old []byte) handmade {
	difftar, sigtar := newTarball(t, d.format), newTarball(t, d.format)
	difftar.add("snapshot", dir, "./")
	sigtar.add("snapshot", dir, "./")
	for _, b := range []*tarball{difftar, sigtar} {
		b.addData("deleted", dir, "gone", nil)
	}
	content, _ := regular(t, dir, "log")
	difftar.addData("diff", dir, "log", rdiff(t, []string{"delta"}, d.signature(t, old), content))
	sigtar.addData("signature", dir, "log", d.signature(t, content))
	content, _ = regular(t, dir, "new")
	for piece := 1; len(content) > 0; piece++ { // of another length than duplicity's
		n := min(len(content), 30_000)
		difftar.addPiece(dir, "new", piece, content[:n])
		content = content[n:]
	}
	content, _ = regular(t, dir, "new")
	sigtar.addData("signature", dir, "new", d.signature(t, content))
	return handmade{start: at(0), time: at(1), volumes: [][]byte{difftar.bytes()}, signatures: sigtar.bytes()}
}

// addPiece appends a piece of the file rel of dir.
func (b *tarball) addPiece(dir, rel string, piece int, data []byte) {
	b.t.Helper()
	name := rel + "/" + fmt.Sprint(piece)
	copyOf := filepath.Join(b.t.TempDir(), "like")
	info, err := os.Lstat(filepath.Join(dir, rel))
	if err == nil {
		err = os.MkdirAll(filepath.Join(copyOf, rel), 0o700)
	}
	if err == nil {
		err = os.WriteFile(filepath.Join(copyOf, name), nil, info.Mode())
	}
	if err == nil {
		err = os.Chtimes(filepath.Join(copyOf, name), info.ModTime(), info.ModTime())
	}
	if err != nil {
		b.t.Fatal(err)
	}
	b.addData("multivol_snapshot", copyOf, name, data)
}

// Manifests as older versions and resumed runs of duplicity left them.
func TestOldManifests(t *testing.T) {
	t.Parallel()
	f := dialectTree(t, 5)
	d := dialect{"gnu", []string{"-H", "md4", "-R", "rollsum"}, 5}
	set := d.full(t, f.dir, at(0))
	rest := newTarball(t, d.format)
	rest.addData("snapshot", f.dir, "zz", []byte("second volume"))
	set.volumes = append(set.volumes, rest.bytes())
	s := newSite(t, "", f.dir)
	set.put(s)
	path := filepath.Join(s.target, "duplicity-full."+epoch.Format("20060102T150405Z")+".manifest")
	b, err := os.ReadFile(path)
	f.check(err)
	good := string(b)
	head, records, _ := strings.Cut(good, "Volume 1:")
	first, second, _ := strings.Cut("Volume 1:"+records, "Volume 2:")
	second = "Volume 2:" + second
	unfinished := strings.Replace(second, "Hash SHA1 ", "Hash SHA1 ffff", 1)
	unfinished = unfinished[:len(unfinished)-5] + "\n"
	for name, text := range map[string]string{
		"no file list":           good,
		"CRLF":                   strings.ReplaceAll(good, "\n", "\r\n"),
		"no last newline":        strings.TrimSuffix(good, "\n"),
		"no host and directory":  first + second,
		"a volume twice":         head + first + unfinished + second,
		"all twice":              head + first + second + "Filelist 0\n" + first + second + "Filelist 0\n",
		"file list in between":   head + "Filelist 1\n    new      log\n" + first + second,
		"descending":             head + second + first + second,
		"other case and keyword": head + strings.ToLower(first) + "Colour blue\n" + strings.ToUpper(second[:7]) + second[7:],
		"SHA256 beside":          head + strings.Replace(first, "    Hash", "    Hash MD5 00\n    Hash", 1) + second,
	} {
		f.check(os.WriteFile(path, []byte(text), 0o600))
		s.loseState()
		dest := s.restore(time.Time{})
		got, err := os.ReadFile(filepath.Join(dest, "zz"))
		if err != nil || string(got) != "second volume" {
			t.Errorf("%s: %q, %v", name, got, err)
		}
		if log, err := os.Stat(filepath.Join(dest, "log")); err != nil || log.Size() != 200_000 {
			t.Errorf("%s: %v, %v", name, log, err)
		}
	}
}
