package cli

import (
	"context"
	"flag"
	"fmt"
	"path"
	"strings"
	"time"

	"github.com/purser-backup/purser/engine"
)

func restoreCommand() *command {
	return &command{
		name: "restore", args: "[--time T] [--path P] DEST", min: 1, max: 1,
		summary: "restore a backup into an empty directory",
		help: `Writes the backup to DEST, which must not exist or be an empty directory. It needs
the target and the passphrase, nothing else: neither Docker nor purser's state.

  --time T   the newest backup at or before T (default: the newest of all)
  --path P   only this file or directory; it becomes DEST itself

T is a time as duplicity writes it: 2026-05-20T03:00:00+02:00, 2026-05-20 (its
midnight), 3D or 1h30m (that long ago), now.

To load a database dump after it, see the README.
` + exitHelp(exitNoBackup, exitWrongKey, exitDamage),
		flags: func(fs *flag.FlagSet, f *commandFlags) {
			fs.StringVar(&f.time, "time", "", "")
			fs.StringVar(&f.path, "path", "", "")
		},
		run: runRestore,
	}
}

func runRestore(ctx context.Context, inv *invocation) error {
	o := engine.RestoreOptions{Path: cleanPath(inv.flags.path)}
	var err error
	if o.Time, err = inv.pointInTime(); err != nil {
		return err
	}
	repo, err := inv.openReadable(ctx)
	if err != nil {
		return err
	}
	defer repo.Close()
	dest := inv.args[0]
	res, err := repo.Restore(ctx, dest, o)
	if err != nil {
		return err
	}
	at := res.Time.In(inv.location())
	if inv.json() {
		return writeJSON(inv.stdout, struct {
			Destination string    `json:"destination"`
			Time        time.Time `json:"time"`
			Files       int       `json:"files"`
			Entries     int       `json:"entries"`
			Bytes       int64     `json:"bytes"`
		}{dest, at, res.Files, res.Entries, res.Bytes})
	}
	_, err = fmt.Fprintf(inv.stdout, "restored %s (%s) as of %s into %s\n",
		count(res.Files, "file"), formatSize(res.Bytes), formatTime(at), dest)
	return err
}

// pointInTime reads --time; the zero time means the newest backup.
func (inv *invocation) pointInTime() (time.Time, error) {
	return inv.parseTime("--time", inv.flags.time)
}

// parseTime reads the value of a flag as duplicity does; empty is the zero time.
func (inv *invocation) parseTime(flag, value string) (time.Time, error) {
	if value == "" {
		return time.Time{}, nil
	}
	if _, err := inv.config(); err != nil { // it has the time zone
		return time.Time{}, err
	}
	t, err := engine.ParseTime(value, inv.now().In(inv.location()))
	if err != nil {
		return time.Time{}, &usageError{err: fmt.Errorf("%s: %w", flag, err),
			hint: "write it as 2026-05-20T03:00:00, 2026-05-20, 3D or now"}
	}
	return t, nil
}

// cleanPath turns a path as a user writes it into one inside the backup.
func cleanPath(p string) string {
	return strings.TrimPrefix(path.Clean("/"+p), "/")
}
