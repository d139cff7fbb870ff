package storage_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/purser-backup/purser/engine/storage"
	"github.com/purser-backup/purser/engine/storage/driver"
	"github.com/purser-backup/purser/engine/storage/driver/drivertest"
	"github.com/purser-backup/purser/engine/storage/internal/file"
)

func open(t *testing.T) *storage.Store {
	t.Helper()
	s, err := storage.Open(t.Context(), "file://"+filepath.Join(t.TempDir(), "target"), storage.Options{Retries: -1})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// waits records the sleeps of a Store in place of sleeping.
type waits struct{ list []time.Duration }

func (w *waits) sleep(ctx context.Context, d time.Duration) error {
	w.list = append(w.list, d)
	return ctx.Err()
}

// zeros is a source of random bytes by which no wait is cut.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// faulty gives a Store over a folder that fails as told, and its waits.
func faulty(t *testing.T, f drivertest.Fault) (*storage.Store, *drivertest.Faulty, *waits) {
	t.Helper()
	b, err := file.Open(t.Context(), t.TempDir(), time.Now)
	if err != nil {
		t.Fatal(err)
	}
	fb := drivertest.NewFaulty(b, f)
	w := &waits{}
	return storage.New(fb, "ftp://joe:secret@host/x", storage.Options{Sleep: w.sleep, Rand: zeros{}}), fb, w
}

func put(ctx context.Context, s *storage.Store, name, content string) error {
	return s.Put(ctx, name, strings.NewReader(content), int64(len(content)))
}

func get(ctx context.Context, s *storage.Store, name string) (string, error) {
	r, err := s.Get(ctx, name)
	if err != nil {
		return "", err
	}
	p, err := io.ReadAll(iotest.OneByteReader(r))
	return string(p), errors.Join(err, r.Close())
}

// Whatever one call does wrong, each verb ends well.
func TestRetriesMendOneFault(t *testing.T) {
	for _, mode := range []drivertest.Mode{drivertest.Before, drivertest.After, drivertest.Half} {
		for call := 1; call <= 6; call++ {
			t.Run(fmt.Sprintf("%v %d", mode, call), func(t *testing.T) {
				s, f, w := faulty(t, drivertest.Fault{Call: call, Mode: mode})
				cycle(t, s)
				if !f.Hit() || !slices.Equal(w.list, []time.Duration{time.Second}) {
					t.Errorf("fault struck: %v, waits %v", f.Hit(), w.list)
				}
			})
		}
	}
}

// cycle makes the six calls put, stat (of the put), get, stat, list, delete.
func cycle(t *testing.T, s *storage.Store) {
	t.Helper()
	const content = "0123456789"
	if err := put(t.Context(), s, "object", content); err != nil {
		t.Fatalf("put: %v", err)
	}
	if got, err := get(t.Context(), s, "object"); got != content || err != nil {
		t.Fatalf("get: %q, %v", got, err)
	}
	if info, err := s.Stat(t.Context(), "object"); info.Size != 10 || err != nil {
		t.Fatalf("stat: %v, %v", info, err)
	}
	if list, err := s.List(t.Context(), ""); len(list) != 1 || err != nil {
		t.Fatalf("list: %v, %v", list, err)
	}
	if err := s.Delete(t.Context(), "object"); err != nil {
		t.Fatalf("delete: %v", err)
	}
}

// A target that tears an upload is found out by the size, and the object is
// sent again.
func TestPutChecksSize(t *testing.T) {
	s, f, w := faulty(t, drivertest.Fault{Call: 1, Mode: drivertest.Torn})
	cycle(t, s)
	if !f.Hit() || len(w.list) != 1 {
		t.Errorf("fault struck: %v, waits %v", f.Hit(), w.list)
	}
	lying := lie{Backend: f, size: 3}
	s = storage.New(lying, "ftp://host/x", storage.Options{Retries: 2, Sleep: w.sleep})
	err := put(t.Context(), s, "object", "0123456789")
	if err == nil || !strings.Contains(err.Error(), "holds 3 bytes of 10") {
		t.Errorf("got %v", err)
	}
	lying.missing = true
	s = storage.New(lying, "ftp://host/x", storage.Options{Retries: 2, Sleep: w.sleep})
	err = put(t.Context(), s, "object", "0123456789")
	if err == nil || errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "not there after the upload") {
		t.Errorf("got %v", err)
	}
}

// lie is a target that forgets what it has stored.
type lie struct {
	driver.Backend
	size    int64
	missing bool
}

func (l lie) Stat(context.Context, string) (driver.Info, error) {
	if l.missing {
		return driver.Info{}, fs.ErrNotExist
	}
	return driver.Info{Size: l.size}, nil
}

func (l lie) Features() driver.Features { return driver.Features{MaxSize: 20} }

// Credentials that may write and list are enough to store.
func TestPutWithoutRightToRead(t *testing.T) {
	_, f, w := faulty(t, drivertest.Fault{})
	s := storage.New(blind{f}, "ftp://host/x", storage.Options{Retries: 2, Sleep: w.sleep})
	if err := put(t.Context(), s, "object", "0123456789"); err != nil || len(w.list) != 0 {
		t.Errorf("got %v after %d waits", err, len(w.list))
	}
	var checks []string
	err := s.Validate(t.Context(), func(c storage.Check) {
		if c.Refused {
			checks = append(checks, c.Name)
		} else if c.Err != nil {
			t.Errorf("%s: %v", c.Name, c.Err)
		}
	})
	if want := []string{"read", "read again", "read much", "delete"}; err != nil || !slices.Equal(checks, want) {
		t.Errorf("refused are %q, want %q; %v", checks, want, err)
	}
}

// blind is a target that may be written and listed only.
type blind struct{ driver.Backend }

func (blind) Stat(context.Context, string) (driver.Info, error) {
	return driver.Info{}, fs.ErrPermission
}
func (blind) Get(context.Context, string) (io.ReadCloser, error) { return nil, fs.ErrPermission }
func (blind) Delete(context.Context, string) error               { return fs.ErrPermission }

func TestValidate(t *testing.T) {
	s, f, _ := faulty(t, drivertest.Fault{})
	names := 0
	if err := s.Validate(t.Context(), func(c storage.Check) {
		names++
		if c.Err != nil {
			t.Errorf("%s: %v", c.Name, c.Err)
		}
	}); err != nil || names != 8 {
		t.Errorf("%d checks, %v", names, err)
	}
	if list, err := f.List(t.Context(), ""); err != nil || len(list) != 0 {
		t.Errorf("left: %v, %v", list, err)
	}
	// Whatever fails for good, it is said, and nothing is left.
	for _, verb := range []drivertest.Verb{drivertest.List, drivertest.Put, drivertest.Get, drivertest.Delete} {
		s, f, _ := faulty(t, drivertest.Fault{Call: 1, Verb: verb, Err: driver.Permanent(errors.New("broken"))})
		var last storage.Check
		err := s.Validate(t.Context(), func(c storage.Check) { last = c })
		if err == nil || last.Err == nil || !f.Hit() || !strings.Contains(err.Error(), "broken") {
			t.Errorf("%v: %v, last %+v", verb, err, last)
		}
		list, err := f.List(t.Context(), "")
		if wantLeft := verb == drivertest.Delete; err != nil || (len(list) != 0) != wantLeft {
			t.Errorf("%v: left: %v, %v", verb, list, err)
		}
	}
}

func TestPutTooLarge(t *testing.T) {
	_, f, _ := faulty(t, drivertest.Fault{})
	s := storage.New(lie{Backend: f}, "ftp://host/x", storage.Options{})
	if err := put(t.Context(), s, "object", strings.Repeat("x", 21)); err == nil || !driver.IsPermanent(err) {
		t.Errorf("got %v", err)
	}
	if n := len(f.Calls()); n != 0 {
		t.Errorf("%d calls were made", n)
	}
}

func TestRetriesEnd(t *testing.T) {
	s, f, w := faulty(t, drivertest.Fault{Call: 1, Down: true})
	err := put(t.Context(), s, "object", "x")
	if !errors.Is(err, drivertest.ErrFault) {
		t.Fatalf("got %v", err)
	}
	if got := err.Error(); got != "store object on ftp://joe:xxxxx@host/x: put object: injected fault" {
		t.Errorf("error is %q", got)
	}
	want := []time.Duration{time.Second, 2 * time.Second, 4 * time.Second, 8 * time.Second, 16 * time.Second}
	if !slices.Equal(w.list, want) || len(f.Calls()) != 6 {
		t.Errorf("waits %v, want %v; %d calls", w.list, want, len(f.Calls()))
	}
}

func TestWaits(t *testing.T) {
	_, f, w := faulty(t, drivertest.Fault{Call: 1, Down: true})
	var told int
	s := storage.New(f, "ftp://host/x", storage.Options{
		Retries: 8, RetryDelay: 3 * time.Second, Sleep: w.sleep,
		Rand: bytes.NewReader(bytes.Repeat([]byte{0xff}, 8*8)),
		Warn: func(string, ...any) { told++ },
	})
	if err := s.Delete(t.Context(), "object"); err == nil {
		t.Fatal("no error")
	}
	whole := []time.Duration{3, 6, 12, 24, 30, 30, 30, 30}
	for i, d := range w.list {
		if upper := whole[i] * time.Second; d > upper || d < upper/2 {
			t.Errorf("wait %d is %v, want between half and all of %v", i, d, upper)
		}
	}
	if len(w.list) != 8 || told != 8 {
		t.Errorf("%d waits, %d warnings, want 8", len(w.list), told)
	}
}

func TestPermanentFaultIsNotRetried(t *testing.T) {
	for _, cause := range []error{driver.Permanent(errors.New("account closed")), fs.ErrPermission} {
		s, f, w := faulty(t, drivertest.Fault{Call: 1, Err: cause})
		if err := s.Delete(t.Context(), "object"); !errors.Is(err, cause) || len(f.Calls()) != 1 || len(w.list) != 0 {
			t.Errorf("got %v after %d calls", err, len(f.Calls()))
		}
	}
	s, _, w := faulty(t, drivertest.Fault{})
	_, statErr := s.Stat(t.Context(), "missing")
	_, getErr := s.Get(t.Context(), "missing")
	if !errors.Is(statErr, fs.ErrNotExist) || !errors.Is(getErr, fs.ErrNotExist) || len(w.list) != 0 {
		t.Errorf("got %v and %v after %d waits", statErr, getErr, len(w.list))
	}
}

// The context ends a wait, and no call follows.
func TestCancelledWait(t *testing.T) {
	_, f, _ := faulty(t, drivertest.Fault{Call: 1})
	ctx, cancel := context.WithCancel(t.Context())
	s := storage.New(f, "ftp://host/x", storage.Options{
		RetryDelay: time.Hour,
		Warn:       func(string, ...any) { cancel() }, // the real timer waits from here on
	})
	err := s.Delete(ctx, "object")
	if !errors.Is(err, context.Canceled) || !errors.Is(err, drivertest.ErrFault) || len(f.Calls()) != 1 {
		t.Errorf("got %v after %d calls", err, len(f.Calls()))
	}
	if err := put(ctx, s, "object", "x"); !errors.Is(err, context.Canceled) || len(f.Calls()) != 1 {
		t.Errorf("put: got %v after %d calls", err, len(f.Calls()))
	}
}

func TestReadResumes(t *testing.T) {
	content := strings.Repeat("0123456789", 1000)
	s, f, w := faulty(t, drivertest.Fault{Call: 1, Verb: drivertest.Get, Mode: drivertest.Half})
	if err := put(t.Context(), s, "object", content); err != nil {
		t.Fatal(err)
	}
	if got, err := get(t.Context(), s, "object"); got != content || err != nil || len(w.list) != 1 || !f.Hit() {
		t.Errorf("got %d bytes, error %v, waits %v", len(got), err, w.list)
	}
	s, _, _ = faulty(t, drivertest.Fault{Call: 1, Verb: drivertest.Get, Mode: drivertest.Half, Down: true})
	if err := put(t.Context(), s, "object", content); err != nil {
		t.Fatal(err)
	}
	got, err := get(t.Context(), s, "object")
	if got != content[:5000] || !errors.Is(err, drivertest.ErrFault) || !strings.HasPrefix(err.Error(), "read object on ftp://joe:xxxxx@host/x: ") {
		t.Errorf("got %d bytes, error %v", len(got), err)
	}
}

// A target that opens an object but never yields a byte is not asked for ever.
func TestReadStuck(t *testing.T) {
	_, f, w := faulty(t, drivertest.Fault{})
	s := storage.New(stuck{f}, "ftp://host/x", storage.Options{Retries: 3, Sleep: w.sleep})
	if _, err := get(t.Context(), s, "object"); !errors.Is(err, drivertest.ErrFault) || len(w.list) != 3 {
		t.Errorf("got %v after %d waits", err, len(w.list))
	}
}

type stuck struct{ driver.Backend }

func (stuck) Get(context.Context, string) (io.ReadCloser, error) {
	return io.NopCloser(iotest.ErrReader(drivertest.ErrFault)), nil
}

func TestReadOfClosed(t *testing.T) {
	s := open(t)
	if err := put(t.Context(), s, "object", "x"); err != nil {
		t.Fatal(err)
	}
	r, err := s.Get(t.Context(), "object")
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
	if _, err := r.Read(make([]byte, 1)); err == nil {
		t.Error("a closed object can be read")
	}
}
