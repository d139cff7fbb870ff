package format_test

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/purser-backup/purser/engine/internal/format"
)

// entry is a header with its data.
type entry struct {
	Header format.Header
	Data   string
}

func writeArchive(t testing.TB, a format.Archive, entries []entry) []byte {
	t.Helper()
	var b bytes.Buffer
	w := format.NewWriter(&b, a)
	for _, e := range entries {
		if err := w.WriteHeader(&e.Header); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, e.Data); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func readArchive(r io.Reader, a format.Archive) ([]entry, error) {
	var entries []entry
	rd := format.NewReader(r, a)
	for {
		h, err := rd.Next()
		if err == io.EOF {
			return entries, nil
		}
		if err != nil {
			return entries, err
		}
		data, err := io.ReadAll(rd)
		if err != nil {
			return entries, err
		}
		entries = append(entries, entry{*h, string(data)})
	}
}

func file(path, data string) entry {
	return entry{format.Header{
		Op: format.Snapshot, Path: path, Type: format.File, Mode: 0o644, UID: 1000, GID: 100, User: "u", Group: "g",
		ModTime: time.Unix(1700000000, 0), Size: int64(len(data)), FileSize: int64(len(data)),
	}, data}
}

func with(e entry, change func(*format.Header)) entry {
	change(&e.Header)
	return e
}

func object(path string, t format.Type, mode uint32) entry {
	return entry{Header: format.Header{Op: format.Snapshot, Path: path, Type: t, Mode: mode, ModTime: time.Unix(1700000000, 0), FileSize: -1}}
}

func deleted(path string) entry {
	return entry{Header: format.Header{Op: format.Deleted, Path: path, Type: format.File, FileSize: -1}}
}

// difftarEntries holds every kind of entry and every odd value.
func difftarEntries() []entry {
	sum := sha256.Sum256([]byte("x"))
	long := strings.Repeat("long/", 60) + strings.Repeat("n", 255)
	diff := func(h *format.Header) { h.Op = format.Diff; h.FileSize = 77 }
	return []entry{
		object("", format.Dir, 0o4755),
		with(file("a", "data"), func(h *format.Header) {
			h.ModTime = time.Unix(1700000000, 123456789)
			h.SHA256 = sum[:]
			h.LinkGroup = "8:1:42"
			h.Xattrs = map[string]string{"user.plain": "v", "user.a=b%c": "", "security.capability": "\x00\x01\xff\n12 path=x\n"}
		}),
		file("a.b", ""),
		with(file("a.c", "d"), func(h *format.Header) { h.ModTime = time.Unix(-1, 250000000); h.UID = 3000000; h.GID = 1<<32 - 2 }),
		with(file("b", "d"), func(h *format.Header) { h.ModTime = time.Unix(-86400, 0) }),
		with(file("c", "d"), func(h *format.Header) { h.ModTime = time.Unix(1<<34, 1) }),
		deleted("d"),
		deleted("d/e"),
		with(file("diff", "delta"), diff),
		with(object("dev", format.CharDevice, 0o600), func(h *format.Header) { h.Major = 1; h.Minor = 3 }),
		with(object("dew", format.BlockDevice, 0o600), func(h *format.Header) { h.Major = 259; h.Minor = 1 << 19 }),
		object("dir", format.Dir, 0o700),
		object("fifo", format.Fifo, 0o666),
		with(object("link", format.Symlink, 0o777), func(h *format.Header) { h.Linkname = "../\xff\n" + strings.Repeat("t", 200) }),
		file(long, "far"),
		with(file("m", "piece1"), func(h *format.Header) { h.Piece = 1; h.FileSize = 12 }),
		with(file("m", "piece2"), func(h *format.Header) { h.Piece = 2; h.FileSize = 12 }),
		with(with(file("n/1", "delta"), diff), func(h *format.Header) { h.Piece = 7; h.FileSize = -1 }),
		with(file("n/1", ""), func(h *format.Header) { h.Op = format.Diff; h.Piece = 8; h.FileSize = -1 }),
		file("new\nline", "d"),
		with(file("z\xff\xfe", "raw"), func(h *format.Header) { h.User = "m\xfcller" }),
		file("é", strings.Repeat("z", 70000)),
	}
}

func inOrder(entries []entry) []entry {
	for i := 1; i < len(entries); i++ {
		for j := i; j > 0 && format.Compare(entries[j-1].Header.Path, entries[j].Header.Path) > 0; j-- {
			entries[j-1], entries[j] = entries[j], entries[j-1]
		}
	}
	return entries
}

func sigtarEntries() []entry {
	sum := sha256.Sum256([]byte("x"))
	signature := func(h *format.Header) { h.Op = format.Signature; h.FileSize = 123; h.SHA256 = sum[:] }
	return []entry{
		object("", format.Dir, 0o755),
		with(file("a", "signature"), signature),
		object("a/dir", format.Dir, 0o755),
		deleted("b"),
		with(object("l", format.Symlink, 0o777), func(h *format.Header) { h.Linkname = "x" }),
		with(object("s", format.File, 0o644), func(h *format.Header) { h.FileSize = 0 }),
	}
}

// sameEntries compares times as instants.
var sameEntries = cmp.Comparer(func(a, b time.Time) bool { return a.Equal(b) })

func TestArchiveRoundTrip(t *testing.T) {
	for a, entries := range map[format.Archive][]entry{
		format.Difftar: inOrder(difftarEntries()),
		format.Sigtar:  sigtarEntries(),
	} {
		b := writeArchive(t, a, entries)
		if len(b)%10240 != 0 {
			t.Errorf("%s has %d bytes", a, len(b))
		}
		for name, r := range map[string]io.Reader{
			"whole": bytes.NewReader(b), "bytes": iotest.OneByteReader(bytes.NewReader(b)), "data with EOF": iotest.DataErrReader(bytes.NewReader(b)),
		} {
			got, err := readArchive(r, a)
			if err != nil {
				t.Fatalf("%s, %s: %v", a, name, err)
			}
			if d := cmp.Diff(entries, got, sameEntries); d != "" {
				t.Errorf("%s, %s: %s", a, name, d)
			}
		}
	}
}

func TestRootAsFile(t *testing.T) {
	for a, entries := range map[format.Archive][]entry{
		format.Difftar: {with(file("", "a"), func(h *format.Header) { h.Piece = 1; h.FileSize = 2 }), with(file("", "b"), func(h *format.Header) { h.Piece = 2; h.FileSize = 2 })},
		format.Sigtar:  {with(file("", "sig"), func(h *format.Header) { h.Op = format.Signature; h.FileSize = 2 })},
	} {
		got, err := readArchive(bytes.NewReader(writeArchive(t, a, entries)), a)
		if d := cmp.Diff(entries, got, sameEntries); err != nil || d != "" {
			t.Errorf("%s: %v %s", a, err, d)
		}
	}
}

// Skipped data must not be taken for headers, and the end must still be found.
func TestSkipping(t *testing.T) {
	r := format.NewReader(bytes.NewReader(writeArchive(t, format.Difftar, inOrder(difftarEntries()))), format.Difftar)
	n := 0
	for {
		_, err := r.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		n++
	}
	if want := len(difftarEntries()); n != want {
		t.Errorf("%d entries, want %d", n, want)
	}
	if _, err := r.Next(); err != io.EOF {
		t.Errorf("Next after the end gives %v", err)
	}
}

func TestEndOfVolume(t *testing.T) {
	entries := []entry{object("", format.Dir, 0o755), file("a", "data")}
	whole := writeArchive(t, format.Difftar, entries)
	end := 3 * 512 // two headers, one block of data
	zeros := func(n int) []byte { return make([]byte, n*512) }
	garbage := bytes.Repeat([]byte("\x8c\x0d\x04\x09"), 5000)
	for name, tail := range map[string][]byte{
		"nothing":                       nil,
		"one zero block":                zeros(1),
		"two zero blocks":               zeros(2),
		"one zero block, then garbage":  append(zeros(1), garbage...),
		"two zero blocks, then garbage": append(zeros(2), garbage...),
		"one zero block, then an entry": append(zeros(1), whole[:512]...),
		"one zero block, then a part":   append(zeros(1), "abc"...),
	} {
		in := append(bytes.Clone(whole[:end]), tail...)
		rest := bytes.NewReader(in)
		got, err := readArchive(rest, format.Difftar)
		if d := cmp.Diff(entries, got, sameEntries); err != nil || d != "" {
			t.Errorf("%s: %v %s", name, err, d)
		}
		if rest.Len() != 0 {
			t.Errorf("%s: %d bytes are left unread", name, rest.Len())
		}
	}
	if got, err := readArchive(strings.NewReader(""), format.Difftar); len(got) != 0 || err != nil {
		t.Errorf("no bytes: %v %v", got, err)
	}
	for n := 1; n < end; n++ {
		if n%512 == 0 && n != 2*512 { // between the entries, which is a legal end
			continue
		}
		_, err := readArchive(bytes.NewReader(whole[:n]), format.Difftar)
		if !errors.Is(err, io.ErrUnexpectedEOF) || !errors.Is(err, format.ErrCorrupt) {
			t.Errorf("cut to %d bytes: %v", n, err)
		}
	}
}

// A pax header without its entry is a cut, though it ends at a block.
func TestCutAfterExtendedHeader(t *testing.T) {
	b := writeArchive(t, format.Difftar, []entry{with(file("a", ""), func(h *format.Header) { h.LinkGroup = "x" })})
	for _, in := range [][]byte{b[:1024], append(bytes.Clone(b[:1024]), make([]byte, 1024)...)} {
		if got, err := readArchive(bytes.NewReader(in), format.Difftar); !errors.Is(err, format.ErrCorrupt) {
			t.Errorf("%v, %v", got, err)
		}
	}
}

func TestReadErrorIsPassedOn(t *testing.T) {
	b := writeArchive(t, format.Difftar, []entry{file("a", strings.Repeat("x", 3000))})
	broken := errors.New("broken")
	for n := range len(b) {
		_, err := readArchive(io.MultiReader(bytes.NewReader(b[:n]), iotest.ErrReader(broken)), format.Difftar)
		if !errors.Is(err, broken) || errors.Is(err, format.ErrCorrupt) {
			t.Fatalf("after %d bytes: %v", n, err)
		}
	}
}

func TestWriterRefuses(t *testing.T) {
	ok := file("m", "")
	h := func(change func(*format.Header)) format.Header { return with(ok, change).Header }
	for name, c := range map[string]struct {
		archive format.Archive
		header  format.Header
	}{
		"NUL in the path":     {format.Difftar, h(func(h *format.Header) { h.Path = "a\x00" })},
		"NUL in the link":     {format.Difftar, h(func(h *format.Header) { h.Type = format.Symlink; h.Linkname = "a\x00"; h.FileSize = -1 })},
		"NUL in the owner":    {format.Difftar, h(func(h *format.Header) { h.User = "\x00" })},
		"parent":              {format.Difftar, h(func(h *format.Header) { h.Path = "../a" })},
		"absolute":            {format.Difftar, h(func(h *format.Header) { h.Path = "/a" })},
		"signature":           {format.Difftar, h(func(h *format.Header) { h.Op = format.Signature })},
		"diff in a sigtar":    {format.Sigtar, h(func(h *format.Header) { h.Op = format.Diff })},
		"piece in a sigtar":   {format.Sigtar, h(func(h *format.Header) { h.Op = format.Signature; h.Piece = 1 })},
		"diff of a directory": {format.Difftar, h(func(h *format.Header) { h.Op = format.Diff; h.Type = format.Dir })},
		"no operation":        {format.Difftar, h(func(h *format.Header) { h.Op = 0 })},
		"no type":             {format.Difftar, h(func(h *format.Header) { h.Type = 0 })},
		"hard link":           {format.Difftar, h(func(h *format.Header) { h.Type = '1' })},
		"size":                {format.Difftar, h(func(h *format.Header) { h.Size = -1 })},
		"directory with data": {format.Difftar, h(func(h *format.Header) { h.Type = format.Dir; h.Size = 1; h.FileSize = -1 })},
		"deleted root":        {format.Difftar, format.Header{Op: format.Deleted}},
		"deleted with data":   {format.Difftar, format.Header{Op: format.Deleted, Path: "m", Size: 1}},
		"mode":                {format.Difftar, h(func(h *format.Header) { h.Mode = 0o100644 })},
		"owner":               {format.Difftar, h(func(h *format.Header) { h.UID = -1 })},
		"hash":                {format.Difftar, h(func(h *format.Header) { h.SHA256 = []byte{1} })},
		"file size":           {format.Difftar, h(func(h *format.Header) { h.FileSize = 1 })},
		"order":               {format.Difftar, h(func(h *format.Header) { h.Path = "k" })},
		"twice":               {format.Difftar, h(func(h *format.Header) { h.Path = "l" })},
	} {
		var b bytes.Buffer
		w := format.NewWriter(&b, c.archive)
		first := object("l", format.Dir, 0o755).Header
		if err := w.WriteHeader(&first); err != nil {
			t.Fatal(err)
		}
		if err := w.WriteHeader(&c.header); err == nil {
			t.Errorf("%s is written", name)
		}
		if err := w.Close(); err == nil {
			t.Errorf("%s: Close forgets the error", name)
		}
	}
}

func TestPieceOrder(t *testing.T) {
	piece := func(path string, op format.Op, n int) *format.Header {
		return &format.Header{Op: op, Path: path, Piece: n, Type: format.File, FileSize: -1}
	}
	for name, c := range map[string]struct {
		headers []*format.Header
		ok      bool
	}{
		"starts anywhere": {[]*format.Header{piece("a", format.Snapshot, 5), piece("a", format.Snapshot, 6), piece("b", format.Diff, 1)}, true},
		"gap":             {[]*format.Header{piece("a", format.Snapshot, 1), piece("a", format.Snapshot, 3)}, false},
		"repeated":        {[]*format.Header{piece("a", format.Snapshot, 1), piece("a", format.Snapshot, 1)}, false},
		"mixed":           {[]*format.Header{piece("a", format.Snapshot, 1), piece("a", format.Diff, 2)}, false},
		"whole after":     {[]*format.Header{piece("a", format.Snapshot, 1), piece("a", format.Snapshot, 0)}, false},
		"whole before":    {[]*format.Header{piece("a", format.Snapshot, 0), piece("a", format.Snapshot, 1)}, false},
	} {
		w := format.NewWriter(io.Discard, format.Difftar)
		var err error
		for _, h := range c.headers {
			err = errors.Join(err, w.WriteHeader(h))
		}
		if (err == nil) != c.ok {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestShortData(t *testing.T) {
	w := format.NewWriter(io.Discard, format.Difftar)
	h := file("a", "data").Header
	if err := w.WriteHeader(&h); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err == nil {
		t.Error("an entry without its data is closed")
	}
	w = format.NewWriter(io.Discard, format.Difftar)
	if err := w.WriteHeader(&h); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(w, "data and more"); err == nil {
		t.Error("more data than announced is written")
	}
}

// The root's header as duplicity writes it, by its bytes (spec 3.1).
func TestRootHeaderBytes(t *testing.T) {
	b := writeArchive(t, format.Difftar, []entry{with(object("", format.Dir, 0o755), func(h *format.Header) {
		h.User, h.Group = "root", "root"
		h.ModTime = time.Unix(0o15300025360, 0)
	})})[:512]
	want := make([]byte, 512)
	for offset, field := range map[int]string{
		0: "snapshot/./", 100: "0000755", 108: "0000000", 116: "0000000", 124: "00000000000", 136: "15300025360",
		156: "5", 257: "ustar\x0000", 265: "root", 297: "root",
	} {
		copy(want[offset:], field)
	}
	copy(b[148:156], want[148:156]) // the checksum, which the reader checks
	// Device numbers are NUL in duplicity's headers and octal zeros in ours.
	for _, offset := range []int{329, 337} {
		if s := string(b[offset : offset+8]); s != "0000000\x00" {
			t.Errorf("device number %q", s)
		}
		copy(b[offset:offset+8], want[offset:])
	}
	if d := cmp.Diff(want, b); d != "" {
		t.Error(d)
	}
}
