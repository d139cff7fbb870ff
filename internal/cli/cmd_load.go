package cli

import (
	"context"
	"flag"
	"fmt"

	"github.com/purser-backup/purser/internal/daemon"
)

func loadCommand() *command {
	return &command{
		name: "load", args: "[--time T] [--profile NAME] [--to CONTAINER] [--force] STACK/SERVICE", min: 1, max: 1,
		summary: "load a service's dump from the backup into a running service",
		example: `purser load shop/postgres
purser load --time 3D --to shop-postgres-new-1 shop/postgres`,
		help: `Takes the dump of STACK/SERVICE out of the backup and loads it into the running service,
with its recipe. Stop what uses the service before. A service that holds data is refused;
the first error ends it, and what was loaded until then may stay.

  --time T          the newest backup at or before T (default: the newest of all)
  --to CONTAINER    load into this container or STACK/SERVICE instead
  --force           replace what the service holds, also by a dump of a newer server
` + profileReadHelp + `
T is a time as for restore. A recipe of your own takes part if it has "load", see the README.

With --output json: {service, into, time, started, ended, files, bytes, summary}.
` + exitHelp(exitNoBackup, exitLocked, exitWrongKey, exitDamage),
		flags: func(fs *flag.FlagSet, f *commandFlags) {
			fs.StringVar(&f.time, "time", "", "")
			fs.StringVar(&f.to, "to", "", "")
			fs.BoolVar(&f.force, "force", false, "")
			profileFlag(fs, f)
		},
		run: runLoad,
	}
}

func runLoad(ctx context.Context, inv *invocation) error {
	f := &inv.flags
	o := daemon.LoadOptions{Service: inv.args[0], Into: f.to, Force: f.force, Profile: f.profile}
	var err error
	if o.Time, err = inv.pointInTime(); err != nil {
		return err
	}
	d, err := inv.daemonWithReadKey(ctx, talkative)
	if err != nil {
		return err
	}
	load, err := d.Load(ctx, o)
	if err != nil {
		return err
	}
	load.Time = load.Time.In(inv.location())
	return inv.showLoaded(load, load.Summary, fmt.Sprintf("loaded the dump of %s as of %s (%s) into %s in %s", printable(load.Service), formatTime(load.Time),
		formatSize(load.Bytes), printable(load.Into), formatDuration(load.Ended.Sub(load.Started))))
}

// showLoaded shows the record of a load: as JSON, or what the recipe has said of
// it and a last line.
func (inv *invocation) showLoaded(record any, summary []string, last string) error {
	if inv.json() {
		return writeJSON(inv.stdout, record)
	}
	for _, line := range summary {
		if _, err := fmt.Fprintln(inv.stdout, printable(line)); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintln(inv.stdout, last)
	return err
}
