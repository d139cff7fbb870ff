package engine_test

import (
	"archive/tar"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/purser-backup/purser/engine"
)

// block is a ustar header, with any bytes in its fields.
func block(name string, typeflag byte, edit func(b []byte)) []byte {
	b := make([]byte, 512)
	copy(b, name)
	copy(b[100:], "0000644\x000000000\x000000000\x0000000000000\x0000000000000\x00")
	b[156] = typeflag
	copy(b[257:], "ustar\x0000")
	if edit != nil {
		edit(b)
	}
	seal(b)
	return b
}

// seal sets a header's checksum.
func seal(b []byte) {
	copy(b[148:], "        ")
	sum := 0
	for _, c := range b[:512] {
		sum += int(c)
	}
	copy(b[148:], fmt.Sprintf("%06o\x00 ", sum))
}

// entry is an object with its data.
func entry(name string, typeflag byte, linkname, data string) []byte {
	b := block(name, typeflag, func(b []byte) {
		copy(b[157:], linkname)
		copy(b[124:], fmt.Sprintf("%011o", len(data)))
	})
	b = append(b, data...)
	return append(b, make([]byte, (512-len(data)%512)%512)...)
}

// size sets the size field to any number of base 256.
func size(n uint64) func([]byte) {
	return func(b []byte) {
		clear(b[124:136])
		b[124] = 0x80
		binary.BigEndian.PutUint64(b[128:], n)
	}
}

// paxed puts an extended header with one record before an entry.
func paxed(key, value string, rest []byte) []byte {
	record := fmt.Sprintf(" %s=%s\n", key, value)
	n := len(record)
	for len(fmt.Sprint(n))+len(record) != n {
		n = len(fmt.Sprint(n)) + len(record)
	}
	return append(entry("./PaxHeader", tar.TypeXHeader, "", fmt.Sprint(n)+record), rest...)
}

// hostile are archives that mean harm: each follows the entry of the root.
func hostile() map[string][]byte {
	file := func(name string) []byte { return entry(name, tar.TypeReg, "", "evil") }
	dir := func(name string) []byte { return entry(name, tar.TypeDir, "", "") }
	hugeFile := func(n uint64) []byte { return block("snapshot/huge", tar.TypeReg, size(n)) }
	return map[string][]byte{
		"parent":                  file("snapshot/../evil"),
		"parent of a directory":   slices.Concat(dir("snapshot/d/"), file("snapshot/d/../../evil")),
		"parent as target":        slices.Concat(dir("snapshot/../d/"), file("snapshot/../d/evil")),
		"absolute":                file("snapshot//tmp/evil"),
		"absolute by a record":    paxed("path", "snapshot//tmp/evil", file("snapshot/x")),
		"parent by a record":      paxed("path", "snapshot/a/../../evil", file("snapshot/x")),
		"NUL by a record":         paxed("path", "snapshot/a\x00b", file("snapshot/x")),
		"child of a symlink":      slices.Concat(entry("snapshot/l", tar.TypeSymlink, "..", ""), file("snapshot/l/evil")),
		"child of a symlink, abs": slices.Concat(entry("snapshot/l", tar.TypeSymlink, "/tmp", ""), file("snapshot/l/evil")),
		"directory over a link":   slices.Concat(entry("snapshot/l", tar.TypeSymlink, "..", ""), dir("snapshot/l/"), file("snapshot/l/evil")),
		"file over a link":        slices.Concat(entry("snapshot/l", tar.TypeSymlink, "../evil", ""), file("snapshot/l")),
		"child of a file":         slices.Concat(file("snapshot/f"), file("snapshot/f/evil")),
		"child of nothing":        file("snapshot/none/evil"),
		"hard link":               entry("snapshot/h", tar.TypeLink, "/etc/passwd", ""),
		"hard link to a parent":   entry("snapshot/h", tar.TypeLink, "../evil", ""),
		"root a link, with child": slices.Concat(entry("snapshot/", tar.TypeSymlink, "..", ""), file("snapshot/evil")),
		"length of 2^63":          hugeFile(1 << 63),
		"length of 2^63-1":        hugeFile(1<<63 - 1),
		"length of 2^64-1":        hugeFile(1<<64 - 1),
		"length of a petabyte":    hugeFile(1 << 50),
		"length by a record":      paxed("size", "9223372036854775807", file("snapshot/x")),
		"negative length":         paxed("size", "-1", file("snapshot/x")),
		"huge record":             slices.Concat(block("./PaxHeader", tar.TypeXHeader, size(1<<40)), bytes.Repeat([]byte("9 a=bcd\n"), 1<<18), file("snapshot/x")),
		"record of a huge length": slices.Concat(entry("./PaxHeader", tar.TypeXHeader, "", "99999999999999999999 path=x\n"), file("snapshot/x")),
		"long name of 1 GiB":      slices.Concat(block("././@LongLink", tar.TypeGNULongName, size(1<<30)), make([]byte, 1<<20)),
		"sparse map":              paxed("GNU.sparse.map", "0,1,9223372036854775806,1", file("snapshot/x")),
		"GNU sparse":              entry("snapshot/x", tar.TypeGNUSparse, "", ""),
		"unknown type":            entry("snapshot/x", 'Q', "", ""),
		"unknown word":            file("restore/x"),
		"out of order":            slices.Concat(file("snapshot/b"), file("snapshot/a")),
		"one name twice":          slices.Concat(file("snapshot/a"), file("snapshot/a")),
		"difference from nothing": entry("diff/x", tar.TypeReg, "", "rs\x026\x00"),
		"piece without the first": file("multivol_snapshot/x/2"),
		"piece with a huge name":  file("multivol_snapshot/x/99999999999999999999"),
		"owner of 2^40":           block("snapshot/x", tar.TypeReg, func(b []byte) { clear(b[108:116]); b[108] = 0x80; b[110] = 1 }),
		"bad attribute":           paxed("SCHILY.xattr.", "x", file("snapshot/x")),
		"time that is none":       paxed("PURSER.mtime", "99999999999999999999999.5", file("snapshot/x")),
		"cut":                     file("snapshot/x")[:700],
	}
}

// Whatever an archive holds, a restore stays in its destination, ends soon and
// says what is wrong with which object.
func TestHostileArchives(t *testing.T) {
	t.Parallel()
	for name, archive := range hostile() {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, "", t.TempDir())
			if !strings.HasPrefix(name, "root") {
				archive = slices.Concat(rootEntry(), archive)
			}
			handmade{time: epoch, volumes: [][]byte{archive}}.put(s)
			base := t.TempDir()
			parent := filepath.Join(base, "parent")
			if err := os.Mkdir(parent, 0o700); err != nil {
				t.Fatal(err)
			}
			began := time.Now()
			_, err := s.open().Restore(t.Context(), filepath.Join(parent, "dest"), engine.RestoreOptions{})
			var damaged *engine.CorruptError
			if !errors.As(err, &damaged) || damaged.Object == "" {
				t.Errorf("restore says %v", err)
			}
			if took := time.Since(began); took > 20*time.Second {
				t.Errorf("it took %v", took)
			}
			s.holdsOnly(base, "parent")
			s.holdsOnly(parent, "dest")
			if _, err := os.Lstat("/tmp/evil"); err == nil {
				t.Error("the restore made /tmp/evil")
			}
			if res := s.verify(engine.VerifyOptions{}); len(res.Damage) != 1 && !wellFormed(name) {
				t.Errorf("verify finds %+v", res.Damage)
			}
		})
	}
}

func rootEntry() []byte { return entry("snapshot/./", tar.TypeDir, "", "") }

// wellFormed reports whether an archive is good by itself, so that only a
// restore can tell what is wrong.
func wellFormed(name string) bool {
	return strings.Contains(name, "child") || name == "difference from nothing" || name == "piece without the first"
}

// holdsOnly checks that dir has no other object than name.
func (s *site) holdsOnly(dir, name string) {
	s.t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		s.t.Fatal(err)
	}
	for _, e := range entries {
		if e.Name() != name {
			s.t.Errorf("the restore made %s in %s", e.Name(), dir)
		}
	}
}

// Without the right to make devices or to give files away, a restore says
// which object it couldn't make, and what it could make is right.
func TestRestoreWithoutRights(t *testing.T) {
	t.Parallel()
	device := block("snapshot/null", tar.TypeChar, func(b []byte) { copy(b[329:], "0000001\x000000003\x00") })
	owned := entry("snapshot/a", tar.TypeReg, "", "data")
	copy(owned[108:], "0000005\x000000005\x00")
	seal(owned)
	s := newSite(t, "", "/src")
	handmade{time: epoch, volumes: [][]byte{slices.Concat(rootEntry(), owned, device)}}.put(s)
	dest := filepath.Join(t.TempDir(), "dest")
	cmd := exec.CommandContext(t.Context(), "setpriv", "--bounding-set=-mknod,-chown", "--inh-caps=-mknod,-chown", os.Args[0])
	cmd.Env = append(os.Environ(), "PURSER_TEST_CHILD=restore\n"+strings.Join([]string{s.target, s.state, dest}, "\n"))
	out, err := cmd.CombinedOutput()
	for _, name := range []string{"dest/a", "dest/null"} {
		if !strings.Contains(string(out), name) {
			t.Errorf("%s isn't named (%v):\n%s", name, err, out)
		}
	}
	if got, err := os.ReadFile(filepath.Join(dest, "a")); string(got) != "data" {
		t.Errorf("what could be restored: %q, %v", got, err)
	}
	if info, err := os.Lstat(filepath.Join(dest, "null")); err == nil {
		t.Errorf("in the place of the device there is %v", info.Mode())
	}
}

// Whatever the bytes of a volume are, a restore ends and stays in its
// destination.
func FuzzRestore(f *testing.F) {
	archives := hostile()
	for _, name := range slices.Sorted(maps.Keys(archives)) {
		if len(archives[name]) < 4096 {
			f.Add(slices.Concat(rootEntry(), archives[name]))
		}
	}
	f.Fuzz(func(t *testing.T, archive []byte) {
		base, err := os.MkdirTemp("", "fuzz") // the test's own has a # in its name
		if err != nil {
			t.Fatal(err)
		}
		defer os.RemoveAll(base)
		s := siteIn(t, base, "", "/src")
		handmade{time: epoch, volumes: [][]byte{archive}}.put(s)
		parent := filepath.Join(base, "parent")
		_, restored := s.open().Restore(t.Context(), filepath.Join(parent, "dest"), engine.RestoreOptions{})
		if err := os.MkdirAll(parent, 0o700); err != nil {
			t.Fatal(err)
		}
		if restored == nil {
			if _, err := os.Lstat(filepath.Join(parent, "dest")); err != nil {
				t.Errorf("the restore was good, but %v", err)
			}
		}
		s.holdsOnly(parent, "dest")
	})
}
