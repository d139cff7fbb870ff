package daemon

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/purser-backup/purser/engine"
	"github.com/purser-backup/purser/engine/storage"
	"github.com/purser-backup/purser/internal/api"
	"github.com/purser-backup/purser/internal/config"
)

// place is where a backup goes: the target, or the directory of a profile.
type place struct {
	profile string
	opt     Options // with the configuration of the profile
}

func (o Options) at(p config.Profile) place {
	o.Config = o.Config.For(p)
	return place{profile: p.Name, opt: o}
}

// url is without its password.
func (p place) url() string { return storage.Redact(p.opt.Config.URL.Reveal()) }

// ProfileRecord is what is known of a profile.
type ProfileRecord struct {
	Name       string    `json:"name"`
	LastServed time.Time `json:"last_served,omitzero"` // start of the last run of all that backed it up, or left it to the next
	LastBackup *Backup   `json:"last_backup"`
	Kept       *api.Kept `json:"kept"`
}

// profile returns the record of a profile; a new one is added.
func (h *history) profile(name string) *ProfileRecord {
	for i := range h.Profiles {
		if h.Profiles[i].Name == name {
			return &h.Profiles[i]
		}
	}
	h.Profiles = append(h.Profiles, ProfileRecord{Name: name})
	return &h.Profiles[len(h.Profiles)-1]
}

// noteBackup remembers a backup, of a profile if there is one.
func (h *history) noteBackup(profile string, b *Backup) {
	h.LastBackup = b
	if profile != "" {
		h.profile(profile).LastBackup = b
	}
}

// noteKept remembers what the target holds.
func (h *history) noteKept(profile string, k *api.Kept) {
	h.Kept = k
	if profile != "" {
		h.profile(profile).Kept = k
	}
}

// isProfileDue reports whether the schedule of a profile has come due since it
// was served. As often as runs are made, one that has had its turn is left alone.
func (h *history) isProfileDue(p config.Profile, now time.Time) bool {
	next := h.nextOf(p, now)
	return !next.IsZero() && !next.After(now)
}

// dueProfiles are those that a run backs up: those that are due and those that
// the last run has left. In a partial run, or where none is due since the clock
// was set, it is the one that comes most often.
func (r *run) dueProfiles() []config.Profile {
	if p, ok := r.cfg.Find(r.options.Profile); ok {
		return []config.Profile{p}
	}
	now := r.record.Started.In(r.now().Location())
	var due []config.Profile
	for _, p := range r.cfg.Profiles {
		if r.options.wantsAll() || slices.Contains(r.jobs.Profiles, p.Name) || !r.options.Partial && r.history.isProfileDue(p, now) {
			due = append(due, p)
		}
	}
	often := mostOften(r.cfg.Profiles, now)
	there := slices.ContainsFunc(due, func(p config.Profile) bool { return p.Name == often.Name })
	if len(due) == 0 || r.options.Partial && !there {
		due = append(due, often)
	}
	return due
}

// mostOften finds the profile with the shortest interval.
func mostOften(profiles []config.Profile, now time.Time) config.Profile {
	interval := func(p config.Profile) time.Duration {
		first := p.Schedule.Next(now)
		return p.Schedule.Next(first).Sub(first)
	}
	return slices.MinFunc(profiles, func(a, b config.Profile) int { return cmp.Compare(interval(a), interval(b)) })
}

// backupProfiles stores the source path once for each of the profiles. That one
// fails is no reason not to make the others; if all do, the run has failed.
func (r *run) backupProfiles(ctx context.Context, profiles []config.Profile, full bool, then after) error {
	defer r.sumProfiles()
	var failed []error
	for i, p := range profiles {
		if i > 0 && r.timeUp() {
			r.overdue("the backup of the profile "+p.Name, "the next run makes it")
			r.jobs.Backup = false // it has not begun
			r.survive(failed...)
			return r.leaveProfiles(profiles[i:])
		}
		err := r.backupProfile(ctx, p, full, then)
		switch {
		case errors.Is(err, errTimeUp):
			r.survive(failed...)
			return r.leaveProfiles(profiles[i:])
		case ctx.Err() != nil:
			return err
		case err != nil:
			failed = append(failed, fmt.Errorf("profile %s: %w", p.Name, err))
		}
	}
	if len(failed) == len(profiles) {
		return join(failed...)
	}
	r.survive(failed...)
	return nil
}

// survive makes the run incomplete by what it goes on after.
func (r *run) survive(errs ...error) {
	for _, err := range errs {
		r.missing = append(r.missing, &incomplete{err})
	}
}

// backupProfile stores the source path for one profile.
func (r *run) backupProfile(ctx context.Context, p config.Profile, full bool, then after) error {
	at := r.opt.at(p)
	r.log.Info("profile", "profile", p.Name, "schedule", p.CronSchedule)
	r.record.Backup, r.record.Prune, r.record.Kept = nil, nil, nil
	err := r.backupTo(ctx, at, full, then)
	one := ProfileRun{Profile: p.Name, Target: at.url(), Backup: r.record.Backup, Prune: r.record.Prune, Kept: r.record.Kept}
	if err == nil {
		r.served = append(r.served, p.Name)
	} else if !errors.Is(err, errTimeUp) {
		one.Error = r.cfg.Scrub(oneLine(err))
	}
	r.record.Profiles = append(r.record.Profiles, one)
	return err
}

// nameProfiles lets the target tell other machines which directories it has. The
// run is good without it, too.
func (r *run) nameProfiles(ctx context.Context) {
	f := engine.Freshness{Run: r.now(), Next: r.cfg.Schedule.Next(r.now())}
	for _, p := range r.cfg.Profiles {
		f.Profiles = append(f.Profiles, p.Name)
	}
	repo, err := OpenRepository(ctx, r.opt)
	if err == nil {
		err = join(repo.NoteFreshness(ctx, f), repo.Close())
	}
	if err != nil {
		r.log.Warn("the target can't tell other machines of its profiles", "error", err)
	}
}

// TargetProfiles gives the configuration with the profiles that the target tells
// of, for reading. It is the same one if there are none.
func TargetProfiles(ctx context.Context, o Options) (*config.Config, error) {
	repo, err := OpenRepository(ctx, o)
	if err != nil {
		return o.Config, err
	}
	f, _, err := repo.Freshness(ctx)
	return o.Config.WithProfiles(f.Profiles), join(err, repo.Close())
}

// leaveProfiles carries profiles to the next run, since the time is up.
func (r *run) leaveProfiles(profiles []config.Profile) error {
	waiting := r.jobs.Profiles // a run of one profile has not come to them
	r.jobs.Profiles = nil
	for _, p := range profiles {
		r.jobs.Profiles = append(r.jobs.Profiles, p.Name)
		r.served = append(r.served, p.Name)
	}
	for _, name := range waiting {
		if !slices.Contains(r.jobs.Profiles, name) {
			r.jobs.Profiles = append(r.jobs.Profiles, name)
		}
	}
	if err := r.state.saveJobs(r.jobs); err != nil {
		return err
	}
	return errTimeUp
}

// sumProfiles makes the record of the whole run of those of its profiles.
func (r *run) sumProfiles() {
	r.record.Backup, r.record.Prune, r.record.Kept = nil, nil, nil
	counted := false
	for _, p := range r.record.Profiles {
		counted = counted || p.Kept != nil
		if p.Backup != nil {
			r.record.Backup = p.Backup
		}
		if p.Prune != nil {
			if r.record.Prune == nil {
				r.record.Prune = &Pruning{}
			}
			r.record.Prune.Sets += p.Prune.Sets
			r.record.Prune.Objects += p.Prune.Objects
			r.record.Prune.Bytes += p.Prune.Bytes
		}
	}
	if counted {
		r.record.Kept = r.history.sumKept(r.cfg.Profiles)
		r.history.Kept = r.record.Kept
	}
	r.history.Targets = slices.DeleteFunc(r.history.Targets, func(t api.Target) bool { return !t.Live && !isTarget(r.cfg, t.URL) })
}

// isTarget reports whether a profile has its backups at url.
func isTarget(cfg *config.Config, url string) bool {
	for _, p := range cfg.Profiles {
		for _, raw := range cfg.For(p).Targets() {
			if storage.Redact(raw.Reveal()) == url {
				return true
			}
		}
	}
	return false
}

// sumKept is what the target holds, by what is known of each profile.
func (h *history) sumKept(profiles []config.Profile) *api.Kept {
	sum := &api.Kept{}
	for _, p := range profiles {
		if k := h.profile(p.Name).Kept; k != nil {
			sum.Chains += k.Chains
			sum.Sets += k.Sets
			sum.Bytes += k.Bytes
		}
	}
	return sum
}

// finishProfile goes on with the profile whose backup the last run had to end. If
// that fails, the others have their turn all the same.
func (r *run) finishProfile(ctx context.Context, full bool, then after) error {
	p, _ := r.cfg.Find(r.jobs.Profiles[0]) // fit has seen to it
	rest := slices.Clone(r.jobs.Profiles[1:])
	defer r.dropPrevious()
	err := r.backupProfiles(ctx, []config.Profile{p}, full, then)
	switch {
	case err == nil || ctx.Err() != nil || errors.Is(err, errTimeUp):
		return err
	}
	r.survive(err)
	r.jobs.Backup, r.jobs.Profiles = false, append(rest, p.Name)
	return r.state.saveJobs(r.jobs)
}

// fit leaves out the profiles that are no longer configured.
func (j *jobs) fit(profiles []config.Profile) {
	first := ""
	if len(j.Profiles) > 0 {
		first = j.Profiles[0]
	}
	j.Profiles = slices.DeleteFunc(j.Profiles, func(name string) bool {
		return !slices.ContainsFunc(profiles, func(p config.Profile) bool { return p.Name == name })
	})
	if len(profiles) > 0 && (len(j.Profiles) == 0 || j.Profiles[0] != first) {
		j.Backup = false
	}
}

// stored takes a backup that was made off the list, and reports whether it was
// on it.
func (j *jobs) stored(profile string) bool {
	if profile == "" {
		was := j.Backup
		j.Backup = false
		return was
	}
	i := slices.Index(j.Profiles, profile)
	if i < 0 {
		return false
	}
	j.Backup = j.Backup && i > 0
	j.Profiles = slices.Delete(j.Profiles, i, i+1)
	return true
}

// noteServed remembers that profiles have had their turn. One that failed stays
// due: the next run tries it again, whatever that is for.
func (r *run) noteServed() {
	for _, name := range r.served {
		r.history.profile(name).LastServed = r.record.Started
	}
}

// checkProfile refuses a profile that isn't configured; empty is none.
func (d *Daemon) checkProfile(name string) error {
	if _, ok := d.cfg.Find(name); ok || name == "" {
		return nil
	}
	var names []string
	for _, p := range d.cfg.Profiles {
		names = append(names, p.Name)
	}
	hint := "BACKUP_RETENTION and BACKUP_PROFILES say which there are"
	if len(names) > 0 {
		hint = "there are " + strings.Join(names, ", ")
	}
	return &ConfigError{withHint(fmt.Errorf("no profile %q is configured", name), "%s", hint)}
}

// Profiles gives the options for each profile, or without profiles the ones
// given alone.
func (o Options) Profiles() []Options {
	if len(o.Config.Profiles) == 0 {
		return []Options{o}
	}
	var list []Options
	for _, p := range o.Config.Profiles {
		list = append(list, o.at(p).opt)
	}
	return list
}

// Whole gives the options for what the target itself holds: all of it without
// profiles, and with them what was there before.
func (o Options) Whole() Options {
	plain := *o.Config
	plain.Profiles = nil
	o.Config = &plain
	return o
}

// Nearest gives the options for the profile that holds the newest backup at or
// before t, or of all if t is zero. What the target held before it had profiles
// counts too. Without profiles these are the options given.
func Nearest(ctx context.Context, o Options, t time.Time) (Options, error) {
	if len(o.Config.Profiles) == 0 {
		return o, nil
	}
	all := o.Profiles()
	var best time.Time
	found := all[0]
	for _, one := range append(all, o.Whole()) {
		c, err := collect(ctx, one)
		if err != nil {
			return o, err
		}
		if at := newestUntil(&c, t); at.After(best) {
			found, best = one, at
		}
	}
	return found, nil
}

// profile is Nearest unless a profile is named.
func (o Options) profile(ctx context.Context, name string, t time.Time) (Options, error) {
	if name == "" {
		return Nearest(ctx, o, t)
	}
	own, err := o.Config.Reading(name)
	if err != nil {
		return o, &ConfigError{err}
	}
	o.Config = own
	return o, nil
}

func collect(ctx context.Context, o Options) (c engine.Collection, err error) {
	repo, err := OpenRepository(ctx, o)
	if err != nil {
		return c, err
	}
	c, err = repo.Collection(ctx)
	return c, join(err, repo.Close())
}

// newestUntil is the time of the newest set that is not after t, zero if there
// is none.
func newestUntil(c *engine.Collection, t time.Time) time.Time {
	var newest time.Time
	for _, chain := range c.Chains {
		for _, s := range chain.Sets {
			if s.Time.After(newest) && (t.IsZero() || !s.Time.After(t)) {
				newest = s.Time
			}
		}
	}
	return newest
}
