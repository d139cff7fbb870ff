package drivertest

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"testing"

	"golang.org/x/sync/errgroup"

	"github.com/purser-backup/purser/engine/storage/driver"
)

func testEmpty(t *testing.T, s *suite) {
	s.wantMissing(t, "object")
	if got := s.names(t, ""); len(got) != 0 {
		t.Errorf("list of an empty target: %q", got)
	}
	if err := s.b.Delete(t.Context(), "object"); err != nil {
		t.Errorf("delete on an empty target: %v", err)
	}
}

func testMissing(t *testing.T, s *suite) {
	s.put(t, "object", data(1, 10))
	for _, name := range []string{"objec", "object2", "OBJECT", "object "} {
		s.wantMissing(t, name)
	}
}

func testDelete(t *testing.T, s *suite) {
	s.put(t, "a", data(1, 10))
	s.put(t, "ab", data(2, 20))
	for range 2 {
		if err := s.b.Delete(t.Context(), "a"); err != nil {
			t.Fatalf("delete: %v", err)
		}
		s.wantMissing(t, "a")
	}
	s.want(t, "ab", data(2, 20))
	s.put(t, "a", data(3, 30))
	s.want(t, "a", data(3, 30))
}

func testPrefix(t *testing.T, s *suite) {
	all := []string{"x.1", "x.2", "x", "X.3", "y.x", "x*", "x[", "x%"}
	for _, name := range all {
		s.put(t, name, data(1, 5))
	}
	slices.Sort(all)
	for prefix, want := range map[string][]string{
		"":    all,
		"x":   {"x", "x%", "x*", "x.1", "x.2", "x["},
		"x.":  {"x.1", "x.2"},
		"x*":  {"x*"},
		"x[":  {"x["},
		"x%":  {"x%"},
		"X":   {"X.3"},
		"z":   nil,
		"x.1": {"x.1"},
	} {
		if s.target.Costly && len(prefix) == 2 && prefix != "x[" {
			continue
		}
		if got := s.names(t, prefix); !slices.Equal(got, want) {
			t.Errorf("list %q: got %q, want %q", prefix, got, want)
		}
	}
}

func testLongList(t *testing.T, s *suite) {
	count := cmp.Or(s.target.Listed, 1001)
	if s.target.Listed == 0 && Soak() {
		count = 5001
	}
	var g errgroup.Group
	g.SetLimit(8)
	var want []string
	for i := range count {
		name := fmt.Sprintf("duplicity-full.20261120T000000Z.vol%d.difftar.gpg", i+1)
		want = append(want, name)
		if s.target.Costly && s.target.Plant != nil && i > 0 {
			s.target.Plant(t, name, data(uint64(i), i%7))
			continue
		}
		g.Go(func() error {
			return s.b.Put(t.Context(), name, bytes.NewReader(data(uint64(i), i%7)), int64(i%7))
		})
	}
	if err := g.Wait(); err != nil {
		t.Fatalf("put: %v", err)
	}
	list, err := s.b.List(t.Context(), "duplicity-")
	if err != nil {
		t.Fatalf("list: %v", err)
	}
	sizes := map[string]int64{}
	for _, i := range list {
		sizes[i.Name] = i.Size
	}
	for i, name := range want {
		if size, ok := sizes[name]; !ok || size != int64(i%7) {
			t.Fatalf("list: %q is there: %v, with size %d, want %d", name, ok, size, i%7)
		}
	}
	if len(list) != count {
		t.Errorf("list has %d objects, want %d", len(list), count)
	}
}

// testForeign proves that files of others are listed and readable, and that
// folders stay out, even one that bears an object's name.
func testForeign(t *testing.T, s *suite) {
	if s.target.Plant == nil {
		return // Run without RunTarget: nothing can be planted
	}
	s.target.Plant(t, "README.txt", []byte("not ours"))
	s.target.Plant(t, "folder/inside", []byte("deep"))
	s.target.Plant(t, "folder/deeper/still", []byte("deeper"))
	s.target.Plant(t, driver.TempPrefix+"1234", []byte("unfinished"))
	s.put(t, "ours", data(1, 10))
	if got, want := s.names(t, ""), []string{"README.txt", "ours"}; !slices.Equal(got, want) {
		t.Errorf("list: got %q, want %q", got, want)
	}
	s.want(t, "README.txt", []byte("not ours"))
	s.wantMissing(t, "folder")
	s.wantMissing(t, "inside")
	if err := s.b.Delete(t.Context(), "README.txt"); err != nil {
		t.Errorf("delete of a foreign file: %v", err)
	}
	s.wantMissing(t, "README.txt")
}

func testTwoClients(t *testing.T, s *suite) {
	other := s.target.Open(t)
	p := data(1, 100000)
	s.put(t, "object", p)
	s.wantFrom(t, other, "object", p)
	p = data(2, 10)
	if err := other.Put(t.Context(), "object", bytes.NewReader(p), int64(len(p))); err != nil {
		t.Fatalf("put by the other: %v", err)
	}
	s.want(t, "object", p)
	if err := other.Delete(t.Context(), "object"); err != nil {
		t.Fatalf("delete by the other: %v", err)
	}
	s.wantMissing(t, "object")
	if err := other.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
}

func testConcurrent(t *testing.T, s *suite) {
	var g errgroup.Group
	workers, rounds := 8, 8
	if s.target.Costly {
		workers, rounds = 3, 1
	}
	other := s.target.Open(t)
	for worker := range workers {
		b := s.b
		if worker%2 == 1 {
			b = other
		}
		g.Go(func() error {
			for i := range rounds {
				name, p := fmt.Sprintf("w%d.%d", worker, i), data(uint64(worker*8+i), 20000+worker)
				if err := cycle(t.Context(), b, name, p); err != nil {
					return fmt.Errorf("%s: %w", name, err)
				}
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	s.wantNames(t)
	if err := other.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
}

// cycle stores, looks at, reads, lists and deletes one object.
func cycle(ctx context.Context, b driver.Backend, name string, p []byte) error {
	if err := b.Put(ctx, name, bytes.NewReader(p), int64(len(p))); err != nil {
		return err
	}
	info, err := b.Stat(ctx, name)
	if err != nil || info.Size != int64(len(p)) {
		return fmt.Errorf("stat: size %d, error %w", info.Size, err)
	}
	got, err := GetAll(ctx, b, name)
	if err != nil || !bytes.Equal(got, p) {
		return fmt.Errorf("get: %d bytes, error %w", len(got), err)
	}
	list, err := b.List(ctx, name)
	if err != nil || len(list) != 1 {
		return fmt.Errorf("list: %v, error %w", list, err)
	}
	return b.Delete(ctx, name)
}

// testOverlapping proves that a reader sees one whole object or the other,
// never a mixture, while several clients overwrite it.
func testOverlapping(t *testing.T, s *suite) {
	versions := [][]byte{data(1, 300000), data(2, 100000), data(3, 0)}
	s.put(t, "object", versions[0])
	if s.target.OneWriter {
		versions = versions[:1]
	}
	var g errgroup.Group
	rounds := 10
	if s.target.Costly {
		rounds = 2
	}
	for _, p := range versions {
		g.Go(func() error {
			for range rounds {
				if err := s.b.Put(t.Context(), "object", bytes.NewReader(p), int64(len(p))); err != nil {
					return fmt.Errorf("put: %w", err)
				}
			}
			return nil
		})
		if s.target.MixedReads {
			continue
		}
		g.Go(func() error {
			for range rounds {
				got, err := GetAll(t.Context(), s.b, "object")
				if err != nil {
					return fmt.Errorf("get: %w", err)
				}
				if !slices.ContainsFunc(versions, func(v []byte) bool { return bytes.Equal(v, got) }) {
					return fmt.Errorf("get: %d bytes of no version", len(got))
				}
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	if got := read(t, s.b, "object"); !slices.ContainsFunc(versions, func(v []byte) bool { return bytes.Equal(v, got) }) {
		t.Errorf("in the end: %d bytes of no version", len(got))
	}
	s.wantNames(t, "object")
}

func testCancelledCalls(t *testing.T, s *suite) {
	p := data(1, 1000)
	s.put(t, "object", p)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	r, getErr := s.b.Get(ctx, "object")
	if getErr == nil {
		closeReader(t, r)
	}
	_, statErr := s.b.Stat(ctx, "object")
	_, listErr := s.b.List(ctx, "")
	for verb, err := range map[string]error{
		"put":    s.b.Put(ctx, "object", bytes.NewReader(nil), 0),
		"get":    getErr,
		"stat":   statErr,
		"list":   listErr,
		"delete": s.b.Delete(ctx, "object"),
	} {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%s with a cancelled context: got %v", verb, err)
		}
	}
	s.want(t, "object", p)
	s.wantNames(t, "object")
}

func testCancelledRead(t *testing.T, s *suite) {
	s.put(t, "object", data(1, 4<<20))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	r, err := s.b.Get(ctx, "object")
	if err != nil {
		t.Fatalf("get: %v", err)
	}
	if _, err := io.CopyN(io.Discard, r, 100); err != nil {
		t.Fatalf("read: %v", err)
	}
	cancel()
	if _, err := io.Copy(io.Discard, r); !errors.Is(err, context.Canceled) {
		t.Errorf("read after cancel: got %v", err)
	}
	_ = r.Close() // may tell of the cancelled transfer
	s.want(t, "object", data(1, 4<<20))
}

func testClose(t *testing.T, s *suite) {
	if err := s.b.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
}
