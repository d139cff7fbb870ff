package config

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// option is one of duplicity's options in BACKUP_DUPLICITY_OPTIONS. One that
// is not in the table is refused.
type option struct {
	name  string
	value bool // it takes one
	// Exactly one of these says what becomes of it.
	apply    func(c *Config) // honoured
	needless string          // understood; why it has no effect here
	refused  string          // impossible here; what to do instead
}

const (
	setVariable = "set the variable "
	laterSSH    = "targets over SSH are not supported yet"
	laterS3     = "targets on S3 are not supported yet"
	laterGPG    = "public keys are not supported yet; encrypt with PASSPHRASE"
	laterSelect = "choosing files is not supported yet; mount below the source path only what is to be backed up"
	noLayout    = "purser keeps duplicity's standard object names; take the option out"
	inCommand   = "this belongs to a command, not to every run; take it out"
)

// options knows duplicity 0.8's options, old spellings included, where there is
// more to say about one than that it is not supported.
func options() []option {
	return []option{
		{name: "--no-encryption", apply: func(c *Config) { c.NoEncryption = true }},

		{name: "--asynchronous-upload", needless: "uploads always run beside the reading"},
		{name: "--allow-source-mismatch", needless: "a backup may come from another host at any time"},
		{name: "--verbosity", value: true, needless: "the variable DEBUG turns on the detailed log"},
		{name: "--no-print-statistics", needless: "each run logs one line of figures"},
		{name: "--progress", needless: "progress is shown on a terminal"},
		{name: "--progress-rate", value: true, needless: "progress is shown on a terminal"},
		{name: "--log-timestamp", needless: "the log always has times"},
		{name: "--use-agent", needless: "no gpg runs"},
		{name: "--gpg-binary", value: true, needless: "no gpg runs"},

		{name: "--volsize", value: true, refused: setVariable + varVolsize},
		{name: "--full-if-older-than", value: true, refused: setVariable + varFullIfOlderThan},
		{name: "--archive-dir", value: true, refused: setVariable + varArchiveDir},
		{name: "--encrypt-key", value: true, refused: laterGPG},
		{name: "--encrypt-sign-key", value: true, refused: laterGPG},
		{name: "--hidden-encrypt-key", value: true, refused: laterGPG},
		{name: "--sign-key", value: true, refused: laterGPG},
		{name: "--encrypt-secret-keyring", value: true, refused: laterGPG},
		{name: "--gpg-options", value: true, refused: laterGPG},
		{name: "--ssh-options", value: true, refused: laterSSH},
		{name: "--ssh-option", value: true, refused: laterSSH},
		{name: "--ssh-askpass", refused: laterSSH},
		{name: "--scp-command", value: true, refused: laterSSH},
		{name: "--sftp-command", value: true, refused: laterSSH},
		{name: "--s3-endpoint-url", value: true, refused: laterS3},
		{name: "--s3-region-name", value: true, refused: laterS3},
		{name: "--s3-unencrypted-connection", refused: laterS3},
		{name: "--s3-european-buckets", refused: laterS3},
		{name: "--s3-use-new-style", refused: laterS3},
		{name: "--s3-use-rrs", refused: laterS3},
		{name: "--s3-use-ia", refused: laterS3},
		{name: "--s3-use-glacier", refused: laterS3},
		{name: "--s3-use-server-side-encryption", refused: laterS3},
		{name: "--include", value: true, refused: laterSelect},
		{name: "--exclude", value: true, refused: laterSelect},
		{name: "--include-filelist", value: true, refused: laterSelect},
		{name: "--exclude-filelist", value: true, refused: laterSelect},
		{name: "--include-globbing-filelist", value: true, refused: laterSelect},
		{name: "--exclude-globbing-filelist", value: true, refused: laterSelect},
		{name: "--include-regexp", value: true, refused: laterSelect},
		{name: "--exclude-regexp", value: true, refused: laterSelect},
		{name: "--exclude-if-present", value: true, refused: laterSelect},
		{name: "--exclude-older-than", value: true, refused: laterSelect},
		{name: "--exclude-device-files", refused: laterSelect},
		{name: "--exclude-other-filesystems", refused: laterSelect},
		{name: "--file-prefix", value: true, refused: noLayout},
		{name: "--file-prefix-manifest", value: true, refused: noLayout},
		{name: "--file-prefix-archive", value: true, refused: noLayout},
		{name: "--file-prefix-signature", value: true, refused: noLayout},
		{name: "--short-filenames", refused: noLayout},
		{name: "--old-filenames", refused: noLayout},
		{name: "--time-separator", value: true, refused: noLayout},
		{name: "--no-compression", refused: "purser always compresses; take the option out"},
		{name: "--dry-run", refused: inCommand},
		{name: "--force", refused: inCommand},
		{name: "--file-to-restore", value: true, refused: inCommand},
		{name: "--restore-time", value: true, refused: inCommand},
		{name: "--time", value: true, refused: inCommand},
		{name: "--compare-data", refused: inCommand},
	}
}

// parseOptions reads BACKUP_DUPLICITY_OPTIONS into c. The value is split as a
// shell does; --name=value and --name value are the same. All that is wrong
// comes as one joined error.
func parseOptions(c *Config, s string) error {
	words, err := splitWords(s)
	if err != nil {
		return err
	}
	known := options()
	var faults []error
	for i := 0; i < len(words); i++ {
		name, inline := cutOption(words[i])
		at := slices.IndexFunc(known, func(o option) bool { return o.name == name })
		if at < 0 {
			faults = append(faults, unknownOption(words[i], name, known))
			continue
		}
		o := known[at]
		switch {
		case o.value && !inline:
			if i++; i == len(words) {
				faults = append(faults, withHint("write "+name+"=VALUE", "option %s lacks its value", name))
			}
		case !o.value && inline:
			faults = append(faults, withHint("write "+name+" alone", "option %s takes no value", name))
		}
		switch {
		case o.apply != nil:
			o.apply(c)
		case o.needless != "":
			c.Notes = append(c.Notes, fmt.Sprintf("%s: %s is not needed: %s", varOptions, name, o.needless))
		default:
			faults = append(faults, withHint(o.refused, "option %s is not supported", name))
		}
	}
	return errors.Join(faults...)
}

// cutOption gives the name of --name=value, and whether there is a value.
// -v5 is --verbosity=5.
func cutOption(word string) (name string, inline bool) {
	if strings.HasPrefix(word, "-v") {
		return "--verbosity", word != "-v"
	}
	name, _, inline = strings.Cut(word, "=")
	return name, inline
}

// unknownOption doesn't show what stands behind the name: it may be a password.
func unknownOption(word, name string, known []option) error {
	if !strings.HasPrefix(word, "-") || word == "-" {
		return withHint("write options only; a value that has blanks needs quotes", "a word that is no option")
	}
	names := make([]string, len(known))
	for i, o := range known {
		names[i] = o.name
	}
	hint := "take it out"
	if near := nearest(name, names); near != "" {
		hint += ", or write " + near + " if that was meant"
	}
	return withHint(hint, "option %s is not supported", name)
}

// splitWords splits s at blanks as a POSIX shell does, with single quotes,
// double quotes and backslashes; nothing is expanded.
func splitWords(s string) ([]string, error) {
	var words []string
	var word strings.Builder
	inWord := false
	for i := 0; i < len(s); i++ {
		switch c := s[i]; c {
		case ' ', '\t', '\n', '\r':
			if inWord {
				words = append(words, word.String())
				word.Reset()
				inWord = false
			}
		case '\\':
			if i++; i == len(s) {
				return nil, withHint("write two backslashes for one", "a backslash stands at the end")
			}
			word.WriteByte(s[i])
			inWord = true
		case '\'', '"':
			n, err := quoted(s[i:], &word)
			if err != nil {
				return nil, err
			}
			i += n - 1
			inWord = true
		default:
			word.WriteByte(c)
			inWord = true
		}
	}
	if inWord {
		words = append(words, word.String())
	}
	return words, nil
}

// quoted adds what is between the quote that s begins with and the next such,
// and gives the number of bytes read.
func quoted(s string, word *strings.Builder) (int, error) {
	quote := s[0]
	for i := 1; i < len(s); i++ {
		switch {
		case s[i] == quote:
			return i + 1, nil
		case s[i] == '\\' && quote == '"' && i+1 < len(s) && strings.IndexByte("\\\"$`", s[i+1]) >= 0:
			i++
		}
		word.WriteByte(s[i])
	}
	return 0, withHint("close the quote", "a quote %c is not closed", quote)
}
