package drivertest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/purser-backup/purser/engine/storage/driver"
)

// oddNames are good names that drivers get wrong.
func oddNames() []string {
	return []string{
		"a", "A", "duplicity-full.20261120T000000Z.vol1.difftar.gpg",
		"with blank", " leading", "trailing ", "two  blanks",
		"100%", "%41", "%2F", "%zz", "a+b", "a&b=c", "q?x=1", "h#frag", "semi;colon", "co:lon", "com,ma",
		"quote'", `double"quote`, "back`tick", "$HOME", "(paren)", "[a-z]", "{a,b}", "st*r", "wh?t", "~", "~root", "!bang", "a|b", "<x>",
		`back\slash`, "-dash", "--help", "-rf", ".hidden", "..two", "...", "dot.", "@at", "user@host", "=eq",
		"ümläut", "e\u0301", "日本語", "😀", strings.Repeat("n", driver.MaxName), strings.Repeat("ü", driver.MaxName/2),
	}
}

func testNames(t *testing.T, s *suite) {
	names := oddNames()
	if s.target.Costly {
		names = some(names)
	}
	for i, name := range names {
		s.put(t, name, data(uint64(i), 10+i))
	}
	for i, name := range names {
		s.want(t, name, data(uint64(i), 10+i))
	}
	s.wantNames(t, names...)
	for _, name := range names {
		if err := s.b.Delete(t.Context(), name); err != nil {
			t.Errorf("delete %q: %v", name, err)
		}
	}
	s.wantNames(t)
}

// some gives a few names, others at each call, so that all have their turn.
func some(names []string) (few []string) {
	for _, i := range rand.Perm(len(names))[:5] {
		few = append(few, names[i])
	}
	return few
}

func testBadNames(t *testing.T, s *suite) {
	for _, name := range []string{
		"", ".", "..", "a/b", "/a", "a/", "../a", "a\x00b", "a\nb", "a\x7fb", "\xff",
		driver.TempPrefix + "x", strings.Repeat("n", driver.MaxName+1),
	} {
		_, getErr := s.b.Get(t.Context(), name)
		_, statErr := s.b.Stat(t.Context(), name)
		for verb, err := range map[string]error{
			"put":    s.b.Put(t.Context(), name, bytes.NewReader([]byte("x")), 1),
			"get":    getErr,
			"stat":   statErr,
			"delete": s.b.Delete(t.Context(), name),
		} {
			if !errors.Is(err, fs.ErrInvalid) {
				t.Errorf("%s %q: got %v, want fs.ErrInvalid", verb, name, err)
			}
		}
	}
	s.wantNames(t)
}

func testSizes(t *testing.T, s *suite) {
	sizes := []int{0, 1, 511, 512, 65536, 5<<20 + 1}
	if Soak() {
		sizes = append(sizes, 300<<20)
	}
	for i, n := range sizes {
		p := data(uint64(i), n)
		s.put(t, "object", p)
		s.want(t, "object", p)
	}
	s.wantNames(t, "object")
}

func testOverwrite(t *testing.T, s *suite) {
	for i, n := range []int{1000, 10, 0, 100000} {
		p := data(uint64(i), n)
		s.put(t, "object", p)
		s.want(t, "object", p)
	}
}

func testRewind(t *testing.T, s *suite) {
	p := data(1, 5000)
	r := bytes.NewReader(p)
	if _, err := io.CopyN(io.Discard, r, 1234); err != nil {
		t.Fatal(err)
	}
	if err := s.b.Put(t.Context(), "object", r, int64(len(p))); err != nil {
		t.Fatalf("put: %v", err)
	}
	s.want(t, "object", p)
}

func testWrongSize(t *testing.T, s *suite) {
	old := data(1, 3000)
	s.put(t, "old", old)
	for _, c := range []struct{ have, say int }{
		{0, 1}, {100, 101}, {1 << 20, 3 << 20}, {1, 0}, {101, 100}, {3 << 20, 1 << 20}, {5, -1},
	} {
		for _, name := range []string{"new", "old"} {
			err := s.b.Put(t.Context(), name, bytes.NewReader(data(2, c.have)), int64(c.say))
			if err == nil {
				t.Errorf("put of %d bytes as %d: no error", c.have, c.say)
			} else if !driver.IsPermanent(err) {
				t.Errorf("put of %d bytes as %d: not permanent: %v", c.have, c.say, err)
			}
		}
	}
	s.wantMissing(t, "new")
	s.want(t, "old", old)
	s.wantNames(t, "old")
}

func testFailingReader(t *testing.T, s *suite) {
	old := data(1, 3000)
	s.put(t, "old", old)
	broken := errors.New("disk is broken")
	for _, name := range []string{"new", "old"} {
		r := &hookReader{ReadSeeker: bytes.NewReader(data(2, 3<<20)), at: 1 << 20, hook: func() error { return broken }}
		if err := s.b.Put(t.Context(), name, r, 3<<20); !errors.Is(err, broken) {
			t.Errorf("put %q: got %v, want the reader's error", name, err)
		}
	}
	s.wantMissing(t, "new")
	s.want(t, "old", old)
	s.wantNames(t, "old")
}

// testUnfinished looks at the target while a Put is half done.
func testUnfinished(t *testing.T, s *suite) {
	old, fresh := data(1, 3000), data(2, 3<<20)
	s.put(t, "old", old)
	for _, name := range []string{"new", "old"} {
		var looked atomic.Bool
		r := &hookReader{ReadSeeker: bytes.NewReader(fresh), at: 2 << 20, hook: func() error {
			looked.Store(true)
			s.lookAround(t, name, old)
			return nil
		}}
		if err := s.b.Put(t.Context(), name, r, int64(len(fresh))); err != nil {
			t.Fatalf("put %q: %v", name, err)
		}
		if !looked.Load() {
			t.Fatal("the hook was never reached")
		}
		s.want(t, name, fresh)
	}
	s.wantNames(t, "new", "old")
}

// lookAround checks what is to be seen while name is being put over old (or,
// for the name "new", over nothing). A driver may read the body in a goroutine
// of its own, so nothing here is fatal.
func (s *suite) lookAround(t *testing.T, name string, old []byte) {
	got, err := GetAll(t.Context(), s.b, name)
	if name == "new" {
		if !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("get %q during its put: %d bytes, error %v", name, len(got), err)
		}
	} else if err != nil || !bytes.Equal(got, old) {
		t.Errorf("get %q during its put: %d bytes, error %v, want the former %d", name, len(got), err, len(old))
	}
	if s.target.Blind {
		return
	}
	list, err := s.b.List(t.Context(), "")
	if err != nil {
		t.Errorf("list during the put of %q: %v", name, err)
	}
	for _, i := range list {
		if name == "new" && i.Name != "old" || i.Name == "old" && name == "old" && i.Size != int64(len(old)) {
			t.Errorf("list during the put of %q shows %q with %d bytes", name, i.Name, i.Size)
		}
	}
}

func testCancelledPut(t *testing.T, s *suite) {
	old, fresh := data(1, 3000), data(2, 3<<20)
	s.put(t, "old", old)
	for _, name := range []string{"new", "old"} {
		for _, at := range []int64{0, 1 << 20, 3<<20 - 1} {
			ctx, cancel := context.WithCancel(t.Context())
			r := &hookReader{ReadSeeker: bytes.NewReader(fresh), at: at, hook: func() error { cancel(); return nil }}
			if err := s.b.Put(ctx, name, r, int64(len(fresh))); !errors.Is(err, context.Canceled) {
				t.Errorf("put %q, cancelled at %d: got %v", name, at, err)
			}
			cancel()
		}
	}
	s.wantMissing(t, "new")
	s.want(t, "old", old)
	s.wantNames(t, "old")
}

// hookReader calls hook once when reading reaches byte at, before that byte is
// handed out. An error of hook is the read's.
type hookReader struct {
	io.ReadSeeker
	at     int64
	hook   func() error
	offset int64
	called bool
}

func (r *hookReader) Seek(offset int64, whence int) (int64, error) {
	n, err := r.ReadSeeker.Seek(offset, whence)
	r.offset = n
	return n, err
}

func (r *hookReader) Read(p []byte) (int, error) {
	if !r.called && r.offset >= r.at {
		r.called = true
		if err := r.hook(); err != nil {
			return 0, err
		}
	}
	if !r.called {
		p = p[:min(int64(len(p)), r.at-r.offset)]
	}
	n, err := r.ReadSeeker.Read(p)
	r.offset += int64(n)
	return n, err
}
