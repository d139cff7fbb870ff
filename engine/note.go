package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/purser-backup/purser/internal/atomicfile"
)

// A note names the sets that this archive directory is writing or deleting,
// from before the first change on the target until after the last. After a
// crash it is how purser knows its own remains.
type note struct {
	Version  int       `json:"version"`
	Sets     []noteSet `json:"sets"`
	Progress *progress `json:"progress,omitempty"` // of the one set that is being written
}

type noteSet struct {
	Start int64 `json:"start"` // seconds since 1970, as in setKey
	Time  int64 `json:"time"`
}

const noteVersion = 1

// signaturesPath holds the signatures of the set under way, as a plain tar.
func (a *archiveDir) signaturesPath() string { return filepath.Join(a.state, "unfinished.sigtar") }

func (a *archiveDir) notePath() string { return filepath.Join(a.state, "unfinished.json") }

func (a *archiveDir) writeNote(p *progress, sets ...Set) error {
	n := note{Version: noteVersion, Progress: p}
	for i := range sets {
		n.Sets = append(n.Sets, noteSet(sets[i].key()))
	}
	b, err := json.Marshal(n)
	if err != nil {
		return fmt.Errorf("note unfinished work: %w", err)
	}
	if err := atomicfile.WriteFile(a.notePath(), b, 0o600); err != nil {
		return fmt.Errorf("note unfinished work: %w", err)
	}
	return nil
}

func (a *archiveDir) clearNote() error {
	for _, path := range []string{a.notePath(), a.signaturesPath()} {
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("clear note of unfinished work: %w", err)
		}
	}
	return nil
}

func (a *archiveDir) readNote() (*note, error) {
	b, err := os.ReadFile(a.notePath())
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read note of unfinished work: %w", err)
	}
	var n note
	if err := json.Unmarshal(b, &n); err != nil {
		return nil, fmt.Errorf("read note of unfinished work %s: %w", a.notePath(), err)
	}
	if n.Version != noteVersion {
		return nil, withHint(fmt.Errorf("%s has version %d, this purser knows %d", a.notePath(), n.Version, noteVersion),
			"use the newer purser that wrote it")
	}
	return &n, nil
}

// abandon removes what interrupted work of ours has left on the target: parts
// of sets that never came to exist, or that were being deleted.
func (r *Repository) abandon(ctx context.Context) error {
	n, err := r.archive.readNote()
	if err != nil || n == nil {
		return err
	}
	c, err := r.collection(ctx)
	if err != nil {
		return err
	}
	var res PruneResult
	for i := range c.Incomplete {
		s := &c.Incomplete[i]
		if !slices.Contains(n.Sets, noteSet(s.key())) {
			continue
		}
		r.opt.Warn("removing the remains of an interrupted run", "time", s.Time.Format(time.RFC3339), "volumes", s.Volumes)
		if err := r.remove(ctx, s, &res); err != nil {
			return err
		}
	}
	if err := r.dropLease(ctx); err != nil {
		return err
	}
	if err := r.store.abandonLater(n.Sets); err != nil {
		return err
	}
	return r.archive.clearNote()
}
