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
	into    string // where restore is run, empty for the source directory
}

const passphrase = "a passphrase for measuring"

func tools(dir, purser string) []tool {
	source, target := filepath.Join(dir, "source"), filepath.Join(dir, "restored")
	at := func(name string) (home, repo string) {
		home = filepath.Join(dir, name)
		return home, filepath.Join(home, "repository")
	}
	var all []tool
	home, repo := at("purser")
	all = append(all, tool{
		name: "purser", version: []string{purser, "version"}, home: home, repo: repo,
		env: []string{
			"BACKUP_DUPLICITY_URL=file://" + repo, "BACKUP_ARCHIVE_DIR=" + filepath.Join(home, "state"),
			"BACKUP_DUPLICITY_SOURCE_PATH=" + source, "PASSPHRASE=" + passphrase, "BACKUP_INSTANCE=benchmark",
		},
		backup:  []string{purser, "backup"},
		restore: []string{purser, "restore", target},
	})
	home, repo = at("restic")
	all = append(all, tool{
		name: "restic", version: []string{"restic", "version"}, home: home, repo: repo,
		env:     []string{"RESTIC_REPOSITORY=" + repo, "RESTIC_PASSWORD=" + passphrase, "RESTIC_CACHE_DIR=" + filepath.Join(home, "cache")},
		prepare: [][]string{{"restic", "init", "-q"}},
		backup:  []string{"restic", "backup", "-q", "."},
		restore: []string{"restic", "restore", "-q", "latest", "--target", target},
	})
	home, repo = at("borg")
	all = append(all, tool{
		name: "borg", version: []string{"borg", "--version"}, home: home, repo: repo,
		env: []string{
			"BORG_REPO=" + repo, "BORG_PASSPHRASE=" + passphrase, "BORG_BASE_DIR=" + filepath.Join(home, "base"),
			"BORG_RELOCATED_REPO_ACCESS_IS_OK=yes",
		},
		prepare: [][]string{{"borg", "init", "--encryption=repokey"}},
		backup:  []string{"borg", "create", "::{now:%Y%m%dT%H%M%S.%f}", "."},
		restore: []string{"sh", "-c", `exec borg extract "::$(borg list --last 1 --short)"`},
		into:    target,
	})
	home, repo = at("duplicity")
	all = append(all, tool{
		name: "duplicity", version: []string{"duplicity", "--version"}, home: home, repo: repo,
		env:     []string{"PASSPHRASE=" + passphrase, "GNUPGHOME=" + filepath.Join(home, "gnupg")},
		backup:  []string{"duplicity", "-v1", "--archive-dir", filepath.Join(home, "archive"), source, "file://" + repo},
		restore: []string{"duplicity", "-v1", "--archive-dir", filepath.Join(home, "archive"), "restore", "file://" + repo, target},
	})
	home, repo = at("kopia")
	all = append(all, tool{
		name: "kopia", version: []string{"kopia", "--version"}, home: home, repo: repo,
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
