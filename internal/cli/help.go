package cli

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

const intro = `purser finds the databases and other stateful services on a Docker Engine, dumps them,
and keeps encrypted, incremental backups that duplicity can read too.

usage: purser [flags] COMMAND [flags] [arguments]

commands (purser help COMMAND tells more of each):
`

const globalFlagsHelp = `
flags of every command, before or after it; they win over the variables of the environment:
  --url URL            the target              (BACKUP_DUPLICITY_URL)
  --source PATH        what is backed up       (BACKUP_DUPLICITY_SOURCE_PATH)
  --archive-dir PATH   purser's own state      (BACKUP_ARCHIVE_DIR)
  --output text|json   form of the result
  --log-level LEVEL    debug, info, warn or error (DEBUG=true is debug)
  --help               help for the command
`

const settingsHelp = `
All other settings are variables of the environment: ` + "`purser config`" + ` lists each with its value,
and the README says what it means. NAME can also be given as NAME_FILE, the path of a file
that holds the value, or in /opt/backup/config/purser.yml; the environment wins.
The passphrase is PASSPHRASE; it is asked for on a terminal.
`

const helpEnd = `
for example:
  export BACKUP_DUPLICITY_URL=file:///mnt/nas/purser PASSPHRASE_FILE=/root/passphrase
  purser run --source /srv/backup
  purser restore --time 3D /tmp/restored

exit status:
  0    done
  1    failed
  2    a fault in the command line or in the configuration, such as a missing target
  3    incomplete: something was skipped, or a dump failed
  10   no backup there
  11   locked: another purser or duplicity is at work
  12   wrong or missing key
  20   damage found
  130  interrupted
`

func helpCommand() *command {
	return &command{
		name: "help", args: "[COMMAND]", max: 1,
		summary: "show this help, or that of a command",
		help:    "",
		run: func(_ context.Context, inv *invocation) error {
			if len(inv.args) == 0 {
				return inv.printHelp(helpCommand())
			}
			cmd, err := findCommand(inv.args[0])
			if err != nil {
				return err
			}
			return inv.printHelp(cmd)
		},
	}
}

// printHelp prints what there is to know about a command, or about all.
func (inv *invocation) printHelp(cmd *command) error {
	var b strings.Builder
	if cmd.name == "help" {
		b.WriteString(intro)
		for _, c := range commands() {
			fmt.Fprintf(&b, "  %-10s %s\n", c.name, c.summary)
		}
		b.WriteString(globalFlagsHelp + settingsHelp + helpEnd)
	} else {
		fmt.Fprintf(&b, "usage: purser %s\n\n%s.\n\n", cmd.usage(), upperFirst(cmd.summary))
		fmt.Fprintf(&b, "%s\nfor example:\n  %s\n", cmd.help, strings.ReplaceAll(cmd.example, "\n", "\n  "))
		if !cmd.raw {
			b.WriteString(globalFlagsHelp + settingsHelp)
		}
	}
	_, err := fmt.Fprint(inv.stdout, b.String())
	return err
}

func (c *command) usage() string {
	if c.args == "" {
		return c.name
	}
	return c.name + " " + c.args
}

func upperFirst(s string) string { return strings.ToUpper(s[:1]) + s[1:] }

// exitHelp lists the exit codes of a command: the usual ones and its own.
func exitHelp(own ...int) string {
	meaning := map[int]string{
		exitDone: "done", exitFailed: "failed", exitUsage: "usage or configuration",
		exitIncomplete: "incomplete", exitNoBackup: "no backup there", exitLocked: "locked",
		exitWrongKey: "wrong or missing key", exitDamage: "damage found", exitInterrupted: "interrupted",
	}
	codes := append([]int{exitDone, exitFailed, exitUsage, exitInterrupted}, own...)
	slices.Sort(codes)
	var list []string
	for _, c := range codes {
		list = append(list, fmt.Sprintf("%d %s", c, meaning[c]))
	}
	return "\nexit status: " + strings.Join(list, ", ") + "\n"
}
