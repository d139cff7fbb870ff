package bug_test

import (
	"errors"
	"io"
	"strings"
	"testing"

	"golang.org/x/sync/errgroup"

	"github.com/purser-backup/purser/internal/bug"
)

type payload struct{ content string }

func TestGuard(t *testing.T) {
	var none []int
	for _, c := range []struct {
		name string
		do   func() error
		want string
	}{
		{"nothing wrong", func() error { return nil }, ""},
		{"an error", func() error { return io.ErrUnexpectedEOF }, "unexpected EOF"},
		{"a message", func() error { panic("out of rum") }, "a bug in purser: out of rum"},
		{"several lines", func() error { panic("out\nof\trum") }, "a bug in purser: out of rum"},
		{"an error as the value", func() error { panic(io.ErrNoProgress) }, "a bug in purser: " + io.ErrNoProgress.Error()},
		{"of the runtime", func() error { none[len(none)] = 1; return nil }, "a bug in purser: runtime error: index out of range [0] with length 0"},
		{"what was read", func() error { panic([]byte("row of a table")) }, "a bug in purser: a panic with a value of type []uint8"},
		{"a value", func() error { panic(payload{"row of a table"}) }, "a bug in purser: a panic with a value of type bug_test.payload"},
		{"too much", func() error { panic(strings.Repeat("é", 1000)) }, "a bug in purser: " + strings.Repeat("é", 150) + " [cut]"},
	} {
		var g errgroup.Group
		g.Go(bug.Guard(c.do))
		err := g.Wait()
		if text := text(err); text != c.want {
			t.Errorf("%s: %q, want %q", c.name, text, c.want)
		}
		var caught *bug.Error
		if is := errors.As(err, &caught); is != strings.HasPrefix(c.want, "a bug") {
			t.Errorf("%s: a bug: %v", c.name, is)
		} else if stack := bug.Stack(err); is != strings.Contains(stack, "bug_test.go") || is && caught.Hint() == "" {
			t.Errorf("%s: the stack doesn't show where: %s", c.name, stack)
		}
	}
}

// What was wrong before the panic is told too.
func TestCatchKeepsAnError(t *testing.T) {
	f := func() (err error) {
		defer bug.Catch(&err)
		defer func() { panic("out of rum") }()
		return io.ErrUnexpectedEOF
	}
	if err := f(); !errors.Is(err, io.ErrUnexpectedEOF) || !strings.Contains(err.Error(), "out of rum") {
		t.Errorf("got %v", err)
	}
}

func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
