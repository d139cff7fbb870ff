package cli

import (
	"context"
	"fmt"
	"io"

	"github.com/purser-backup/purser/internal/daemon"
)

func dumpCommand() *command {
	return &command{
		name: "dump", args: "[STACK/SERVICE ...]", max: -1,
		summary: "dump services into the source path, without uploading",
		example: "purser dump shop/mariadb shop/postgres",
		help: `Dumps the named services, or every service that a recipe matches, as a run would. A dump
is complete or absent: the previous good one stays until the new one is in place.

With --output json: a list of {id, recipe, outcome, certain, started, ended, files,
bytes, previous_bytes, error, warning}.
` + exitHelp(exitIncomplete, exitLocked),
		run: runDump,
	}
}

func runDump(ctx context.Context, inv *invocation) error {
	d, err := inv.daemon(talkative)
	if err != nil {
		return err
	}
	dumps, err := d.Dump(ctx, inv.args)
	if inv.json() {
		return join(err, writeJSON(inv.stdout, append([]daemon.ServiceDump{}, dumps...)))
	}
	return join(err, writeDumps(inv.stdout, dumps))
}

func writeDumps(w io.Writer, dumps []daemon.ServiceDump) error {
	t := &table{right: map[int]bool{4: true, 5: true}}
	if len(dumps) > 0 {
		t.add("SERVICE", "RECIPE", "DUMP", "TIME", "FILES", "SIZE")
	}
	for _, s := range dumps {
		files, size := "-", "-"
		if s.Outcome == daemon.Dumped {
			files, size = fmt.Sprint(s.Files), formatSize(s.Bytes)
		}
		t.add(printable(s.ID), s.Recipe, string(s.Outcome), formatDuration(s.Ended.Sub(s.Started)), files, size)
	}
	return t.write(w)
}
