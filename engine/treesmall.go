package engine

import (
	"context"
	"errors"
	"fmt"
	"os"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

	"github.com/purser-backup/purser/engine/internal/format"
	"github.com/purser-backup/purser/internal/bug"
)

// makers make the small files of one directory.
type makers struct {
	*errgroup.Group
	failed context.Context // ends when one could not be made
}

// makersAtATime bounds the memory for contents, and is as many as one directory
// has use for.
const makersAtATime = 4

func newMakers() makers {
	g, failed := errgroup.WithContext(context.Background())
	g.SetLimit(makersAtATime)
	return makers{g, failed}
}

// makeSmall begins to make a file. Its errors come with a later file, or when
// its directory is left.
func (t *tree) makeSmall(rel string, h *format.Header, content []byte) error {
	if t.makes.failed.Err() != nil {
		return t.made()
	}
	return t.inParent(rel, func(dir *os.File, name string) error {
		t.makes.Go(bug.Guard(func() error { return t.makeIn(dir, name, rel, h, content) }))
		return nil
	})
}

// made waits for the files that are being made.
func (t *tree) made() error {
	err := t.makes.Wait()
	t.makes = newMakers()
	return err
}

func (t *tree) makeIn(dir *os.File, name, rel string, h *format.Header, content []byte) error {
	f, err := create(dir, name)
	if err != nil {
		return fmt.Errorf("restore %s: %w", t.name(rel), err)
	}
	out := &sparseFile{f: f}
	if _, err := out.Write(content); err != nil {
		return errors.Join(fmt.Errorf("write %s: %w", rel, err), f.Close(), unix.Unlinkat(int(dir.Fd()), name, 0))
	}
	if err := t.complete(out, rel, h, false); err != nil {
		return err
	}
	if err := setTime(int(dir.Fd()), name, h.ModTime); err != nil {
		return fmt.Errorf("restore time of %s: %w", t.name(rel), err)
	}
	return nil
}
