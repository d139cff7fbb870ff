package config

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/purser-backup/purser/internal/retention"
	"github.com/purser-backup/purser/internal/schedule"
	"github.com/purser-backup/purser/internal/secret"
)

const (
	varProfiles  = "BACKUP_PROFILES"
	varRetention = "BACKUP_RETENTION"
)

// Profile is a series of backups with a schedule and a retention of its own. It
// is a repository of its own, in a directory of the target that has its name.
type Profile struct {
	Name            string
	CronSchedule    string // as written
	Schedule        schedule.Schedule
	FullIfOlderThan time.Duration // as of Config, and the next two
	FullWhenGrown   bool
	FullOn          schedule.Days
	Retention       retention.Policy // zero leaves it to the limits

	removeAllButNFull, removeAllIncOfButNFull int
	ownInterval                               bool // FullIfOlderThan is none that holds for all
}

// For gives the configuration with which the profile is backed up and read. It
// has no profiles.
func (c *Config) For(p Profile) *Config {
	own := c.below(p.Name)
	own.CronSchedule, own.Schedule = p.CronSchedule, p.Schedule
	own.FullIfOlderThan, own.FullWhenGrown, own.FullOn, own.Retention = p.FullIfOlderThan, p.FullWhenGrown, p.FullOn, p.Retention
	own.RemoveAllButNFull, own.RemoveAllIncOfButNFull = p.removeAllButNFull, p.removeAllIncOfButNFull
	return own
}

// Find gives the profile of that name.
func (c *Config) Find(name string) (Profile, bool) {
	for _, p := range c.Profiles {
		if strings.EqualFold(p.Name, name) {
			return p, true
		}
	}
	return Profile{}, false
}

// Reading gives the configuration with which a profile is read, be it one of
// this configuration or only of the target.
func (c *Config) Reading(name string) (*Config, error) {
	if p, ok := c.Find(name); ok {
		return c.For(p), nil
	}
	if err := checkProfileName(name); err != nil {
		return nil, err
	}
	return c.below(strings.ToLower(name)), nil
}

// WithProfiles gives the configuration with profiles of which only the names are
// known: they can be read, not backed up. Names that none can have are left out.
func (c *Config) WithProfiles(names []string) *Config {
	own := *c
	for _, name := range names {
		if checkProfileName(name) == nil {
			own.Profiles = append(own.Profiles, Profile{Name: strings.ToLower(name)})
		}
	}
	return &own
}

// below is the configuration with the directory of a profile as its target.
func (c *Config) below(name string) *Config {
	own := *c
	own.Profile, own.Profiles = name, nil
	if c.URL.IsZero() {
		return &own
	}
	own.roots, own.More = c.Targets(), nil
	for i, root := range own.roots {
		dir := secret.New(strings.TrimSuffix(root.Reveal(), "/") + "/" + name)
		if i == 0 {
			own.URL = dir
		} else {
			own.More = append(own.More, dir)
		}
	}
	return &own
}

// Roots are the whole targets, in each of which a profile has a directory.
func (c *Config) Roots() []secret.String {
	if c.roots != nil {
		return c.roots
	}
	return c.Targets()
}

var profileName = regexp.MustCompile(`^[a-z0-9][a-z0-9_.-]{0,62}$`)

func checkProfileName(name string) error {
	if !profileName.MatchString(strings.ToLower(name)) {
		return withHint("write up to 63 letters, digits, dots, dashes and underscores, a letter or digit first", "%q is no name of a profile", name)
	}
	return nil
}

// deriveProfiles reads the profiles, for the identity that schedules are for.
// The schedule of the whole is then that of all of them.
func (l *loader) deriveProfiles(id string) {
	c := l.config
	fromRules, err := retention.Profiles(c.Retention.String())
	if !c.Retention.IsZero() && err != nil {
		l.faultOf(varRetention, err)
		return
	}
	switch {
	case c.profileText == "" && len(fromRules) == 0:
		return
	case len(fromRules) == 0:
		if c.Profiles, err = l.readProfiles(c.profileText, id); err != nil {
			// The error shows the line at fault, and the value may have many.
			l.faults = append(l.faults, &Fault{Name: varProfiles, Origin: l.setting(varProfiles).Origin, Err: err})
			return
		}
	case c.profileText != "":
		l.faultOf(varRetention, withHint("give each its retention in "+varProfiles+", or take that out", "%w", errors.New("there are profiles already")))
		return
	default:
		for _, r := range fromRules {
			p, err := l.ruleProfile(r, id)
			if err != nil {
				l.faultOf(varRetention, err)
				return
			}
			c.Profiles = append(c.Profiles, p)
		}
	}
	l.joinSchedules()
}

// joinSchedules lets the schedules of the profiles take the place of the one.
func (l *loader) joinSchedules() {
	c := l.config
	c.Retention = retention.Policy{}
	switch s := l.setting(varCronSchedule); {
	case s == nil: // it was faulty
		return
	case s.Origin.Kind != Default:
		l.faultOf(varCronSchedule, withHint("unset it, and give each profile its schedule in "+varProfiles, "%w", errors.New("the profiles have schedules of their own")))
		return
	default:
		s.Value = ""
	}
	var all []schedule.Schedule
	var texts []string
	for _, p := range c.Profiles {
		all, texts = append(all, p.Schedule), append(texts, p.Name+": "+p.CronSchedule)
	}
	c.Schedule, c.CronSchedule = schedule.Union(all...), strings.Join(texts, "; ")
}

// newProfile is one with what holds for all of them.
func (l *loader) newProfile(name string) Profile {
	c := l.config
	return Profile{
		Name: name, FullIfOlderThan: c.FullIfOlderThan, FullWhenGrown: c.FullWhenGrown, FullOn: c.FullOn, Retention: c.Retention,
		removeAllButNFull: c.RemoveAllButNFull, removeAllIncOfButNFull: c.RemoveAllIncOfButNFull,
	}
}

// ruleProfile makes a profile of a rule such as daily;30.
func (l *loader) ruleProfile(r retention.Profile, id string) (Profile, error) {
	p := l.newProfile(r.Name)
	p.Retention = r.Policy
	return p, p.schedule(usualSchedule(r.Name), id)
}

// usualSchedule is that of a profile whose name says it, "" for others. The
// moments of the longer ones are among those of the shorter, so that one run
// with one dump serves all that are due.
func usualSchedule(name string) string {
	switch name {
	case "hourly", "daily", "weekly", "monthly":
		return "cron @" + name
	}
	return ""
}

func (p *Profile) schedule(text, id string) (err error) {
	p.CronSchedule = text
	p.Schedule, err = schedule.Parse(text, id)
	return err
}

const profilesHint = `write a line [NAME] for each profile, and below it lines such as "schedule: daily, 0200-0400" and "retention: last 30 days"`

// readProfiles reads the text of BACKUP_PROFILES.
func (l *loader) readProfiles(text, id string) ([]Profile, error) {
	var list []Profile
	given := map[string]bool{}
	for n, line := range strings.Split(text, "\n") {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		err := error(nil)
		key, value, _ := strings.Cut(line, ":")
		key = strings.ToLower(strings.TrimSpace(key))
		name, begins := strings.CutPrefix(line, "[")
		switch {
		case begins:
			given = map[string]bool{}
			list, err = l.beginProfile(list, strings.TrimSpace(strings.TrimSuffix(name, "]")), id)
		case len(list) == 0:
			err = withHint(profilesHint, "a profile must begin with its name, not with %q", line)
		case given[key]:
			err = withHint(profilesHint, "%s is given twice", key)
		default:
			given[key] = true
			err = l.setOf(&list[len(list)-1], key, strings.TrimSpace(value), id)
		}
		switch {
		case err != nil && l.setting(varProfiles).Origin.Kind == Document: // the lines are not those of the file
			return nil, err
		case err != nil:
			return nil, fmt.Errorf("line %d: %w", n+1, err)
		}
	}
	for i := range list {
		p := &list[i]
		if p.Schedule == nil {
			return nil, withHint("write a line such as schedule: daily, 0200-0400 below its name", "the profile %s has no schedule", p.Name)
		}
		if !p.FullOn.IsZero() && !p.ownInterval && l.isDefault(varFullIfOlderThan) {
			p.FullIfOlderThan = 0 // it would come between the days
		}
	}
	if len(list) == 0 {
		return nil, withHint(profilesHint, "there is no profile")
	}
	return list, nil
}

// isDefault reports whether nobody has given a value.
func (l *loader) isDefault(name string) bool {
	s := l.setting(name)
	return s != nil && s.Origin.Kind == Default
}

// dropDefault takes a limit back that nobody asked for, as deriveRetention does.
func (l *loader) dropDefault(name string, limit *int) {
	if l.isDefault(name) {
		*limit = 0
	}
}

func (l *loader) beginProfile(list []Profile, name, id string) ([]Profile, error) {
	if err := checkProfileName(name); err != nil {
		return nil, err
	}
	name = strings.ToLower(name)
	for _, p := range list {
		if p.Name == name {
			return nil, withHint("write all lines of a profile below one name", "the profile %s is given twice", name)
		}
	}
	p := l.newProfile(name)
	if usual := usualSchedule(name); usual != "" {
		if err := p.schedule(usual, id); err != nil {
			return nil, err
		}
	}
	return append(list, p), nil
}

// setOf takes one line of a profile.
func (l *loader) setOf(p *Profile, key, value, id string) (err error) {
	switch key {
	case "schedule":
		err = p.schedule(value, id)
	case "retention":
		p.Retention, err = retention.Parse(value)
		l.dropDefault(varRemoveAllButN, &p.removeAllButNFull)
		l.dropDefault(varRemoveIncOfButN, &p.removeAllIncOfButNFull)
	case "full_on":
		p.FullOn, err = schedule.ParseDays(value, id)
	case "full_if_older_than":
		p.ownInterval = true
		own := &Config{}
		err = own.setFullIfOlderThan(value)
		p.FullIfOlderThan, p.FullWhenGrown = own.FullIfOlderThan, own.FullWhenGrown
	default:
		return withHint("the settings of a profile are schedule, retention, full_on and full_if_older_than", "unknown setting %q of the profile %s", key, p.Name)
	}
	if err != nil {
		return fmt.Errorf("%s of the profile %s: %w", key, p.Name, err)
	}
	return nil
}
