package daemon

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// ErrLocked says that another purser works on the same archive directory.
var ErrLocked = errors.New("another purser is at work")

// fileLock is an open file description lock: it ends with the process, however
// that ends, and it keeps out a second holder in the same process too.
type fileLock struct{ f *os.File }

// lockFile takes the lock at path or fails with ErrLocked at once. The file
// itself stays: removing it would let two holders lock two files.
func lockFile(path string) (*fileLock, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open lock: %w", err)
	}
	err = unix.FcntlFlock(f.Fd(), unix.F_OFD_SETLK, &unix.Flock_t{Type: unix.F_WRLCK})
	if err == nil {
		return &fileLock{f}, nil
	}
	f.Close()
	if errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EACCES) {
		return nil, fmt.Errorf("%w: %s is locked", ErrLocked, path)
	}
	return nil, fmt.Errorf("lock %s: %w", path, err)
}

// waitFile takes the lock at path once nobody else has it. It is for locks that
// are held for moments.
func waitFile(path string) (*fileLock, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open lock: %w", err)
	}
	for {
		err = unix.FcntlFlock(f.Fd(), unix.F_OFD_SETLKW, &unix.Flock_t{Type: unix.F_WRLCK})
		if !errors.Is(err, unix.EINTR) {
			break
		}
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	return &fileLock{f}, nil
}

// unlock releases the lock. Closing the file is what does it.
func (l *fileLock) unlock() { l.f.Close() }

// isLocked reports whether somebody holds the lock at path, without taking it
// for a moment as an attempt would. A file that isn't there is not locked.
func isLocked(path string) (bool, error) {
	f, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("open lock: %w", err)
	}
	defer f.Close()
	probe := &unix.Flock_t{Type: unix.F_WRLCK}
	if err := unix.FcntlFlock(f.Fd(), unix.F_OFD_GETLK, probe); err != nil {
		return false, fmt.Errorf("ask for the lock %s: %w", path, err)
	}
	return probe.Type != unix.F_UNLCK, nil
}
