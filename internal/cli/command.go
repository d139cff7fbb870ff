package cli

import (
	"context"
	"flag"
	"fmt"
	"io"
	"strings"

	"github.com/purser-backup/purser/internal/nearest"
	"github.com/purser-backup/purser/internal/retention"
)

const (
	outputText = "text"
	outputJSON = "json"
)

// command is one verb of the command line.
type command struct {
	name    string
	args    string // what follows the flags, as the usage line shows it
	summary string // one line for the list of commands
	help    string // what `purser help NAME` says below the usage line
	example string // one or more command lines
	min     int    // least number of arguments
	max     int    // most; -1 is any
	raw     bool   // it reads all that follows its name by itself
	flags   func(*flag.FlagSet, *commandFlags)
	run     func(context.Context, *invocation) error
}

// commandFlags hold the flags of all commands; each command registers its own.
type commandFlags struct {
	dryRun, force, full, data, execute  bool
	numericOwner, noOwner, ignoreErrors bool
	last, due                           bool
	time, path, olderThan, to           string
	profile, image                      string
	keepFull, keepIncrementalOf         int
	retention                           retention.Policy
}

// commands is the table of all commands, in the order of the help text.
func commands() []*command {
	return []*command{
		daemonCommand(), runCommand(), discoverCommand(), dumpCommand(), loadCommand(), drillCommand(), recipeCommand(), backupCommand(),
		restoreCommand(), lsCommand(), setsCommand(), verifyCommand(), pruneCommand(), cleanupCommand(),
		duplicityCommand(), statusCommand(), runsCommand(), checkCommand(), healthCommand(), configCommand(), doctorCommand(),
		completionCommand(), versionCommand(), helpCommand(),
	}
}

func findCommand(name string) (*command, error) {
	var names []string
	for _, c := range commands() {
		if c.name == name {
			return c, nil
		}
		names = append(names, c.name)
	}
	hint := "`purser help` lists the commands"
	if near := nearest.To(name, names); near != "" {
		hint = fmt.Sprintf("did you mean `purser %s`?", near)
	}
	return nil, usagef(hint, "unknown command %q", name)
}

// parse takes the command line apart. Flags may stand before the command,
// after it, and among its arguments; `--` ends them.
func (inv *invocation) parse(args []string) (*command, error) {
	before, err := inv.parseFlags(nil, args, true)
	if err != nil {
		return nil, err
	}
	if len(before) == 0 {
		if inv.global.help {
			return helpCommand(), nil
		}
		return nil, usagef("`purser help` lists the commands", "no command given")
	}
	cmd, err := findCommand(before[0])
	if err != nil {
		return nil, err
	}
	if cmd.raw {
		inv.args = before[1:]
		return cmd, nil
	}
	if inv.args, err = inv.parseFlags(cmd, before[1:], false); err != nil {
		return nil, err
	}
	if inv.global.help {
		return cmd, nil
	}
	if err := checkOutput(inv.global.output); err != nil {
		return nil, err
	}
	return cmd, cmd.checkArgs(inv.args)
}

func checkOutput(output string) error {
	switch output {
	case "", outputText, outputJSON:
		return nil
	}
	return usagef("use `--output text` or `--output json`", "unknown output %q", output)
}

func (c *command) checkArgs(args []string) error {
	hint := fmt.Sprintf("usage: purser %s", c.usage())
	switch {
	case len(args) < c.min:
		return usagef(hint, "%s: an argument is missing", c.name)
	case c.max >= 0 && len(args) > c.max:
		return usagef(hint, "%s: unexpected argument %q", c.name, args[c.max])
	}
	return nil
}

// parseFlags parses flags and returns the other arguments. With leading set it
// stops at the first of them and returns it with all that follows.
func (inv *invocation) parseFlags(cmd *command, args []string, leading bool) ([]string, error) {
	fs := inv.flagSet(cmd)
	var rest []string
	for len(args) > 0 {
		if err := fs.Parse(args); err != nil {
			return nil, flagError(fs, cmd, err)
		}
		ended := fs.NArg() < len(args) && args[len(args)-fs.NArg()-1] == "--"
		if args = fs.Args(); ended || leading {
			return append(rest, args...), nil
		}
		if len(args) > 0 {
			rest, args = append(rest, args[0]), args[1:]
		}
	}
	return rest, nil
}

func (inv *invocation) flagSet(cmd *command) *flag.FlagSet {
	fs := flag.NewFlagSet("purser", flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	g := &inv.global
	fs.StringVar(&g.url, "url", g.url, "")
	fs.StringVar(&g.source, "source", g.source, "")
	fs.StringVar(&g.archiveDir, "archive-dir", g.archiveDir, "")
	fs.StringVar(&g.output, "output", g.output, "")
	fs.StringVar(&g.logLevel, "log-level", g.logLevel, "")
	fs.BoolVar(&g.help, "help", g.help, "")
	fs.BoolVar(&g.help, "h", g.help, "")
	if cmd != nil && cmd.flags != nil {
		cmd.flags(fs, &inv.flags)
	}
	return fs
}

// flagError turns the flag package's message into ours, with the nearest known
// flag for one that is unknown.
func flagError(fs *flag.FlagSet, cmd *command, err error) error {
	help := "`purser help` lists the flags"
	if cmd != nil {
		help = fmt.Sprintf("`purser help %s` lists the flags", cmd.name)
	}
	name, unknown := strings.CutPrefix(err.Error(), "flag provided but not defined: -")
	if !unknown {
		return usagef(help, "%s", err)
	}
	var known []string
	fs.VisitAll(func(f *flag.Flag) { known = append(known, f.Name) })
	if near := nearest.To(name, known); near != "" {
		help = fmt.Sprintf("did you mean `--%s`?", near)
	}
	if cmd == nil {
		return usagef(help, "unknown flag --%s before the command", name)
	}
	return usagef(help, "%s: unknown flag --%s", cmd.name, name)
}
