package engine_test

import (
	"context"
	"errors"
	"iter"
	"testing"

	"github.com/purser-backup/purser/engine"
	"github.com/purser-backup/purser/internal/secret"
)

// watched is a source that tells how its walks end.
type watched struct {
	engine.Source
	begun, ended int
	fail         error // instead of what is behind the root
}

func (w *watched) Walk(ctx context.Context) iter.Seq2[engine.Entry, error] {
	return func(yield func(engine.Entry, error) bool) {
		w.begun++
		defer func() { w.ended++ }()
		for e, err := range w.Source.Walk(ctx) {
			if e.Path != "" && w.fail != nil {
				yield(engine.Entry{}, w.fail)
				return
			}
			if !yield(e, err) {
				return
			}
		}
	}
}

// The source is walked while the set is planned: where that fails no walk is left,
// and where the walk fails by then nothing is taken for deleted.
func TestWalkBesideThePlan(t *testing.T) {
	t.Parallel()
	f := small(t)
	s := newSite(t, "open sesame", f.dir)
	s.backup(f.dir)
	src, err := engine.OpenDir(f.dir, nil)
	f.check(err)
	defer src.Close()
	w := &watched{Source: src}
	right := s.opt.Passphrase
	s.opt.Passphrase, s.now = secret.New("another"), at(1)
	if _, err := s.open().Backup(t.Context(), w, engine.BackupOptions{}); !errors.Is(err, engine.ErrWrongKey) || w.begun != w.ended {
		t.Errorf("with another passphrase: %v; of %d walks %d have ended", err, w.begun, w.ended)
	}
	s.opt.Passphrase = right
	w.fail = errors.New("the source is gone")
	if _, err := s.open().Backup(t.Context(), w, engine.BackupOptions{}); !errors.Is(err, w.fail) || w.begun != w.ended {
		t.Errorf("with a walk that fails: %v; of %d walks %d have ended", err, w.begun, w.ended)
	}
	w.fail = nil
	res, err := s.open().Backup(t.Context(), w, engine.BackupOptions{})
	if err != nil || !res.Unchanged {
		t.Errorf("after that: %+v, %v", res, err)
	}
	sameTree(t, "restored", snapshot(t, f.dir, exact), snapshot(t, s.restore(at(1)), exact))
}
