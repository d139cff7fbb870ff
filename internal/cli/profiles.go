package cli

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/purser-backup/purser/engine"
	"github.com/purser-backup/purser/internal/config"
	"github.com/purser-backup/purser/internal/daemon"
)

// What the help of commands says of profiles: those that write, those that read
// one, and those that go through all.
const (
	profileHelp     = "  --profile NAME   only this profile (default: all)\n"
	profileReadHelp = "  --profile NAME   from this profile, which the directory NAME of the target holds\n" +
		"                   (default: the one with the newest backup)\n"
	profileEachHelp = "  --profile NAME   only this profile, which the directory NAME of the target holds\n" +
		"                   (default: all of them)\n"
)

func profileFlag(fs *flag.FlagSet, f *commandFlags) { fs.StringVar(&f.profile, "profile", "", "") }

// narrow takes the profile that was named for the whole configuration. One that
// only the target knows will do.
func (inv *invocation) narrow() (*config.Config, error) {
	cfg, err := inv.config()
	if err != nil || inv.flags.profile == "" {
		return cfg, err
	}
	own, err := cfg.Reading(inv.flags.profile)
	if err != nil {
		return nil, &usageError{err: fmt.Errorf("--profile: %w", err), hint: "it is the name of a directory below the target"}
	}
	inv.cfg = own
	return own, nil
}

// chooseProfile narrows the configuration to the profile that was named, or to
// the one with the newest backup at or before t, of all if t is zero.
func (inv *invocation) chooseProfile(ctx context.Context, t time.Time) error {
	cfg, err := inv.narrow()
	if err != nil || len(cfg.Profiles) == 0 {
		return err
	}
	o, err := inv.options(quiet)
	if err != nil {
		return err
	}
	if o, err = daemon.Nearest(ctx, o, t); err != nil {
		return err
	}
	inv.cfg = o.Config
	return nil
}

// learning calls do again with the profiles that the target tells of, if it has
// found no backup and no profile is configured or named.
func (inv *invocation) learning(ctx context.Context, do func() error) error {
	err := do()
	if !errors.Is(err, engine.ErrNoBackup) || len(inv.cfg.Profiles) > 0 || inv.cfg.Profile != "" {
		return err
	}
	o, bad := inv.options(quiet)
	if bad != nil {
		return err
	}
	cfg, bad := daemon.TargetProfiles(ctx, o)
	if bad != nil || len(cfg.Profiles) == 0 {
		return err // that tells more
	}
	inv.cfg = cfg
	return do()
}

// eachProfile calls do with the configuration of each profile in turn, or of the
// one that was named. Without profiles it calls do once.
func (inv *invocation) eachProfile(do func() error) error {
	whole, err := inv.narrow()
	if err != nil {
		return err
	}
	if len(whole.Profiles) == 0 {
		return do()
	}
	defer func() { inv.cfg = whole }()
	pass := whole.Passphrase
	for _, p := range whole.Profiles {
		own := whole.For(p)
		own.Passphrase = pass // it is asked for once
		inv.cfg = own
		err = join(err, do())
		pass = inv.cfg.Passphrase
	}
	return err
}

// skipEmpty lets a command that goes through several profiles pass over those
// without a backup, as long as one has some.
type skipEmpty struct {
	empty error
	found bool
}

func (s *skipEmpty) pass(err error) error {
	if errors.Is(err, engine.ErrNoBackup) {
		s.empty = err
		return nil
	}
	s.found = s.found || err == nil
	return err
}

// end gives the error of one that was passed over where none had a backup.
func (s *skipEmpty) end(err error) error {
	if err == nil && !s.found {
		return s.empty
	}
	return err
}

// writeBackups tells what a run has backed up.
func (inv *invocation) writeBackups(run *daemon.Run) error {
	if len(run.Profiles) == 0 && run.Backup != nil {
		return inv.writeBackup(inv.stdout, run.Backup)
	}
	for _, p := range run.Profiles {
		if p.Backup == nil {
			continue
		}
		if _, err := fmt.Fprintf(inv.stdout, "%s: ", p.Profile); err != nil {
			return err
		}
		if err := inv.writeBackup(inv.stdout, p.Backup); err != nil {
			return err
		}
	}
	return nil
}

// heading names the profile that a table is of, where there are some.
func (inv *invocation) heading() error {
	if inv.cfg.Profile == "" || inv.json() {
		return nil
	}
	_, err := fmt.Fprintf(inv.stdout, "profile %s:\n", inv.cfg.Profile)
	return err
}

// writeProfiles shows when each profile was backed up, and when it comes next.
func writeProfiles(w io.Writer, profiles []daemon.ProfileStatus, now time.Time, at func(time.Time) string) error {
	t := &table{right: map[int]bool{4: true, 5: true}}
	if len(profiles) > 0 {
		t.add("PROFILE", "SCHEDULE", "LAST BACKUP", "NEXT RUN", "SETS", "SIZE")
	}
	for _, p := range profiles {
		last, next, sets, size := "never", "-", "-", "-"
		if p.LastBackup != nil {
			last = at(p.LastBackup.Ended)
		}
		switch {
		case p.Next.After(now):
			next = at(p.Next)
		case !p.Next.IsZero():
			next = "due now"
		}
		if p.Kept != nil {
			sets, size = strconv.Itoa(p.Kept.Sets), formatSize(p.Kept.Bytes)
		}
		t.add(p.Profile, printable(p.Schedule), last, next, sets, size)
	}
	return t.write(w)
}
