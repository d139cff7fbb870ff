// Package driver holds what a storage target must do: the interface Backend,
// for those who write a driver. Callers hold a storage.Store instead.
package driver

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"time"
	"unicode/utf8"
)

// TempPrefix begins the names of a driver's own unfinished uploads on a
// target. List never shows them and no object may bear such a name.
const TempPrefix = ".purser-"

// AbandonedAfter is the age at which an unfinished upload is taken for dead. No
// upload of one object lasts that long.
const AbandonedAfter = 48 * time.Hour

// MaxName is the longest object name in bytes.
const MaxName = 200

// Backend keeps named objects in one flat folder (or bucket and prefix) of a
// target. Package drivertest proves this contract on a real server; every
// driver must pass.
//
// Names. An object name is what CheckName accepts; for any other name every
// method fails with an error that wraps fs.ErrInvalid. Names are compared byte
// for byte and may hold blanks and the characters that are special in URLs.
//
// Errors. What is not there is fs.ErrNotExist (errors.Is). A fault that will
// stay whatever is tried again is marked with Permanent; all others may be
// tried again by the caller, from the start of the call. Retrying is not the
// driver's work. No error holds a password.
//
// Cancelling. Every method returns soon after its context is done, with an
// error that wraps the context's, and changes nothing on the target from then
// on, except to take back its own unfinished upload.
//
// Concurrency. All methods may be called at once, by several goroutines and by
// several Backends on the same target. When two Puts of one name overlap, one
// of them wins whole.
type Backend interface {
	// Put stores the size bytes that r yields from its start under name, in
	// place of what was there. It is all or nothing: until Put has succeeded,
	// everybody sees the former object, or none; also when Put fails, is
	// cancelled, or the machine dies. A reader that yields less or more than
	// size bytes, or fails, is an error and stores nothing. When Put returns nil
	// the object is durable as far as the target can promise, and Get, Stat and
	// List show it at once.
	Put(ctx context.Context, name string, r io.ReadSeeker, size int64) error

	// Get opens an object. The reader yields all bytes and then io.EOF; bytes
	// that fail to come are an error, never an early io.EOF. The context governs
	// the reader too. The caller closes the reader, also before its end.
	Get(ctx context.Context, name string) (io.ReadCloser, error)

	// Stat tells the size of an object and when it was stored.
	Stat(ctx context.Context, name string) (Info, error)

	// List gives every object whose name begins with prefix ("" means all), in
	// any order, each once, complete however many there are. Objects of others
	// are listed too; folders, and what is in them, are not, nor are names that
	// CheckName refuses. A target whose folder does not exist yet is empty.
	List(ctx context.Context, prefix string) ([]Info, error)

	// Delete removes an object; when it returns nil no method shows it any more.
	// Deleting what is not there is no error.
	Delete(ctx context.Context, name string) error

	// Features tells what the target can do. It does not ask the target.
	Features() Features

	// Close lets go of connections. Calls that are under way may fail. A second
	// Close does nothing.
	Close() error
}

// Info describes one object.
type Info struct {
	Name    string
	Size    int64     // bytes
	ModTime time.Time // by the target's clock; zero if it can't tell
}

// Features is what differs between targets.
type Features struct {
	// MaxSize is the largest object in bytes that the target takes; 0 is no
	// limit that the driver knows.
	MaxSize int64
	// ModTime says that Info.ModTime is filled in.
	ModTime bool
}

// CheckName tells why name cannot be an object's: the error wraps
// fs.ErrInvalid. Good are 1 to MaxName bytes of UTF-8 without slash and
// control characters, other than "." and "..", not beginning with TempPrefix.
func CheckName(name string) error {
	switch {
	case name == "":
		return fmt.Errorf("object name is empty: %w", fs.ErrInvalid)
	case len(name) > MaxName:
		return fmt.Errorf("object name %.40q... has %d bytes, at most %d are possible: %w", name, len(name), MaxName, fs.ErrInvalid)
	case name == "." || name == "..":
		return fmt.Errorf("object name %q is a folder's: %w", name, fs.ErrInvalid)
	case strings.HasPrefix(name, TempPrefix):
		return fmt.Errorf("object name %q is reserved for unfinished uploads: %w", name, fs.ErrInvalid)
	case !utf8.ValidString(name) || strings.ContainsFunc(name, isForbidden):
		return fmt.Errorf("object name %q has a slash, a control character or invalid UTF-8: %w", name, fs.ErrInvalid)
	}
	return nil
}

// CheckCall is CheckName for a call that does nothing once its context has ended.
func CheckCall(ctx context.Context, name string) error {
	if err := CheckName(name); err != nil {
		return err
	}
	return ctx.Err()
}

func isForbidden(r rune) bool { return r == '/' || r < 0x20 || r == 0x7f }

// Permanent marks a fault that trying again cannot mend. nil stays nil.
func Permanent(err error) error {
	if err == nil {
		return nil
	}
	return permanentError{err}
}

// IsPermanent tells whether trying again is of no use: err was marked with
// Permanent, or wraps fs.ErrNotExist, fs.ErrInvalid, fs.ErrPermission, or the
// error of a finished context.
func IsPermanent(err error) bool {
	var marked permanentError
	if errors.As(err, &marked) {
		return true
	}
	for _, e := range []error{fs.ErrNotExist, fs.ErrInvalid, fs.ErrPermission, context.Canceled, context.DeadlineExceeded} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

type permanentError struct{ err error }

func (e permanentError) Error() string { return e.err.Error() }
func (e permanentError) Unwrap() error { return e.err }
