package config

import (
	"errors"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// options is the table of options, with those that mean more on duplicity's
// own command line than in a setting.
func (d *CommandLine) options() []option {
	own := slices.Concat(d.flags(), d.values(), notHere())
	all := slices.DeleteFunc(options(), func(o option) bool {
		return slices.ContainsFunc(own, func(mine option) bool { return mine.name == o.name })
	})
	return append(all, own...)
}

func (d *CommandLine) flags() []option {
	var list []option
	for _, flag := range []struct {
		name  string
		field *bool
	}{
		{"--compare-data", &d.CompareData}, {"--dry-run", &d.DryRun}, {"--force", &d.Force},
		{"--ignore-errors", &d.IgnoreErrors}, {"--numeric-owner", &d.NumericOwner},
		{"--do-not-restore-ownership", &d.WithoutOwnership}, {"--no-restore-ownership", &d.WithoutOwnership},
		{"--no-print-statistics", &d.NoStatistics},
	} {
		list = append(list, option{name: flag.name, apply: func(*Config, string) error { *flag.field = true; return nil }})
	}
	return list
}

func (d *CommandLine) values() []option {
	text := func(field *string) func(*Config, string) error {
		return func(_ *Config, v string) error { *field = v; return nil }
	}
	return []option{
		{name: "--archive-dir", values: 1, apply: text(&d.archiveDir)},
		{name: "--name", values: 1, apply: func(_ *Config, v string) error {
			if v == "" || v == ".purser" || !filepath.IsLocal(v) {
				return withHint("write a name without .. and without / in front", "not the name of a directory")
			}
			d.name = v
			return nil
		}},
		{name: "--file-to-restore", short: 'r', values: 1, apply: text(&d.Path)},
		{name: "--path-to-restore", values: 1, apply: text(&d.Path)}, // since 2.0
		{name: "--restore-time", short: 't', values: 1, apply: text(&d.Time)},
		{name: "--time", values: 1, apply: text(&d.Time)},
		{name: "--verbosity", short: 'v', values: 1, apply: d.setVerbosity},
		{name: "--full-if-older-than", values: 1, apply: func(c *Config, v string) error {
			age, err := parseInterval(v)
			c.FullIfOlderThan = max(age, time.Nanosecond) // 0s is older than any time ago, and 0 is never
			return err
		}},
		{name: "--volsize", values: 1, apply: func(c *Config, v string) error {
			n, err := parseCount(v, 1<<20) // 1 TiB
			c.VolumeSize = n << 20
			return err
		}},
	}
}

// setVerbosity reads 0 to 9, or the beginning of a level's name.
func (d *CommandLine) setVerbosity(_ *Config, v string) error {
	if n, err := strconv.Atoi(v); err == nil && 0 <= n && n <= 9 {
		d.Verbosity = n
		return nil
	}
	for name, n := range map[string]int{"error": 0, "warning": 2, "notice": 4, "info": 8, "debug": 9} {
		if v != "" && strings.HasPrefix(name, strings.ToLower(v)) {
			d.Verbosity = n
			return nil
		}
	}
	const hint = "write a number from 0 to 9, or error, warning, notice, info or debug"
	return withHint(hint, "%w", errors.New("unknown level"))
}

// notHere are options for which a command has other advice than a setting, and
// those of other versions than 0.8.
func notHere() []option {
	const (
		keys  = "no gpg runs; the keys are read from GNUPGHOME or ~/.gnupg, so take the option out"
		stdin = "name a file with the option without -stdin; /dev/stdin is one"
	)
	return []option{
		{name: "--help", short: 'h', needless: "it was asked for"},
		{name: "--version", short: 'V', needless: "it was asked for"},
		{name: "--tempdir", values: 1, needless: "volumes wait in the archive directory"},
		{name: "--log-file", values: 1, needless: "the log goes to standard error"},
		{name: "--extra-clean", needless: "signatures of what is kept are never deleted"},       // until 0.7
		{name: "--skip-if-no-change", needless: "an unchanged source makes no set in any case"}, // since 2.1
		{name: "--encrypt-secret-keyring", values: 1, refused: keys},
		{name: "--gpg-options", values: 1, refused: keys},
		{name: "--exclude-filelist-stdin", refused: stdin},
		{name: "--include-filelist-stdin", refused: stdin},
		{name: "--file-changed", values: 1, refused: "list-current-files and verify --compare-data tell of files"},
		{name: "--show-changes-in-set", values: 1, refused: "list-current-files with --time shows what each set holds"},
		{name: "--rename", values: 2, refused: "restore, and rename the files then"},
	}
}
