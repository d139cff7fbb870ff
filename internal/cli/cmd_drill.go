package cli

import (
	"context"
	"flag"
	"fmt"
)

func drillCommand() *command {
	return &command{
		name: "drill", args: "[--time T] STACK/SERVICE", min: 1, max: 1,
		summary: "prove that a service's backup loads, in a throw-away server",
		example: `purser drill shop/postgres
purser drill --time 3D shop/postgres`,
		help: `Takes the dump of STACK/SERVICE out of the backup, through decryption, and loads it into a new
server of the service's image, with the service's environment and command. That server is on no
network, has none of the service's volumes, and is removed with all it holds. The service itself
goes on untouched. The load counts what it loads against what the dump holds.

  --time T          the newest backup at or before T (default: the newest of all)

T is a time as for restore. A recipe of your own takes part if it has "load", see the README.

With --output json: {service, image, time, started, ended, files, bytes, summary}.
` + exitHelp(exitNoBackup, exitLocked, exitWrongKey, exitDamage),
		flags: func(fs *flag.FlagSet, f *commandFlags) { fs.StringVar(&f.time, "time", "", "") },
		run:   runDrill,
	}
}

func runDrill(ctx context.Context, inv *invocation) error {
	at, err := inv.pointInTime()
	if err != nil {
		return err
	}
	d, err := inv.daemonWithReadKey(ctx, talkative)
	if err != nil {
		return err
	}
	drill, err := d.Drill(ctx, inv.args[0], at)
	if err != nil {
		return err
	}
	drill.Time = drill.Time.In(inv.location())
	return inv.showLoaded(drill, drill.Summary, fmt.Sprintf("the backup of %s as of %s (%s) loads into a new %s, in %s", printable(drill.Service), formatTime(drill.Time),
		formatSize(drill.Bytes), printable(drill.Image), formatDuration(drill.Ended.Sub(drill.Started))))
}
