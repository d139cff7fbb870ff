package dumpers

import (
	"bytes"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
)

// Stderr says what to make of the lines that a dump's commands write to their
// standard error although they succeed. Those that neither matches are told.
type Stderr struct {
	Fails  *regexp.Regexp // the dump is a failure; nil: no line is
	Ignore *regexp.Regexp // they are left out; nil: none is
}

// How much of what the commands wrote is told.
const (
	maxComplaint  = 4 << 10 // bytes of a line that are looked at as one
	toldLines     = 5
	toldLineChars = 200
)

// complaints is a writer that keeps what commands write to their standard
// error, less the lines that their recipe ignores. It is safe for concurrent use.
type complaints struct {
	rules Stderr
	mu    sync.Mutex
	line  []byte // that has not ended yet
	kept  tail
	fatal tail // the first line that is a failure
}

// Write takes a carriage return for the end of a line too: clients draw their
// progress with it.
func (c *complaints) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for rest := p; len(rest) > 0; {
		n := bytes.IndexAny(rest, "\r\n") + 1
		ended := n > 0
		if !ended {
			n = len(rest)
		}
		if room := maxComplaint - len(c.line); n >= room {
			n, ended = room, true
		}
		c.line = append(c.line, rest[:n]...)
		rest = rest[n:]
		if ended {
			c.end()
		}
	}
	return len(p), nil
}

// end files the line under what the recipe says of it.
func (c *complaints) end() {
	line := c.line
	c.line = nil
	matches := func(r *regexp.Regexp) bool { return r != nil && r.Match(bytes.TrimSpace(line)) }
	switch {
	case len(bytes.TrimSpace(line)) == 0:
	case matches(c.rules.Fails):
		if c.fatal.total() == 0 {
			c.fatal.add(line)
		}
		c.kept.add(line)
	case !matches(c.rules.Ignore):
		c.kept.add(line)
	}
}

// told returns the first line that is a failure, and the last of all lines,
// each in one line with secrets replaced.
func (c *complaints) told(secrets []string) (failure, said string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.end()
	return shortLines(c.fatal.redacted(secrets)), shortLines(c.kept.redacted(secrets))
}

func endsLine(r rune) bool { return r == '\n' || r == '\r' }

// shortLines is the end of a text for a warning, in one line.
func shortLines(text string) string {
	lines := strings.FieldsFunc(text, endsLine)
	if cut := len(lines) - toldLines; cut > 0 {
		lines = slices.Insert(lines[cut:], 0, "…")
	}
	for i, line := range lines {
		line = strings.Join(strings.Fields(line), " ")
		if lines[i] = fmt.Sprintf("%.*s", toldLineChars, line); lines[i] != line {
			lines[i] += "…"
		}
	}
	return strings.Join(lines, "; ")
}
