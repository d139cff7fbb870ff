package cli

import (
	"context"
	"flag"
	"fmt"
	"io"

	"github.com/purser-backup/purser/internal/daemon"
)

func backupCommand() *command {
	return &command{
		name: "backup", args: "[--full] [--profile NAME]",
		summary: "back up the source path, without dumping",
		example: "purser backup --full",
		help: `Stores what lies below the source path as a new set: an increment, or a full one when
there is none, or when the newest full one is older than
BACKUP_DUPLICITY_FULL_IF_OLDER_THAN. Docker is not needed.

  --full   a full set in any case
` + profileHelp + `
With --output json: {kind, time, ended, volumes, bytes, encrypted, files, new, changed,
deleted, source_bytes, uploaded_bytes, unreadable}.
` + exitHelp(exitIncomplete, exitLocked, exitWrongKey),
		flags: func(fs *flag.FlagSet, f *commandFlags) {
			fs.BoolVar(&f.full, "full", false, "")
			profileFlag(fs, f)
		},
		run: runBackup,
	}
}

func runBackup(ctx context.Context, inv *invocation) error {
	inv.noRecipes = true // to read them takes longer than to plan a backup
	d, err := inv.daemonWithKey(ctx, talkative)
	if err != nil {
		return err
	}
	b, err := d.Backup(ctx, inv.flags.full, inv.flags.profile)
	if b == nil {
		return err
	}
	if inv.json() {
		return join(err, writeJSON(inv.stdout, b))
	}
	return join(err, inv.writeBackup(inv.stdout, b))
}

func (inv *invocation) writeBackup(w io.Writer, b *daemon.Backup) error {
	if b.Kind == "unchanged" {
		_, err := fmt.Fprintf(w, "backup: nothing has changed in %s (%s), no set was written\n",
			count(b.Files, "file"), formatSize(b.SourceBytes))
		return err
	}
	_, err := fmt.Fprintf(w, "backup: %s set %s, %s (%s): %d new, %d changed, %d deleted; %s in %s on the target\n",
		b.Kind, formatTime(b.Time.In(inv.location())), count(b.Files, "file"), formatSize(b.SourceBytes),
		b.New, b.Changed, b.Deleted, formatSize(b.UploadedBytes), count(b.Volumes, "volume"))
	return err
}
