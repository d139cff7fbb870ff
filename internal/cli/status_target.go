package cli

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/purser-backup/purser/engine"
)

// lateGrace is how long after its due time a run may take before it is missed.
const lateGrace = 6 * time.Hour

// targetStatus is what a target alone tells of its backups.
type targetStatus struct {
	URL     string    `json:"url"`
	Host    string    `json:"host"`
	Run     time.Time `json:"last_good_run,omitzero"`
	Next    time.Time `json:"next_run,omitzero"`
	Newest  set       `json:"newest_set"`
	Chains  int       `json:"chains"`
	Problem []string  `json:"wrong"`
}

// runTargetStatus shows the status of the target that --url names: this machine
// need not be the one that backs up to it.
func runTargetStatus(ctx context.Context, inv *invocation) error {
	all, empty := []*targetStatus{}, &skipEmpty{}
	err := inv.learning(ctx, func() error {
		return empty.end(inv.eachProfile(func() error {
			repo, err := inv.openRepository(ctx)
			if err != nil {
				return err
			}
			s, err := inv.askTarget(ctx, repo)
			if err = empty.pass(join(err, repo.Close())); err != nil || s == nil {
				return err
			}
			all = append(all, s)
			if inv.json() {
				return nil
			}
			return writeTargetStatus(inv.stdout, s, inv.now().In(inv.location()))
		}))
	})
	switch {
	case err != nil || !inv.json():
		return err
	case len(inv.cfg.Profiles) > 0:
		return writeJSON(inv.stdout, all)
	}
	return writeJSON(inv.stdout, all[0])
}

func (inv *invocation) askTarget(ctx context.Context, repo *engine.Repository) (*targetStatus, error) {
	c, err := repo.Collection(ctx)
	if err != nil {
		return nil, err
	}
	if len(c.Chains) == 0 {
		return nil, &hinted{fmt.Errorf("%w in %s", engine.ErrNoBackup, inv.url()), "check the URL and the target path; `purser sets` lists what is there"}
	}
	fresh, found, err := repo.Freshness(ctx)
	if err != nil {
		return nil, err
	}
	loc := inv.location()
	s := &targetStatus{URL: inv.url(), Newest: newSet(newest(c), loc), Chains: len(c.Chains), Problem: []string{}}
	if !found {
		s.Problem = append(s.Problem, "nothing tells when the last good run was, only when a set was last written: no run of purser has been complete there")
		return s, nil
	}
	s.Host, s.Run = fresh.Host, fresh.Run.In(loc)
	if !fresh.Next.IsZero() {
		s.Next = fresh.Next.In(loc)
	}
	if !s.Next.IsZero() && inv.now().After(s.Next.Add(lateGrace)) {
		s.Problem = append(s.Problem, "no run has been good since the one that was due at "+formatTime(s.Next))
	}
	if newest := s.Newest.Time; !fresh.Set.IsZero() && newest.Before(fresh.Set) {
		s.Problem = append(s.Problem, "the set of "+formatTime(fresh.Set.In(loc))+" is gone, which that run had")
	}
	return s, nil
}

func writeTargetStatus(w io.Writer, s *targetStatus, now time.Time) error {
	t := &table{}
	t.add("target:", printable(s.URL))
	if s.Run.IsZero() {
		t.add("last good run:", "unknown")
	} else {
		t.add("last good run:", fmt.Sprintf("%s (%s), on %s", formatTime(s.Run), formatAgo(s.Run, now), printable(s.Host)))
	}
	if !s.Next.IsZero() {
		t.add("next run:", fmt.Sprintf("%s (%s)", formatTime(s.Next), formatAgo(s.Next, now)))
	}
	t.add("newest set:", fmt.Sprintf("%s, %s (%s)", s.Newest.Kind, formatTime(s.Newest.Time), formatAgo(s.Newest.Time, now)))
	t.add("chains:", fmt.Sprint(s.Chains))
	if err := t.write(w); err != nil {
		return err
	}
	for _, p := range s.Problem {
		if _, err := fmt.Fprintf(w, "wrong: %s\n", printable(p)); err != nil {
			return err
		}
	}
	return nil
}
