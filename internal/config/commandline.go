package config

import (
	"crypto/md5" // names duplicity's archive directory; nothing rests on its strength
	"encoding/hex"
	"errors"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/purser-backup/purser/internal/secret"
)

// Action is what a command line of duplicity does.
type Action string

// The actions.
const (
	ActionBackup                 Action = "backup" // an increment if that can be, else a full set
	ActionFull                   Action = "full"
	ActionIncremental            Action = "incremental"
	ActionRestore                Action = "restore"
	ActionVerify                 Action = "verify"
	ActionStatus                 Action = "collection-status"
	ActionList                   Action = "list-current-files"
	ActionCleanup                Action = "cleanup"
	ActionRemoveOlderThan        Action = "remove-older-than"
	ActionRemoveAllButNFull      Action = "remove-all-but-n-full"
	ActionRemoveAllIncOfButNFull Action = "remove-all-inc-of-but-n-full"
	ActionHelp                   Action = "help"
	ActionVersion                Action = "version"

	actionReplicate Action = "replicate" // known, so that its name is no source path
)

// CommandLine is a command line of duplicity, understood. Times are as written.
type CommandLine struct {
	Action Action
	// Config has the target, the source, the keys and all else that a setting
	// stands for. Unlike a setting's, its SourcePath is as it was written: patterns
	// are matched against it.
	Config *Config
	KeyDir string // GnuPG's folder, empty if there is none

	Destination string // of a restore
	OlderThan   string // the time of remove-older-than
	Count       int    // of remove-all-…-but-n-full, at least 1

	Time      string // --time
	Path      string // --file-to-restore
	Verbosity int    // 0 to 9; 4 unless given

	CompareData, DryRun, Force, NoStatistics     bool
	IgnoreErrors, NumericOwner, WithoutOwnership bool

	archiveDir, name string
}

// ParseDuplicity reads a command line of duplicity 0.8, without the program's
// name. Of the environment only what duplicity reads counts, and TZ; also as
// NAME_FILE. The error joins all that is wrong, each with a hint.
func ParseDuplicity(args, environ []string) (*CommandLine, error) {
	d := &CommandLine{Verbosity: 4}
	given, words, err := splitCommandLine(d.options(), args)
	if err != nil {
		return nil, err
	}
	if d.Config, err = Load(foreign(environ), nil, ""); err != nil {
		return nil, err
	}
	d.Config.SourcePath, d.Config.ArchiveDir, d.Config.FullIfOlderThan = "", "", 0
	for _, g := range given { // these need nothing else
		if g.name == "--help" || g.name == "--version" {
			d.Action = Action(strings.TrimPrefix(g.name, "--"))
			return d, nil
		}
	}
	if err := d.arguments(words); err != nil {
		return nil, err
	}
	local := strings.HasPrefix(d.Config.URL.Reveal(), "file:")
	var faults []error
	for _, g := range given {
		if local && slices.ContainsFunc(slices.Concat(targetOptions(), refusedTargets()), func(o option) bool { return o.name == g.name }) {
			g.apply, g.needless = nil, "it concerns targets of another kind"
		}
		faults = append(faults, g.take(d.Config, "")...)
	}
	faults = append(faults, d.places(environ))
	if d.Config.NoEncryption {
		d.Config.Passphrase = secret.String{} // as for duplicity, which asks for none then
	}
	if err := errors.Join(faults...); err != nil {
		return nil, err
	}
	return d, nil
}

// splitCommandLine tells options from arguments. After -- all are arguments.
func splitCommandLine(known []option, args []string) (given []givenOption, words []string, err error) {
	var faults []error
	for len(args) > 0 {
		switch word := args[0]; {
		case word == "--":
			words, args = append(words, args[1:]...), nil
		case word == "-" || !strings.HasPrefix(word, "-"):
			words, args = append(words, word), args[1:]
		default:
			var g givenOption
			var err error
			if g, args, err = nextOption(known, args); err != nil {
				faults = append(faults, err)
			} else {
				given = append(given, g)
			}
		}
	}
	return given, words, errors.Join(faults...)
}

// foreign leaves out the settings of purser's own.
func foreign(environ []string) []string {
	return slices.DeleteFunc(slices.Clone(environ), func(line string) bool {
		name, _, _ := strings.Cut(line, "=")
		name = canonical(name)
		return strings.HasPrefix(name, prefix) || strings.HasPrefix(name, "CONFD_") || name == "DEBUG"
	})
}

const usage = "write [full|incremental] SOURCE URL, [restore] URL DESTINATION, verify URL SOURCE, or another action with its URL"

// arguments finds out what the words that are no options ask for.
func (d *CommandLine) arguments(words []string) error {
	words, err := d.verb(words)
	if err != nil {
		return err
	}
	want := 1
	switch d.Action {
	case "", ActionBackup, ActionFull, ActionIncremental, ActionRestore, ActionVerify:
		want = 2
	case ActionRemoveOlderThan, ActionRemoveAllButNFull, ActionRemoveAllIncOfButNFull:
		if len(words) > 0 {
			if err := d.limit(words[0]); err != nil {
				return err
			}
			words = words[1:]
		}
	}
	if len(words) != want {
		return withHint(usage, "wrong number of arguments: %d, not %d", len(words), want)
	}
	return d.direction(words)
}

// verb takes the action's name off the words, if they begin with one: whole,
// or so much of it that no other begins so.
func (d *CommandLine) verb(words []string) ([]string, error) {
	if len(words) == 0 {
		return nil, withHint(usage, "neither an action nor a URL is given")
	}
	verbs := []Action{
		ActionCleanup, ActionStatus, ActionFull, ActionIncremental, ActionList, ActionRemoveOlderThan,
		ActionRemoveAllButNFull, ActionRemoveAllIncOfButNFull, ActionRestore, actionReplicate, ActionVerify,
	}
	if words[0] == string(ActionBackup) && len(words) == 3 { // of duplicity 2; elsewhere it may be a directory
		verbs = []Action{ActionBackup}
	}
	var fit []string
	for _, v := range verbs {
		if string(v) == words[0] {
			fit = []string{words[0]}
			break
		}
		if words[0] != "" && strings.HasPrefix(string(v), words[0]) {
			fit = append(fit, string(v))
		}
	}
	switch {
	case len(fit) == 0:
		return words, nil
	case len(fit) > 1:
		return nil, withHint("write one of "+strings.Join(fit, ", ")+"; for a directory of that name, write ./"+words[0],
			"%q stands for several actions", words[0])
	case fit[0] == string(actionReplicate):
		return nil, withHint("copy the objects with any tool: they don't depend on the place", "action replicate is not supported")
	}
	d.Action = Action(fit[0])
	return words[1:], nil
}

// limit reads the first argument of an action that deletes.
func (d *CommandLine) limit(word string) (err error) {
	if d.Action == ActionRemoveOlderThan {
		d.OlderThan = word
		return nil
	}
	n, err := strconv.Atoi(word)
	if err != nil || n < 1 {
		return withHint("write how many full backups to keep, 1 or more", "%s: not a number of backups", d.Action)
	}
	d.Count = n
	return nil
}

// direction tells the URL from a path, and a backup from a restore. Errors
// don't show the URL: it may hold a password.
func (d *CommandLine) direction(words []string) error {
	isURL := func(i int) bool { return strings.Contains(words[i], "://") }
	url, path := 0, 1
	switch d.Action {
	case "":
		if d.Action = ActionRestore; !isURL(0) {
			d.Action, url, path = ActionBackup, 1, 0
		}
	case ActionBackup, ActionFull, ActionIncremental:
		url, path = 1, 0
	}
	if !isURL(url) {
		return withHint(usage+"; a URL is written as file:///path", "%s: argument %d is no URL", d.Action, url+1)
	}
	d.Config.URL = secret.New(words[url])
	if len(words) == 1 {
		return nil
	}
	switch {
	case isURL(path):
		return withHint(usage, "%s: argument %d is a URL, not a path", d.Action, path+1)
	case words[path] == "" || strings.ContainsRune(words[path], 0):
		return withHint(usage, "%s: argument %d is no path", d.Action, path+1)
	case d.Action == ActionRestore:
		d.Destination = words[path]
	default:
		d.Config.SourcePath = filepath.Clean(words[path])
	}
	return nil
}

// places finds GnuPG's folder and duplicity's archive directory, which is
// shared with it. What duplicity has no place for lies beside it.
func (d *CommandLine) places(environ []string) error {
	lookup := func(name string) string {
		for _, line := range environ {
			if key, value, ok := strings.Cut(line, "="); ok && key == name {
				return value
			}
		}
		return ""
	}
	home := lookup("HOME")
	if d.KeyDir = lookup("GNUPGHOME"); d.KeyDir == "" && home != "" {
		d.KeyDir = filepath.Join(home, ".gnupg")
	}
	base := d.archiveDir
	if cache := lookup("XDG_CACHE_HOME"); base == "" && cache != "" {
		base = filepath.Join(cache, "duplicity")
	} else if base == "" && home != "" {
		base = filepath.Join(home, ".cache/duplicity")
	}
	if base == "" {
		return withHint("set HOME, or give --archive-dir", "there is no place for the archive directory")
	}
	base, err := filepath.Abs(base)
	if err != nil {
		return withHint("give --archive-dir as an absolute path", "find the archive directory: %w", err)
	}
	name := d.name
	if name == "" {
		sum := md5.Sum([]byte(d.Config.URL.Reveal()))
		name = hex.EncodeToString(sum[:])
	}
	d.Config.Archive = filepath.Join(base, name)
	d.Config.ArchiveDir = filepath.Join(base, ".purser", name)
	return nil
}
