package daemon

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"path/filepath"
	"slices"

	"github.com/purser-backup/purser/engine"
	"github.com/purser-backup/purser/internal/api"
	"github.com/purser-backup/purser/internal/config"
)

const (
	// maxRuns and maxRunBytes bound what is kept of past runs. A big host has
	// fewer of them.
	maxRuns     = 100
	maxRunBytes = 1 << 20
)

// runs are the reports of past runs, newest first.
type runs struct {
	Version int            `json:"version"`
	Counts  map[Result]int `json:"counts"` // of all runs, since the state began
	Runs    []Run          `json:"runs"`
}

func (s state) runsPath() string { return filepath.Join(s.dir, "runs.json") }

func (s state) loadRuns() (runs, error) {
	var r runs
	_, err := load(s.runsPath(), &r)
	return r, err
}

// addRun keeps the report of a run, and of those before it what there is room
// for.
func (s state) addRun(r Run) error {
	past, err := s.loadRuns()
	if err != nil {
		return err
	}
	all := runs{Version: stateVersion, Counts: map[Result]int{}}
	maps.Copy(all.Counts, past.Counts)
	all.Counts[r.Result]++
	room := maxRunBytes
	for _, one := range slices.Insert(past.Runs, 0, r) {
		text, err := json.Marshal(one)
		if err != nil {
			return fmt.Errorf("encode the report of a run: %w", err)
		}
		if room -= len(text); len(all.Runs) > 0 && (room < 0 || len(all.Runs) == maxRuns) {
			break
		}
		all.Runs = append(all.Runs, one)
	}
	return save(s.runsPath(), all)
}

// ReadRuns gives the reports of past runs, newest first. There are about as
// many as fit into a mebibyte, and at most 100.
func ReadRuns(cfg *config.Config) ([]Run, error) {
	past, err := newState(cfg.ArchiveDir).loadRuns()
	if err != nil {
		return nil, err
	}
	return append([]Run{}, past.Runs...), nil
}

// newRecord is the record of a run that has just begun. Lists are never null
// in JSON.
func newRecord() Run {
	return Run{Errors: []string{}, Hints: []string{}, Problems: []string{}, Services: []ServiceDump{}, Skipped: []api.PassedOver{}, Missed: []api.PassedOver{}}
}

// noteUndumped records the services that are left out, and why.
func (r *run) noteUndumped(all Discovery) {
	r.seen = true
	r.record.Skipped, r.record.Missed = []api.PassedOver{}, []api.PassedOver{}
	for _, s := range all.Services {
		one := api.PassedOver{ID: s.ID, Image: s.Image, Reason: s.Reason}
		switch s.Action {
		case ActionSkip:
			r.record.Skipped = append(r.record.Skipped, one)
		case ActionNone:
			r.record.Missed = append(r.record.Missed, one)
		}
	}
}

// pruneAndCount prunes, and then looks at what is left. That it could not look
// makes no run worse.
func (r *run) pruneAndCount(ctx context.Context, p place, repo *engine.Repository) error {
	if err := r.prune(ctx, p, repo); err != nil || r.record.Prune == nil {
		return err
	}
	c, err := repo.Collection(ctx)
	if err != nil {
		r.log.Warn("what the target holds now could not be counted", "error", err)
		return ctx.Err()
	}
	r.record.Kept = kept(&c)
	r.history.noteKept(p.profile, r.record.Kept)
	if len(r.missing) == 0 {
		r.noteFreshness(ctx, p, repo, &c)
	}
	return ctx.Err()
}

// noteFreshness lets the target tell other machines that this run is good. The
// run is so without it, too.
func (r *run) noteFreshness(ctx context.Context, p place, repo *engine.Repository, c *engine.Collection) {
	f := engine.Freshness{Run: r.now(), Next: p.opt.Config.Schedule.Next(r.now())}
	if len(c.Chains) > 0 {
		f.Set = newestSet(c).Time
	}
	if err := repo.NoteFreshness(ctx, f); err != nil {
		r.log.Warn("the target can't tell other machines of this run", "error", err)
	}
}

func kept(c *engine.Collection) *api.Kept {
	k := &api.Kept{Chains: len(c.Chains)}
	for _, chain := range c.Chains {
		k.Sets += len(chain.Sets)
		for _, s := range chain.Sets {
			k.Bytes += s.Size
		}
	}
	return k
}

// report ends a run in the log and keeps its record. What others have put into
// their errors is looked through for secrets first.
func (r *run) report() error {
	for _, list := range [][]string{r.record.Errors, r.record.Hints, r.record.Problems} {
		for i, text := range list {
			list[i] = r.cfg.Scrub(text)
		}
	}
	r.history.LastRun = &r.record
	for _, line := range r.record.Lines() {
		r.log.Info("report: " + line)
	}
	return r.state.addRun(r.record)
}

// newestSet is that of a collection which has one.
func newestSet(c *engine.Collection) engine.Set {
	sets := c.Chains[len(c.Chains)-1].Sets
	return sets[len(sets)-1]
}
