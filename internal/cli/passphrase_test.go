package cli

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// openPTY returns both ends of a real pseudo-terminal.
func openPTY(t *testing.T) (person, terminal *os.File) {
	t.Helper()
	person, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { person.Close() })
	if err := unix.IoctlSetPointerInt(int(person.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(int(person.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	terminal, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { terminal.Close() })
	return person, terminal
}

// answers is a stderr on which a person sees prompts, and types a line at each.
type answers struct {
	t      *testing.T
	person io.Writer
	lines  []string
	shown  bytes.Buffer
}

func (a *answers) Write(p []byte) (int, error) {
	if strings.HasSuffix(string(p), ": ") {
		if len(a.lines) == 0 {
			a.t.Errorf("unexpected prompt %q", p)
		} else {
			line := a.lines[0]
			a.lines = a.lines[1:]
			if _, err := io.WriteString(a.person, line+"\n"); err != nil {
				a.t.Error(err)
			}
		}
	}
	return a.shown.Write(p)
}

// runOnTerminal runs a command whose stdin is a terminal on which a person
// types the lines.
func (b *bench) runOnTerminal(lines []string, args ...string) (stderr string, code int) {
	b.t.Helper()
	person, terminal := openPTY(b.t)
	a := &answers{t: b.t, person: person, lines: lines}
	var env []string
	for _, v := range b.env {
		env = append(env, strings.ReplaceAll(v, "ROOT", b.root))
	}
	for i := range args {
		args[i] = strings.ReplaceAll(args[i], "ROOT", b.root)
	}
	code = Run(b.t.Context(), args, env, terminal, io.Discard, a)
	if len(a.lines) > 0 {
		b.t.Errorf("purser %s didn't ask for %d lines", strings.Join(args, " "), len(a.lines))
	}
	return a.shown.String(), code
}

func TestPassphraseIsAskedForOnATerminal(t *testing.T) {
	b := newBench(t, local)
	b.write("source/a", "one\n")
	errs, code := b.runOnTerminal([]string{"open sesame", "another"}, "backup", "--log-level", "error")
	const differ = "passphrase for the new repository: \nthe same again: \nerror: the two passphrases differ\nhint: nothing was written; try again\n"
	if code != 2 || errs != differ {
		t.Errorf("two that differ: %d, %q", code, errs)
	}
	errs, code = b.runOnTerminal([]string{"open sesame", "open sesame"}, "backup", "--log-level", "error")
	if code != 0 || errs != "passphrase for the new repository: \nthe same again: \n" {
		t.Errorf("backup: %d, %q", code, errs)
	}
	errs, code = b.runOnTerminal([]string{"open sesame"}, "restore", "ROOT/out")
	if code != 0 || errs != "passphrase of the backup: \n" {
		t.Errorf("restore: %d, %q", code, errs)
	}
	errs, code = b.runOnTerminal([]string{"wrong"}, "restore", "--archive-dir", "ROOT/other", "ROOT/out2")
	if code != 12 || !strings.HasPrefix(errs, "passphrase of the backup: \nerror: decrypt ") {
		t.Errorf("wrong one: %d, %q", code, errs)
	}
	if errs, code = b.runOnTerminal(nil, "sets"); code != 0 || errs != "" {
		t.Errorf("sets needs no passphrase: %d, %q", code, errs)
	}
	b.env = append(b.env, "PASSPHRASE=open sesame")
	if errs, code = b.runOnTerminal(nil, "ls"); code != 0 || errs != "" {
		t.Errorf("ls with a configured passphrase: %d, %q", code, errs)
	}
}
