package cli

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/purser-backup/purser/internal/daemon"
)

func statusCommand() *command {
	return &command{
		name: "status", args: "[--url U [--profile NAME]]",
		summary: "show each service, the last backup, the next run, and what is wrong",
		example: `docker exec purser purser status
purser status --url file:///mnt/nas/purser`,
		help: `Reads purser's own state below BACKUP_ARCHIVE_DIR; neither Docker nor the target is asked.
While the daemon runs, it watches Docker, and the services are as they are now. STATE is
one of: good, failed (the last dump), waiting (for the first one), not running, gone (and
missed by the last run). Services that no recipe covers, or that are skipped by their
labels, are named above the table.

With --url it asks that target instead, and it alone: when the last complete run ended
there, also one that found nothing changed, when the next one is due, and the newest set.
It needs no passphrase. Where the next run is late by more than 6 hours, it says so.

  --profile NAME   with --url, this profile (default: each that is configured)

With --output json: {instance, daemon_running, schedule, next_run, running, last_run,
last_complete_run, last_backup, docker: {seen, lost_since, error}, services: [{id, recipe,
last_good_dump, last_good_set, last_tried, bytes, error, gone_since, state, image, action,
reason}], profiles: [{profile, schedule, last_backup, next_run, kept}], notifications:
[{service, since, error}], wrong}; docker is null unless the daemon watches it, profiles are
there where some are configured, and notifications are the ways to tell people that don't
work. With --url: {url, host, last_good_run, next_run, newest_set, chains, wrong}, or a list
of them where there are profiles.
` + exitHelp(exitNoBackup),
		flags: profileFlag,
		run:   runStatus,
	}
}

func runStatus(ctx context.Context, inv *invocation) error {
	cfg, err := inv.config()
	if err != nil {
		return err
	}
	if inv.global.url != "" {
		return runTargetStatus(ctx, inv)
	}
	if inv.flags.profile != "" {
		return usagef("without --url all profiles are shown", "--profile needs --url")
	}
	now := inv.now().In(inv.location())
	status, err := daemon.ReadStatus(cfg, now)
	if err != nil {
		return err
	}
	if inv.json() {
		return writeJSON(inv.stdout, status)
	}
	return writeStatus(inv.stdout, status, now)
}

func writeStatus(w io.Writer, s daemon.Status, now time.Time) error {
	at := func(t time.Time) string {
		if t.IsZero() {
			return "never"
		}
		return fmt.Sprintf("%s (%s)", formatTime(t.In(now.Location())), formatAgo(t, now))
	}
	head := &table{}
	if s.Instance != "" {
		head.add("instance:", printable(s.Instance))
	}
	switch {
	case !s.Daemon:
		head.add("next run:", "none, the daemon is not running")
	case !s.NextRun.After(now):
		head.add("next run:", "due now")
	default:
		head.add("next run:", at(s.NextRun))
	}
	if s.Running != nil {
		head.add("running:", fmt.Sprintf("%s, since %s", s.Running.Phase, at(s.Running.Started)))
	}
	if s.LastRun == nil {
		head.add("last run:", "never")
	} else {
		head.add("last run:", fmt.Sprintf("%s, %s", s.LastRun.Result, at(s.LastRun.Started)))
	}
	if s.LastBackup == nil {
		head.add("last backup:", "never")
	} else {
		head.add("last backup:", fmt.Sprintf("%s, %s", s.LastBackup.Kind, at(s.LastBackup.Ended)))
	}
	for _, state := range []daemon.State{daemon.StateUncovered, daemon.StateSkipped} {
		if names := inState(s.Services, state); len(names) > 0 {
			head.add(string(state)+":", fmt.Sprintf("%s: %s", count(len(names), "service"), shortened(names)))
		}
	}
	if err := head.write(w); err != nil {
		return err
	}
	if err := writeServices(w, s.Services, at); err != nil {
		return err
	}
	if err := writeProfiles(w, s.Profiles, now, at); err != nil {
		return err
	}
	for _, wrong := range s.Wrong {
		if _, err := fmt.Fprintf(w, "wrong: %s\n", printable(wrong)); err != nil {
			return err
		}
	}
	return nil
}

// inState names the services in a state that were never dumped.
func inState(services []daemon.ServiceStatus, state daemon.State) []string {
	var names []string
	for _, s := range services {
		if s.State == state && s.LastGood.IsZero() {
			names = append(names, printable(s.ID))
		}
	}
	return names
}

// shortened lists the first few names.
func shortened(names []string) string {
	const shown = 6
	if more := len(names) - shown; more > 1 {
		return fmt.Sprintf("%s and %d more, see `purser discover`", strings.Join(names[:shown], ", "), more)
	}
	return strings.Join(names, ", ")
}

func writeServices(w io.Writer, services []daemon.ServiceStatus, at func(time.Time) string) error {
	t := &table{right: map[int]bool{2: true}}
	for _, s := range services {
		size, unused := formatSize(s.Bytes), s.State == daemon.StateUncovered || s.State == daemon.StateSkipped
		switch {
		case !s.LastGood.IsZero():
		case unused:
			continue
		default:
			size = "-"
		}
		if len(t.rows) == 0 {
			t.add("SERVICE", "RECIPE", "SIZE", "LAST GOOD DUMP", "STATE")
		}
		t.add(printable(s.ID), s.Recipe, size, at(s.LastGood), string(s.State))
	}
	return t.write(w)
}

func healthCommand() *command {
	return &command{
		name:    "health",
		summary: "exit with 0 if the daemon runs and its runs are good, else with 1",
		example: "purser health && echo good",
		help: `For the image's HEALTHCHECK. Healthy means: the daemon runs and answers, and two due
times, plus half an interval (30 seconds to an hour) and the length of the last run, have
not passed since the last complete run began. An incomplete run is not a complete one. A
run that is under way puts a bad verdict off for up to three days, since a first upload
takes its time.
` + exitHelp(),
		run: func(ctx context.Context, inv *invocation) error {
			cfg, err := inv.config()
			if err != nil {
				return err
			}
			if err := daemon.Health(cfg, inv.now().In(inv.location())); err != nil {
				return err
			}
			if err := daemon.Answers(ctx, cfg); err != nil {
				return err
			}
			if inv.json() {
				return writeJSON(inv.stdout, map[string]bool{"healthy": true})
			}
			_, err = fmt.Fprintln(inv.stdout, "healthy")
			return err
		},
	}
}
