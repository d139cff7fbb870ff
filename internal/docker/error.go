package docker

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"syscall"

	cerrdefs "github.com/containerd/errdefs"
)

// Error is a failure of a call to the Engine.
type Error struct {
	Op     string // what was tried, on which object
	Err    error
	Advice string // what the user can do, may be empty
}

func (e *Error) Error() string { return fmt.Sprintf("docker: %s: %v", e.Op, e.Err) }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Hint says what the user can do about it.
func (e *Error) Hint() string { return e.Advice }

// callError wraps the failure of a call. What isn't there wraps fs.ErrNotExist.
func callError(op string, err error) error {
	e := &Error{Op: op, Err: err}
	switch {
	case cerrdefs.IsNotFound(err):
		e.Err = fmt.Errorf("%w: %w", fs.ErrNotExist, err)
	case cerrdefs.IsPermissionDenied(err), strings.Contains(err.Error(), "403"):
		e.Advice = "the Engine, or a proxy before it, refuses this call; the README lists the calls that purser needs"
	}
	return e
}

func connectError(host string, err error) error {
	e := &Error{Op: "connect to " + host, Err: err}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		e.Advice = "the socket isn't there; mount it with -v /var/run/docker.sock:/var/run/docker.sock, or set DOCKER_HOST"
	case errors.Is(err, fs.ErrPermission):
		e.Advice = "the socket is forbidden for purser's user; run it as root, or with the group that owns the socket"
	case errors.Is(err, syscall.ECONNREFUSED):
		e.Advice = "nothing listens there; is the Engine running?"
	default:
		e.Advice = "check DOCKER_HOST, and that the Engine is running"
	}
	return e
}
