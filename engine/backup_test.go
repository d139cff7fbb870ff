package engine_test

import (
	"context"
	"errors"
	"io"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/purser-backup/purser/engine"
	"github.com/purser-backup/purser/internal/hint"
	"github.com/purser-backup/purser/internal/secret"
)

func targetNames(t *testing.T, s *site) []string {
	t.Helper()
	entries, err := os.ReadDir(s.target)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

func TestUnchangedTreeMakesNoSet(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	s := newSite(t, passphrase, f.dir)
	s.backup(f.dir)
	before := targetNames(t, s)
	s.now = at(1)
	if res := s.backup(f.dir); !res.Unchanged {
		t.Errorf("result says %d new, %d changed, %d deleted", res.New, res.Changed, res.Deleted)
	}
	if after := targetNames(t, s); !slices.Equal(before, after) {
		t.Errorf("target went from %q to %q", before, after)
	}
}

// A change that leaves size and time to the second alone is still seen.
func TestChangeWithinOneSecondIsSeen(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	s := newSite(t, passphrase, f.dir)
	when := time.Unix(1600000000, 1000)
	f.check(os.WriteFile(f.path("a"), []byte("one"), 0o644))
	f.check(os.Chtimes(f.path("a"), when, when))
	s.backup(f.dir)
	f.check(os.WriteFile(f.path("a"), []byte("two"), 0o644))
	f.check(os.Chtimes(f.path("a"), when, when.Add(time.Microsecond)))
	s.now = at(1)
	if res := s.backup(f.dir); res.Changed != 1 {
		t.Errorf("%d changed, want 1", res.Changed)
	}
}

func TestFullIfOlderThan(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	s := newSite(t, passphrase, f.dir)
	for n, wantFull := range []bool{true, false, false, true, false} {
		f.gen = n
		f.append("log", 10)
		s.now = epoch.Add(time.Duration(n) * 3 * 24 * time.Hour)
		src, err := engine.OpenDir(f.dir, nil)
		f.check(err)
		res, err := s.open().Backup(t.Context(), src, engine.BackupOptions{FullIfOlderThan: 7 * 24 * time.Hour})
		f.check(err)
		if res.Set.Full() != wantFull {
			t.Errorf("day %d: full is %v", 3*n, res.Set.Full())
		}
	}
}

func TestFullWhenGrown(t *testing.T) {
	t.Parallel()
	f := &fixture{t: t, dir: t.TempDir(), rand: newRand()}
	s := newSite(t, "", f.dir)
	fulls := func(rounds, size int) (at []int) {
		r := s.open()
		for n := range rounds {
			s.now = s.now.Add(time.Hour)
			f.append("log", size)
			src, err := engine.OpenDir(f.dir, nil)
			f.check(err)
			res, err := r.Backup(t.Context(), src, engine.BackupOptions{FullWhenGrown: true})
			f.check(err)
			f.check(src.Close())
			if res.Set.Full() {
				at = append(at, n)
			}
		}
		return at
	}
	f.write("data", 500_000)
	f.write("log", 0)
	// The log grows, and with it the full sets: 5 increments are more than half of the first, then 6.
	if got := fulls(18, 60_000); !slices.Equal(got, []int{0, 6, 13}) {
		t.Errorf("runs %v were full", got)
	}
	f.write("data", 2_000_000)
	f.write("log", 0)
	if got := fulls(103, 10); !slices.Equal(got, []int{1, 101}) {
		t.Errorf("runs %v were full", got)
	}
}

// However wrong the clock is, set times only increase: duplicity would orphan
// the set, or fail for good.
func TestClockSetBack(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	s := newSite(t, passphrase, f.dir)
	s.backup(f.dir)
	for n := range 2 {
		f.gen = n + 1
		s.now = epoch.Add(-time.Hour)
		f.append("log", 10)
		s.backup(f.dir)
	}
	sameTree(t, "newest", snapshot(t, f.dir, exact), snapshot(t, s.restore(time.Time{}), exact))
	sameTree(t, "duplicity's newest", snapshot(t, f.dir, duplicity), snapshot(t, s.duplicityRestore(at(50)), duplicity))
}

// No set is later than the clock that it was made by: duplicity wouldn't see it yet.
func TestTwoSetsInOneSecond(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	s := newSite(t, passphrase, f.dir)
	s.opt.Now = time.Now
	for range 3 {
		f.append("log", 10)
		if res := s.backup(f.dir); res.Set.Time.After(time.Now()) {
			t.Errorf("a set at %s was done at %s", res.Set.Time, time.Now().UTC())
		}
	}
}

// brokenSource replaces or fails single entries of a directory.
type brokenSource struct {
	engine.Source
	change func(*engine.Entry)
}

func (b brokenSource) Walk(ctx context.Context) iter.Seq2[engine.Entry, error] {
	return func(yield func(engine.Entry, error) bool) {
		for e, err := range b.Source.Walk(ctx) {
			b.change(&e)
			if !yield(e, err) {
				return
			}
		}
	}
}

var errMedium = errors.New("medium error")

// cutFile fails at its end.
type cutFile struct {
	io.ReadCloser
	err error
}

func (c *cutFile) Read(p []byte) (int, error) {
	n, err := c.ReadCloser.Read(p[:min(len(p), 50_000)])
	if err == io.EOF {
		err = c.err
	}
	return n, err
}

func TestUnreadableObjectsKeepTheirState(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		path   string
		change func(e *engine.Entry)
	}{
		"entry":            {"a.b", func(e *engine.Entry) { e.Err = errMedium }},
		"directory":        {"dir", func(e *engine.Entry) { e.Err = errMedium }},
		"open":             {"a.b", func(e *engine.Entry) { e.Open = func() (io.ReadCloser, error) { return nil, errMedium } }},
		"end of small":     {"a.b", cutEnd},
		"end of big":       {"big", cutEnd},
		"end of big delta": {"log", cutEnd},
		"cut short":        {"a.b", func(e *engine.Entry) { cutWith(e, io.ErrUnexpectedEOF) }},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			s := newSite(t, passphrase, f.dir)
			s.backup(f.dir)
			before := snapshot(t, f.dir, exact)
			f.gen = 1
			for _, path := range []string{"a.b", "big", "log", "a"} {
				f.patch(path, 0, 50)
			}
			s.now = at(1)
			dir, err := engine.OpenDir(f.dir, nil)
			f.check(err)
			src := brokenSource{dir, func(e *engine.Entry) {
				if e.Path == c.path {
					c.change(e)
				}
				if c.path == "dir" && strings.HasPrefix(e.Path, "dir/") {
					e.Err = errMedium
				}
			}}
			res, err := s.open().Backup(t.Context(), src, engine.BackupOptions{})
			f.check(err)
			if len(res.Unreadable) == 0 || !strings.Contains(res.Unreadable[0], c.path) {
				t.Errorf("unreadable: %q", res.Unreadable)
			}
			want := snapshot(t, f.dir, exact)
			want[c.path] = before[c.path]
			sameTree(t, "set with an unreadable object", want, snapshot(t, s.restore(time.Time{}), exact))
		})
	}
}

func cutEnd(e *engine.Entry) { cutWith(e, errMedium) }

func cutWith(e *engine.Entry, cut error) {
	open := e.Open
	e.Open = func() (io.ReadCloser, error) {
		f, err := open()
		return &cutFile{f, cut}, err
	}
}

func TestErrors(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	cases := map[string]struct {
		prepare func(s *site)
		do      func(s *site) error
		want    error
	}{
		"new repository without passphrase": {
			func(s *site) { s.opt.Passphrase, s.opt.NoEncryption = secret.String{}, false },
			func(s *site) error { return backupError(s, f) }, engine.ErrNoEncryption},
		"wrong passphrase at backup": {
			func(s *site) { s.backup(f.dir); s.opt.Passphrase = secret.New("other"); s.now = at(1) },
			func(s *site) error { return backupError(s, f) }, engine.ErrWrongKey},
		"wrong passphrase at restore": {
			func(s *site) { s.backup(f.dir); s.opt.Passphrase = secret.New("other") },
			restoreError, engine.ErrWrongKey},
		"no passphrase at restore": {
			func(s *site) { s.backup(f.dir); s.loseState(); s.opt.Passphrase = secret.String{} },
			restoreError, engine.ErrWrongKey},
		"nothing there":     {func(*site) {}, restoreError, engine.ErrNoBackup},
		"before the oldest": {func(s *site) { s.backup(f.dir); s.now = at(-1) }, restoreError, engine.ErrNoBackup},
		"locked": {
			func(s *site) {
				s.backup(f.dir)
				s.now = at(1)
				f.append("log", 1)
			},
			func(s *site) error { return lockedError(s, f) }, engine.ErrLocked},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, passphrase, f.dir)
			s.t = t
			c.prepare(s)
			before := targetNames(t, s)
			err := c.do(s)
			if !errors.Is(err, c.want) {
				t.Fatalf("error %v, want %v", err, c.want)
			}
			if hint.Text(err) == "" {
				t.Errorf("no hint in %v", err)
			}
			if after := targetNames(t, s); !slices.Equal(before, after) {
				t.Errorf("target went from %q to %q", before, after)
			}
		})
	}
}

func backupError(s *site, f *fixture) error {
	_, err := s.tryBackup(s.t.Context(), s.open(), f.dir)
	return err
}

func restoreError(s *site) error {
	_, err := s.open().Restore(s.t.Context(), filepath.Join(s.t.TempDir(), "dest"), engine.RestoreOptions{Time: s.now})
	return err
}

// lockedError backs up while another repository is in the middle of its walk.
func lockedError(s *site, f *fixture) error {
	dir, err := engine.OpenDir(f.dir, nil)
	f.check(err)
	var inner error
	src := brokenSource{dir, func(e *engine.Entry) {
		if e.Path == "a" {
			inner = backupError(s, f)
			e.Err = errMedium
		}
	}}
	r := s.open()
	ctx, cancel := context.WithCancel(s.t.Context())
	defer cancel()
	src2 := brokenSource{src, func(e *engine.Entry) {
		if inner != nil {
			cancel()
		}
	}}
	if _, err := r.Backup(ctx, src2, engine.BackupOptions{}); !errors.Is(err, context.Canceled) {
		s.t.Errorf("cancelled backup: %v", err)
	}
	return inner
}

func TestRestoreIntoOccupiedDirectoryIsRefused(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	s := newSite(t, passphrase, f.dir)
	s.backup(f.dir)
	_, err := s.open().Restore(t.Context(), f.dir, engine.RestoreOptions{})
	if !errors.Is(err, engine.ErrNotEmpty) {
		t.Errorf("error %v, want %v", err, engine.ErrNotEmpty)
	}
}

func TestRestoreOfOnePath(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	s := newSite(t, passphrase, f.dir)
	s.backup(f.dir)
	for n := range 3 {
		f.edit(n + 1)
		s.now = at(n + 1)
		s.backup(f.dir)
	}
	for _, path := range []string{"big", "log", "link", "replaced", "\xff\xfe raw", strings.Repeat("d", 100) + "/" + strings.Repeat("e", 150)} {
		dest := filepath.Join(t.TempDir(), "new", "dest")
		_, err := s.open().Restore(t.Context(), dest, engine.RestoreOptions{Path: path})
		f.check(err)
		sameTree(t, path, snapshot(t, f.path(path), exact), snapshot(t, dest, exact))
	}
	_, err := s.open().Restore(t.Context(), t.TempDir(), engine.RestoreOptions{Path: "not/there"})
	if !errors.Is(err, engine.ErrNoBackup) {
		t.Errorf("path that is not there: %v", err)
	}
}

func TestFilesListsEveryGeneration(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	s := newSite(t, passphrase, f.dir)
	for n := range 4 {
		if n > 0 {
			f.edit(n)
		}
		s.now = at(n)
		s.backup(f.dir)
		var want, got []string
		for path := range snapshot(t, f.dir, exact) {
			want = append(want, path)
		}
		s.loseState()
		err := s.open().Files(t.Context(), engine.FilesOptions{}, func(file engine.File) error {
			got = append(got, filepath.Join(".", file.Path))
			if info, err := os.Lstat(f.path(file.Path)); err != nil || file.Type == engine.TypeFile && info.Size() != file.Size {
				t.Errorf("%q: size %d, on disk %v, %v", file.Path, file.Size, info, err)
			}
			return nil
		})
		f.check(err)
		slices.Sort(want)
		slices.Sort(got)
		if !slices.Equal(want, got) {
			t.Fatalf("generation %d: want %q, got %q", n, want, got)
		}
	}
}
