package cli

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"strconv"
	"time"

	"github.com/purser-backup/purser/engine"
	"github.com/purser-backup/purser/internal/daemon"
)

func verifyCommand() *command {
	return &command{
		name: "verify", args: "[--data] [--time T] [--profile NAME]",
		summary: "check every object on the target; with --data, every file against the source",
		example: "purser verify --data",
		help: `Fetches every object of every set, checks its hash, and reads it to its end. Each damaged
or missing object is named with its set and volume; the rest is still checked.

  --data     also restore the newest state, without writing it anywhere, and compare each
             file with the source path; files that have changed since the backup differ.
             Not done where an object is damaged
  --time T   only the sets of the newest backup at or before T; written as for purser restore
` + profileEachHelp + `
With --output json: {url, sets, objects, bytes, files, damage: [{profile, set, volume,
object, error}], differences}; volume is null for a manifest or signatures, files those compared.

Of several targets each is verified, and an object is named with its target.
Differences are exit status 1, damage is 20.
` + exitHelp(exitNoBackup, exitWrongKey, exitDamage),
		flags: func(fs *flag.FlagSet, f *commandFlags) {
			fs.BoolVar(&f.data, "data", false, "")
			fs.StringVar(&f.time, "time", "", "")
			profileFlag(fs, f)
		},
		run: runVerify,
	}
}

func runVerify(ctx context.Context, inv *invocation) error {
	at, err := inv.pointInTime()
	if err != nil {
		return err
	}
	all := verification{Damage: []damage{}, Differences: []string{}}
	whole, empty := true, &skipEmpty{}
	backedUp, err := inv.backedUp()
	if err != nil {
		return err
	}
	err = inv.learning(ctx, func() error {
		return empty.end(inv.eachProfile(func() error {
			res, err := inv.verify(ctx, at)
			if gone := at.IsZero() && backedUp[inv.cfg.Profile] && errors.Is(err, engine.ErrNoBackup); !gone {
				err = empty.pass(err)
			}
			if err != nil || res == nil {
				whole = whole && err == nil
				return err
			}
			whole = whole && len(res.Damage) == 0
			if inv.json() {
				all.add(inv.cfg.Profile, *res, inv.location())
			} else {
				err = join(inv.heading(), inv.writeVerification(*res))
			}
			return join(err, verdict(*res))
		}))
	})
	if !empty.found {
		return err
	}
	inv.noteVerification(whole)
	if inv.json() {
		all.URL = inv.url()
		err = join(err, writeJSON(inv.stdout, all))
	}
	return err
}

// verify checks one repository. The result is nil where it couldn't.
func (inv *invocation) verify(ctx context.Context, at time.Time) (*engine.VerifyResult, error) {
	repo, err := inv.openReadable(ctx)
	if err != nil {
		return nil, err
	}
	defer repo.Close()
	o := engine.VerifyOptions{Time: at}
	if inv.flags.data {
		opt, err := inv.options(quiet)
		if err != nil {
			return nil, err
		}
		src, err := daemon.OpenSource(opt)
		if err != nil {
			return nil, err
		}
		defer src.Close()
		o.Source = src
	}
	res, err := verifyAll(ctx, repo, o)
	if err != nil {
		return nil, err
	}
	return &res, nil
}

// verifyAll verifies what lies in each of several places. The source is compared
// with one of them.
func verifyAll(ctx context.Context, repo *engine.Repository, o engine.VerifyOptions) (engine.VerifyResult, error) {
	list := repo.Alone()
	if len(list) == 1 {
		return repo.Verify(ctx, o)
	}
	var all engine.VerifyResult
	some := false
	for _, one := range list {
		res, err := one.Verify(ctx, o)
		if errors.Is(err, engine.ErrNoBackup) {
			continue // the newest sets may be elsewhere
		}
		if err != nil {
			return all, err
		}
		some, o.Source = true, nil
		for _, d := range res.Damage {
			d.Object += " in " + one.URL()
			all.Damage = append(all.Damage, d)
		}
		all.Sets, all.Objects, all.Bytes = all.Sets+res.Sets, all.Objects+res.Objects, all.Bytes+res.Bytes
		all.Files, all.Differences = all.Files+res.Files, append(all.Differences, res.Differences...)
	}
	if !some {
		return repo.Verify(ctx, o)
	}
	if len(all.Damage) > 0 {
		return all, nil // that is the worse news
	}
	return all, joinAll(append(repo.Behind(), lacking(ctx, repo)))
}

// backedUp are the profiles that this host knows to have a backup.
func (inv *invocation) backedUp() (map[string]bool, error) {
	cfg, err := inv.config()
	if err != nil {
		return nil, err
	}
	status, err := daemon.ReadStatus(cfg, time.Now())
	known := map[string]bool{}
	for _, p := range status.Profiles {
		known[p.Profile] = p.LastBackup != nil
	}
	return known, err
}

// noteVerification keeps the result for the metrics, where purser has its state.
// A machine that only verifies may have no place for it.
func (inv *invocation) noteVerification(whole bool) {
	err := daemon.NoteVerification(inv.cfg, inv.now(), whole)
	if err == nil {
		return
	}
	if log, bad := inv.log(quiet); bad == nil {
		log.Warn("the result can't be kept for the metrics", "error", err)
	}
}

// verdict is nil for a repository in which everything is as it was written.
func verdict(res engine.VerifyResult) error {
	switch {
	case len(res.Damage) > 0:
		return &hinted{
			fmt.Errorf("%w: %d of %s", errDamage, len(res.Damage), count(res.Objects, "object")),
			"make a new full backup with `purser backup --full`; earlier sets without damage restore with --time",
		}
	case len(res.Differences) > 0:
		return &hinted{
			fmt.Errorf("%s between the backup and the source", count(len(res.Differences), "difference")),
			"what has changed since the backup differs too; the next backup takes it up",
		}
	}
	return nil
}

func (inv *invocation) writeVerification(res engine.VerifyResult) error {
	t := &table{right: map[int]bool{1: true}}
	if len(res.Damage) > 0 {
		t.add("SET", "VOLUME", "OBJECT", "DAMAGE")
	}
	for _, d := range res.Damage {
		volume := "-"
		if d.Volume > 0 {
			volume = strconv.Itoa(d.Volume)
		}
		t.add(formatTime(d.Set.In(inv.location())), volume, printable(d.Object), printable(d.Err.Error()))
	}
	if err := t.write(inv.stdout); err != nil {
		return err
	}
	for _, line := range res.Differences {
		if _, err := fmt.Fprintf(inv.stdout, "differs: %s\n", printable(line)); err != nil {
			return err
		}
	}
	checked := fmt.Sprintf("verified %s in %s (%s)", count(res.Objects, "object"), count(res.Sets, "set"), formatSize(res.Bytes))
	if inv.flags.data && len(res.Damage) == 0 {
		checked += fmt.Sprintf(", compared %s with the source", count(res.Files, "file"))
	}
	if len(res.Damage)+len(res.Differences) == 0 {
		checked += ": all good"
	}
	_, err := fmt.Fprintln(inv.stdout, checked)
	return err
}

// verification is the JSON form of a result.
type verification struct {
	URL         string   `json:"url"`
	Sets        int      `json:"sets"`
	Objects     int      `json:"objects"`
	Bytes       int64    `json:"bytes"`
	Files       int      `json:"files"`
	Damage      []damage `json:"damage"`
	Differences []string `json:"differences"`
}

type damage struct {
	Profile string    `json:"profile,omitempty"`
	Set     time.Time `json:"set"`
	Volume  *int      `json:"volume"`
	Object  string    `json:"object"`
	Error   string    `json:"error"`
}

// add takes over what was found in one repository.
func (v *verification) add(profile string, res engine.VerifyResult, loc *time.Location) {
	v.Sets += res.Sets
	v.Objects += res.Objects
	v.Bytes += res.Bytes
	v.Files += res.Files
	v.Differences = append(v.Differences, res.Differences...)
	for _, d := range res.Damage {
		one := damage{Profile: profile, Set: d.Set.In(loc), Object: d.Object, Error: d.Err.Error()}
		if d.Volume > 0 {
			one.Volume = &d.Volume
		}
		v.Damage = append(v.Damage, one)
	}
}

// lacking names the targets that hold fewer sets than another one.
func lacking(ctx context.Context, repo *engine.Repository) error {
	reports, err := repo.Report(ctx)
	most, errs := 0, []error{err}
	for _, r := range reports {
		if !r.Live && r.Err == nil {
			most = max(most, r.Sets)
		}
	}
	for _, r := range reports {
		if !r.Live && r.Err == nil && r.Sets < most {
			errs = append(errs, &hinted{fmt.Errorf("%w: %s holds %d of %s", daemon.ErrIncomplete, r.URL, r.Sets, count(most, "set")),
				"the next run copies there what it lacks"})
		}
	}
	return joinAll(errs)
}
