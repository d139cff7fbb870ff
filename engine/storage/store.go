package storage

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"time"

	"github.com/purser-backup/purser/engine/storage/driver"
	"github.com/purser-backup/purser/engine/storage/internal/network"
)

// Info describes one object.
type Info = driver.Info

// Features is what differs between targets.
type Features = driver.Features

// Store is a target, opened. It keeps the contract of driver.Backend and adds
// to it: faults that may pass are tried again, the size of what was stored is
// checked, and errors say the verb, the object and the target, without any
// password. Errors are *Error. A Store may be used by several goroutines; of
// two Puts of one name at the same time, one may fail its check.
type Store struct {
	backend driver.Backend
	url     string // redacted
	id      string
	retry   retry
	now     func() time.Time
	limit   *network.Limit // of what the backend reads; nil where it limits itself
}

// A Store can stand where a Backend does, for those who wrap one.
var _ driver.Backend = (*Store)(nil)

// New puts a Store over a Backend that is open already. rawURL is the target
// as the user wrote it; it gives URL and ID and is not opened.
func New(b driver.Backend, rawURL string, o Options) *Store {
	now := o.Now
	if now == nil {
		now = time.Now
	}
	return &Store{
		backend: b,
		url:     Redact(rawURL),
		id:      ID(rawURL),
		retry:   newRetry(o),
		now:     now,
	}
}

// URL is the target as the user wrote it, less the password.
func (s *Store) URL() string { return s.url }

// ID is the lower-case hex MD5 of the target's URL exactly as the user wrote
// it: the name that duplicity gives to the target's archive directory.
func (s *Store) ID() string { return s.id }

// Features tells what the target can do. It does not ask the target.
func (s *Store) Features() Features { return s.backend.Features() }

// Put stores the size bytes that r yields from its start under name, whole or
// not at all, in place of what was there, and checks that the target now holds
// that many. r is wound back for each try.
func (s *Store) Put(ctx context.Context, name string, r io.ReadSeeker, size int64) error {
	if limit := s.backend.Features().MaxSize; limit > 0 && size > limit {
		return s.fail("store", name, driver.Permanent(fmt.Errorf("%d bytes are more than the %d that the target takes", size, limit)))
	}
	r = s.limit.Pace(r)
	err := s.retry.do(ctx, "store "+name, func() error {
		if err := s.backend.Put(ctx, name, r, size); err != nil {
			return err
		}
		return s.checkSize(ctx, name, size)
	})
	return s.fail("store", name, err)
}

func (s *Store) checkSize(ctx context.Context, name string, size int64) error {
	info, err := s.backend.Stat(ctx, name)
	if errors.Is(err, fs.ErrPermission) {
		info, err = s.find(ctx, name)
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		// It was just stored, so this is no lasting answer: %v, to try again.
		return fmt.Errorf("not there after the upload: %v", err)
	case err != nil:
		return fmt.Errorf("check its size: %w", err)
	case info.Size != size:
		return fmt.Errorf("target holds %d bytes of %d after the upload", info.Size, size)
	}
	return nil
}

// find looks an object up in the list: credentials that may write and not read
// can do no more.
func (s *Store) find(ctx context.Context, name string) (Info, error) {
	list, err := s.backend.List(ctx, name)
	for _, i := range list {
		if i.Name == name {
			return i, nil
		}
	}
	return Info{}, cmp.Or(err, fs.ErrNotExist)
}

// Get opens an object. When reading fails halfway, the object is opened again
// and reading goes on where it was. A missing object is fs.ErrNotExist. The
// context governs the reader too; the caller closes it. One reader is not for
// concurrent use.
func (s *Store) Get(ctx context.Context, name string) (io.ReadCloser, error) {
	var body io.ReadCloser
	err := s.retry.do(ctx, "read "+name, func() (err error) {
		body, err = s.backend.Get(ctx, name)
		return err
	})
	if err != nil {
		return nil, s.fail("read", name, err)
	}
	return &reader{ctx: ctx, store: s, name: name, body: body}, nil
}

// Stat tells the size of an object and when it was stored. A missing object is
// fs.ErrNotExist.
func (s *Store) Stat(ctx context.Context, name string) (Info, error) {
	var info Info
	err := s.retry.do(ctx, "look at "+name, func() (err error) {
		info, err = s.backend.Stat(ctx, name)
		return err
	})
	return info, s.fail("look at", name, err)
}

// List gives every object whose name begins with prefix, in any order; "" means
// all. Objects of others are among them; folders and unfinished uploads are not.
func (s *Store) List(ctx context.Context, prefix string) ([]Info, error) {
	var list []Info
	err := s.retry.do(ctx, "list "+prefix+"*", func() (err error) {
		list, err = s.backend.List(ctx, prefix)
		return err
	})
	if err != nil {
		return nil, s.fail("list", prefix+"*", err)
	}
	return list, nil
}

// Delete removes an object. A missing one is no error.
func (s *Store) Delete(ctx context.Context, name string) error {
	err := s.retry.do(ctx, "delete "+name, func() error {
		return s.backend.Delete(ctx, name)
	})
	return s.fail("delete", name, err)
}

// Close lets go of connections. A second Close does nothing.
func (s *Store) Close() error {
	if err := s.backend.Close(); err != nil {
		return &Error{Op: "close", URL: s.url, Err: err}
	}
	return nil
}

func (s *Store) fail(op, name string, err error) error {
	if err == nil {
		return nil
	}
	return &Error{Op: op, Name: name, URL: s.url, Err: err}
}
