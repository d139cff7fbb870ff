package cli

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"path/filepath"

	"github.com/purser-backup/purser/internal/bug"
	"github.com/purser-backup/purser/internal/config"
	"github.com/purser-backup/purser/internal/daemon"
	"github.com/purser-backup/purser/internal/hint"
)

func daemonCommand() *command {
	return &command{
		name:    "daemon",
		summary: "run on schedule (the image's default command)",
		example: `docker run -d --name purser -v /var/run/docker.sock:/var/run/docker.sock \
    -v backup:/backup -v state:/var/lib/purser -v /mnt/nas:/target \
    -e BACKUP_DUPLICITY_URL=file:///target -e PASSPHRASE purser:latest daemon`,
		help: `Makes a run whenever BACKUP_CRON_SCHEDULE comes due in the time zone TZ, one at a time. A
run that was missed is made up for at once, so the first start runs at once too. A run
that fails is logged with its hints and tried again at the next due time; purser health
and purser status tell of it, and so do notifications (BACKUP_NOTIFICATION_URLS) and a dead
man's switch (BACKUP_PING_URL). While BACKUP_GONOGO says no, it is asked again every five
minutes. A service with the label backup.schedule is dumped at its own times, in runs that
leave the others out.

On SIGTERM or SIGINT it removes what it has started in Docker, stops within 8 seconds,
and exits with 0.
` + exitHelp(exitLocked),
		run: runDaemon,
	}
}

func runDaemon(ctx context.Context, inv *invocation) error {
	err := bug.Guard(func() error { return inv.serve(ctx) })()
	if err != nil && ctx.Err() == nil {
		err = join(err, inv.tellStart(ctx, err))
	}
	return err
}

// tellStart notifies those whom the settings name, as far as these are good,
// that the daemon does not run.
func (inv *invocation) tellStart(ctx context.Context, fault error) error {
	overrides, err := inv.overrides()
	if err != nil {
		return err
	}
	if inv.cfg == nil {
		inv.cfg = config.Salvage(inv.env, overrides, filepath.Join(inv.configDir, settingsFile))
	}
	o, err := inv.options(talkative)
	if err != nil {
		return err
	}
	daemon.TellStart(ctx, o, fault)
	return nil
}

func (inv *invocation) serve(ctx context.Context) error {
	d, err := inv.daemonWithKey(ctx, talkative)
	if err != nil {
		return err
	}
	log, err := inv.log(talkative)
	if err != nil {
		return err
	}
	return d.Serve(ctx, func(err error) { logErrors(log, err) })
}

// logErrors writes what printErrors prints as log lines.
func logErrors(log *slog.Logger, err error) {
	for _, e := range hint.Flatten(err) {
		attrs := []any{"error", oneLine(e.Error())}
		for _, line := range hint.Of(e) {
			attrs = append(attrs, "hint", line)
		}
		if stack := bug.Stack(e); stack != "" {
			attrs = append(attrs, "stack", stack)
		}
		what := "run failed"
		if errors.Is(e, daemon.ErrIncomplete) {
			what = "run incomplete"
		}
		log.Error(what, attrs...)
	}
}

func runCommand() *command {
	return &command{
		name: "run", args: "[--dry-run] [--force] [--due] [--profile NAME]",
		summary: "make one run now: discover, dump, back up, prune",
		example: `purser run --dry-run
purser run --output json`,
		help: `Makes one run as the daemon would. A service whose dump fails makes the run incomplete;
the other dumps and the backup go on, and its previous good dump stays. After the backup
the two retention settings apply, as purser prune explains; after a failed one nothing is
deleted.

  --dry-run  only show what would be dumped and backed up
  --force    back up even if Docker can't be reached; the run is then incomplete. Whoever
             BACKUP_GONOGO names isn't asked; without it, no makes no run, which is no error
  --due      only what is due by its schedule; where nothing is, or a run is under way, there
             is no run, which is no error: cron may ask as often as it likes
` + profileHelp + `
With --output json: {trigger, partial, started, ended, result, errors, hints, problems,
services, skipped: [{id, image, reason}], not_covered: [{id, image, reason}], target, backup, prune:
{sets, objects, bytes}, kept: {chains, sets, bytes}, profiles: [{profile, target, backup,
prune, kept, error}]}; services as from purser dump, backup
as from purser backup. With --dry-run: as from purser discover. Where there was no run:
{result: "skipped", why}.
` + exitHelp(exitIncomplete, exitLocked, exitWrongKey),
		flags: func(fs *flag.FlagSet, f *commandFlags) {
			fs.BoolVar(&f.dryRun, "dry-run", false, "")
			fs.BoolVar(&f.force, "force", false, "")
			fs.BoolVar(&f.due, "due", false, "")
			profileFlag(fs, f)
		},
		run: runRun,
	}
}

func runRun(ctx context.Context, inv *invocation) error {
	if inv.flags.dryRun {
		return dryRun(ctx, inv)
	}
	d, err := inv.daemonWithKey(ctx, talkative)
	if err != nil {
		return err
	}
	run, err := d.Run(ctx, daemon.RunOptions{Trigger: daemon.ByCommand, Force: inv.flags.force, Profile: inv.flags.profile, Due: inv.flags.due})
	if errors.Is(err, daemon.ErrNoGo) || errors.Is(err, daemon.ErrNotDue) {
		return inv.writeNoGo(err)
	}
	if run == nil {
		return err
	}
	if inv.json() {
		return join(err, writeJSON(inv.stdout, run))
	}
	return join(err, inv.writeRun(run))
}

// writeNoGo tells that there was no run, which is what was asked for.
func (inv *invocation) writeNoGo(err error) error {
	why := inv.scrub(oneLine(err.Error())) // it tells what others say
	if inv.json() {
		return writeJSON(inv.stdout, map[string]string{"result": "skipped", "why": why})
	}
	_, err = fmt.Fprintf(inv.stdout, "no run: %s\n", printable(why))
	return err
}

func (inv *invocation) writeRun(run *daemon.Run) error {
	if err := writeDumps(inv.stdout, run.Services); err != nil {
		return err
	}
	if err := inv.writeBackups(run); err != nil {
		return err
	}
	if p := run.Prune; p != nil && p.Sets > 0 {
		if _, err := fmt.Fprintf(inv.stdout, "prune: deleted %s, %s\n", count(p.Sets, "set"), formatSize(p.Bytes)); err != nil {
			return err
		}
	}
	if run.Result == daemon.Failed || run.Result == daemon.Interrupted {
		return nil // the errors say it
	}
	_, err := fmt.Fprintf(inv.stdout, "run %s in %s\n", run.Result, formatDuration(run.Ended.Sub(run.Started)))
	return err
}

func dryRun(ctx context.Context, inv *invocation) error {
	d, err := inv.daemon(quiet)
	if err != nil {
		return err
	}
	if err := d.CheckTarget(ctx); err != nil {
		return err
	}
	found, err := d.Discover(ctx)
	if err != nil {
		return err
	}
	if inv.json() {
		return writeJSON(inv.stdout, found)
	}
	if err := writeDiscovery(inv.stdout, found); err != nil {
		return err
	}
	_, err = fmt.Fprintf(inv.stdout, "then %s would be backed up to %s\n", d.SourcePath(), d.URL())
	return err
}
