package engine_test

import (
	"io/fs"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// lastEdit is the last generation of everything's history.
const lastEdit = 10

// newEverything is a fixture with the kinds of objects that are large or rare
// too.
func newEverything(t *testing.T) *fixture {
	f := newFixture(t)
	f.write("five", 5<<20)
	f.write(strings.Repeat("deep/", 80)+"end", 30)
	f.write("three/one", 400)
	f.write("single", 70_000)
	f.check(os.Link(f.path("three/one"), f.path("three/two")))
	f.check(os.Link(f.path("three/one"), f.path("zz-three")))
	f.check(os.Mkdir(f.path("inherits"), 0o750))
	f.check(unix.Setxattr(f.path("inherits"), "system.posix_acl_default", acl(), 0))
	f.check(unix.Mknod(f.path("block"), unix.S_IFBLK|0o600, int(unix.Mkdev(259, 300))))
	f.check(os.Symlink("..", f.path("three/up")))
	f.check(os.WriteFile(f.path("sparse"), []byte("begin"), 0o600))
	f.check(os.Truncate(f.path("sparse"), 3<<20))
	f.append("sparse", 10)
	f.check(os.Chtimes(f.path("inherits"), time.Time{}, time.Unix(-1, 999_999_999)))
	return f
}

// editMore applies the changes of generation n, 1 to lastEdit.
func (f *fixture) editMore(n int) {
	f.t.Helper()
	f.edit(n)
	switch n {
	case 6:
		f.check(os.Remove(f.path("rawlink")))
		f.check(os.MkdirAll(f.path("rawlink/in"), 0o755)) // a directory where a link was
		f.write("rawlink/in/file", 66_000)
		f.check(os.Remove(f.path("block")))
		f.write("block", 9)
		f.patch("sparse", 1<<20, 100_000)
	case 7:
		f.insert("five", 2_000_000, 777)
		f.check(os.Link(f.path("single"), f.path("a-second-name"))) // no time changes
		f.check(os.Remove(f.path("three/two")))
		f.write("three/two", 401) // of its own now
	case 8:
		f.check(os.Truncate(f.path("five"), 0))
		f.touch("five")
		f.check(os.Chmod(f.path("a0"), 0o755|fs.ModeSetgid))
		f.check(os.RemoveAll(f.path("rawlink")))
		f.check(os.Symlink("\xfd", f.path("rawlink")))
	case 9:
		f.check(os.RemoveAll(f.path("deep")))
		f.check(os.Rename(f.path("three"), f.path("tree")))
		f.write("five", 65536)
		f.check(unix.Removexattr(f.path("a.b"), "system.posix_acl_access"))
	case 10:
		f.write(strings.Repeat("deep/", 80)+"end", 31)
		f.write("five", 131_073)
		f.check(os.Remove(f.path("null")))
		f.check(unix.Mkfifo(f.path("null"), 0o600))
	}
}

// insert shifts what follows offset at by n new bytes.
func (f *fixture) insert(rel string, at, n int) {
	f.t.Helper()
	b, err := os.ReadFile(f.path(rel))
	f.check(err)
	b = append(b[:at:at], append(f.bytes(n), b[at:]...)...)
	f.check(os.WriteFile(f.path(rel), b, 0o644))
	f.touch(rel)
}
