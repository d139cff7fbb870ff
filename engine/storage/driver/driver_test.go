package driver_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/purser-backup/purser/engine/storage/driver"
)

func TestCheckName(t *testing.T) {
	for name, good := range map[string]bool{
		"duplicity-full.20261120T000000Z.vol1.difftar.gpg": true,
		".hidden": true, "...": true, "a b": true, "ü": true, ".purser": true, "x.purser-1": true,
		strings.Repeat("n", driver.MaxName): true, strings.Repeat("n", driver.MaxName+1): false,
		"": false, ".": false, "..": false, "a/b": false, "/": false, "a\x00": false, "\t": false, "\x7f": false, "\xc3": false,
		".purser-": false, ".purser-x": false,
	} {
		err := driver.CheckName(name)
		if good != (err == nil) {
			t.Errorf("CheckName(%q) = %v", name, err)
		}
		if err != nil && !errors.Is(err, fs.ErrInvalid) {
			t.Errorf("CheckName(%q) = %v, which is not fs.ErrInvalid", name, err)
		}
	}
}

func TestPermanent(t *testing.T) {
	plain := errors.New("connection reset")
	if driver.Permanent(nil) != nil {
		t.Error("Permanent(nil) is not nil")
	}
	if got := driver.Permanent(plain).Error(); got != "connection reset" {
		t.Errorf("Permanent changes the text to %q", got)
	}
	for _, c := range []struct {
		err  error
		want bool
	}{
		{plain, false},
		{io.ErrUnexpectedEOF, false},
		{driver.Permanent(plain), true},
		{fmt.Errorf("put: %w", driver.Permanent(plain)), true},
		{fmt.Errorf("get: %w", fs.ErrNotExist), true},
		{fs.ErrInvalid, true},
		{&fs.PathError{Op: "open", Path: "x", Err: fs.ErrPermission}, true},
		{fmt.Errorf("put: %w", context.Canceled), true},
		{context.DeadlineExceeded, true},
	} {
		if got := driver.IsPermanent(c.err); got != c.want {
			t.Errorf("IsPermanent(%v) = %v", c.err, got)
		}
	}
}

func TestBody(t *testing.T) {
	broken := errors.New("disk is broken")
	for _, c := range []struct {
		name string
		have int
		say  int64
		want error
	}{
		{"empty", 0, 0, nil},
		{"exact", 1000, 1000, nil},
		{"one short", 999, 1000, io.ErrUnexpectedEOF},
		{"nothing came", 0, 1, io.ErrUnexpectedEOF},
		{"one over", 1001, 1000, driver.ErrBody},
		{"over nothing", 1, 0, driver.ErrBody},
		{"negative", 0, -1, driver.ErrBody},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := bytes.Repeat([]byte("x"), c.have)
			r, err := driver.Body(t.Context(), bytes.NewReader(p), c.say)
			if err == nil {
				// A sender that stops at the announced size must see the fault too.
				_, err = io.CopyN(io.Discard, r, c.say)
			}
			if !errors.Is(err, c.want) || (err != nil && !driver.IsPermanent(err)) {
				t.Errorf("got %v, want %v", err, c.want)
			}
		})
	}
	t.Run("reads as a reader should", func(t *testing.T) {
		p := bytes.Repeat([]byte("0123456789"), 500)
		r, err := driver.Body(t.Context(), bytes.NewReader(p), int64(len(p)))
		if err != nil {
			t.Fatal(err)
		}
		if err := iotest.TestReader(r, p); err != nil {
			t.Error(err)
		}
	})
	t.Run("source fails", func(t *testing.T) {
		r, err := driver.Body(t.Context(), failing{broken}, 10)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadAll(r); !errors.Is(err, broken) || !errors.Is(err, driver.ErrBody) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("cancelled", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		r, err := driver.Body(ctx, bytes.NewReader(make([]byte, 10)), 10)
		if err != nil {
			t.Fatal(err)
		}
		cancel()
		if _, err := io.ReadAll(r); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
	})
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error)       { return 0, f.err }
func (f failing) Seek(int64, int) (int64, error) { return 0, nil }
