package config

import (
	"errors"
	"strings"
	"time"
)

// option is one of duplicity's options. Exactly one of apply, needless and
// refused says what becomes of it.
type option struct {
	name   string
	short  byte // the letter that stands for it, if there is one
	values int  // how many it takes
	// Honoured: the value is validated and stored; it is empty where there is none.
	apply    func(c *Config, value string) error
	needless string // understood; why it has no effect here
	refused  string // impossible here; what to do instead
}

// options is the table of all options of duplicity 0.8.22, those that its help
// leaves out and older spellings included.
func options() []option {
	var all []option
	for _, part := range [][]option{honoured(), needless(), ofOtherTargets(), refused(), targetOptions(), refusedTargets(), keys(), selection()} {
		all = append(all, part...)
	}
	return all
}

func honoured() []option {
	text := func(field func(*Config) *string) func(*Config, string) error {
		return func(c *Config, v string) error {
			if strings.ContainsAny(v, "/\x00") {
				return withHint("leave the slash out; the URL says in which folder objects lie", "not the beginning of a name")
			}
			*field(c) = v
			return nil
		}
	}
	return []option{
		{name: "--file-prefix", values: 1, apply: text(func(c *Config) *string { return &c.Prefixes.All })},
		{name: "--file-prefix-archive", values: 1, apply: text(func(c *Config) *string { return &c.Prefixes.Volume })},
		{name: "--file-prefix-manifest", values: 1, apply: text(func(c *Config) *string { return &c.Prefixes.Manifest })},
		{name: "--file-prefix-signature", values: 1, apply: text(func(c *Config) *string { return &c.Prefixes.Signatures })},
		{name: "--no-encryption", apply: func(c *Config, _ string) error { c.NoEncryption = true; return nil }},
		{name: "--num-retries", values: 1, apply: func(c *Config, v string) error {
			n, err := parseCount(v, 1000)
			c.Retries = int(n)
			return err
		}},
		{name: "--backend-retry-delay", values: 1, apply: func(c *Config, v string) error {
			n, err := parseCount(v, 86400)
			c.RetryDelay = time.Duration(n) * time.Second
			return err
		}},
	}
}

// needless are the options that a backup of purser is as good without.
func needless() []option {
	return []option{
		{name: "--allow-source-mismatch", needless: "a backup may come from another host at any time"},
		{name: "--asynchronous-upload", needless: "uploads always run beside the reading"},
		{name: "--config-dir", values: 1, needless: "duplicity itself doesn't use it"},
		{name: "--do-not-restore-ownership", needless: "it concerns restores"},
		{name: "--force", needless: "a run prunes by its settings without it"},
		{name: "--gpg-binary", values: 1, needless: "no gpg runs"},
		{name: "--ignore-errors", needless: "what can't be read is reported, and the rest is backed up"},
		{name: "--log-fd", values: 1, needless: "the log goes to standard error"},
		{name: "--log-file", values: 1, needless: "the log goes to standard error, where Docker keeps it"},
		{name: "--log-timestamp", needless: "the log always has times"},
		{name: "--max-blocksize", values: 1, needless: "blocks grow with the file"},
		{name: "--metadata-sync-mode", values: 1, needless: "only what a command needs is fetched"},
		{name: "--name", values: 1, needless: "the archive directory is named by the target"},
		{name: "--no-files-changed", needless: "the list of changes in a manifest costs little"},
		{name: "--no-print-statistics", needless: "each run logs one line of figures"},
		{name: "--numeric-owner", needless: "it concerns restores"},
		{name: "--progress", needless: "the log tells how far a run is"},
		{name: "--progress-rate", values: 1, needless: "the log tells how far a run is"},
		{name: "--pydevd", needless: "no Python runs"},
		{name: "--tempdir", values: 1, needless: "volumes wait below BACKUP_ARCHIVE_DIR"},
		{name: "--timeout", values: 1, needless: "purser has time limits of its own"},
		{name: "--use-agent", needless: "no gpg runs"},
		{name: "--verbosity", short: 'v', values: 1, needless: "the variable DEBUG turns on the detailed log"},
	}
}

// ofOtherTargets are the options for kinds of targets that purser does not
// have. With any other target duplicity doesn't look at them either.
func ofOtherTargets() []option {
	const only = "it concerns only targets of the kind "
	return []option{
		{name: "--azure-blob-tier", values: 1, needless: only + "azure"},
		{name: "--azure-max-block-size", values: 1, needless: only + "azure"},
		{name: "--azure-max-connections", values: 1, needless: only + "azure"},
		{name: "--azure-max-single-put-size", values: 1, needless: only + "azure"},
		{name: "--b2-hide-files", needless: only + "b2"},
		{name: "--cf-backend", values: 1, needless: only + "cf"},
		{name: "--idr-fakeroot", values: 1, needless: only + "idr"},
		{name: "--imap-full-address", needless: only + "imap"},
		{name: "--imap-mailbox", values: 1, needless: only + "imap"},
		{name: "--mf-purge", needless: only + "mf"},
		{name: "--mp-segment-size", values: 1, needless: only + "pca"},
		{name: "--par2-options", values: 1, needless: only + "par2"},
		{name: "--par2-redundancy", values: 1, needless: only + "par2"},
		{name: "--par2-volumes", values: 1, needless: only + "par2"},
		{name: "--swift-storage-policy", values: 1, needless: only + "swift"},
	}
}

const (
	setVariable = "set the variable "
	ownKeys     = "no gpg runs; the keys in /opt/backup/.gnupg are read, so take the option out"
	noLayout    = "purser keeps duplicity's standard object names; take the option out"
	inCommand   = "this belongs to a command, not to every run; take it out"
	forTests    = "this is for duplicity's own tests; take it out"
)

func refused() []option {
	return []option{
		{name: "--archive-dir", values: 1, refused: setVariable + varArchiveDir},
		{name: "--compare-data", refused: "take it out; `purser verify --data` compares"},
		{name: "--current-time", values: 1, refused: forTests},
		{name: "--dry-run", refused: "take it out; `purser run --dry-run` shows what would be done"},
		{name: "--encrypt-secret-keyring", values: 1, refused: ownKeys},
		{name: "--fail-on-volume", values: 1, refused: forTests},
		{name: "--file-changed", values: 1, refused: inCommand},
		{name: "--file-to-restore", short: 'r', values: 1, refused: "take it out; `purser restore --path` restores one file"},
		{name: "--full-if-older-than", values: 1, refused: setVariable + varFullIfOlderThan},
		{name: "--gpg-options", values: 1, refused: ownKeys},
		{name: "--help", short: 'h', refused: inCommand},
		{name: "--no-compression", refused: "purser always compresses; take the option out"},
		{name: "--old-filenames", refused: noLayout},
		{name: "--rename", values: 2, refused: inCommand},
		{name: "--restore-time", short: 't', values: 1, refused: inCommand},
		{name: "--short-filenames", refused: noLayout},
		{name: "--show-changes-in-set", values: 1, refused: inCommand},
		{name: "--skip-volume", values: 1, refused: forTests},
		{name: "--time", values: 1, refused: inCommand},
		{name: "--time-separator", values: 1, refused: noLayout},
		{name: "--version", short: 'V', refused: inCommand},
		{name: "--volsize", values: 1, refused: setVariable + varVolsize},
	}
}

// keys are the options that name OpenPGP keys.
func keys() []option {
	encrypt := func(c *Config, v string) error { c.EncryptKeys = append(c.EncryptKeys, v); return nil }
	sign := func(c *Config, v string) error { c.SignKey = v; return nil }
	return []option{
		{name: "--encrypt-key", values: 1, apply: encrypt},
		{name: "--encrypt-sign-key", values: 1, apply: func(c *Config, v string) error {
			return errors.Join(encrypt(c, v), sign(c, v))
		}},
		{name: "--hidden-encrypt-key", values: 1, apply: func(c *Config, v string) error {
			c.HiddenKeys = append(c.HiddenKeys, v)
			return nil
		}},
		{name: "--sign-key", values: 1, apply: sign},
	}
}

// selection are the options that choose files. Their order counts, and they
// are checked where the source is opened.
func selection() []option {
	const stdin = "a daemon has no standard input to read; name a file with the option without -stdin"
	all := []option{
		{name: "--copy-links", refused: "links are backed up as links; mount what they lead to below the source path"},
		{name: "--exclude-filelist-stdin", refused: stdin},
		{name: "--include-filelist-stdin", refused: stdin},
	}
	for _, rule := range []struct {
		name   string
		values int
	}{
		{"--exclude", 1}, {"--exclude-device-files", 0}, {"--exclude-filelist", 1}, {"--exclude-globbing-filelist", 1},
		{"--exclude-if-present", 1}, {"--exclude-older-than", 1}, {"--exclude-other-filesystems", 0}, {"--exclude-regexp", 1},
		{"--include", 1}, {"--include-filelist", 1}, {"--include-globbing-filelist", 1}, {"--include-regexp", 1},
		{"--null-separator", 0},
	} {
		all = append(all, option{name: rule.name, values: rule.values, apply: func(c *Config, v string) error {
			c.Selection = append(c.Selection, Rule{rule.name, v})
			return nil
		}})
	}
	return all
}
