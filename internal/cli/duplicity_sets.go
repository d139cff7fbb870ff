package cli

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/purser-backup/purser/engine"
	"github.com/purser-backup/purser/internal/config"
	"github.com/purser-backup/purser/internal/daemon"
)

// duplicityStatus prints what duplicity's collection-status does, line by line,
// since programs read it.
func (inv *invocation) duplicityStatus(ctx context.Context) (err error) {
	repo, err := inv.openRepository(ctx)
	if err != nil {
		return err
	}
	defer func() { err = join(err, repo.Close()) }()
	c, err := repo.Collection(ctx)
	if err != nil {
		return err
	}
	out := bufio.NewWriter(inv.stdout)
	fmt.Fprintf(out, "Last full backup date: %s\nCollection Status\n-----------------\n", inv.lastFull(c))
	fmt.Fprintf(out, "Connecting with backend: %s\nArchive dir: %s\n\n", inv.url(), inv.cfg.Archive)
	older := c.Chains
	if n := len(older); n > 0 && signed(older[n-1]) {
		older = older[:n-1]
	}
	fmt.Fprintf(out, "Found %s.\n", count(len(older), "secondary backup chain"))
	for i, chain := range older {
		fmt.Fprintf(out, "Secondary chain %d of %d:\n", i+1, len(older))
		inv.writeChain(out, chain)
		fmt.Fprintln(out)
	}
	if len(older) == len(c.Chains) {
		fmt.Fprintln(out, "No backup chains with active signatures found")
	} else {
		fmt.Fprintln(out, "\nFound primary backup chain with matching signature chain:")
		inv.writeChain(out, c.Chains[len(older)])
	}
	if len(c.Orphans)+len(c.Incomplete) == 0 {
		fmt.Fprintln(out, "No orphaned or incomplete backup sets found.")
	} else {
		fmt.Fprintf(out, "Also found %s not part of any chain,\nand %s.\n", count(len(c.Orphans), "backup set"), count(len(c.Incomplete), "incomplete backup set"))
		fmt.Fprintln(out, `These may be deleted by running duplicity with the "cleanup" command.`)
	}
	return out.Flush()
}

// signed reports whether all sets of a chain have their signatures, without
// which no increment follows them.
func signed(chain engine.Chain) bool {
	return !slices.ContainsFunc(chain.Sets, func(s engine.Set) bool { return !s.HasSignatures() })
}

func (inv *invocation) lastFull(c engine.Collection) string {
	if len(c.Chains) == 0 {
		return "none"
	}
	return inv.asctime(c.Chains[len(c.Chains)-1].Start())
}

// asctime renders a time as C's asctime and duplicity do.
func (inv *invocation) asctime(t time.Time) string { return t.In(inv.location()).Format(time.ANSIC) }

func (inv *invocation) writeChain(w io.Writer, chain engine.Chain) {
	const line = "-------------------------"
	volumes := 0
	for _, s := range chain.Sets {
		volumes += s.Volumes
	}
	fmt.Fprintf(w, "%s\nChain start time: %s\nChain end time: %s\n", line, inv.asctime(chain.Start()), inv.asctime(chain.End()))
	fmt.Fprintf(w, "Number of contained backup sets: %d\nTotal number of contained volumes: %d\n", len(chain.Sets), volumes)
	fmt.Fprintf(w, "%20s%33s%18s\n", " Type of backup set:", "Time:", "Num volumes:")
	for _, s := range chain.Sets {
		fmt.Fprintf(w, "%20s%33s%18d\n", setKind(s), inv.asctime(s.Time), s.Volumes)
	}
	fmt.Fprintln(w, line)
}

// setKind names the kind of a set as duplicity does.
func setKind(s engine.Set) string {
	if s.Full() {
		return "Full"
	}
	return "Incremental"
}

// duplicityRemove lists what an action deletes, and deletes it with --force.
func (inv *invocation) duplicityRemove(ctx context.Context, d *config.CommandLine) error {
	o, err := inv.options(quiet)
	if err != nil {
		return err
	}
	execute := d.Force && !d.DryRun
	var done daemon.Pruned
	if d.Action == config.ActionCleanup {
		done, err = daemon.Cleanup(ctx, o, execute)
		return join(err, inv.writeRemoved(done, err, "No extraneous files found, nothing deleted in cleanup."))
	}
	p := daemon.PruneOptions{Execute: execute}
	switch d.Action {
	case config.ActionRemoveAllButNFull:
		p.KeepFull = d.Count
	case config.ActionRemoveAllIncOfButNFull:
		p.KeepIncrementalOf = d.Count
	default:
		if p.OlderThan, err = inv.parseTime(string(d.Action), d.OlderThan); err != nil {
			return err
		}
	}
	done, err = daemon.Prune(ctx, o, p)
	return join(err, inv.writeRemoved(done, err, "No old backup sets found, nothing deleted."))
}

// writeRemoved prints the sets that were deleted, or would be; of a deletion
// that failed, the error says all.
func (inv *invocation) writeRemoved(p daemon.Pruned, failed error, nothing string) error {
	var b strings.Builder
	for _, d := range p.Plan {
		if d.Delete {
			fmt.Fprintf(&b, "%s %s: %s\n", inv.asctime(d.Set.Time), strings.ToLower(setKind(d.Set)), d.Reason)
		}
	}
	first, last := "Found backup sets to delete at the following times:", "Rerun command with --force option to actually delete."
	switch {
	case failed != nil:
		return nil
	case b.Len() == 0:
		_, err := fmt.Fprintln(inv.stdout, nothing)
		return err
	case p.Done:
		first = "Deleted backup sets at the following times:"
		last = fmt.Sprintf("Deleted %s (%s).", count(p.Result.Objects, "object"), formatSize(p.Result.Bytes))
	}
	_, err := fmt.Fprintf(inv.stdout, "%s\n%s%s\n", first, b.String(), last)
	return err
}
