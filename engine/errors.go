package engine

import (
	"errors"
	"fmt"

	"github.com/purser-backup/purser/engine/internal/pgp"
)

var (
	// ErrNoBackup says that the repository holds no backup that fits the request.
	ErrNoBackup = errors.New("no backup found")
	// ErrLocked says that another process works on the same repository.
	ErrLocked = errors.New("repository is locked by another process")
	// ErrWrongKey says that an object can't be decrypted with the key or passphrase at hand.
	ErrWrongKey = pgp.ErrWrongKey
	// ErrNotEmpty says that the destination of a restore exists and is not an empty directory.
	ErrNotEmpty = errors.New("destination is not empty")
	// ErrNoEncryption says that a new repository would be written in the clear
	// although nobody asked for that.
	ErrNoEncryption = errors.New("no passphrase for a new repository")
	// ErrForeignArchive says that the archive directory was not made from the
	// target that it is used with.
	ErrForeignArchive = errors.New("archive directory and target don't belong together")
	// ErrForeignSet says that another writer has added a newer set during the run.
	ErrForeignSet = errors.New("another writer added a backup during the run")
	// ErrBehind says that nothing is pruned while a target lacks what the others
	// hold.
	ErrBehind = errors.New("nothing was pruned")
)

// A CorruptError names an object of the repository whose content is damaged.
type CorruptError struct {
	Object string // name of the object, with the path of the file where one is known
	Err    error  // what is wrong with it
}

func (e *CorruptError) Error() string { return fmt.Sprintf("%s is damaged: %v", e.Object, e.Err) }
func (e *CorruptError) Unwrap() error { return e.Err }

// Hint says what can still be done.
func (e *CorruptError) Hint() string {
	return "restore an earlier point in time with --time, and make a new full backup"
}

func corrupt(object, format string, args ...any) error {
	return &CorruptError{Object: object, Err: fmt.Errorf(format, args...)}
}

// hinted adds the way out to an error that a user can cause.
type hinted struct {
	error
	hint string
}

func (e *hinted) Unwrap() error { return e.error }
func (e *hinted) Hint() string  { return e.hint }

func withHint(err error, hint string) error { return &hinted{err, hint} }
