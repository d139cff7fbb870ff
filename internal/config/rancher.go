package config

import (
	"errors"
	"slices"
	"strings"
)

// debugSwitch lets the client library of Rancher print each answer, with the
// passwords of all services in it. It is spelt exactly so.
const debugSwitch = "RANCHER_CLIENT_DEBUG"

// checkRancher finds what can't be used of Rancher's settings.
func (l *loader) checkRancher(environ []string) {
	r := &l.config.Rancher
	var missing []string
	for _, v := range []struct {
		name  string
		unset bool
	}{
		{varRancherURL, r.URL == ""},
		{"BACKUP_RANCHER_API_KEY", r.AccessKey == ""},
		{"BACKUP_RANCHER_API_SECRET", r.SecretKey.IsZero()},
	} {
		if v.unset {
			missing = append(missing, v.name)
		}
	}
	explicit := slices.ContainsFunc(l.config.settings, func(s Setting) bool {
		return strings.HasPrefix(s.Name, "BACKUP_RANCHER_API_") && s.Origin.Kind != Default
	})
	switch faulty := slices.ContainsFunc(l.faults, func(f *Fault) bool { return f.Name == varRancherURL || f.Name == "CATTLE_URL" }); {
	case faulty || len(missing) == 0:
	case explicit:
		l.faults = append(l.faults, &Fault{Name: missing[0], Err: errUnset, hint: "set " + strings.Join(missing, " and ") + ", or unset the other variables of Rancher's API"})
	case len(missing) < 3:
		l.config.Notes = append(l.config.Notes, "Rancher's agent gave no URL, no key or no secret: without "+strings.Join(missing, " and ")+" Rancher isn't asked")
	}
	if r.Known() && slices.Contains(environ, debugSwitch+"=true") {
		l.faults = append(l.faults, &Fault{
			Name: debugSwitch, Value: "true", Origin: Origin{Kind: Environment, Name: debugSwitch},
			Err: errors.New("it prints the passwords of all services"), hint: "unset it",
		})
	}
}
