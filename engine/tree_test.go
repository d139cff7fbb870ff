package engine_test

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

// what is compared of one object.
type node struct {
	Mode     uint32
	UID, GID uint32
	Rdev     uint64
	ModTime  string
	Link     string
	Content  string // hash
	SameAs   string // first path of the same hard-linked file
	Xattrs   string
}

// fidelity is what a pair of writer and reader keeps.
type fidelity struct {
	bare    bool // without extended attributes
	seconds bool // times in whole seconds, those before 1970 as 0
	copies  bool // hard links come back as copies
}

var (
	exact     = fidelity{}
	duplicity = fidelity{seconds: true, copies: true, bare: true}
)

// snapshot describes every object below dir.
func snapshot(t *testing.T, dir string, f fidelity) map[string]node {
	t.Helper()
	nodes := map[string]node{}
	inodes := map[uint64]string{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, _ := filepath.Rel(dir, path)
		info, err := os.Lstat(path)
		if err != nil {
			return err
		}
		st := info.Sys().(*syscall.Stat_t)
		n := node{Mode: st.Mode, UID: st.Uid, GID: st.Gid, Rdev: st.Rdev, ModTime: mtime(info.ModTime(), f)}
		switch {
		case info.Mode()&fs.ModeSymlink != 0:
			n.Mode, n.ModTime = unix.S_IFLNK, ""
			if n.Link, err = os.Readlink(path); err != nil {
				return err
			}
		case info.Mode().IsRegular():
			b, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			sum := sha256.Sum256(b)
			n.Content = hex.EncodeToString(sum[:8])
			if first, ok := inodes[st.Ino]; ok && !f.copies {
				n.SameAs = first
			} else {
				inodes[st.Ino] = rel
			}
		}
		if !f.bare {
			n.Xattrs = xattrs(t, path)
		}
		nodes[rel] = n
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return nodes
}

func xattrs(t *testing.T, path string) string {
	t.Helper()
	buf := make([]byte, 4096)
	n, err := unix.Llistxattr(path, buf)
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	for name := range strings.SplitSeq(strings.TrimSuffix(string(buf[:n]), "\x00"), "\x00") {
		if name != "" {
			value := make([]byte, 4096)
			n, err := unix.Lgetxattr(path, name, value)
			if err != nil {
				t.Fatal(err)
			}
			list = append(list, fmt.Sprintf("%s=%q", name, value[:n]))
		}
	}
	slices.Sort(list)
	return strings.Join(list, " ")
}

func mtime(t time.Time, f fidelity) string {
	if f.seconds {
		return fmt.Sprint(max(t.Unix(), 0))
	}
	return fmt.Sprint(t.UnixNano())
}

func sameTree(t *testing.T, what string, want, got map[string]node) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatalf("%s differs (-source +restored):\n%s", what, diff)
	}
}

// fixture is a tree with every kind of object, and a history of edits.
type fixture struct {
	t    *testing.T
	dir  string
	rand *rand.Rand
	gen  int // generation: contents written in it carry its time
}

func newFixture(t *testing.T) *fixture {
	f := &fixture{t: t, dir: filepath.Join(t.TempDir(), "src"), rand: newRand()}
	f.check(os.Mkdir(f.dir, 0o755))
	f.create()
	return f
}

func (f *fixture) check(err error) {
	f.t.Helper()
	if err != nil {
		f.t.Fatal(err)
	}
}

func (f *fixture) path(rel string) string { return filepath.Join(f.dir, rel) }

// bytes are random; of each thousand the last hundred compress.
func (f *fixture) bytes(n int) []byte {
	b := make([]byte, 0, n+8)
	for len(b) < n {
		b = binary.LittleEndian.AppendUint64(b, f.rand.Uint64())
	}
	for i := 900; i+100 <= n; i += 1000 {
		clear(b[i : i+100])
	}
	return b[:n]
}

func (f *fixture) write(rel string, n int) {
	f.t.Helper()
	f.check(os.MkdirAll(filepath.Dir(f.path(rel)), 0o755))
	f.check(os.WriteFile(f.path(rel), f.bytes(n), 0o644))
	f.touch(rel)
}

// touch gives a file its generation's time: duplicity sees no change within
// one second.
func (f *fixture) touch(rel string) {
	f.t.Helper()
	when := time.Date(2024, 1, 1, f.gen, 0, 0, 1000+f.gen, time.UTC)
	f.check(os.Chtimes(f.path(rel), when, when))
}

func (f *fixture) create() {
	for name, size := range map[string]int{
		"a": 100, "a.b": 200, "a b": 1, "a-": 2, "a0": 3, "empty": 0, "piece": 65536,
		"piece-1": 65535, "piece+1": 65537, "two": 131072, "big": 700_001, "dir/in": 5000,
		"dir/sub/deep": 300, "dir.x": 10, "dir/sub.y": 11, "\xff\xfe raw": 12, "ümläut": 13,
		"new\nline": 14, `quo"te's\`: 15, " lead": 16, strings.Repeat("n", 255): 17,
		strings.Repeat("d", 100) + "/" + strings.Repeat("e", 150) + "/" + strings.Repeat("f", 99): 18,
		"setuid": 20, "old": 21, "fraction": 22, "owned": 23, "replaced": 24, "log": 100_000,
	} {
		f.write(name, size)
	}
	f.check(os.Symlink("a", f.path("link")))
	f.check(os.Symlink("/nowhere/"+strings.Repeat("x", 150), f.path("loose")))
	f.check(os.Symlink("\xfe\xff", f.path("rawlink")))
	f.check(os.Link(f.path("dir/in"), f.path("hard")))
	f.check(unix.Mkfifo(f.path("fifo"), 0o640))
	f.check(unix.Mknod(f.path("null"), unix.S_IFCHR|0o666, int(unix.Mkdev(1, 3))))
	f.check(os.Mkdir(f.path("void"), 0o700))
	f.check(unix.Setxattr(f.path("void"), "user.note", []byte("a\x00b\n= %"), 0))
	f.check(unix.Setxattr(f.path("log"), "user.odd = % näme", []byte("x"), 0))
	f.check(unix.Setxattr(f.path("a.b"), "system.posix_acl_access", acl(), 0))
	f.check(unix.Lsetxattr(f.path("loose"), "trusted.link", []byte("y"), 0))
	f.check(unix.Setxattr(f.path("setuid"), "security.capability", []byte("\x01\x00\x00\x02\x00\x04\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"), 0))
	f.check(os.Lchown(f.path("owned"), 12345, 54321))
	f.check(os.Chmod(f.path("setuid"), 0o755|fs.ModeSetuid))
	f.check(os.Chtimes(f.path("old"), time.Time{}, time.Unix(-1000, 500)))
	f.check(os.Chtimes(f.path("fraction"), time.Time{}, time.Unix(1600000000, 123456789)))
}

// edit applies the changes of generation n, 1 to 5.
func (f *fixture) edit(n int) {
	f.t.Helper()
	f.gen = n
	f.append("log", 1000*n)
	switch n {
	case 1:
		f.patch("big", 300_000, 700)
		f.check(unix.Setxattr(f.path("a0"), "user.late", []byte("now"), 0)) // changes no time
		f.write("added/new", 70_000)
		f.check(os.Chmod(f.path("a.b"), 0o600))
	case 2:
		f.check(os.RemoveAll(f.path("dir")))
		f.write("dir", 333) // a file where a directory was
		f.check(os.Remove(f.path("link")))
		f.check(os.Symlink("a.b", f.path("link")))
	case 3:
		f.check(os.Remove(f.path("replaced")))
		f.check(os.Mkdir(f.path("replaced"), 0o711))
		f.write("replaced/x", 44)
		f.check(os.Truncate(f.path("big"), 500_000))
		f.touch("big")
		f.check(os.Chtimes(f.path("a0"), time.Time{}, time.Unix(1500000000, 7)))
	case 4:
		f.check(os.Remove(f.path("dir")))
		f.write("dir/in", 5000)
		f.check(os.Rename(f.path("two"), f.path("renamed")))
		f.check(os.Lchown(f.path("owned"), 0, 0))
		f.check(os.Remove(f.path("fifo")))
	case 5:
		f.patch("big", 0, 3)
		f.patch("big", 499_000, 2000)
		f.write("empty", 10)
		f.check(os.Truncate(f.path("piece"), 0))
		f.touch("piece")
		f.check(os.RemoveAll(f.path("void")))
	}
}

func (f *fixture) append(rel string, n int) {
	f.t.Helper()
	file, err := os.OpenFile(f.path(rel), os.O_APPEND|os.O_WRONLY, 0)
	f.check(err)
	_, err = file.Write(f.bytes(n))
	f.check(err)
	f.check(file.Close())
	f.touch(rel)
}

// patch overwrites n bytes at an offset, so that an increment can be small.
func (f *fixture) patch(rel string, at int64, n int) {
	f.t.Helper()
	file, err := os.OpenFile(f.path(rel), os.O_WRONLY, 0)
	f.check(err)
	_, err = file.WriteAt(f.bytes(n), at)
	f.check(err)
	f.check(file.Close())
	f.touch(rel)
}

// acl gives user 1234 the right to read, in the kernel's form: version 2, then
// tag, permissions and id of each entry.
func acl() []byte {
	b := []byte{2, 0, 0, 0}
	for _, e := range [][3]uint32{{1, 6, ^uint32(0)}, {2, 4, 1234}, {4, 4, ^uint32(0)}, {16, 4, ^uint32(0)}, {32, 4, ^uint32(0)}} {
		b = binary.LittleEndian.AppendUint16(b, uint16(e[0]))
		b = binary.LittleEndian.AppendUint16(b, uint16(e[1]))
		b = binary.LittleEndian.AppendUint32(b, e[2])
	}
	return b
}

// newRand is seeded: every run has the same trees.
func newRand() *rand.Rand { return rand.New(rand.NewPCG(1, 2)) }
