package cli

import (
	"context"
	"flag"
	"fmt"
	"path"
	"strings"
	"time"

	"github.com/purser-backup/purser/engine"
	"github.com/purser-backup/purser/internal/daemon"
)

func restoreCommand() *command {
	return &command{
		name: "restore", args: "[--time T] [--path P] [--profile NAME] [--force] DEST", min: 1, max: 1,
		summary: "restore a backup into an empty directory",
		example: `purser restore /tmp/restored
purser restore --time 3D --path dump/shop/postgres /tmp/postgres`,
		help: `Writes the backup to DEST, which must not exist or be an empty directory. It needs
the target and the passphrase, nothing else: neither Docker nor purser's state.

  --time T   the newest backup at or before T (default: the newest of all)
  --path P   only this file or directory; it becomes DEST itself
  --force    DEST may hold something: what is in the backup replaces what has its name,
             save directories that hold something; the rest stays
  --numeric-owner         owners by their numbers, not by their names
  --no-restore-ownership  everything belongs to who restores
  --ignore-errors         go on over damage: each file that is affected is listed, and
                          restored in its newest state that is whole
` + profileReadHelp + `
T is a time as duplicity writes it: 2026-05-20T03:00:00+02:00, 2026-05-20 (its
midnight), 3D or 1h30m (that long ago), now.

With --output json: {destination, time, files, entries, bytes, torn: [SET as from purser
sets], affected: [{path, to, state, error}]}: sets that can't be restored, since one that
they build on is missing, and the files that damage affects.

To load a database dump after it, see the README.
` + exitHelp(exitIncomplete, exitNoBackup, exitWrongKey, exitDamage),
		flags: func(fs *flag.FlagSet, f *commandFlags) {
			fs.StringVar(&f.time, "time", "", "")
			fs.StringVar(&f.path, "path", "", "")
			fs.BoolVar(&f.force, "force", false, "")
			fs.BoolVar(&f.numericOwner, "numeric-owner", false, "")
			fs.BoolVar(&f.noOwner, "no-restore-ownership", false, "")
			fs.BoolVar(&f.ignoreErrors, "ignore-errors", false, "")
			profileFlag(fs, f)
		},
		run: runRestore,
	}
}

func runRestore(ctx context.Context, inv *invocation) error {
	f := &inv.flags
	var err error
	o := engine.RestoreOptions{
		Path: cleanPath(f.path), Damaged: f.ignoreErrors, Overwrite: f.force, NumericOwner: f.numericOwner, NoOwner: f.noOwner,
	}
	if o.Time, err = inv.pointInTime(); err != nil {
		return err
	}
	return inv.learning(ctx, func() error { return inv.restore(ctx, o) })
}

func (inv *invocation) restore(ctx context.Context, o engine.RestoreOptions) (err error) {
	if err = inv.chooseProfile(ctx, o.Time); err != nil {
		return err
	}
	repo, err := inv.openReadable(ctx)
	if err != nil {
		return err
	}
	defer func() { err = join(err, repo.Close()) }()
	dest := inv.args[0]
	res, err := repo.Restore(ctx, dest, o)
	if err != nil {
		return err
	}
	return join(unrestored(res), inv.writeRestored(dest, res))
}

// unrestored is nil for a restore of all that was asked for.
func unrestored(res engine.RestoreResult) error {
	if n := len(res.Affected); n > 0 {
		return &hinted{fmt.Errorf("%w: %s not as backed up", errDamage, count(n, "file")),
			"an earlier backup may hold them whole: restore it with --time and --path"}
	}
	if n := len(res.Damage); n > 0 {
		return &hinted{fmt.Errorf("%w in %s, which affects no file that was restored", errDamage, count(n, "object")),
			"make a new full backup"}
	}
	if n := len(res.Torn); n > 0 {
		return &hinted{fmt.Errorf("%w: %s up to %s can't be restored, a set that they build on is missing",
			daemon.ErrIncomplete, count(n, "newer set"), formatTime(res.Torn[n-1].Time)), "`purser sets` lists them as orphans; make a new full backup"}
	}
	return nil
}

// affected is a file that damage affects, in the JSON output.
type affected struct {
	Path  string     `json:"path"`
	To    *string    `json:"to"`    // anything up to there may be affected; null for one file
	State *time.Time `json:"state"` // of the set whose state was restored; null if nothing was
	Error string     `json:"error"`
}

func newAffected(list []engine.Affected, loc *time.Location) []affected {
	all := []affected{}
	for _, a := range list {
		one := affected{Path: a.Path, Error: a.Err.Error()}
		if a.To != "" {
			one.To = &a.To
		}
		if !a.State.IsZero() {
			state := a.State.In(loc)
			one.State = &state
		}
		all = append(all, one)
	}
	return all
}

func (inv *invocation) writeRestored(dest string, res engine.RestoreResult) error {
	loc := inv.location()
	all := newAffected(res.Affected, loc)
	if inv.json() {
		return writeJSON(inv.stdout, struct {
			Destination string     `json:"destination"`
			Time        time.Time  `json:"time"`
			Files       int        `json:"files"`
			Entries     int        `json:"entries"`
			Bytes       int64      `json:"bytes"`
			Torn        []set      `json:"torn"`
			Affected    []affected `json:"affected"`
		}{dest, res.Time.In(loc), res.Files, res.Entries, res.Bytes, newSets(res.Torn, loc), all})
	}
	for _, a := range all {
		name, state := printable(a.Path), "not restored"
		if a.To != nil {
			name += " to " + printable(*a.To)
		}
		if a.State != nil {
			state = "as of " + formatTime(*a.State)
		}
		if _, err := fmt.Fprintf(inv.stdout, "affected: %s: %s: %s\n", name, state, printable(a.Error)); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintf(inv.stdout, "restored %s (%s) as of %s into %s\n",
		count(res.Files, "file"), formatSize(res.Bytes), formatTime(res.Time.In(loc)), dest)
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
