// Package bug turns a panic into an error. A panic in a goroutine that nobody
// guards ends the whole process, with every other dump and the daemon. So each
// goroutine of ours is started with what is here.
package bug

import (
	"errors"
	"fmt"
	"runtime/debug"
	"strings"
)

// maxText is how much of a panic's message is shown, in bytes.
const maxText = 300

// Error is a panic: a mistake in the program itself.
type Error struct {
	text  string
	stack string
}

func (e *Error) Error() string { return "a bug in purser: " + e.text }

// Stack tells where the panic happened that err is of, for those who mend it.
// It is empty for other errors.
func Stack(err error) string {
	var caught *Error
	if !errors.As(err, &caught) {
		return ""
	}
	return caught.stack
}

// Hint says what to do about it.
func (e *Error) Hint() string { return "report it, with the log, which tells where it happened" }

// Catch makes an error of a panic, joined to what *err holds. It must be
// deferred itself.
func Catch(err *error) {
	v := recover()
	if v == nil {
		return
	}
	caught := &Error{message(v), string(debug.Stack())}
	if *err == nil {
		*err = caught
		return
	}
	*err = errors.Join(*err, caught)
}

// Guard makes a function that returns a panic of f as an error.
func Guard(f func() error) func() error {
	return func() (err error) {
		defer Catch(&err)
		return f()
	}
}

// message is one line about the value of a panic. A value that is no message
// may hold anything, so only its type is shown.
func message(v any) string {
	text := fmt.Sprintf("a panic with a value of type %T", v)
	switch v := v.(type) {
	case error:
		text = v.Error()
	case string:
		text = v
	}
	text = strings.Join(strings.Fields(text), " ")
	if len(text) > maxText {
		text = strings.ToValidUTF8(text[:maxText], "") + " [cut]"
	}
	return text
}
