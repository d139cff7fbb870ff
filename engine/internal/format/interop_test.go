package format_test

import (
	"bytes"
	"crypto/sha1"
	"encoding/hex"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/gzip"

	"github.com/purser-backup/purser/engine/internal/format"
)

// duplicity runs the real one, with a home and a cache of its own.
func duplicity(t *testing.T, dir string, args ...string) {
	t.Helper()
	cmd := exec.Command("duplicity", append([]string{"--archive-dir", filepath.Join(dir, "cache"), "--allow-source-mismatch"}, args...)...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "HOME="+dir, "PASSPHRASE=secret words", "TZ=UTC")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("duplicity %s: %v\n%s", args, err, out)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// tree makes one object of each kind that an ordinary user may make.
func tree(t *testing.T, root string) {
	t.Helper()
	must(t, os.MkdirAll(filepath.Join(root, "a", "b"), 0o755))
	for name, size := range map[string]int{
		"empty": 0, "a/x": 10, "a.b": 20, "a b": 30, "a/b/c": 65536, "big": 1500000, "new\nline": 1, "q'u\"o\\te": 2, "\xff\xfe": 3,
		strings.Repeat("n", 200): 4,
	} {
		data := make([]byte, size)
		state := uint32(size)
		for i := range data { // incompressible, so that there is more than one volume
			state = state*1664525 + 1013904223
			data[i] = byte(state >> 24)
		}
		must(t, os.WriteFile(filepath.Join(root, name), data, 0o640))
	}
	must(t, os.Symlink("nowhere\xff", filepath.Join(root, "link")))
	must(t, syscall.Mkfifo(filepath.Join(root, "fifo"), 0o600))
	must(t, os.Chmod(filepath.Join(root, "a/b"), 0o1750))
	for _, name := range []string{"a/x", "a"} {
		must(t, os.Chtimes(filepath.Join(root, name), time.Unix(1700000000, 0), time.Unix(1700000000, 0)))
	}
}

// open returns an object's plain bytes; gpg is the oracle for encrypted ones.
func open(t *testing.T, path string, suffix format.Suffix) []byte {
	t.Helper()
	var b []byte
	var err error
	switch suffix {
	case format.Encrypted:
		cmd := exec.Command("gpg", "--batch", "--quiet", "--homedir", t.TempDir(), "--pinentry-mode", "loopback", "--passphrase", "secret words", "--decrypt", path)
		b, err = cmd.Output()
	case format.Gzip:
		var f *os.File
		if f, err = os.Open(path); err == nil {
			defer f.Close()
			var z *gzip.Reader
			if z, err = gzip.NewReader(f); err == nil {
				b, err = io.ReadAll(z)
			}
		}
	default:
		b, err = os.ReadFile(path)
	}
	must(t, err)
	return b
}

// readSet reads what duplicity wrote to target: manifest, contents of files by path,
// and all entries of sigtars.
func readSet(t *testing.T, target string) (m *format.Manifest, data map[string]string, headers, signatures []format.Header) {
	t.Helper()
	files, err := os.ReadDir(target)
	must(t, err)
	data = make(map[string]string)
	var volumes []format.Name
	for _, f := range files {
		n, ok := format.ParseName(f.Name())
		if !ok || n.String() != f.Name() {
			t.Fatalf("the name %q is not understood: %+v", f.Name(), n)
		}
		switch n.Kind {
		case format.KindManifest:
			b := open(t, filepath.Join(target, f.Name()), n.Suffix)
			m, err = format.ParseManifest(b)
			must(t, err)
			if d := cmp.Diff(string(b), string(m.Bytes())); d != "" {
				t.Errorf("the manifest is written differently: %s", d)
			}
		case format.KindSignatures:
			entries, err := readArchive(bytes.NewReader(open(t, filepath.Join(target, f.Name()), n.Suffix)), format.Sigtar)
			must(t, err)
			for _, e := range entries {
				signatures = append(signatures, e.Header)
			}
		case format.KindVolume:
			volumes = append(volumes, n)
		}
	}
	slices.SortFunc(volumes, func(a, b format.Name) int { return a.Volume - b.Volume })
	for _, n := range volumes {
		entries, err := readArchive(bytes.NewReader(open(t, filepath.Join(target, n.String()), n.Suffix)), format.Difftar)
		must(t, err)
		for _, e := range entries {
			data[e.Header.Path] += e.Data
			headers = append(headers, e.Header)
		}
	}
	return m, data, headers, signatures
}

func TestReadsDuplicity(t *testing.T) {
	for name, args := range map[string][]string{
		"gzip":      {"--no-encryption"},
		"plain":     {"--no-encryption", "--no-compression"},
		"encrypted": {},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			src, target := filepath.Join(dir, "src"), filepath.Join(dir, "target")
			tree(t, src)
			duplicity(t, dir, append(append([]string{"full", "--volsize", "1"}, args...), "src", "file://"+target)...)
			m, data, headers, signatures := readSet(t, target)
			if m.Localdir != "src" || len(m.Volumes) < 2 {
				t.Errorf("manifest: %+v", m)
			}
			checkTree(t, src, data, headers)
			if len(signatures) == 0 || signatures[0].Path != "" || signatures[0].Type != format.Dir {
				t.Errorf("signatures: %+v", signatures)
			}
			for i := 1; i < len(headers); i++ {
				if format.Compare(headers[i-1].Path, headers[i].Path) > 0 {
					t.Errorf("%q stands before %q", headers[i-1].Path, headers[i].Path)
				}
			}
		})
	}
}

// checkTree holds what was read against the file system.
func checkTree(t *testing.T, root string, data map[string]string, headers []format.Header) {
	t.Helper()
	seen := make(map[string]format.Header)
	for _, h := range headers {
		seen[h.Path] = h
	}
	must(t, filepath.WalkDir(root, func(path string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel := strings.TrimPrefix(strings.TrimPrefix(path, root), "/")
		h, ok := seen[rel]
		delete(seen, rel)
		info, err := os.Lstat(path)
		if err != nil {
			return err
		}
		stat := info.Sys().(*syscall.Stat_t)
		if !ok || h.Mode != stat.Mode&0o7777 || h.UID != int(stat.Uid) || h.ModTime.Unix() != stat.Mtim.Sec {
			t.Errorf("%q: %+v", rel, h)
		}
		switch {
		case info.Mode().IsRegular():
			want, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			if data[rel] != string(want) {
				t.Errorf("%q has other data", rel)
			}
		case info.Mode()&os.ModeSymlink != 0:
			if target, err := os.Readlink(path); err != nil || h.Linkname != target {
				t.Errorf("%q points to %q: %v", rel, h.Linkname, err)
			}
		}
		return nil
	}))
	if len(seen) != 0 {
		t.Errorf("objects that are not there: %v", seen)
	}
}

// writeSet writes entries as a full set of one volume.
func writeSet(t *testing.T, target string, entries []entry) {
	t.Helper()
	volume := writeArchive(t, format.Difftar, entries)
	sum := sha1.Sum(volume)
	var signed []entry
	for _, e := range entries {
		if e.Header.Piece > 1 {
			continue
		}
		e.Header.Piece, e.Header.Size, e.Data = 0, 0, ""
		signed = append(signed, e)
	}
	last := entries[len(entries)-1].Header.Path
	m := &format.Manifest{Hostname: "h", Localdir: "src", Volumes: []format.VolumeRecord{
		{Number: 1, Last: format.Position{Path: last}, SHA1: hex.EncodeToString(sum[:]), SHA256: sum256},
	}}
	must(t, os.Mkdir(target, 0o755))
	when := time.Unix(1700000000, 0)
	for n, b := range map[format.Name][]byte{
		{Kind: format.KindVolume, Time: when, Volume: 1}: volume,
		{Kind: format.KindSignatures, Time: when}:        writeArchive(t, format.Sigtar, signed),
		{Kind: format.KindManifest, Time: when}:          m.Bytes(),
	} {
		must(t, os.WriteFile(filepath.Join(target, n.String()), b, 0o644))
	}
}

func TestDuplicityReadsOurs(t *testing.T) {
	dir := t.TempDir()
	side := func(e entry) entry {
		return with(e, func(h *format.Header) {
			h.User, h.Group, h.UID, h.GID = "", "", os.Getuid(), os.Getgid()
			h.ModTime = h.ModTime.Add(123456789)
			h.SHA256 = make([]byte, 32)
			h.LinkGroup = "1"
			h.Xattrs = map[string]string{"user.k": "\x00\xff\n19 path=snapshot/x\n"}
		})
	}
	piece := func(n int, data string) entry {
		return side(with(file("m", data), func(h *format.Header) { h.Piece = n; h.FileSize = 11 }))
	}
	entries := inOrder([]entry{
		side(object("", format.Dir, 0o755)), side(file("a", "data a")), side(file("a.b", "data b")), side(file("a b/c", "data c")), side(object("a b", format.Dir, 0o700)),
		piece(1, "first "), piece(2, "last."), side(file("raw\xff\n", "raw")), side(file(strings.Repeat("n", 255), "long")),
		side(with(file("old", "old"), func(h *format.Header) { h.ModTime = time.Unix(-1e9, 5) })),
		side(with(object("link", format.Symlink, 0o777), func(h *format.Header) { h.Linkname = strings.Repeat("x", 150) + "\xff" })),
		side(object("fifo", format.Fifo, 0o600)),
	})
	target := filepath.Join(dir, "target")
	writeSet(t, target, entries)
	duplicity(t, dir, "restore", "--no-encryption", "file://"+target, "out")
	want := make(map[string]string)
	for _, e := range entries {
		h := e.Header
		if h.Type == format.File {
			want[h.Path] += e.Data
		}
		info, err := os.Lstat(filepath.Join(dir, "out", h.Path))
		must(t, err)
		stat := info.Sys().(*syscall.Stat_t)
		if h.Type != format.Symlink && (stat.Mode&0o7777 != h.Mode || stat.Mtim.Sec != max(0, h.ModTime.Unix())) {
			t.Errorf("%q is restored with mode %o and time %d", h.Path, stat.Mode, stat.Mtim.Sec)
		}
		if h.Type == format.Symlink {
			if got, err := os.Readlink(filepath.Join(dir, "out", h.Path)); err != nil || got != h.Linkname {
				t.Errorf("%q points to %q: %v", h.Path, got, err)
			}
		}
	}
	for path, data := range want {
		got, err := os.ReadFile(filepath.Join(dir, "out", path))
		must(t, err)
		if string(got) != data {
			t.Errorf("%q is restored as %q", path, got)
		}
	}
	// The signatures must be readable too: an incremental that sees them.
	must(t, os.Rename(filepath.Join(dir, "out"), filepath.Join(dir, "src")))
	duplicity(t, dir, "incremental", "--no-encryption", "src", "file://"+target)
}

// A source that is a file is something duplicity has, and we must write it so that it
// is understood.
func TestDuplicityReadsRootAsFile(t *testing.T) {
	dir := t.TempDir()
	target := filepath.Join(dir, "target")
	writeSet(t, target, []entry{with(file("", "only this"), func(h *format.Header) { h.User, h.Group, h.UID, h.GID = "", "", os.Getuid(), os.Getgid() })})
	duplicity(t, dir, "restore", "--no-encryption", "file://"+target, "out")
	got, err := os.ReadFile(filepath.Join(dir, "out"))
	if err != nil || string(got) != "only this" {
		t.Errorf("%q, %v", got, err)
	}
	must(t, os.WriteFile(filepath.Join(dir, "src"), []byte("only"), 0o644))
	duplicity(t, dir, "full", "--no-encryption", "src", "file://"+filepath.Join(dir, "theirs"))
	_, data, headers, signatures := readSet(t, filepath.Join(dir, "theirs"))
	if len(headers) != 1 || data[""] != "only" || headers[0].Path != "" || len(signatures) != 1 || signatures[0].Op != format.Signature {
		t.Errorf("%q %+v %+v", data, headers, signatures)
	}
}

// GNU tar is the second opinion on the dialect.
func TestGNUTarReadsOurs(t *testing.T) {
	for a, entries := range map[format.Archive][]entry{format.Difftar: inOrder(difftarEntries()), format.Sigtar: sigtarEntries()} {
		cmd := exec.Command("tar", "--list", "--verbose", "--quoting-style=c", "--warning=no-unknown-keyword", "--absolute-names")
		cmd.Stdin = bytes.NewReader(writeArchive(t, a, entries))
		out, err := cmd.CombinedOutput()
		var exit *exec.ExitError
		if errors.As(err, &exit) || strings.Contains(string(out), "tar: ") {
			t.Errorf("%s: %v\n%s", a, err, out)
		}
		if lines := strings.Count(string(out), "\n"); lines != len(entries) {
			t.Errorf("%s: tar lists %d of %d entries:\n%s", a, lines, len(entries), out)
		}
	}
}
