package main

import (
	"os"
	"path/filepath"
)

// A tool is a backup program with the commands for one repository of its own.
// All are run in the source directory, and encrypt with a passphrase.
type tool struct {
	name    string
	version []string
	env     []string
	home    string     // all that it keeps
	repo    string     // the part of it that is the repository
	prepare [][]string // before the first backup, not measured
	backup  []string
	restore []string
	target  string // where restore writes to
	inside  bool   // restore is run in target, which must be there
}

const passphrase = "a passphrase for measuring"

func tools(dir, purser string) []tool {
	source := filepath.Join(dir, "source")
	at := func(name string) (home, repo, target string) {
		home = filepath.Join(dir, name)
		return home, filepath.Join(home, "repository"), filepath.Join(dir, "restored", name)
	}
	var all []tool
	home, repo, target := at("purser")
	all = append(all, tool{
		name: "purser", version: []string{purser, "version"}, home: home, repo: repo, target: target,
		env: []string{
			"BACKUP_DUPLICITY_URL=file://" + repo, "BACKUP_ARCHIVE_DIR=" + filepath.Join(home, "state"),
			"BACKUP_DUPLICITY_SOURCE_PATH=" + source, "PASSPHRASE=" + passphrase, "BACKUP_INSTANCE=benchmark",
		},
		backup:  []string{purser, "backup"},
		restore: []string{purser, "restore", target},
	})
	home, repo, target = at("restic")
	all = append(all, tool{
		name: "restic", version: []string{"restic", "version"}, home: home, repo: repo, target: target,
		env:     []string{"RESTIC_REPOSITORY=" + repo, "RESTIC_PASSWORD=" + passphrase, "RESTIC_CACHE_DIR=" + filepath.Join(home, "cache")},
		prepare: [][]string{{"restic", "init", "-q"}},
		backup:  []string{"restic", "backup", "-q", "."},
		restore: []string{"restic", "restore", "-q", "latest", "--target", target},
	})
	home, repo, target = at("borg")
	all = append(all, tool{
		name: "borg", version: []string{"borg", "--version"}, home: home, repo: repo, target: target,
		env: []string{
			"BORG_REPO=" + repo, "BORG_PASSPHRASE=" + passphrase, "BORG_BASE_DIR=" + filepath.Join(home, "base"),
			"BORG_RELOCATED_REPO_ACCESS_IS_OK=yes",
		},
		prepare: [][]string{{"borg", "init", "--encryption=repokey"}},
		backup:  []string{"borg", "create", "::{now:%Y%m%dT%H%M%S.%f}", "."},
		restore: []string{"sh", "-c", `exec borg extract "::$(borg list --last 1 --short)"`},
		inside:  true,
	})
	home, repo, target = at("duplicity")
	all = append(all, tool{
		name: "duplicity", version: []string{"duplicity", "--version"}, home: home, repo: repo, target: target,
		env:     []string{"PASSPHRASE=" + passphrase, "GNUPGHOME=" + filepath.Join(home, "gnupg")},
		backup:  []string{"duplicity", "-v1", "--archive-dir", filepath.Join(home, "archive"), source, "file://" + repo},
		restore: []string{"duplicity", "-v1", "--archive-dir", filepath.Join(home, "archive"), "restore", "file://" + repo, target},
	})
	home, repo, target = at("kopia")
	all = append(all, tool{
		name: "kopia", version: []string{"kopia", "--version"}, home: home, repo: repo, target: target,
		env: []string{
			"KOPIA_PASSWORD=" + passphrase, "KOPIA_CONFIG_PATH=" + filepath.Join(home, "config"),
			"KOPIA_CACHE_DIRECTORY=" + filepath.Join(home, "cache"), "KOPIA_LOG_DIR=" + filepath.Join(home, "log"), "KOPIA_CHECK_FOR_UPDATES=false",
		},
		prepare: [][]string{
			{"kopia", "repository", "create", "filesystem", "--path", repo},
			{"kopia", "policy", "set", "--global", "--compression=zstd-fastest"},
		},
		backup:  []string{"kopia", "snapshot", "create", "--no-progress", source},
		restore: []string{"kopia", "restore", "--no-progress", source, target},
	})
	return all
}

// size is the number of bytes in the files below dir.
func size(dir string) (int64, error) {
	var sum int64
	err := filepath.WalkDir(dir, func(_ string, d os.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		sum += info.Size()
		return nil
	})
	return sum, err
}
