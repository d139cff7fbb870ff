package engine_test

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/purser-backup/purser/engine"
)

// indexFile is the index of a site's only target.
func (s *site) indexFile() string {
	s.t.Helper()
	found, err := filepath.Glob(filepath.Join(s.state, "state", "*", "index"))
	if err != nil || len(found) != 1 {
		s.t.Fatalf("index: %q, %v", found, err)
	}
	return found[0]
}

// listing is what Files yields for the newest set.
func (s *site) listing() []engine.File {
	s.t.Helper()
	repo := s.open()
	defer repo.Close()
	var all []engine.File
	err := repo.Files(s.t.Context(), engine.FilesOptions{}, func(f engine.File) error {
		all = append(all, f)
		return nil
	})
	if err != nil {
		s.t.Fatal(err)
	}
	return all
}

// The index says just what the signatures say, after each kind of change, and
// an increment on top of it restores.
func TestIndexIsWhatSignaturesSay(t *testing.T) {
	f := newEverything(t)
	s := siteIn(t, t.TempDir(), passphrase, f.dir)
	for generation := range lastEdit + 1 {
		if generation > 0 {
			f.editMore(generation)
		}
		s.now = at(generation)
		s.backup(f.dir)
		with := s.listing()
		index := s.indexFile()
		if err := os.Rename(index, index+".aside"); err != nil {
			t.Fatal(err)
		}
		if without := s.listing(); !slices.EqualFunc(with, without, sameFile) {
			t.Errorf("generation %d: the index has %d objects, the signatures %d, or they differ", generation, len(with), len(without))
		}
		if err := os.Rename(index+".aside", index); err != nil {
			t.Fatal(err)
		}
	}
	sameTree(t, "restored", snapshot(t, f.dir, exact), snapshot(t, s.restore(time.Time{}), exact))
}

// A damaged index is made anew, and what it said wrongly is not believed.
func TestDamagedIndex(t *testing.T) {
	f := newFixture(t)
	s := siteIn(t, t.TempDir(), passphrase, f.dir)
	s.backup(f.dir)
	whole, err := os.ReadFile(s.indexFile())
	check(t, err)
	for i := 3; i < len(whole); i += len(whole)/40 + 1 {
		damaged := bytes.Clone(whole)
		damaged[i] ^= 0x10
		if i%2 == 0 {
			damaged = damaged[:i]
		}
		check(t, os.WriteFile(s.indexFile(), damaged, 0o600))
		s.now = s.now.Add(time.Hour)
		if res := s.backup(f.dir); !res.Unchanged {
			t.Fatalf("byte %d: a set was written", i)
		}
		if again, err := os.ReadFile(s.indexFile()); err != nil || !bytes.Equal(again, whole) {
			t.Fatalf("byte %d: the index was not made again: %v", i, err)
		}
	}
}

func sameFile(a, b engine.File) bool {
	at, bt := a.ModTime, b.ModTime
	a.ModTime, b.ModTime = bt, bt
	return a == b && at.Equal(bt)
}
