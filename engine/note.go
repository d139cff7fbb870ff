package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/purser-backup/purser/internal/atomicfile"
)

// A note tells, from the first upload to the last, which set this archive
// directory is writing. After a crash it is how purser knows its own remains.
type note struct {
	Version int   `json:"version"`
	Start   int64 `json:"start"` // seconds since 1970; 0 for a full set
	Time    int64 `json:"time"`
}

const noteVersion = 1

func (a *archiveDir) notePath() string { return filepath.Join(a.state, "unfinished.json") }

func (a *archiveDir) writeNote(s Set) error {
	n := note{Version: noteVersion, Time: s.Time.Unix()}
	if !s.Full() {
		n.Start = s.Start.Unix()
	}
	b, err := json.Marshal(n)
	if err != nil {
		return fmt.Errorf("note unfinished set: %w", err)
	}
	if err := atomicfile.WriteFile(a.notePath(), b, 0o600); err != nil {
		return fmt.Errorf("note unfinished set: %w", err)
	}
	return nil
}

func (a *archiveDir) clearNote() error {
	if err := os.Remove(a.notePath()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("clear note of unfinished set: %w", err)
	}
	return nil
}

func (a *archiveDir) readNote() (*note, error) {
	b, err := os.ReadFile(a.notePath())
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read note of unfinished set: %w", err)
	}
	var n note
	if err := json.Unmarshal(b, &n); err != nil {
		return nil, fmt.Errorf("read note of unfinished set %s: %w", a.notePath(), err)
	}
	if n.Version != noteVersion {
		return nil, withHint(fmt.Errorf("%s has version %d, this purser knows %d", a.notePath(), n.Version, noteVersion),
			"use the newer purser that wrote it")
	}
	return &n, nil
}

// abandon removes what an earlier, interrupted run of ours has uploaded of a
// set that never came to exist.
func (r *Repository) abandon(ctx context.Context) error {
	n, err := r.archive.readNote()
	if err != nil || n == nil {
		return err
	}
	c, err := r.collection(ctx)
	if err != nil {
		return err
	}
	for i := range c.Incomplete {
		s := &c.Incomplete[i]
		if s.Time.Unix() != n.Time || s.Full() != (n.Start == 0) || !s.Full() && s.Start.Unix() != n.Start {
			continue
		}
		r.opt.Warn("removing the remains of an interrupted backup", "time", s.Time.Format(time.RFC3339), "volumes", s.Volumes)
		if err := r.removeIncomplete(ctx, s); err != nil {
			return err
		}
	}
	return r.archive.clearNote()
}

func (r *Repository) removeIncomplete(ctx context.Context, s *Set) error {
	names := make([]object, 0, len(s.volumes)+1)
	if s.signatures != nil {
		names = append(names, *s.signatures)
	}
	for _, v := range s.volumes {
		names = append(names, v)
	}
	for _, name := range names {
		if err := r.store.Delete(ctx, name.key); err != nil {
			return err
		}
	}
	return nil
}
