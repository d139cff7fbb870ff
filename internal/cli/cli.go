// Package cli is purser's command line: commands, text and JSON output, exit
// codes, and the only place where hints are printed.
package cli

import (
	"context"
	"io"
	"time"

	"github.com/purser-backup/purser/internal/bug"
	"github.com/purser-backup/purser/internal/config"
)

// version is set at link time with -X; without it, the build info is asked.
var version string

// Run executes one command line and returns the exit code of the process:
// 0 done, 1 failed, 2 usage or configuration, 3 incomplete, 10 no backup,
// 11 locked, 12 wrong or missing key, 20 damage found, 130 interrupted.
//
// args excludes the program's name; env holds KEY=VALUE pairs and is the only
// environment that is looked at. Results go to stdout, errors, hints and log
// lines to stderr. A missing passphrase is asked for when stdin is a terminal.
// When ctx is cancelled the command stops cleanly.
func Run(ctx context.Context, args, env []string, stdin io.Reader, stdout, stderr io.Writer) int {
	return newInvocation(env, stdin, stdout, stderr).run(ctx, args)
}

// invocation is one command line on its way: what the process was given, and
// what the flags said.
type invocation struct {
	env            []string
	stdin          io.Reader
	stdout, stderr io.Writer
	now            func() time.Time
	configDir      string
	keyDir         string

	cfg    *config.Config // once it was read
	global globalFlags
	flags  commandFlags
	args   []string // what is left after the flags

	noRecipes bool // the command looks at no services
}

// globalFlags hold the flags that every command takes. Empty means not given:
// the environment decides.
type globalFlags struct {
	url, source, archiveDir, logLevel string
	output                            string
	help                              bool
}

func newInvocation(env []string, stdin io.Reader, stdout, stderr io.Writer) *invocation {
	return &invocation{env: env, stdin: stdin, stdout: stdout, stderr: stderr, now: time.Now, configDir: configDir, keyDir: keyDir}
}

func (inv *invocation) run(ctx context.Context, args []string) int {
	err := inv.execute(ctx, args)
	if ctx.Err() != nil && isCancelled(err) {
		err = errInterrupted
	}
	printErrors(inv.stderr, err, inv.scrub)
	return exitCode(err)
}

func (inv *invocation) execute(ctx context.Context, args []string) error {
	cmd, err := inv.parse(args)
	if err != nil {
		return err
	}
	if inv.global.help {
		return inv.printHelp(cmd)
	}
	return bug.Guard(func() error { return cmd.run(ctx, inv) })()
}

// json says whether the result is wanted as JSON.
func (inv *invocation) json() bool { return inv.global.output == outputJSON }
