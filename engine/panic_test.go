package engine_test

import (
	"context"
	"errors"
	"io"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/purser-backup/purser/engine"
	"github.com/purser-backup/purser/engine/storage"
	"github.com/purser-backup/purser/engine/storage/driver"
	"github.com/purser-backup/purser/internal/bug"
)

const oops = "out of rum"

// buggyBackend panics at one call of Put or Get.
type buggyBackend struct {
	driver.Backend
	put, get int64 // the number of the call, 0 for none
	puts     atomic.Int64
	gets     atomic.Int64
}

func (b *buggyBackend) Put(ctx context.Context, name string, r io.ReadSeeker, size int64) error {
	if b.puts.Add(1) == b.put {
		panic(oops)
	}
	return b.Backend.Put(ctx, name, r, size)
}

func (b *buggyBackend) Get(ctx context.Context, name string) (io.ReadCloser, error) {
	if b.gets.Add(1) == b.get {
		panic(oops)
	}
	return b.Backend.Get(ctx, name)
}

// buggy opens the site's repository over a target with a bug.
func (s *site) buggy(b *buggyBackend) *engine.Repository {
	s.t.Helper()
	b.Backend = s.backend()
	return s.openStore(storage.New(b, s.url(), storage.Options{Retries: -1}))
}

// buggyFile panics after some of its content.
type buggyFile struct{ io.ReadCloser }

func (buggyFile) Read([]byte) (int, error) { panic(oops) }

// caught makes an error of a panic in the goroutine that works, as the callers
// of a Repository do.
func caught(t *testing.T, do func() error) {
	t.Helper()
	err := bug.Guard(do)()
	var known *bug.Error
	if !errors.As(err, &known) || !strings.Contains(err.Error(), oops) {
		t.Fatalf("error %v, want the panic", err)
	}
}

// A bug in any goroutine of a backup ends that backup, and leaves a repository
// whose next backup is good.
func TestPanicInBackup(t *testing.T) {
	t.Parallel()
	open := func(e *engine.Entry) { e.Open = func() (io.ReadCloser, error) { panic(oops) } }
	read := func(e *engine.Entry) {
		from := e.Open
		e.Open = func() (io.ReadCloser, error) {
			f, err := from()
			return buggyFile{f}, err
		}
	}
	for name, c := range map[string]struct {
		put    int64
		path   string
		change func(e *engine.Entry)
	}{
		"walk":          {path: "dir", change: func(*engine.Entry) { panic(oops) }},
		"open":          {path: "big", change: open},
		"read":          {path: "big", change: read},
		"the lease":     {put: 1},
		"first volume":  {put: 2},
		"second volume": {put: 3},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := small(t)
			s := siteIn(t, t.TempDir(), passphrase, f.dir)
			s.opt.VolumeSize = 64 << 10
			s.backup(f.dir)
			s.now = at(1)
			f.write("big", 320_000)
			f.write("zz", 100)
			src, err := engine.OpenDir(f.dir, nil)
			check(t, err)
			defer src.Close()
			broken := brokenSource{src, func(e *engine.Entry) {
				if c.change != nil && e.Path == c.path {
					c.change(e)
				}
			}}
			caught(t, func() error {
				_, err := s.buggy(&buggyBackend{put: c.put}).Backup(t.Context(), broken, engine.BackupOptions{})
				return err
			})
			s.now = at(2)
			s.backup(f.dir)
			sameTree(t, "after the panic", snapshot(t, f.dir, exact), snapshot(t, s.restore(time.Time{}), exact))
		})
	}
}

// A bug while a volume is fetched ahead ends the restore.
func TestPanicInRestore(t *testing.T) {
	t.Parallel()
	f := small(t)
	s := siteIn(t, t.TempDir(), passphrase, f.dir)
	s.opt.VolumeSize = 64 << 10
	s.backup(f.dir)
	calls := &buggyBackend{}
	_, err := s.buggy(calls).Restore(t.Context(), t.TempDir()+"/all", engine.RestoreOptions{})
	check(t, err)
	for n := int64(1); n <= calls.gets.Load(); n++ {
		caught(t, func() error {
			_, err := s.buggy(&buggyBackend{get: n}).Restore(t.Context(), t.TempDir()+"/some", engine.RestoreOptions{})
			return err
		})
	}
	if calls.gets.Load() < 3 {
		t.Errorf("only %d calls were tried", calls.gets.Load())
	}
}
