package config

import (
	"errors"
	"regexp"
	"strings"

	"github.com/purser-backup/purser/internal/secret"
)

const (
	varLiveKeep     = "BACKUP_LIVE_KEEP"
	varUploadLatest = "BACKUP_UPLOAD_LATEST"
)

// beginOfURL tells where one target ends and the next one begins: a path may
// have blanks in it.
var beginOfURL = regexp.MustCompile(` +[A-Za-z][A-Za-z0-9+]*:/`)

// splitTargets takes apart what names several targets.
func splitTargets(v string) []string {
	v = strings.Trim(v, " ")
	var list []string
	for {
		at := beginOfURL.FindStringIndex(v)
		if at == nil {
			return append(list, v)
		}
		list = append(list, v[:at[0]])
		v = strings.TrimLeft(v[at[0]:], " ")
	}
}

// setTargets stores the targets of varURL.
func (c *Config) setTargets(v string) error {
	var all []secret.String
	seen := map[string]bool{}
	for _, one := range splitTargets(v) {
		if strings.Contains(one, " /") {
			return withHint("write each target as a whole URL, such as file:///mnt/b; a blank in a path is %20", "a blank, and then a path without the kind of its target")
		}
		if key := strings.TrimRight(one, "/"); seen[key] {
			return withHint("name each target once", "a target is in it twice")
		} else {
			seen[key] = true
		}
		all = append(all, secret.New(one))
	}
	c.URL = all[0]
	if len(all) > 1 {
		c.More = all[1:]
	}
	return nil
}

// joinTargets puts the target path behind each.
func (c *Config) joinTargets(path string) {
	if c.URL.IsZero() {
		return
	}
	c.URL = secret.New(JoinTarget(c.URL.Reveal(), path))
	for i, one := range c.More {
		c.More[i] = secret.New(JoinTarget(one.Reveal(), path))
	}
}

// Targets are the URL and More.
func (c *Config) Targets() []secret.String {
	return append([]secret.String{c.URL}, c.More...)
}

// redactURLs is redactURL for one or several.
func redactURLs(s string) string {
	list := splitTargets(s)
	for i := range list {
		list[i] = redactURL(list[i])
	}
	return strings.Join(list, " ")
}

// deriveLive checks that what is not sent has a place.
func (l *loader) deriveLive() {
	s, keep := l.setting(varUploadLatest), l.setting(varLiveKeep)
	if s == nil || keep == nil || keep.Value != "" {
		return // a value is faulty, or all is well
	}
	if latest, err := parseBool(s.Value); err != nil || latest {
		return
	}
	l.faults = append(l.faults, &Fault{
		Name: varUploadLatest, Value: s.Value, Origin: s.Origin,
		Err: errors.New("the newest set would be nowhere"), hint: "set " + varLiveKeep + "=1, which keeps it below " + varArchiveDir,
	})
}
