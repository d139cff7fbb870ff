package cli

import (
	"context"
	"fmt"
	"os"

	"golang.org/x/term"

	"github.com/purser-backup/purser/internal/bug"
)

// onTerminal reports whether there is a person to ask.
func (inv *invocation) onTerminal() bool {
	in, ok := inv.stdin.(*os.File)
	return ok && term.IsTerminal(int(in.Fd()))
}

// readHidden reads a line from the terminal without echoing it. When ctx ends
// first, the terminal is left as it was found.
func (inv *invocation) readHidden(ctx context.Context, prompt string) (string, error) {
	in, ok := inv.stdin.(*os.File)
	if !ok {
		return "", os.ErrInvalid
	}
	fd := int(in.Fd())
	before, err := term.GetState(fd)
	if err != nil {
		return "", err
	}
	if _, err := fmt.Fprint(inv.stderr, prompt); err != nil {
		return "", err
	}
	type answer struct {
		line []byte
		err  error
	}
	// A read from a terminal can't be cancelled: the goroutine is left behind,
	// and the process is about to end.
	answers := make(chan answer, 1)
	go func() {
		var a answer
		a.err = bug.Guard(func() (err error) {
			a.line, err = term.ReadPassword(fd)
			return err
		})()
		answers <- a
	}()
	select {
	case a := <-answers:
		_, err := fmt.Fprintln(inv.stderr)
		return string(a.line), join(a.err, err)
	case <-ctx.Done():
		return "", join(ctx.Err(), term.Restore(fd, before))
	}
}
