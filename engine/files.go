package engine

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/purser-backup/purser/engine/internal/format"
)

// FilesOptions choose what Files lists.
type FilesOptions struct {
	Time time.Time // the newest set at or before it; zero is the newest
	Path string    // only this object and what is below it
}

// A File is one object of a backup, as its newest set describes it.
type File struct {
	Path     string
	Type     Type
	Mode     uint32
	UID, GID int
	User     string
	Group    string
	ModTime  time.Time
	Size     int64 // bytes; -1 where the archive doesn't tell (sets of duplicity)
	Linkname string
}

// Files calls yield for each object in index order. It reads signatures only,
// from the archive directory where they are cached.
func (r *Repository) Files(ctx context.Context, o FilesOptions, yield func(File) error) error {
	err := r.files(ctx, o, yield)
	var bad *badCopy
	if !errors.As(err, &bad) {
		return err
	}
	if err := os.Remove(bad.path); err != nil {
		return fmt.Errorf("remove damaged file from archive directory: %w", err)
	}
	return withHint(bad, "run the command again: the file is removed, and is fetched from the target")
}

func (r *Repository) files(ctx context.Context, o FilesOptions, yield func(File) error) error {
	sets, _, err := r.setsAt(ctx, o.Time)
	if err != nil {
		return err
	}
	c, err := r.newReader()
	if err != nil {
		return err
	}
	if err := r.cache(ctx, c, sets); err != nil {
		return err
	}
	h, err := r.openHistory(sets)
	if err != nil {
		return err
	}
	defer h.Close()
	for {
		header, err := h.next()
		if err != nil || header == nil {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if !within(header.Path, o.Path) {
			continue
		}
		if err := yield(newFile(header)); err != nil {
			return err
		}
	}
}

func newFile(h *format.Header) File {
	return File{
		Path: h.Path, Type: h.Type, Mode: h.Mode, UID: h.UID, GID: h.GID, User: h.User,
		Group: h.Group, ModTime: h.ModTime, Size: h.FileSize, Linkname: h.Linkname,
	}
}

// within reports whether path is dir or below it.
func within(path, dir string) bool {
	return dir == "" || path == dir || strings.HasPrefix(path, dir) && path[len(dir)] == '/'
}
