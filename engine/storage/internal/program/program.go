// Package program runs the programs that some drivers leave the work to, and
// exchanges files with them.
package program

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/purser-backup/purser/engine/storage/driver"
	"github.com/purser-backup/purser/engine/storage/internal/network"
	"github.com/purser-backup/purser/internal/secret"
)

// Command is a program to run.
type Command struct {
	Name string   // such as "rsync"
	Args []string // without a secret: others see them
	Env  map[string]secret.String
	// Dir is a directory of this machine that the program must see under the
	// same path, and may write to; empty is none.
	Dir string
	// Files are other files of this machine that it must be able to read under
	// the same paths, such as keys. One that isn't there is left out.
	Files  []string
	Stdout io.Writer // nil: dropped
}

// Runner runs programs, here or elsewhere. It is safe for concurrent use.
type Runner interface {
	// Run runs a program to its end. An exit status other than 0 is an
	// *ExitError. When ctx ends, the program is killed, and the error wraps the
	// context's.
	Run(ctx context.Context, c Command) error
	// Close lets go of what Run has needed. A second Close does nothing.
	Close() error
}

// ExitError is a program that failed.
type ExitError struct {
	Program string
	Status  int
	Stderr  string // the beginning of what it said
}

func (e *ExitError) Error() string {
	if text := lastLines(e.Stderr); text != "" {
		return fmt.Sprintf("%s: exit status %d: %s", e.Program, e.Status, text)
	}
	return fmt.Sprintf("%s: exit status %d", e.Program, e.Status)
}

// lastLines is the end of what was said, on one line: there programs say what
// they failed of.
func lastLines(text string) string {
	const most = 300
	text = strings.ToValidUTF8(strings.Join(strings.Fields(text), " "), "?")
	if len(text) > most {
		text = "..." + strings.ToValidUTF8(text[len(text)-most:], "")
	}
	return text
}

// Options say how programs are run.
type Options struct {
	Runner Runner // nil: Local
	// Dir is a directory for what is exchanged with a program; it is made if need
	// be. Empty: that of the system for temporary files.
	Dir string
	// Home is the home directory of programs that run here.
	Home string
}

// Tool is one program, ready to be run for a driver.
type Tool struct {
	name   string
	runner Runner
	dir    string
	env    map[string]secret.String
	files  []string
	limit  *network.Limit
	turn   chan struct{} // held by the one upload at a time that a limit allows
}

// NewTool makes ready to run the program name with an environment and files to
// read. What a program that died two days ago or earlier has left is removed.
func NewTool(name string, o Options, env map[string]secret.String, files []string, limit *network.Limit, now func() time.Time) *Tool {
	t := &Tool{name: name, runner: o.Runner, dir: o.Dir, env: env, files: files, limit: limit, turn: make(chan struct{}, 1)}
	if t.runner == nil {
		t.runner = Local{Home: o.Home}
	}
	t.removeAbandoned(now)
	return t
}

// removeAbandoned is a courtesy: its failures are no reason to fail.
func (t *Tool) removeAbandoned(now func() time.Time) {
	if t.dir == "" {
		return
	}
	entries, err := os.ReadDir(t.dir)
	if err != nil {
		return
	}
	for _, e := range entries {
		if st, err := e.Info(); err == nil && strings.HasPrefix(e.Name(), exchange) && now().Sub(st.ModTime()) > driver.AbandonedAfter {
			_ = os.RemoveAll(filepath.Join(t.dir, e.Name()))
		}
	}
}

const exchange = "exchange-" // begins the names of directories

// Folder makes an empty directory to exchange files in. The caller removes it.
func (t *Tool) Folder() (string, error) {
	if t.dir != "" {
		if err := os.MkdirAll(t.dir, 0o700); err != nil {
			return "", err
		}
	}
	return os.MkdirTemp(t.dir, exchange)
}

// Stage writes an object's bytes to a file: a program can't be told of a fault
// while it reads.
func Stage(ctx context.Context, path string, r io.ReadSeeker, size int64) (err error) {
	body, err := driver.Body(ctx, r, size)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	_, err = io.Copy(f, body)
	return err
}

// Run runs the program; see Command.
func (t *Tool) Run(ctx context.Context, dir string, stdout io.Writer, args ...string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return t.runner.Run(ctx, Command{Name: t.name, Args: args, Env: t.env, Dir: dir, Files: t.files, Stdout: stdout})
}

// Output runs the program and gives what it prints, up to 64 MiB.
func (t *Tool) Output(ctx context.Context, dir string, args ...string) ([]byte, error) {
	out := &limited{max: 64 << 20}
	err := t.Run(ctx, dir, out, args...)
	if out.over {
		err = errors.Join(err, driver.Permanent(fmt.Errorf("%s prints more than %d bytes", t.name, out.max)))
	}
	return out.Bytes(), err
}

// Upload runs the program so that all uploads together keep to the limit: one
// at a time where there is one. args gets the rate in bytes per second, 0 for
// none.
func (t *Tool) Upload(ctx context.Context, dir string, args func(rate int64) []string) error {
	rate := t.limit.PerSecond()
	if rate > 0 {
		select {
		case t.turn <- struct{}{}:
			defer func() { <-t.turn }()
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return t.Run(ctx, dir, nil, args(rate)...)
}

// Close lets go of the runner.
func (t *Tool) Close() error { return t.runner.Close() }

// limited keeps the beginning of what is written.
type limited struct {
	bytes.Buffer
	max  int
	over bool
}

func (l *limited) Write(p []byte) (int, error) {
	keep := min(len(p), l.max-l.Len())
	l.over = l.over || keep < len(p)
	l.Buffer.Write(p[:keep])
	return len(p), nil
}
