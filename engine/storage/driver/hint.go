package driver

// WithHint adds to err what its reader can do about it, for those who ask for
// Hint() string. nil stays nil.
func WithHint(err error, hint string) error {
	if err == nil {
		return nil
	}
	return &hinted{err, hint}
}

type hinted struct {
	err  error
	hint string
}

func (h *hinted) Error() string { return h.err.Error() }
func (h *hinted) Unwrap() error { return h.err }

// Hint says what to do.
func (h *hinted) Hint() string { return h.hint }
