// Package drivertest proves the contract of driver.Backend on a real target,
// and makes targets that fail on purpose.
package drivertest

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/purser-backup/purser/engine/storage/driver"
)

// Target is an empty place for objects, made for one test.
type Target struct {
	// Open connects to the place; each call gives another client of it. The
	// suite closes what it opened.
	Open func(t *testing.T) driver.Backend
	// Plant puts a file of another program there, past the driver. A name with
	// slashes is a file in a folder. nil if the test can't.
	Plant func(t *testing.T, name string, data []byte)
	// Names lists the files at the top of the place, past the driver, unfinished
	// uploads too. nil if the test can't.
	Names func(t *testing.T) []string
	// MixedReads says that the server itself may give parts of two versions to
	// who reads an object while it is overwritten. Then that is not checked.
	MixedReads bool
	// OneWriter says that the server itself fails where two clients overwrite an
	// object at once. Then only one does.
	OneWriter bool
	// Blind says that the server itself can't list while an object is being put.
	// Then that is not checked.
	Blind bool
	// Costly says that each call takes long, as where it starts a program. Then
	// there are fewer rounds and names, and the files of a long list are planted.
	Costly bool
	// Listed is how many objects a long list has; 0 is 1,001, one more than a page
	// of S3, and 5,001 with PURSER_SOAK.
	Listed int
}

// Run proves the contract with nothing but open, which gives a client of
// another empty place at each call. What needs two clients of one place, or a
// look past the driver, takes RunTarget.
func Run(t *testing.T, open func(t *testing.T) driver.Backend) {
	t.Helper()
	RunTarget(t, func(t *testing.T) Target {
		b := open(t)
		return Target{Open: func(*testing.T) driver.Backend { return b }}
	})
}

// RunTarget proves the contract. newTarget gives another empty place at each
// call, and cleans it up by t.Cleanup.
func RunTarget(t *testing.T, newTarget func(t *testing.T) Target) {
	t.Helper()
	for _, c := range []struct {
		name string
		run  func(t *testing.T, s *suite)
	}{
		{"empty target", testEmpty},
		{"names", testNames},
		{"bad names", testBadNames},
		{"sizes", testSizes},
		{"overwrite", testOverwrite},
		{"put starts at the start", testRewind},
		{"wrong size", testWrongSize},
		{"failing reader", testFailingReader},
		{"unfinished put is not seen", testUnfinished},
		{"cancelled put", testCancelledPut},
		{"cancelled calls", testCancelledCalls},
		{"cancelled read", testCancelledRead},
		{"missing object", testMissing},
		{"delete", testDelete},
		{"list by prefix", testPrefix},
		{"long list", testLongList},
		{"foreign files and folders", testForeign},
		{"two clients", testTwoClients},
		{"concurrent use", testConcurrent},
		{"overlapping puts of one name", testOverlapping},
		{"close twice", testClose},
	} {
		t.Run(c.name, func(t *testing.T) {
			target := newTarget(t)
			s := &suite{target: target, b: target.Open(t)}
			t.Cleanup(func() {
				if err := s.b.Close(); err != nil {
					t.Errorf("close: %v", err)
				}
			})
			c.run(t, s)
		})
	}
}

type suite struct {
	target Target
	b      driver.Backend
}

// data gives n bytes that differ from seed to seed.
func data(seed uint64, n int) []byte {
	p := make([]byte, n)
	var key [32]byte
	key[0], key[1] = byte(seed), byte(seed>>8)
	_, _ = rand.NewChaCha8(key).Read(p) // never fails
	return p
}

func (s *suite) put(t *testing.T, name string, p []byte) {
	t.Helper()
	if err := s.b.Put(t.Context(), name, bytes.NewReader(p), int64(len(p))); err != nil {
		t.Fatalf("put %q: %v", name, err)
	}
}

// want checks that all of Get, Stat and List show the object with this content.
func (s *suite) want(t *testing.T, name string, p []byte) {
	t.Helper()
	s.wantFrom(t, s.b, name, p)
}

func (s *suite) wantFrom(t *testing.T, b driver.Backend, name string, p []byte) {
	t.Helper()
	if got := read(t, b, name); !bytes.Equal(got, p) {
		t.Errorf("get %q: %d bytes that differ from the %d stored", name, len(got), len(p))
	}
	info, err := b.Stat(t.Context(), name)
	if err != nil {
		t.Fatalf("stat %q: %v", name, err)
	}
	if info.Name != name || info.Size != int64(len(p)) {
		t.Errorf("stat %q: got name %q, size %d, want size %d", name, info.Name, info.Size, len(p))
	}
	if b.Features().ModTime == info.ModTime.IsZero() {
		t.Errorf("stat %q: time is %v, but Features.ModTime is %v", name, info.ModTime, b.Features().ModTime)
	}
	list, err := b.List(t.Context(), name)
	if err != nil {
		t.Fatalf("list %q: %v", name, err)
	}
	i := slices.IndexFunc(list, func(i driver.Info) bool { return i.Name == name })
	if i < 0 {
		t.Fatalf("list %q does not show it: %v", name, list)
	}
	if list[i].Size != int64(len(p)) {
		t.Errorf("list %q: size %d, want %d", name, list[i].Size, len(p))
	}
}

// wantMissing checks that no method shows the object.
func (s *suite) wantMissing(t *testing.T, name string) {
	t.Helper()
	if r, err := s.b.Get(t.Context(), name); err == nil {
		closeReader(t, r)
		t.Errorf("get %q: it is there", name)
	} else if !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("get %q: got %v, want fs.ErrNotExist", name, err)
	}
	if _, err := s.b.Stat(t.Context(), name); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("stat %q: got %v, want fs.ErrNotExist", name, err)
	}
	if got := s.names(t, name); slices.Contains(got, name) {
		t.Errorf("list shows %q", name)
	}
}

// wantNames checks what List shows and, where the test can look past the
// driver, that nothing else is on the target.
func (s *suite) wantNames(t *testing.T, want ...string) {
	t.Helper()
	slices.Sort(want)
	if got := s.names(t, ""); !slices.Equal(got, want) {
		t.Errorf("list: got %q, want %q", got, want)
	}
	if s.target.Names == nil {
		return
	}
	got := s.target.Names(t)
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("on the target: got %q, want %q", got, want)
	}
}

// names gives the listed names in order.
func (s *suite) names(t *testing.T, prefix string) []string {
	t.Helper()
	list, err := s.b.List(t.Context(), prefix)
	if err != nil {
		t.Fatalf("list %q: %v", prefix, err)
	}
	var names []string
	for _, i := range list {
		names = append(names, i.Name)
	}
	slices.Sort(names)
	return names
}

func read(t *testing.T, b driver.Backend, name string) []byte {
	t.Helper()
	r, err := b.Get(t.Context(), name)
	if err != nil {
		t.Fatalf("get %q: %v", name, err)
	}
	defer closeReader(t, r)
	p, err := io.ReadAll(r)
	if err != nil {
		t.Fatalf("get %q: read: %v", name, err)
	}
	return p
}

func closeReader(t *testing.T, r io.Closer) {
	t.Helper()
	if err := r.Close(); err != nil {
		t.Errorf("close reader: %v", err)
	}
}
