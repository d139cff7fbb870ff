package cli

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"strconv"
	"time"

	"github.com/purser-backup/purser/internal/daemon"
	"github.com/purser-backup/purser/internal/retention"
)

func pruneCommand() *command {
	return &command{
		name: "prune", args: "[POLICY ...] [--profile NAME] [--execute]",
		summary: "show which sets retention deletes, and delete them with --execute",
		example: `purser prune --older-than 6M
purser prune --keep-full 3 --keep-incremental-of 1 --execute`,
		help: `Without a policy among the flags, the settings apply, as after every run: BACKUP_RETENTION,
BACKUP_DUPLICITY_REMOVE_OLDER_THAN, BACKUP_DUPLICITY_REMOVE_ALL_BUT_N_FULL and
BACKUP_DUPLICITY_REMOVE_ALL_INC_OF_BUT_N_FULL. With one, only those given apply. A set goes
if any of the first three below deletes it, but never if the rules select it.

  --older-than T            delete the chains whose newest set is older than T, such as 6M,
                            60D or 2026-05-20 (duplicity's remove-older-than)
  --keep-full N             keep the N newest chains (remove-all-but-n-full)
  --keep-incremental-of N   keep the increments of the N newest chains, and of older ones
                            the full set only (remove-all-inc-of-but-n-full)
  --retention RULES         keep what any of the rules selects, as BACKUP_RETENTION:
                            "last 5 days, earliest of month", "daily 7, weekly 4, monthly 12",
                            "daily;30, hourly;48", "last 10 snapshots"
  --profile NAME            only this profile (default: each, by its own settings)
  --execute                 delete; without it nothing is changed

The newest chain is always kept. So are the newest BACKUP_RETENTION_MIN sets, those that
BACKUP_RETENTION_HOLD names, and the newest set that holds the last good dump of a
service, each with all that it builds on.

With --output json: {url, executed, sets: [SET with delete, needed and reason], deleted: {sets,
objects, bytes}}, SET as from purser sets; needed sets are kept for nothing
but a set that builds on them; deleted is null unless executed.
` + exitHelp(exitLocked),
		flags: func(fs *flag.FlagSet, f *commandFlags) {
			fs.Func("retention", "", func(s string) (err error) {
				f.retention, err = retention.Parse(s)
				return err
			})
			fs.StringVar(&f.olderThan, "older-than", "", "")
			fs.Func("keep-full", "", chains(&f.keepFull))
			fs.Func("keep-incremental-of", "", chains(&f.keepIncrementalOf))
			fs.BoolVar(&f.execute, "execute", false, "")
			profileFlag(fs, f)
		},
		run: runPrune,
	}
}

// chains reads a number of chains to keep; none at all can't be meant.
func chains(n *int) func(string) error {
	return func(s string) (err error) {
		if *n, err = strconv.Atoi(s); err != nil || *n < 1 {
			return errors.New("not a number of chains, 1 or more")
		}
		return nil
	}
}

func runPrune(ctx context.Context, inv *invocation) error {
	f := inv.flags
	p := daemon.PruneOptions{KeepFull: f.keepFull, KeepIncrementalOf: f.keepIncrementalOf, Policy: f.retention, Execute: f.execute}
	var err error
	if p.OlderThan, err = inv.parseTime("--older-than", f.olderThan); err != nil {
		return err
	}
	if err = inv.checkProfile(); err != nil {
		return err
	}
	return inv.pruneEach(func(o daemon.Options) (daemon.Pruned, error) { return daemon.Prune(ctx, o, p) })
}

// checkProfile refuses to prune a profile whose retention nobody has said, since
// that of others would apply.
func (inv *invocation) checkProfile() error {
	cfg, err := inv.config()
	f := &inv.flags
	policy := f.olderThan != "" || f.keepFull > 0 || f.keepIncrementalOf > 0 || !f.retention.IsZero()
	if err != nil || f.profile == "" || policy {
		return err
	}
	if _, ok := cfg.Find(f.profile); !ok {
		return usagef("say with a policy what of it is kept, such as --retention", "no profile %q is configured", f.profile)
	}
	return nil
}

// pruneEach prunes, or cleans up, each profile, and tells of it.
func (inv *invocation) pruneEach(prune func(daemon.Options) (daemon.Pruned, error)) error {
	all := prunedSets{Sets: []decidedSet{}}
	err := inv.eachProfile(func() error {
		o, err := inv.options(talkative)
		if err != nil {
			return err
		}
		p, err := prune(o)
		if err != nil && p.Plan == nil {
			return err // it says all
		}
		if inv.json() {
			all.add(p, inv.cfg.Profile, inv.location())
			return err
		}
		if bad := inv.heading(); bad != nil {
			return join(err, bad)
		}
		return join(err, inv.writePlan(p, err))
	})
	if !inv.json() || err != nil && len(all.Sets) == 0 {
		return err
	}
	all.URL = inv.url()
	return join(err, writeJSON(inv.stdout, all))
}

func cleanupCommand() *command {
	return &command{
		name: "cleanup", args: "[--profile NAME] [--execute]",
		summary: "show what no restore can use, and delete it with --execute",
		example: `purser cleanup
purser cleanup --execute`,
		help: `Finds sets without a manifest, which an interrupted backup has left, and increments whose
predecessor is missing. Objects of other programs are never touched.

  --execute        delete; without it nothing is changed
` + profileEachHelp + `
The next backup continues or clears away what a backup of this purser has left by itself.
Make sure that nobody else is writing to the target: a set that is under way has no
manifest yet, and looks like one that was interrupted.

With --output json: as from purser prune.
` + exitHelp(exitLocked),
		flags: func(fs *flag.FlagSet, f *commandFlags) {
			fs.BoolVar(&f.execute, "execute", false, "")
			profileFlag(fs, f)
		},
		run: func(ctx context.Context, inv *invocation) error {
			return inv.pruneEach(func(o daemon.Options) (daemon.Pruned, error) { return daemon.Cleanup(ctx, o, inv.flags.execute) })
		},
	}
}

// decidedSet is a set with what becomes of it, in the JSON output.
type decidedSet struct {
	set
	Delete bool   `json:"delete"`
	Needed bool   `json:"needed"` // kept for nothing but a set that builds on it
	Reason string `json:"reason"`
}

type deletedSets struct {
	Sets    int   `json:"sets"`
	Objects int   `json:"objects"`
	Bytes   int64 `json:"bytes"`
}

// prunedSets is what becomes of all sets, in the JSON output.
type prunedSets struct {
	URL      string       `json:"url"`
	Executed bool         `json:"executed"`
	Sets     []decidedSet `json:"sets"`
	Deleted  *deletedSets `json:"deleted"`
}

// add takes over the plan of one profile, or of the whole.
func (all *prunedSets) add(p daemon.Pruned, profile string, loc *time.Location) {
	for _, d := range p.Plan {
		one := decidedSet{newSet(d.Set, loc), d.Delete, d.Needed, d.Reason}
		one.Profile = profile
		all.Sets = append(all.Sets, one)
	}
	if !p.Done {
		return
	}
	if all.Executed = true; all.Deleted == nil {
		all.Deleted = &deletedSets{}
	}
	all.Deleted.Sets += p.Result.Sets
	all.Deleted.Objects += p.Result.Objects
	all.Deleted.Bytes += p.Result.Bytes
}

func (inv *invocation) writePlan(p daemon.Pruned, failed error) error {
	if len(p.Plan) == 0 {
		_, err := fmt.Fprintf(inv.stdout, "no backup in %s\n", inv.url())
		return err
	}
	t := &table{right: map[int]bool{2: true}}
	t.add("TIME", "KIND", "SIZE", "DECISION", "WHY")
	var doomed, needed int64
	chained := 0
	for _, d := range p.Plan {
		s, decision := newSet(d.Set, inv.location()), "keep"
		if d.Delete {
			decision = "delete"
			doomed += s.Bytes
		}
		if d.Needed {
			chained, needed = chained+1, needed+s.Bytes
		}
		t.add(formatTime(s.Time), s.Kind, formatSize(s.Bytes), decision, d.Reason)
	}
	if err := t.write(inv.stdout); err != nil {
		return err
	}
	if chained > 0 {
		if _, err := fmt.Fprintf(inv.stdout, "%s (%s) kept only since newer ones build on them\n", count(chained, "set"), formatSize(needed)); err != nil {
			return err
		}
	}
	return inv.writeEnd(p, failed, doomed)
}

func (inv *invocation) writeEnd(p daemon.Pruned, failed error, doomed int64) error {
	n := p.Plan.Deletes()
	line := fmt.Sprintf("%s (%s) to delete; `--execute` deletes", count(n, "set"), formatSize(doomed))
	switch {
	case failed != nil:
		return nil // the error says what was done
	case n == 0:
		line = "nothing to delete"
	case p.Done:
		line = fmt.Sprintf("deleted %s: %s, %s", count(p.Result.Sets, "set"), count(p.Result.Objects, "object"), formatSize(p.Result.Bytes))
	}
	_, err := fmt.Fprintln(inv.stdout, line)
	return err
}
