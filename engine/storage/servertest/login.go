package servertest

import "testing"

// Login is a user's way into a server: a file that the server reads at each login.
type Login struct{ file, text string }

// Revoke takes it away.
func (l *Login) Revoke(t *testing.T) {
	t.Helper()
	l.text = read(t, l.file)
	write(t, l.file, 0o644, "")
}

// Grant gives it back.
func (l *Login) Grant(t *testing.T) {
	t.Helper()
	write(t, l.file, 0o644, "%s", l.text)
}
