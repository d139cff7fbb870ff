package daemon

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"strings"

	"github.com/purser-backup/purser/engine"
)

// stagingDir holds dumps on their way, below the source path.
const stagingDir = ".purser"

// Backup stores the source path without dumping anything; Docker is not
// needed. The backup is nil if none was made. Errors are those of Run.
func (d *Daemon) Backup(ctx context.Context, full bool) (*Backup, error) {
	if err := d.CheckTarget(ctx); err != nil {
		return nil, err
	}
	r, err := d.begin(commandBackup, RunOptions{Trigger: ByCommand})
	if err != nil {
		return nil, err
	}
	defer r.lock.unlock()
	err = r.backup(ctx, full)
	saved := r.close()
	return r.record.Backup, join(append(r.missing, err, saved)...)
}

// backup stores the source path as a new set.
func (r *run) backup(ctx context.Context, full bool) error {
	if err := r.phase(PhaseBackup); err != nil {
		return err
	}
	repo, err := OpenRepository(ctx, r.opt)
	if err != nil {
		return err
	}
	defer r.closing("the target", repo.Close)
	src, err := engine.OpenDir(r.cfg.SourcePath, r.skip())
	if err != nil {
		return err
	}
	defer r.closing("the source path", src.Close)
	r.log.Info("backup started", "source", r.cfg.SourcePath, "target", r.URL())
	res, err := repo.Backup(ctx, src, engine.BackupOptions{Full: full, FullIfOlderThan: r.cfg.FullIfOlderThan})
	if err != nil {
		return err
	}
	b := newBackup(res, r.now())
	r.record.Backup = b
	r.log.Info("backup done", "kind", b.Kind, "set", b.Time, "files", b.Files, "new", b.New, "changed", b.Changed,
		"deleted", b.Deleted, "uploaded_bytes", b.UploadedBytes, "took", r.took(r.journal.Since))
	if len(b.Unreadable) > 0 {
		r.missing = append(r.missing, &incomplete{unreadable(b.Unreadable)})
	}
	r.history.LastBackup = b
	return nil
}

// unreadable makes one error of all that could not be read.
func unreadable(names []string) error {
	const shown = 5
	text := strings.Join(names[:min(len(names), shown)], "; ")
	if more := len(names) - shown; more > 0 {
		text += fmt.Sprintf("; and %d more", more)
	}
	noun := "1 entry"
	if len(names) != 1 {
		noun = fmt.Sprintf("%d entries", len(names))
	}
	return withHint(fmt.Errorf("%s of the source could not be read, the previous state is kept: %s", noun, text),
		"run purser as root, with the capability DAC_READ_SEARCH where capabilities are dropped")
}

// skip leaves out purser's staging, and its own state and a local target where
// they lie below the source path: a backup must not contain itself.
func (r *run) skip() func(string) bool {
	out := []string{stagingDir}
	for what, dir := range map[string]string{"the archive directory": r.cfg.ArchiveDir, "the target": localTarget(r.cfg.URL.Reveal())} {
		if rel, inside := below(r.cfg.SourcePath, dir); inside {
			r.log.Warn(what+" lies below the source path and is left out of the backup", "path", dir)
			out = append(out, rel)
		}
	}
	return func(path string) bool {
		for _, dir := range out {
			if path == dir {
				return true
			}
		}
		return false
	}
}

// below returns dir relative to root if it lies there.
func below(root, dir string) (string, bool) {
	if dir == "" {
		return "", false
	}
	absRoot, err1 := filepath.Abs(root)
	absDir, err2 := filepath.Abs(dir)
	if errors.Join(err1, err2) != nil {
		return "", false
	}
	rel, err := filepath.Rel(absRoot, absDir)
	if err != nil || rel == "." || rel == ".." || strings.HasPrefix(rel, "../") {
		return "", false
	}
	return filepath.ToSlash(rel), true
}

// localTarget is the directory of a file URL, empty for other targets.
func localTarget(target string) string {
	u, err := url.Parse(target)
	if err != nil || u.Scheme != "file" {
		return ""
	}
	return u.Path
}
