package config

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/purser-backup/purser/internal/filter"
	"github.com/purser-backup/purser/internal/nearest"
	"github.com/purser-backup/purser/internal/schedule"
)

const (
	prefix      = "BACKUP_"
	fileSuffix  = "_FILE"
	maxFileSize = 1 << 20

	unreadableHint = "check that the file is there, is readable and has the value in it"
)

// Load reads the configuration from an environment, a list of NAME=VALUE as
// os.Environ gives it, and from overrides, which are keyed by canonical name
// and win. What neither has comes from file, a YAML file of settings, if there
// is one. Load opens the files that NAME_FILE variables name.
//
// The case of names does not matter, and a dash is an underscore. An empty
// value is the same as none. The last line break of a file is not part of the
// value. CONFD_PREFIX_KEY renames the prefix BACKUP_ as it did for
// rancher-backup.
//
// The error is an *Error with all that is wrong; each *Fault in it has a hint.
// A missing target is no fault here: see CheckTarget.
func Load(environ []string, overrides map[string]string, file string) (*Config, error) {
	c, faults := read(environ, overrides, file)
	if len(faults) > 0 {
		return nil, &Error{Faults: faults}
	}
	return c, nil
}

// Salvage reads what Load refuses as far as it is good, so that somebody can be
// told of the faults. A faulty setting has no value, or a part of one.
func Salvage(environ []string, overrides map[string]string, file string) *Config {
	c, _ := read(environ, overrides, file)
	return c
}

func read(environ []string, overrides map[string]string, file string) (*Config, []*Fault) {
	c := &Config{Location: time.Local}
	l := &loader{config: c, given: map[string][]given{}}
	table := variables(c)
	l.collect(environ, table)
	l.readSettings(file, table)
	l.checkOverrides(overrides, table)
	for _, v := range table {
		l.load(v, overrides[v.name])
	}
	l.derive()
	l.checkRancher(environ)
	return c, l.faults
}

// given is a setting as it stands in the environment or in a file of settings.
type given struct {
	name, value string
	line        int // in the file
}

type loader struct {
	config   *Config
	given    map[string][]given // of the environment, by canonical name, also with _FILE
	document map[string][]given // of the file of settings, likewise
	path     string             // of that file
	faults   []*Fault
}

// canonical gives the one spelling of a name.
func canonical(name string) string {
	return strings.ToUpper(strings.ReplaceAll(name, "-", "_"))
}

// collect sorts the environment by canonical names.
func (l *loader) collect(environ []string, table []variable) {
	known := names(table)
	var rest []given
	for _, line := range environ {
		name, value, ok := strings.Cut(line, "=")
		if !ok || name == "" || value == "" {
			continue
		}
		rest = append(rest, given{name: name, value: value})
	}
	l.config.collectRclone(rest)
	ours := l.confd(rest)
	for _, g := range rest {
		name := canonical(g.name)
		if own, ok := strings.CutPrefix(name, ours); ok && known[prefix+own] {
			name = prefix + own
		} else if ours != prefix && strings.HasPrefix(name, prefix) {
			l.fault(given{name: g.name}, errors.New("not read, since CONFD_PREFIX_KEY gives another prefix"), "write it with the prefix "+ours+", or unset CONFD_PREFIX_KEY")
			continue
		}
		switch {
		case known[name]:
			l.given[name] = append(l.given[name], g)
		case strings.HasPrefix(name, prefix):
			l.unknown(g, name, known)
		}
	}
}

// confd reads rancher-backup's settings about its settings and gives the
// prefix of all others.
func (l *loader) confd(env []given) string {
	ours := prefix
	for _, g := range env {
		name := canonical(g.name)
		if plain, ok := strings.CutSuffix(name, fileSuffix); ok && strings.HasPrefix(plain, "CONFD_") {
			value, err := readFile(g.value)
			if err != nil {
				l.fault(g, err, unreadableHint)
				continue
			}
			name, g.value = plain, value
		}
		switch name {
		case "CONFD_BACKEND":
			if !strings.EqualFold(g.value, "env") {
				l.fault(g, errors.New("settings are read from the environment only"), "unset it, and give the settings as variables or in files that NAME_FILE variables name")
			}
		case "CONFD_PREFIX_KEY":
			key := canonical(strings.ReplaceAll(strings.Trim(g.value, "/"), "/", "_"))
			if ours = key + "_"; key == "" {
				ours = ""
			}
		}
	}
	return ours
}

// unknown reports a name with the prefix that no setting has. What looks like
// a slip of the pen is a fault: a backup without the setting is not what was
// asked for. Others are noted only, since a container named "backup" brings
// such names into the environment of those that link to it.
func (l *loader) unknown(g given, name string, known map[string]bool) {
	near := nearest.To(name, slices.Sorted(maps.Keys(known)))
	inSection := slices.ContainsFunc(sections(), func(s string) bool { return strings.HasPrefix(name, s) })
	if near == "" && !inSection {
		l.config.Notes = append(l.config.Notes, fmt.Sprintf("%s is not a setting and has no effect", g.name))
		return
	}
	hint := "unset it"
	if near != "" {
		hint = "write " + near + " if that was meant, else unset it"
	}
	l.fault(given{name: g.name}, errors.New("no such setting"), hint)
}

// sections are the beginnings of names that only settings have.
func sections() []string {
	return []string{"BACKUP_CRON_", "BACKUP_MODULE_", "BACKUP_DUPLICITY_", "BACKUP_RANCHER_", "BACKUP_NOTIFICATION_", "BACKUP_LISTEN_"}
}

func (l *loader) fault(g given, err error, hint string) {
	l.faults = append(l.faults, &Fault{Name: g.name, Value: g.value, Origin: Origin{Kind: Environment, Name: g.name}, Err: err, hint: hint})
}

func (l *loader) checkOverrides(overrides map[string]string, table []variable) {
	for _, name := range slices.Sorted(maps.Keys(overrides)) {
		if !slices.ContainsFunc(table, func(v variable) bool { return v.name == name }) {
			l.faults = append(l.faults, &Fault{Name: name, Origin: Origin{Kind: Override}, Err: errors.New("no such setting"), hint: "use the canonical name"})
		}
	}
}

// load finds the value of one variable, validates it and stores it.
func (l *loader) load(v variable, override string) {
	value, origin := override, Origin{Kind: Override}
	if override == "" {
		var fault *Fault
		if value, origin, fault = l.find(v); fault != nil {
			l.faults = append(l.faults, fault)
			return
		}
	}
	shown := value
	switch {
	case v.secret && value != "":
		shown = "[redacted]"
	case v.url:
		shown = redactURLs(value)
	}
	l.config.settings = append(l.config.settings, Setting{Name: v.name, Value: shown, Origin: origin})
	if value == "" {
		return
	}
	l.config.remember(v, value)
	for _, err := range split(v.set(value)) {
		f := &Fault{Name: v.name, Value: shown, Origin: origin, Err: err}
		if v.secret || v.name == varOptions { // there the error names the option
			f.Value = ""
		}
		l.faults = append(l.faults, f)
	}
}

// split takes a joined error apart.
func split(err error) []error {
	if err == nil {
		return nil
	}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		return joined.Unwrap()
	}
	return []error{err}
}

// find gives the value of a variable from the environment, from the file of
// settings, or by default. Either place may name a file that holds the value.
func (l *loader) find(v variable) (string, Origin, *Fault) {
	origin := func(g given) Origin { return Origin{Kind: Environment, Name: g.name} }
	values, files := l.given[v.name], l.given[v.name+fileSuffix]
	if len(values)+len(files) == 0 {
		origin = func(g given) Origin { return Origin{Document, l.path, g.line} }
		values, files = l.document[v.name], l.document[v.name+fileSuffix]
	}
	bad := func(g given, hint, format string, args ...any) (string, Origin, *Fault) {
		return "", Origin{}, &Fault{Name: v.name, Origin: origin(g), Err: fmt.Errorf(format, args...), hint: hint}
	}
	for _, list := range [][]given{values, files} {
		for _, g := range list {
			if g.value != list[0].value {
				return bad(g, "unset one of them", "%s and %s have different values", list[0].name, g.name)
			}
		}
	}
	switch {
	case len(values) > 0 && len(files) > 0:
		return bad(values[0], "unset one of them", "both %s and %s are set", values[0].name, files[0].name)
	case len(values) > 0:
		return values[0].value, origin(values[0]), nil
	case len(files) > 0:
		value, err := readFile(files[0].value)
		if err != nil {
			return bad(files[0], unreadableHint, "%w", err)
		}
		return value, Origin{Kind: File, Name: files[0].value}, nil
	}
	return v.def, Origin{}, nil
}

// readFile gives a file's content less its last line break.
func readFile(path string) (value string, err error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	p, err := io.ReadAll(io.LimitReader(f, maxFileSize+1))
	switch {
	case err != nil:
		return "", err
	case len(p) > maxFileSize:
		return "", fmt.Errorf("%s has more than %d bytes", path, maxFileSize)
	}
	value = strings.TrimSuffix(strings.TrimSuffix(string(p), "\n"), "\r")
	if value == "" {
		return "", fmt.Errorf("%s is empty", path)
	}
	return value, nil
}

// derive fills in what follows from several variables, and checks what they
// must not be together.
func (l *loader) derive() {
	c := l.config
	id := c.identity()
	l.deriveSchedule(id)
	l.deriveRetention()
	l.deriveProfiles(id)
	l.deriveFilter()
	l.deriveListen()
	l.deriveLive()
	module := l.setting(varModuleRancherDB)
	switch {
	case module == nil: // it was faulty
	case module.Value == "":
		c.ModuleRancherDB = c.Rancher.DB.Host != ""
		module.Value = fmt.Sprint(c.ModuleRancherDB)
	case c.ModuleRancherDB && c.Rancher.DB.Host == "":
		l.faults = append(l.faults, &Fault{
			Name: varModuleRancherDB, Value: module.Value, Origin: module.Origin,
			Err: errors.New("there is no database host"), hint: "set " + varRancherDBHost + ", or unset this",
		})
	}
	if rel, err := filepath.Rel(c.ArchiveDir, c.SourcePath); c.SourcePath != "" && c.ArchiveDir != "" && err == nil && filepath.IsLocal(rel) {
		s := l.setting(varSourcePath)
		l.faults = append(l.faults, &Fault{
			Name: varSourcePath, Value: s.Value, Origin: s.Origin,
			Err: fmt.Errorf("it is purser's own folder %s or inside it", c.ArchiveDir), hint: "choose a folder elsewhere for one of the two",
		})
	}
	if c.NoEncryption && !c.Passphrase.IsZero() {
		l.faults = append(l.faults, &Fault{
			Name: varOptions, Origin: l.setting(varOptions).Origin,
			Err: errors.New("--no-encryption contradicts PASSPHRASE"), hint: "take out one of the two",
		})
	}
}

// identity is whom schedules are for. It stays: the instance's name, or else
// the target.
func (c *Config) identity() string {
	if c.Instance != "" {
		return c.Instance
	}
	return redactURL(c.URL.Reveal())
}

// deriveSchedule reads the schedules for an identity.
func (l *loader) deriveSchedule(id string) {
	c := l.config
	var err error
	if c.Schedule != nil { // else it was faulty, as below
		if c.Schedule, err = schedule.Parse(c.CronSchedule, id); err != nil {
			l.faultOf(varCronSchedule, err)
		}
	}
	if c.FullOn.IsZero() {
		return
	}
	if c.FullOn, err = schedule.ParseDays(c.FullOn.String(), id); err != nil {
		l.faultOf(varFullOn, err)
	}
	// The usual interval would come between the days.
	if s := l.setting(varFullIfOlderThan); s != nil && s.Origin.Kind == Default {
		c.FullIfOlderThan, s.Value = 0, ""
	}
}

func (l *loader) faultOf(name string, err error) {
	s := l.setting(name)
	l.faults = append(l.faults, &Fault{Name: s.Name, Value: s.Value, Origin: s.Origin, Err: err})
}

// deriveRetention takes back the limits that nobody asked for where there is a
// policy: their defaults would keep more than it says.
func (l *loader) deriveRetention() {
	c := l.config
	if c.Retention.IsZero() && c.RemoveOlderThan == 0 {
		return
	}
	for name, limit := range map[string]*int{varRemoveAllButN: &c.RemoveAllButNFull, varRemoveIncOfButN: &c.RemoveAllIncOfButNFull} {
		if s := l.setting(name); s != nil && s.Origin.Kind == Default {
			*limit, s.Value = 0, ""
		}
	}
}

// deriveFilter reads the rules, their sets and the patterns together.
func (l *loader) deriveFilter() {
	c := l.config
	var err error
	c.Filter, err = filter.Parse(c.filterRules, c.filterSets, c.filterExclude)
	var fault *filter.Error
	if !errors.As(err, &fault) {
		return
	}
	name := varFilter
	switch {
	case strings.Contains(fault.Where, "of the set"):
		name = varFilterSets
	case strings.HasPrefix(fault.Where, "pattern"):
		name = varExclude
	}
	// The error shows the line at fault, and the value may have many.
	l.faults = append(l.faults, &Fault{Name: name, Origin: l.setting(name).Origin, Err: err})
}

func (l *loader) setting(name string) *Setting {
	for i := range l.config.settings {
		if l.config.settings[i].Name == name {
			return &l.config.settings[i]
		}
	}
	return nil
}
