package format_test

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/purser-backup/purser/engine/internal/format"
)

// foreign writes one entry as another program might.
func foreign(t testing.TB, h tar.Header, data string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	h.Size = int64(len(data))
	if err := w.WriteHeader(&h); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(w, data); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestEntryNames(t *testing.T) {
	type want struct {
		op    format.Op
		path  string
		piece int
	}
	for _, c := range []struct {
		archive format.Archive
		name    string
		flag    byte
		want    want // zero: refused
	}{
		{format.Difftar, "snapshot/./", tar.TypeDir, want{format.Snapshot, "", 0}},
		{format.Difftar, "snapshot/", tar.TypeDir, want{format.Snapshot, "", 0}},
		{format.Difftar, "snapshot/.", tar.TypeDir, want{format.Snapshot, "", 0}},
		{format.Difftar, "snapshot", tar.TypeDir, want{format.Snapshot, "", 0}},
		{format.Difftar, "snapshot/", tar.TypeReg, want{format.Snapshot, "", 0}},
		{format.Difftar, "multivol_snapshot/./3", tar.TypeReg, want{format.Snapshot, "", 3}},
		{format.Difftar, "multivol_snapshot/a/1/1", tar.TypeReg, want{format.Snapshot, "a/1", 1}},
		{format.Difftar, "multivol_diff/a/12", tar.TypeReg, want{format.Diff, "a", 12}},
		{format.Difftar, "snapshot/a/b", tar.TypeDir, want{format.Snapshot, "a/b", 0}},
		{format.Difftar, "diff/", tar.TypeReg, want{format.Diff, "", 0}},
		{format.Difftar, "deleted/a", tar.TypeReg, want{format.Deleted, "a", 0}},
		{format.Sigtar, "signature/", tar.TypeReg, want{format.Signature, "", 0}},
		{format.Sigtar, "signature/a", tar.TypeReg, want{format.Signature, "a", 0}},
		{format.Sigtar, "snapshot/", tar.TypeDir, want{format.Snapshot, "", 0}},

		{format.Difftar, "signature/a", tar.TypeReg, want{}},
		{format.Sigtar, "diff/a", tar.TypeReg, want{}},
		{format.Sigtar, "multivol_snapshot/a/1", tar.TypeReg, want{}},
		{format.Sigtar, "multivol_signature/a/1", tar.TypeReg, want{}},
		{format.Difftar, "multivol_deleted/a/1", tar.TypeReg, want{}},
		{format.Difftar, "multivol_snapshot/a/0", tar.TypeReg, want{}},
		{format.Difftar, "multivol_snapshot/a/01", tar.TypeReg, want{}},
		{format.Difftar, "multivol_snapshot/a/b", tar.TypeReg, want{}},
		{format.Difftar, "multivol_snapshot/1", tar.TypeReg, want{}},
		{format.Difftar, "multivol_snapshot/a/1/", tar.TypeDir, want{}},
		{format.Difftar, "other/a", tar.TypeReg, want{}},
		{format.Difftar, "snapshot", tar.TypeReg, want{}},
		{format.Difftar, "/snapshot/a", tar.TypeReg, want{}},
		{format.Difftar, "snapshot/../a", tar.TypeReg, want{}},
		{format.Difftar, "snapshot/a/..", tar.TypeReg, want{}},
		{format.Difftar, "snapshot//a", tar.TypeReg, want{}},
		{format.Difftar, "snapshot/a//b", tar.TypeReg, want{}},
		{format.Difftar, "snapshot/a/./b", tar.TypeReg, want{}},
		{format.Difftar, "snapshot/a//", tar.TypeDir, want{}},
		{format.Difftar, "deleted/", tar.TypeReg, want{}},
		{format.Difftar, "deleted/a", tar.TypeDir, want{}},
		{format.Difftar, "snapshot/a", tar.TypeLink, want{}},
		{format.Difftar, "snapshot/a", tar.TypeCont, want{}},
		{format.Difftar, "snapshot/a", 'Z', want{}},
	} {
		linkname := ""
		if c.flag == tar.TypeLink {
			linkname = "snapshot/b"
		}
		b := foreign(t, tar.Header{Typeflag: c.flag, Name: "placeholder", Linkname: linkname, Mode: 0o644}, "")
		rename(b, c.name)
		got, err := readArchive(bytes.NewReader(b), c.archive)
		if c.want == (want{}) {
			if !errors.Is(err, format.ErrCorrupt) {
				t.Errorf("%s %q type %c: %+v, %v", c.archive, c.name, c.flag, got, err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s %q: %v", c.archive, c.name, err)
			continue
		}
		h := got[0].Header
		if d := cmp.Diff(c.want, want{h.Op, h.Path, h.Piece}, cmp.AllowUnexported(want{})); d != "" {
			t.Errorf("%s %q: %s", c.archive, c.name, d)
		}
	}
}

func TestDialects(t *testing.T) {
	long := "snapshot/" + strings.Repeat("d/", 60) + "file"
	for name, h := range map[string]tar.Header{
		"ustar with prefix": {Format: tar.FormatUSTAR, Name: long},
		"GNU long name":     {Format: tar.FormatGNU, Name: long + strings.Repeat("x", 150), Uid: 1 << 30},
		"pax":               {Format: tar.FormatPAX, Name: long + "é", ModTime: time.Unix(1700000000, 5e8), PAXRecords: map[string]string{"VENDOR.key": "v"}},
		"GNU link":          {Format: tar.FormatGNU, Name: "snapshot/l", Typeflag: tar.TypeSymlink, Linkname: strings.Repeat("y", 150)},
	} {
		if h.Typeflag == 0 {
			h.Typeflag = tar.TypeReg
		}
		got, err := readArchive(bytes.NewReader(foreign(t, h, "")), format.Difftar)
		if err != nil || len(got) != 1 {
			t.Errorf("%s: %v %v", name, got, err)
			continue
		}
		g := got[0].Header
		if g.Path != strings.TrimPrefix(h.Name, "snapshot/") || g.Linkname != h.Linkname || g.UID != h.Uid {
			t.Errorf("%s: %+v", name, g)
		}
	}
}

func TestGlobalHeaderIsSkipped(t *testing.T) {
	global := foreign(t, tar.Header{Typeflag: tar.TypeXGlobalHeader, PAXRecords: map[string]string{"comment": "x"}}, "")
	in := append(global[:1024], foreign(t, tar.Header{Typeflag: tar.TypeReg, Name: "snapshot/a"}, "data")...)
	got, err := readArchive(bytes.NewReader(in), format.Difftar)
	if err != nil || len(got) != 1 || got[0].Data != "data" {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestBadSideData(t *testing.T) {
	sum := strings.Repeat("ab", 32)
	for _, c := range []struct {
		key, value string
		ok         bool
	}{
		{"PURSER.mtime", "1700000000.000000001", true},
		{"PURSER.mtime", "-0.500000000", true},
		{"PURSER.mtime", "-1.000000000", true},
		{"PURSER.future", "anything", true},
		{"PURSER.sha256", sum, true},
		{"PURSER.mtime", "1700000000.000000000", false}, // needs no side data
		{"PURSER.mtime", "1700000000.1", false},
		{"PURSER.mtime", "1700000000", false},
		{"PURSER.mtime", "-0.000000000", false},
		{"PURSER.mtime", "+1.000000001", false},
		{"PURSER.mtime", "x.000000001", false},
		{"PURSER.mtime", "1.-00000001", false},
		{"PURSER.mtime", "9223372036854775807.999999999", true},
		{"PURSER.mtime", "9223372036854775808.999999999", false},
		{"PURSER.sha256", strings.ToUpper(sum), false},
		{"PURSER.sha256", sum[2:], false},
		{"PURSER.sha256", "zz" + sum[2:], false},
		{"PURSER.size", "4", true},
		{"PURSER.size", "5", false},
		{"PURSER.size", "-1", false},
		{"PURSER.size", "04", false},
		{"PURSER.size", "", false},
		{"PURSER.link", "", false},
		{"SCHILY.xattr.", "v", false},
		{"SCHILY.xattr.a%", "v", false},
		{"SCHILY.xattr.a%41", "v", false},
		{"SCHILY.xattr.a%25%3D", "v", true},
		{"GNU.sparse.major", "1", false},
	} {
		b := pax(c.key, c.value, foreign(t, tar.Header{Typeflag: tar.TypeReg, Name: "snapshot/a"}, "data"))
		got, err := readArchive(bytes.NewReader(b), format.Difftar)
		if (err == nil) != c.ok || err != nil && !errors.Is(err, format.ErrCorrupt) {
			t.Errorf("%s=%q: %+v, %v", c.key, c.value, got, err)
		}
	}
}

// pax puts an extended header with one record before an archive.
func pax(key, value string, archive []byte) []byte {
	body := " " + key + "=" + value + "\n"
	n := len(body)
	for len(itoa(n))+len(body) != n {
		n = len(itoa(n)) + len(body)
	}
	body = itoa(n) + body
	block := make([]byte, 512)
	copy(block[100:], "0000000\x000000000\x000000000\x00")
	copy(block[124:], octal(len(body)))
	copy(block[136:], "00000000000\x00")
	block[156] = 'x'
	copy(block[257:], "ustar\x0000")
	rename(block, "././@PaxHeader")
	data := make([]byte, 512)
	copy(data, body)
	return append(append(block, data...), archive...)
}

func TestImpossibleValues(t *testing.T) {
	b := foreign(t, tar.Header{Typeflag: tar.TypeReg, Name: "snapshot/a"}, "data")
	for name, record := range map[string][2]string{
		"negative size":   {"size", "-1"},
		"huge size":       {"size", "9223372036854775807"},
		"negative owner":  {"uid", "-5"},
		"owner too large": {"gid", "4294967295"},
		"NUL":             {"path", "snapshot/a\x00b"},
	} {
		if got, err := readArchive(bytes.NewReader(pax(record[0], record[1], b)), format.Difftar); !errors.Is(err, format.ErrCorrupt) {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
	// What stands in a deleted entry besides its path has no meaning.
	d := foreign(t, tar.Header{Typeflag: tar.TypeReg, Name: "deleted/a", Mode: 0o777, Uid: 5, ModTime: time.Unix(5, 0)}, "")
	got, err := readArchive(bytes.NewReader(d), format.Difftar)
	if diff := cmp.Diff([]entry{deleted("a")}, got); err != nil || diff != "" {
		t.Errorf("%v %s", err, diff)
	}
}

func TestReaderWantsOrder(t *testing.T) {
	one := func(name string) []byte { return foreign(t, tar.Header{Typeflag: tar.TypeReg, Name: name}, "")[:512] }
	for name, in := range map[string][]byte{
		"descending":   append(one("snapshot/b"), one("snapshot/a")...),
		"string order": append(one("snapshot/a.b"), one("snapshot/a/x")...),
		"twice":        append(one("snapshot/a"), one("diff/a")...),
		"gap":          append(one("multivol_diff/a/1"), one("multivol_diff/a/3")...),
	} {
		if got, err := readArchive(bytes.NewReader(in), format.Difftar); !errors.Is(err, format.ErrCorrupt) {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
}

func FuzzReader(f *testing.F) {
	f.Add(writeArchive(f, format.Difftar, inOrder(difftarEntries())[:2])[:4096], false)
	f.Add(writeArchive(f, format.Sigtar, sigtarEntries()[:4])[:5120], true)
	f.Add(foreign(f, tar.Header{Format: tar.FormatGNU, Typeflag: tar.TypeReg, Name: "snapshot/" + strings.Repeat("x", 150)}, "data"), false)
	f.Add(pax("PURSER.mtime", "-0.500000000", foreign(f, tar.Header{Typeflag: tar.TypeReg, Name: "snapshot/a"}, "data")), false)
	f.Fuzz(checkArchive)
}

func checkArchive(t *testing.T, b []byte, sigtar bool) {
	t.Helper()
	a := format.Difftar
	if sigtar {
		a = format.Sigtar
	}
	entries, err := readArchive(bytes.NewReader(b), a)
	if err != nil {
		if !errors.Is(err, format.ErrCorrupt) {
			t.Errorf("error is not ErrCorrupt: %v", err)
		}
		return
	}
	// Bytes may differ, since there are several dialects; the meaning may not.
	again, err := readArchive(bytes.NewReader(writeArchive(t, a, entries)), a)
	if err != nil {
		t.Fatal(err)
	}
	for _, list := range [][]entry{entries, again} {
		for i := range list {
			list[i].Header.ModTime = list[i].Header.ModTime.UTC()
		}
	}
	if !reflect.DeepEqual(entries, again) { // much faster than cmp
		t.Error(cmp.Diff(entries, again, sameEntries))
	}
}
