package engine_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/purser-backup/purser/engine"
)

// dumpOf is a dump of many rows, of which one in a hundred differs from
// one generation to the next.
func dumpOf(generation int) []byte {
	const rows = 36000 // their signature has the block length of large files
	r := rand.New(rand.NewPCG(1, 2))
	value := make([]int, rows)
	for g := 1; g <= generation; g++ {
		for range rows / 100 {
			value[r.IntN(rows)] = r.IntN(10 << g)
		}
	}
	r = rand.New(rand.NewPCG(3, 4))
	var b bytes.Buffer
	for row, v := range value {
		fmt.Fprintf(&b, "%d\t%d\t%d\t%016x%016x%052d\n", row, row%100, v, r.Uint64(), r.Uint64(), 0)
	}
	return b.Bytes()
}

// backupBeside makes a set with the files of the directory previous at hand.
func (s *site) backupBeside(dir, previous string) engine.BackupResult {
	s.t.Helper()
	src, err := engine.OpenDir(dir, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	defer src.Close()
	res, err := s.open().Backup(s.t.Context(), src, engine.BackupOptions{Previous: previous})
	if err != nil {
		s.t.Fatal(err)
	}
	return res
}

// With the last content at hand an increment holds the bytes that have changed.
// Each generation restores, by stock tools too.
func TestPrevious(t *testing.T) {
	t.Parallel()
	base := t.TempDir()
	dir, previous := filepath.Join(base, "source"), filepath.Join(base, "previous")
	file, last := filepath.Join(dir, "stack", "all.sql"), filepath.Join(previous, "stack", "all.sql")
	write := func(path string, data []byte) {
		t.Helper()
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s, plain := newSite(t, passphrase, dir), newSite(t, passphrase, dir)
	var history []map[string]node
	var full int64
	for n := range 6 {
		write(file, dumpOf(n))
		if err := os.Chtimes(file, time.Time{}, epoch.Add(time.Duration(n)*time.Minute)); err != nil {
			t.Fatal(err)
		}
		history = append(history, snapshot(t, dir, exact))
		s.now, plain.now = at(n), at(n)
		res, other := s.backupBeside(dir, previous), plain.backup(dir)
		switch {
		case n == 0:
			full = res.UploadedBytes
		case n == 3: // it was of another file
			if res.UploadedBytes < full/8 {
				t.Errorf("generation %d: %d bytes without the last content at hand", n, res.UploadedBytes)
			}
		case res.UploadedBytes > full*8/100 || other.UploadedBytes < full/8:
			t.Errorf("generation %d: %d bytes, without the last content %d, of %d", n, res.UploadedBytes, other.UploadedBytes, full)
		}
		write(last, dumpOf(n))
		if n == 2 {
			write(last, bytes.Repeat([]byte("x"), len(dumpOf(n))))
		}
	}
	s.loseState()
	for n, want := range history {
		sameTree(t, fmt.Sprintf("generation %d", n), want, snapshot(t, s.restore(at(n)), exact))
	}
	sameTree(t, "restored by duplicity", snapshot(t, dir, duplicity), snapshot(t, s.duplicityRestore(at(50)), duplicity))
	if res := s.verify(engine.VerifyOptions{}); len(res.Damage) > 0 {
		t.Errorf("damage: %+v", res.Damage)
	}
}

// What lies in the place of the last content and isn't it does no harm.
func TestPreviousIsNoFile(t *testing.T) {
	t.Parallel()
	for name, make := range map[string]func(path string) error{
		"a pipe":        func(path string) error { return syscall.Mkfifo(path, 0o600) },
		"a directory":   func(path string) error { return os.Mkdir(path, 0o700) },
		"a link":        func(path string) error { return os.Symlink("/dev/zero", path) },
		"an empty file": func(path string) error { return os.WriteFile(path, nil, 0o600) },
	} {
		base := t.TempDir()
		dir, previous := filepath.Join(base, "source"), filepath.Join(base, "previous")
		f := &fixture{t: t, dir: dir, rand: newRand()}
		f.write("file", 100_000)
		f.check(os.Mkdir(previous, 0o700))
		f.check(make(filepath.Join(previous, "file")))
		s := newSite(t, passphrase, dir)
		s.backup(dir)
		f.gen = 1
		f.patch("file", 50_000, 10)
		s.now = at(1)
		s.backupBeside(dir, previous)
		sameTree(t, name, snapshot(t, dir, exact), snapshot(t, s.restore(time.Time{}), exact))
	}
}
