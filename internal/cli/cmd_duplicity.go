package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/purser-backup/purser/engine"
	"github.com/purser-backup/purser/internal/config"
	"github.com/purser-backup/purser/internal/daemon"
	"github.com/purser-backup/purser/internal/hint"
)

// duplicityVersion is the version whose command line is understood; programs
// ask for it.
const duplicityVersion = "0.8.22"

func duplicityCommand() *command {
	return &command{
		name: "duplicity", args: "[ACTION] [OPTIONS] ARGUMENTS", raw: true,
		summary: "take a command line of duplicity's, and do the same",
		example: "PASSPHRASE=... purser duplicity restore --time 3D file:///mnt/nas/purser /tmp/restored",
		help: `  duplicity [full|incremental] SOURCE URL
  duplicity [restore] URL DESTINATION
  duplicity verify [--compare-data] URL SOURCE
  duplicity collection-status | list-current-files | cleanup [--force] URL
  duplicity remove-older-than TIME [--force] URL
  duplicity remove-all-but-n-full | remove-all-inc-of-but-n-full COUNT [--force] URL

Options are those of duplicity 0.8; one that can't be had is refused by its name. None of
purser's flags and settings counts, only what duplicity reads: PASSPHRASE, SIGN_PASSPHRASE,
FTP_PASSWORD, GNUPGHOME, HOME and XDG_CACHE_HOME. The archive directory is duplicity's own,
so that both may work on one target in turn.

A program or link named duplicity takes such a command line at once.
` + exitHelp(exitIncomplete, exitNoBackup, exitLocked, exitWrongKey, exitDamage),
		run: runDuplicity,
	}
}

func runDuplicity(ctx context.Context, inv *invocation) error {
	if inv.global != (globalFlags{}) {
		return usagef("write duplicity's options behind it", "duplicity takes no flags before its name")
	}
	d, err := config.ParseDuplicity(inv.args, inv.env)
	if err != nil {
		return asUsage(err)
	}
	switch d.Action {
	case config.ActionHelp:
		return inv.printHelp(duplicityCommand())
	case config.ActionVersion:
		_, err := fmt.Fprintf(inv.stdout, "duplicity %s (purser %s)\n", duplicityVersion, buildVersion())
		return err
	}
	if err := unsupported(d); err != nil {
		return err
	}
	inv.cfg, inv.keyDir, inv.global.logLevel = d.Config, d.KeyDir, logLevel(d.Verbosity)
	inv.flags = commandFlags{
		time: d.Time, path: d.Path, force: d.Force,
		ignoreErrors: d.IgnoreErrors, numericOwner: d.NumericOwner, noOwner: d.WithoutOwnership,
	}
	log, err := inv.log(quiet)
	if err != nil {
		return err
	}
	for _, note := range d.Config.Notes {
		log.Info("option without effect", "note", note)
	}
	return inv.duplicity(ctx, d)
}

func (inv *invocation) duplicity(ctx context.Context, d *config.CommandLine) error {
	switch d.Action {
	case config.ActionRestore:
		inv.args = []string{d.Destination}
		return runRestore(ctx, inv)
	case config.ActionVerify:
		return inv.duplicityVerify(ctx, d)
	case config.ActionStatus:
		return inv.duplicityStatus(ctx)
	case config.ActionList:
		return inv.duplicityList(ctx)
	case config.ActionCleanup, config.ActionRemoveOlderThan, config.ActionRemoveAllButNFull, config.ActionRemoveAllIncOfButNFull:
		return inv.duplicityRemove(ctx, d)
	}
	return inv.duplicityBackup(ctx, d)
}

// asUsage marks each error that is joined into err as one of the command line.
func asUsage(err error) error {
	var fault *config.Error
	if errors.As(err, &fault) {
		return err
	}
	var all []error
	for _, e := range hint.Flatten(err) {
		all = append(all, &usageError{err: e, hint: hint.Text(e)})
	}
	return errors.Join(all...)
}

// unsupported refuses options that would mean something for the action, and
// can't be had.
func unsupported(d *config.CommandLine) error {
	deletes := d.Action == config.ActionCleanup || d.OlderThan != "" || d.Count > 0
	reads := d.Action == config.ActionStatus || d.Action == config.ActionList
	for _, o := range []struct {
		name, hint string
		given      bool
	}{
		{"--dry-run", "list-current-files and collection-status show what there is", d.DryRun && !deletes && !reads},
		{"--file-to-restore", "without it, verify compares everything", d.Path != "" && d.Action == config.ActionVerify},
	} {
		if o.given {
			return usagef(o.hint, "%s: option %s is not supported", d.Action, o.name)
		}
	}
	return nil
}

// logLevel is ours for duplicity's verbosity, whose usual 4 tells of warnings
// and of results, which are no log lines here.
func logLevel(verbosity int) string {
	switch {
	case verbosity < 2:
		return "error"
	case verbosity < 5:
		return "warn"
	case verbosity < 9:
		return "info"
	}
	return "debug"
}

func (inv *invocation) duplicityBackup(ctx context.Context, d *config.CommandLine) (err error) {
	if _, err := inv.completeKey(ctx, true); err != nil {
		return err
	}
	o, err := inv.options(quiet)
	if err != nil {
		return err
	}
	repo, err := daemon.OpenRepository(ctx, o)
	if err != nil {
		return err
	}
	defer func() { err = join(err, repo.Close()) }()
	if d.Action == config.ActionIncremental {
		if err := inv.mustHaveChain(ctx, repo); err != nil {
			return err
		}
	}
	src, err := daemon.OpenTree(o)
	if err != nil {
		return err
	}
	defer func() { err = join(err, src.Close()) }()
	start := o.Now()
	res, err := repo.Backup(ctx, src, engine.BackupOptions{
		Full: d.Action == config.ActionFull, FullIfOlderThan: d.Config.FullIfOlderThan,
	})
	if err != nil {
		return err
	}
	if !d.NoStatistics {
		err = inv.writeStatistics(res, start, o.Now())
	}
	if len(res.Unreadable) > 0 {
		err = join(daemon.Unreadable(res.Unreadable), err)
	}
	return err
}

func (inv *invocation) mustHaveChain(ctx context.Context, repo *engine.Repository) error {
	c, err := repo.Collection(ctx)
	if err == nil && len(c.Chains) == 0 {
		err = &hinted{fmt.Errorf("%w in %s that an increment could build on", engine.ErrNoBackup, inv.url()),
			"leave incremental out to begin with a full backup"}
	}
	return err
}

// writeStatistics prints the fields that purser knows of duplicity's, in its
// form. What is counted as new, deleted or changed are objects of any type, and
// the source's are regular files.
func (inv *invocation) writeStatistics(res engine.BackupResult, start, end time.Time) error {
	out := bufio.NewWriter(inv.stdout)
	fmt.Fprintln(out, "--------------[ Backup Statistics ]--------------")
	when := func(name string, t time.Time) {
		fmt.Fprintf(out, "%s %.2f (%s)\n", name, float64(t.UnixMilli())/1000, t.Format(time.ANSIC))
	}
	when("StartTime", start)
	when("EndTime", end)
	took := end.Sub(start)
	fmt.Fprintf(out, "ElapsedTime %.2f (%s)\n", took.Seconds(), formatDuration(took))
	size := func(name string, n int64) { fmt.Fprintf(out, "%s %d (%s)\n", name, n, formatSize(n)) }
	fmt.Fprintf(out, "SourceFiles %d\n", res.Files)
	size("SourceFileSize", res.SourceBytes)
	fmt.Fprintf(out, "NewFiles %d\nDeletedFiles %d\nChangedFiles %d\n", res.New, res.Deleted, res.Changed)
	fmt.Fprintf(out, "DeltaEntries %d\n", res.New+res.Deleted+res.Changed)
	size("TotalDestinationSizeChange", res.UploadedBytes)
	fmt.Fprintf(out, "Errors %d\n", len(res.Unreadable))
	fmt.Fprintln(out, "-------------------------------------------------")
	return out.Flush()
}

// duplicityVerify checks the sets of one state, as duplicity does, and not all
// there are.
func (inv *invocation) duplicityVerify(ctx context.Context, d *config.CommandLine) (err error) {
	var v engine.VerifyOptions
	if v.Time, err = inv.pointInTime(); err != nil {
		return err
	}
	repo, err := inv.openReadable(ctx)
	if err != nil {
		return err
	}
	defer func() { err = join(err, repo.Close()) }()
	if v.Time.IsZero() {
		c, err := repo.Collection(ctx)
		if err != nil {
			return err
		}
		if len(c.Chains) > 0 {
			v.Time = newest(c).Time
		}
	}
	if d.CompareData {
		o, err := inv.options(quiet)
		if err != nil {
			return err
		}
		src, err := daemon.OpenTree(o)
		if err != nil {
			return err
		}
		defer func() { err = join(err, src.Close()) }()
		v.Source = src
	}
	res, err := repo.Verify(ctx, v)
	if err != nil {
		return err
	}
	files := 0
	if len(res.Damage) == 0 {
		if err := repo.Files(ctx, engine.FilesOptions{Time: v.Time}, func(engine.File) error { files++; return nil }); err != nil {
			return err
		}
	}
	return join(inv.writeVerified(res, files), verdict(res))
}

func (inv *invocation) writeVerified(res engine.VerifyResult, files int) error {
	out := bufio.NewWriter(inv.stdout)
	for _, d := range res.Damage {
		fmt.Fprintf(out, "Damage found: %s: %s\n", printable(d.Object), printable(d.Err.Error()))
	}
	differing, last := 0, ""
	for _, line := range res.Differences {
		// An object may differ in two respects: it counts once.
		path, _, both := strings.Cut(line, ": has another ")
		if !both || path != last {
			differing++
		}
		last = path
		fmt.Fprintf(out, "Difference found: %s\n", printable(line))
	}
	if len(res.Damage) == 0 {
		fmt.Fprintf(out, "Verify complete: %s compared, %s found.\n", count(files, "file"), count(differing, "difference"))
	}
	return out.Flush()
}

// duplicityList prints a line for each object, as duplicity does.
func (inv *invocation) duplicityList(ctx context.Context) (err error) {
	var o engine.FilesOptions
	if o.Time, err = inv.pointInTime(); err != nil {
		return err
	}
	repo, err := inv.openReadable(ctx)
	if err != nil {
		return err
	}
	defer func() { err = join(err, repo.Close()) }()
	out := bufio.NewWriter(inv.stdout)
	err = repo.Files(ctx, o, func(f engine.File) error {
		name := f.Path
		if name == "" {
			name = "."
		}
		_, err := fmt.Fprintf(out, "%s %s\n", f.ModTime.In(inv.location()).Format(time.ANSIC), printable(name))
		return err
	})
	return join(err, out.Flush())
}
