package engine

import (
	"maps"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"

	"golang.org/x/sys/unix"
)

// Extended attributes are the same in both ways of asking for them. Those of what a
// symbolic link points to are never its own.
func TestAttributesInBothWays(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, name := range []string{"with", "without"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := unix.Setxattr(filepath.Join(dir, "with"), "user.name", []byte("value"), 0); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("with", filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	want := map[string]map[string]string{"with": {"user.name": "value"}, "without": nil, "link": nil}
	for _, listless := range []bool{false, true} {
		var without atomic.Bool
		without.Store(listless)
		d, err := openDirectory(root, &without)
		if err != nil {
			t.Fatal(err)
		}
		defer d.Close()
		for name, attrs := range want {
			l := look(d, name)
			if l.err != nil || l.xerr != nil || !maps.Equal(l.xattrs, attrs) {
				t.Errorf("without the newer call %v: %s has %v, want %v (%v, %v)", listless, name, l.xattrs, attrs, l.err, l.xerr)
			}
			if n, err := listXattrAt(d.fd, name); err == nil && (n > 0) != (attrs != nil) {
				t.Errorf("the list of %s takes %d bytes", name, n)
			}
		}
		if l := look(d, "nothing"); !os.IsNotExist(l.err) || l.found() {
			t.Errorf("what is not there is %+v", l)
		}
	}
}
