package dumpers

import (
	"strings"
	"sync"
)

// tailSize is how much of a command's output goes into an error, in bytes.
const tailSize = 4 << 10

// tail is a writer that keeps the end of what was written. It is safe for
// concurrent use.
type tail struct {
	mu      sync.Mutex
	kept    []byte
	written int64
}

// Write keeps more than is shown, so that a secret at the cut is found whole.
func (t *tail) Write(p []byte) (int, error) {
	t.add(p)
	return len(p), nil
}

func (t *tail) add(p []byte) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.written += int64(len(p))
	t.kept = append(t.kept, p...)
	if excess := len(t.kept) - 4*tailSize; excess > 0 {
		t.kept = append(t.kept[:0], t.kept[excess:]...)
	}
}

// redacted returns the end of the output with secrets, the longest first, replaced.
func (t *tail) redacted(secrets []string) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	text, cut, longest := string(t.kept), t.written > int64(len(t.kept)), 0
	for _, s := range secrets {
		longest = max(longest, len(s))
		text = strings.ReplaceAll(text, s, "[redacted]")
	}
	// The kept part may begin within a secret.
	if cut {
		text = text[min(longest, len(text)):]
	}
	if len(text) > tailSize {
		text, cut = text[len(text)-tailSize:], true
	}
	text = strings.TrimSpace(strings.ToValidUTF8(text, ""))
	if cut {
		text = "…" + text
	}
	return text
}

// lines is the end of the output, redacted, line by line.
func (t *tail) lines(secrets []string) []string {
	return strings.FieldsFunc(t.redacted(secrets), func(r rune) bool { return r == '\n' })
}

func (t *tail) total() int64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.written
}
