package config

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/purser-backup/purser/internal/hint"
)

// home is an environment as a user of duplicity has it. What belongs to
// purser's own settings doesn't count.
func home() []string {
	return []string{
		"HOME=/home/me", "PASSPHRASE=open sesame", "BACKUP_DUPLICITY_URL=file:///elsewhere", "BACKUP_DUPLICITY_OPTIONS=--gio",
		"BACKUP_ARCHIVE_DIR=/elsewhere", "DEBUG=true",
	}
}

// settings is what a command line comes to, in few words.
type settings struct {
	Action                 Action
	URL, Source, Dest      string
	Keys                   []string
	Rules                  []Rule
	Archive, State, KeyDir string
}

func settingsOf(d *CommandLine) settings {
	c := d.Config
	return settings{d.Action, c.URL.Reveal(), c.SourcePath, d.Destination, c.EncryptKeys, c.Selection, c.Archive, c.ArchiveDir, d.KeyDir}
}

// The commands of a tutorial for duplicity 0.7, word by word.
func TestDuplicityCommandLines(t *testing.T) {
	const cache = "/home/me/.cache/duplicity/"
	for _, test := range []struct {
		line string
		want settings
	}{
		{"/your_directory file:///var/backups/duplicity/ --include-globbing-filelist filelist.txt --exclude **",
			settings{ActionBackup, "file:///var/backups/duplicity/", "/your_directory", "", nil,
				[]Rule{{"--include-globbing-filelist", "filelist.txt"}, {"--exclude", "**"}},
				cache + "59e496f953cbc2ca3c8396dd6c697af1", cache + ".purser/59e496f953cbc2ca3c8396dd6c697af1", "/home/me/.gnupg"}},
		{"--encrypt-key key_from_GPG --exclude files_to_exclude --include files_to_include path_to_back_up sftp://root@backupHost//remotebackup/duplicityDroplet --name n",
			settings{ActionBackup, "sftp://root@backupHost//remotebackup/duplicityDroplet", "path_to_back_up", "", []string{"key_from_GPG"},
				[]Rule{{"--exclude", "files_to_exclude"}, {"--include", "files_to_include"}}, cache + "n", cache + ".purser/n", "/home/me/.gnupg"}},
		{"--encrypt-key your_encrypt_key --exclude /proc --exclude /sys --exclude /tmp / sftp://cloud@DuplicityPrivateIP//directory --ssh-option=-oIdentityFile=keypair_path --name=n",
			settings{ActionBackup, "sftp://cloud@DuplicityPrivateIP//directory", "/", "", []string{"your_encrypt_key"},
				[]Rule{{"--exclude", "/proc"}, {"--exclude", "/sys"}, {"--exclude", "/tmp"}}, cache + "n", cache + ".purser/n", "/home/me/.gnupg"}},
		{"restore file:///var/backups/duplicity/ /any/directory/ --archive-dir /a --name n",
			settings{ActionRestore, "file:///var/backups/duplicity/", "", "/any/directory/", nil, nil, "/a/n", "/a/.purser/n", "/home/me/.gnupg"}},
		{"sftp://cloud@DuplicityPrivateIP//your_sauvegarde_directory /your_restore_directory --name n",
			settings{ActionRestore, "sftp://cloud@DuplicityPrivateIP//your_sauvegarde_directory", "", "/your_restore_directory", nil, nil,
				cache + "n", cache + ".purser/n", "/home/me/.gnupg"}},
	} {
		d, err := ParseDuplicity(strings.Fields(test.line), home())
		if err != nil {
			t.Errorf("%s: %v", test.line, err)
			continue
		}
		if diff := cmp.Diff(test.want, settingsOf(d)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", test.line, diff)
		}
		if d.Config.Passphrase.Reveal() != "open sesame" || d.Config.Debug || d.Config.VolumeSize != 200<<20 || d.Config.FullIfOlderThan != 0 {
			t.Errorf("%s: %+v", test.line, d.Config)
		}
	}
}

// Where the target is another one, duplicity doesn't look at these options.
func TestOptionsOfOtherTargets(t *testing.T) {
	args := []string{"/your_directory", "file:///b", "--ssh-option=-oIdentityFile=keypair_path", "--s3-use-ia"}
	d, err := ParseDuplicity(args, home())
	if err != nil {
		t.Fatal(err)
	}
	if len(d.Config.Notes) != 2 || !strings.HasPrefix(d.Config.Notes[0], "--ssh-option is not needed") {
		t.Errorf("notes: %q", d.Config.Notes)
	}
}

// The ways of writing options and actions that duplicity takes.
func TestDuplicitySpellings(t *testing.T) {
	for _, test := range []struct {
		line string
		ok   func(*CommandLine) bool
	}{
		{"full s file:///t", func(d *CommandLine) bool { return d.Action == ActionFull }},
		{"f s file:///t", func(d *CommandLine) bool { return d.Action == ActionFull }},
		{"incr s/ file:///t", func(d *CommandLine) bool { return d.Action == ActionIncremental && d.Config.SourcePath == "s" }},
		{"backup s file:///t", func(d *CommandLine) bool { return d.Action == ActionBackup && d.Config.SourcePath == "s" }},
		{"backup file:///t", func(d *CommandLine) bool { return d.Action == ActionBackup && d.Config.SourcePath == "backup" }},
		{"-- -s file:///t", func(d *CommandLine) bool { return d.Config.SourcePath == "-s" }},
		{"-v9 s file:///t", func(d *CommandLine) bool { return d.Verbosity == 9 }},
		{"s -v 0 file:///t", func(d *CommandLine) bool { return d.Verbosity == 0 }},
		{"s --verb=Info file:///t", func(d *CommandLine) bool { return d.Verbosity == 8 }},
		{"-t 3D file:///t d", func(d *CommandLine) bool { return d.Time == "3D" }},
		{"-t3D file:///t d", func(d *CommandLine) bool { return d.Time == "3D" }},
		{"file:///t d --time=3D", func(d *CommandLine) bool { return d.Time == "3D" }},
		{"file:///t d --restore-t 3D", func(d *CommandLine) bool { return d.Time == "3D" }},
		{"file:///t d -r a/b --forc", func(d *CommandLine) bool { return d.Path == "a/b" && d.Force }},
		{"file:///t d --path-to-restore a/b", func(d *CommandLine) bool { return d.Path == "a/b" }},
		{"verify file:///t s --compare", func(d *CommandLine) bool { return d.CompareData && d.Config.SourcePath == "s" }},
		{"coll file:///t", func(d *CommandLine) bool { return d.Action == ActionStatus }},
		{"list file:///t", func(d *CommandLine) bool { return d.Action == ActionList }},
		{"clean --force --extra-clean file:///t", func(d *CommandLine) bool { return d.Action == ActionCleanup && d.Force }},
		{"remove-older-than 6M file:///t", func(d *CommandLine) bool { return d.OlderThan == "6M" }},
		{"remove-all-but 4 file:///t", func(d *CommandLine) bool { return d.Action == ActionRemoveAllButNFull && d.Count == 4 }},
		{"remove-all-inc-of-but-n-full 1 file:///t", func(d *CommandLine) bool { return d.Action == ActionRemoveAllIncOfButNFull && d.Count == 1 }},
		{"--volsize 1 --full-if-older-than 1M s file:///t", func(d *CommandLine) bool {
			return d.Config.VolumeSize == 1<<20 && d.Config.FullIfOlderThan == 30*24*time.Hour
		}},
		{"--full-if-older-than 0s s file:///t", func(d *CommandLine) bool { return d.Config.FullIfOlderThan > 0 }},
		{"--no-encryption s file:///t", func(d *CommandLine) bool { return d.Config.NoEncryption && d.Config.Passphrase.IsZero() }},
		{"--encrypt-sign-key k s file:///t", func(d *CommandLine) bool {
			return d.Config.SignKey == "k" && slices.Equal(d.Config.EncryptKeys, []string{"k"})
		}},
		{"-h", func(d *CommandLine) bool { return d.Action == ActionHelp }},
		{"s --version", func(d *CommandLine) bool { return d.Action == ActionVersion }},
	} {
		d, err := ParseDuplicity(strings.Fields(test.line), home())
		if err != nil || !test.ok(d) {
			t.Errorf("%s: %+v, %v", test.line, d, err)
		}
	}
}

func TestBadCommandLines(t *testing.T) {
	for line, want := range map[string]string{
		"":                                   "neither an action nor a URL is given",
		"s":                                  "wrong number of arguments: 1, not 2",
		"a b c":                              "wrong number of arguments: 3, not 2",
		"a b":                                "backup: argument 2 is no URL",
		"restore a b":                        "restore: argument 1 is no URL",
		"verify s file:///t":                 "verify: argument 1 is no URL",
		"full file:///t s":                   "full: argument 2 is no URL",
		"file:///t file:///u":                "restore: argument 2 is a URL, not a path",
		"coll a":                             "collection-status: argument 1 is no URL",
		"c file:///t":                        `"c" stands for several actions`,
		"replicate file:///t file:///u":      "action replicate is not supported",
		"remove-older-than":                  "wrong number of arguments: 0, not 1",
		"remove-all-but-n-full 0 file:///t":  "remove-all-but-n-full: not a number of backups",
		"remove-all-but-n-full x file:///t":  "remove-all-but-n-full: not a number of backups",
		"s file:///t --encrypt-kye k":        "unknown option --encrypt-kye",
		"s file:///t --s3":                   "option --s3 stands for several",
		"s file:///t --volsize":              "option --volsize lacks its value",
		"s file:///t --volsize 0":            "option --volsize: out of range",
		"s file:///t -vx":                    "option -v: unknown level",
		"s file:///t --force=1":              "option --force takes no value",
		"s file:///t --name ../x":            "option --name: not the name of a directory",
		"s file:///t --gpg-options x":        "option --gpg-options is not supported",
		"s file:///t --copy-links":           "option --copy-links is not supported",
		"s file:///t --full-if-older-than x": "option --full-if-older-than: not an interval",
		"/ sftp://u:pw@h//t --ssh-option=-oProxyJump=k": "option --ssh-option: option ProxyJump of ssh is not supported",
	} {
		_, err := ParseDuplicity(strings.Fields(line), home())
		if err == nil || err.Error() != want {
			t.Errorf("%s: error %v, want %s", line, err, want)
			continue
		}
		for _, e := range split(err) {
			if hint.Text(e) == "" {
				t.Errorf("%s: no hint", line)
			}
		}
	}
	if _, err := ParseDuplicity([]string{"s", "file:///t"}, nil); err == nil || !strings.Contains(err.Error(), "no place for the archive directory") {
		t.Errorf("without a home: %v", err)
	}
}

// Where duplicity's folders are.
func TestDuplicityPlaces(t *testing.T) {
	env := append(home(), "XDG_CACHE_HOME=/cache", "GNUPGHOME=/keys")
	d, err := ParseDuplicity([]string{"coll", "file:///t", "--name", "n"}, env)
	if err != nil || d.Config.Archive != "/cache/duplicity/n" || d.KeyDir != "/keys" {
		t.Errorf("%+v, %v", d, err)
	}
}
