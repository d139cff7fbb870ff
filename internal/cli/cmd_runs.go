package cli

import (
	"context"
	"flag"
	"fmt"
	"strings"

	"github.com/purser-backup/purser/internal/daemon"
)

func runsCommand() *command {
	return &command{
		name: "runs", args: "[--last]",
		summary: "list past runs, or show the report of the last one",
		example: `purser runs
purser runs --last`,
		help: `Reads purser's own state below BACKUP_ARCHIVE_DIR, which keeps the reports of up to 100
runs, newest first.

  --last  show what the last run did: each service, its size against the last time, what was
          left out and why, what was uploaded, pruned and kept, and what is wrong

With --output json: a list of runs, each as from purser run.
` + exitHelp(),
		flags: func(fs *flag.FlagSet, f *commandFlags) { fs.BoolVar(&f.last, "last", false, "") },
		run:   runRuns,
	}
}

func runRuns(_ context.Context, inv *invocation) error {
	cfg, err := inv.config()
	if err != nil {
		return err
	}
	list, err := daemon.ReadRuns(cfg)
	if err != nil {
		return err
	}
	if inv.flags.last {
		list = list[:min(len(list), 1)]
	}
	if inv.json() {
		return writeJSON(inv.stdout, list)
	}
	if len(list) == 0 {
		_, err := fmt.Fprintln(inv.stdout, "no run yet")
		return err
	}
	for i := range list {
		r := &list[i]
		r.Started, r.Ended = r.Started.In(inv.location()), r.Ended.In(inv.location())
	}
	if inv.flags.last {
		_, err := fmt.Fprintln(inv.stdout, strings.Join(list[0].Lines(), "\n"))
		return err
	}
	return inv.writeRuns(list)
}

func (inv *invocation) writeRuns(list []daemon.Run) error {
	t := &table{right: map[int]bool{4: true, 5: true}}
	t.add("STARTED", "BY", "RESULT", "TOOK", "DUMPED", "UPLOADED", "WRONG")
	for _, r := range list {
		dumped, uploaded, wrong := 0, "-", ""
		for _, s := range r.Services {
			if s.Outcome == daemon.Dumped {
				dumped++
			}
		}
		if r.Backup != nil {
			uploaded = formatSize(r.Uploaded())
		}
		if len(r.Errors) > 0 {
			wrong = printable(r.Errors[0])
		}
		if more := len(r.Errors) - 1; more > 0 {
			wrong += fmt.Sprintf(" (and %d more)", more)
		}
		t.add(formatTime(r.Started), string(r.Trigger), string(r.Result), formatDuration(r.Ended.Sub(r.Started)),
			fmt.Sprintf("%d of %d", dumped, len(r.Services)), uploaded, wrong)
	}
	return t.write(inv.stdout)
}
