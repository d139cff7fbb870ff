package daemon

import (
	"fmt"
	"log/slog"

	"github.com/purser-backup/purser/internal/bug"
)

// hinted is an error with advice for the user, which only the command line
// prints.
type hinted struct {
	err  error
	hint string
}

func withHint(err error, format string, args ...any) error {
	return &hinted{err: err, hint: fmt.Sprintf(format, args...)}
}

func (e *hinted) Error() string { return e.err.Error() }
func (e *hinted) Unwrap() error { return e.err }
func (e *hinted) Hint() string  { return e.hint }

// stackOf is for the log: where the bug is that an error is of, nothing for any
// other error.
func stackOf(err error) slog.Attr {
	stack := bug.Stack(err)
	if stack == "" {
		return slog.Attr{} // which is left out
	}
	return slog.String("stack", stack)
}
