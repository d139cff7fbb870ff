package daemon

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// goneDir takes dumps that are to be removed, so that a backup never sees half
// of one. No instance has a staging directory of this name.
const goneDir = stagingDir + "/.gone"

// dropStale takes the dumps of services that are gone for BACKUP_STALE_AFTER
// out of the source path and forgets the services. From then on retention alone
// decides how long the sets with their dumps stay.
func (r *run) dropStale(ctx context.Context) {
	for _, s := range slices.Clone(r.history.Services) {
		if s.GoneSince.IsZero() || r.now().Before(s.staleFrom(r.cfg.StaleAfter)) {
			continue
		}
		if ctx.Err() != nil {
			return
		}
		what, err := removeDump(r.cfg.SourcePath, s)
		if err != nil {
			r.log.Warn("the dump of a service that is gone can't be removed", "service", s.ID, "error", err)
			r.record.Problems = append(r.record.Problems, fmt.Sprintf("%s: its dump can't be removed: %s", s.ID, oneLine(err)))
			continue
		}
		r.log.Warn("service forgotten: "+what, "service", s.ID, "gone_since", s.GoneSince)
		r.record.Problems = append(r.record.Problems, fmt.Sprintf("%s: gone since %s and forgotten now: %s", s.ID, s.GoneSince.Format(time.RFC3339), what))
		r.history.forget(s.ID)
	}
}

// staleFrom is when the dump of a service that is gone leaves the source path.
func (s *ServiceRecord) staleFrom(after time.Duration) time.Time { return s.GoneSince.Add(after) }

// forget drops the record of a service.
func (h *history) forget(id string) {
	h.Services = slices.DeleteFunc(h.Services, func(s ServiceRecord) bool { return s.ID == id })
}

// removeDump takes the last dump of a service out of the source path and says
// what became of it.
func removeDump(source string, s ServiceRecord) (what string, err error) {
	dir := dumpPath(s.ID)
	if !filepath.IsLocal(s.ID) || path.Clean(s.ID) != s.ID || strings.Count(s.ID, "/") != 1 {
		return "", fmt.Errorf("%q is no identity of a service", s.ID)
	}
	root, err := os.OpenRoot(source)
	if err != nil {
		return "", err
	}
	defer func() { err = join(err, root.Close()) }()
	info, err := root.Lstat(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "its dump had left the source path before", nil
	case err != nil:
		return "", err
	case info.ModTime().After(s.LastGood.Add(time.Minute)):
		// Another purser may look after the service by now.
		return "its dump stays, since somebody else has changed it", nil
	}
	if err := root.MkdirAll(goneDir, 0o700); err != nil {
		return "", err
	}
	doomed := path.Join(goneDir, "dump")
	if err := root.RemoveAll(doomed); err != nil { // what a crash has left
		return "", err
	}
	if err := root.Rename(dir, doomed); err != nil {
		return "", err
	}
	if err := root.RemoveAll(goneDir); err != nil {
		return "", err
	}
	// The stack may have other services, and then stays.
	if entries, err := fs.ReadDir(root.FS(), path.Dir(dir)); err == nil && len(entries) == 0 {
		if err := root.Remove(path.Dir(dir)); err != nil {
			return "", err
		}
	}
	return "its dump has left the source path, sets that hold it stay until they are pruned", nil
}
