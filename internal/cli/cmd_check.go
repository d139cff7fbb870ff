package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/purser-backup/purser/internal/daemon"
)

// errSick makes the exit status that monitoring systems know as critical. The
// result tells what is wrong.
var errSick = errors.New("something is not backed up as it should be")

func checkCommand() *command {
	return &command{
		name:    "check",
		summary: "tell a monitoring system what is not backed up as it should be",
		example: "purser check",
		help: `A plug-in for Nagios, Icinga and the like: prints OK or CRITICAL with a line for each thing
that is wrong, and exits with 0 or 2. Wrong is: a service whose last dump failed; one whose
newest backup is older than its schedule allows, which is an interval and a quarter, and
the time that a run takes (30 hours and a little if it is dumped daily); a last run that
failed or is incomplete; a daemon that doesn't run.

Neither Docker nor the target is asked: purser verify reads what is there.

With --output json: {services, failing, sick: [{subject, message}]}.
` + exitHelp(),
		run: runCheck,
	}
}

func runCheck(_ context.Context, inv *invocation) error {
	cfg, err := inv.config()
	if err != nil {
		return err
	}
	v, err := daemon.Check(cfg, inv.now().In(inv.location()))
	if err != nil {
		return err
	}
	if inv.json() {
		err = writeJSON(inv.stdout, v)
	} else {
		_, err = fmt.Fprint(inv.stdout, verdictText(v))
	}
	if err == nil && len(v.Sick) > 0 {
		return errSick
	}
	return err
}

func verdictText(v daemon.Verdict) string {
	if len(v.Sick) == 0 {
		return fmt.Sprintf("OK %s\n", count(v.Services, "service"))
	}
	var b strings.Builder
	fmt.Fprintf(&b, "CRITICAL %d/%s\n", v.Failing, count(v.Services, "service"))
	for _, s := range v.Sick {
		fmt.Fprintf(&b, "%s: %s\n", printable(s.Subject), printable(oneLine(s.Message)))
	}
	return b.String()
}
