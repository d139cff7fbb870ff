package cli

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/purser-backup/purser/internal/daemon"
)

func discoverCommand() *command {
	return &command{
		name:    "discover",
		summary: "show every service, what would be done with it, and why",
		example: "purser discover",
		help: `Lists the running containers as services. ACTION is "dump" where a recipe matches, "guess"
where it matches by a part of the image's name only, "skip" where the label backup.disable
says so, "none" where no recipe covers the service, and "fail" where its labels ask for
what isn't there. Nothing is changed.

With --output json: {services: [{id, containers, image, action, recipe, certain,
reason, warning, schedule, secrets}], problems: [{subject, message, hint, warning}]}.
` + exitHelp(),
		run: runDiscover,
	}
}

func runDiscover(ctx context.Context, inv *invocation) error {
	d, err := inv.daemon(quiet)
	if err != nil {
		return err
	}
	found, err := d.Discover(ctx)
	if err != nil {
		return err
	}
	if inv.json() {
		return writeJSON(inv.stdout, found)
	}
	return writeDiscovery(inv.stdout, found)
}

// writeDiscovery prints the table of services and what is wrong below it.
func writeDiscovery(w io.Writer, found daemon.Discovery) error {
	if len(found.Services) == 0 {
		if _, err := fmt.Fprintln(w, "no running container is a service"); err != nil {
			return err
		}
	}
	t := &table{}
	if len(found.Services) > 0 {
		t.add("SERVICE", "IMAGE", "ACTION", "RECIPE", "WHY")
	}
	for _, s := range found.Services {
		recipe := s.Recipe
		if recipe == "" {
			recipe = "-"
		}
		why := s.Reason
		if s.Schedule != "" {
			why += "; at its own times: " + s.Schedule
		}
		if len(s.Secrets) > 0 {
			why += "; its secrets: " + strings.Join(s.Secrets, ", ")
		}
		t.add(printable(s.ID), printable(s.Image), string(s.Action), recipe, printable(why))
	}
	if err := t.write(w); err != nil {
		return err
	}
	for _, p := range found.Problems {
		kind := "error"
		if p.Warning {
			kind = "warning"
		}
		if _, err := fmt.Fprintf(w, "%s: %s: %s\n", kind, printable(p.Subject), printable(p.Message)); err != nil {
			return err
		}
		if p.Hint == "" {
			continue
		}
		if _, err := fmt.Fprintf(w, "hint: %s\n", printable(p.Hint)); err != nil {
			return err
		}
	}
	return nil
}
