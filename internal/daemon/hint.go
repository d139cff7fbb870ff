package daemon

import "fmt"

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
