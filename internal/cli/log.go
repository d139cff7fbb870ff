package cli

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"time"
)

// logHandler writes one line per event that a person can read and a program
// can split: time, level, message, then key=value pairs.
type logHandler struct {
	mu    *sync.Mutex // shared by all handlers that derive from one
	w     io.Writer
	buf   *bytes.Buffer
	attrs slog.Handler // renders the key=value pairs into buf
	level slog.Level
	scrub func(string) string // takes secrets out of a line
}

func newLogHandler(w io.Writer, level slog.Level, scrub func(string) string) *logHandler {
	buf := &bytes.Buffer{}
	attrs := slog.NewTextHandler(buf, &slog.HandlerOptions{Level: level, ReplaceAttr: dropFixed})
	return &logHandler{mu: &sync.Mutex{}, w: w, buf: buf, attrs: attrs, level: level, scrub: scrub}
}

// dropFixed leaves out what the line begins with anyway, and shortens what
// reads better in a person's units.
func dropFixed(groups []string, a slog.Attr) slog.Attr {
	if len(groups) == 0 && (a.Key == slog.TimeKey || a.Key == slog.LevelKey || a.Key == slog.MessageKey) {
		return slog.Attr{}
	}
	switch a.Value.Kind() {
	case slog.KindTime:
		return slog.String(a.Key, a.Value.Time().Format(time.RFC3339))
	case slog.KindDuration:
		return slog.String(a.Key, formatDuration(a.Value.Duration()))
	}
	return a
}

func (h *logHandler) Enabled(_ context.Context, level slog.Level) bool { return level >= h.level }

func (h *logHandler) Handle(ctx context.Context, r slog.Record) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.buf.Reset()
	message := strings.ReplaceAll(r.Message, "\n", " ")
	fmt.Fprintf(h.buf, "%s %-5s %s ", r.Time.Format(time.RFC3339), r.Level, message)
	if err := h.attrs.Handle(ctx, r); err != nil {
		return err
	}
	line := h.scrub(strings.TrimRight(h.buf.String(), " \n")) + "\n"
	_, err := io.WriteString(h.w, line)
	return err
}

func (h *logHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	c := *h
	c.attrs = h.attrs.WithAttrs(attrs)
	return &c
}

func (h *logHandler) WithGroup(name string) slog.Handler {
	c := *h
	c.attrs = h.attrs.WithGroup(name)
	return &c
}

// parseLevel reads a log level: debug, info, warn or error.
func parseLevel(s string) (slog.Level, error) {
	var level slog.Level
	if err := level.UnmarshalText([]byte(s)); err != nil {
		return level, usagef("use debug, info, warn or error", "unknown log level %q", s)
	}
	return level, nil
}
