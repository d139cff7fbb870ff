package engine_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/purser-backup/purser/engine"
	"github.com/purser-backup/purser/internal/hint"
)

const leaseName = "purser-lease.json"

// lease writes one of another host.
func (s *site) lease(until time.Time) {
	s.t.Helper()
	b, err := json.Marshal(map[string]any{"version": 1, "holder": "somebody", "host": "other", "until": until})
	check(s.t, err)
	check(s.t, os.WriteFile(filepath.Join(s.target, leaseName), b, 0o600))
}

// While another host holds the lease nothing is written; when it has run out,
// the work goes on. A run leaves no lease, an unchanged one takes none.
func TestLease(t *testing.T) {
	t.Parallel()
	f := small(t)
	s := newSite(t, passphrase, f.dir)
	s.backup(f.dir)
	f.append("big", 10)
	s.now = at(1)
	s.lease(at(1).Add(time.Minute))
	before := targetNames(t, s)
	_, err := s.tryBackup(t.Context(), s.open(), f.dir)
	if !errors.Is(err, engine.ErrLocked) || !strings.Contains(err.Error(), `"other"`) {
		t.Fatalf("error %v, want ErrLocked with the name of the host", err)
	}
	if hint.Text(err) == "" {
		t.Errorf("no hint in %v", err)
	}
	if after := targetNames(t, s); !slices.Equal(before, after) {
		t.Errorf("target went from %q to %q", before, after)
	}
	if err := pruneToOne(t.Context(), s.open()); err != nil {
		t.Errorf("nothing to prune, but %v", err)
	}
	s.now = at(2)
	s.backup(f.dir)
	if slices.Contains(targetNames(t, s), leaseName) {
		t.Error("the lease is left")
	}
	s.lease(at(9))
	s.now = at(3)
	if res := s.backup(f.dir); !res.Unchanged {
		t.Errorf("%+v", res)
	}
	sameTree(t, "restored", snapshot(t, f.dir, exact), snapshot(t, s.restore(at(99)), exact))
}

// A run that is cancelled leaves its lease; its own next run goes on at once,
// that of another host after the term.
func TestLeaseOfCancelledRun(t *testing.T) {
	t.Parallel()
	f := small(t)
	s := newSite(t, passphrase, f.dir)
	s.opt.VolumeSize = 64 << 10
	ctx, cancel := context.WithCancel(t.Context())
	dir, err := engine.OpenDir(f.dir, nil)
	check(t, err)
	defer dir.Close()
	src := brokenSource{dir, func(e *engine.Entry) {
		if e.Path == "big" {
			open := e.Open
			e.Open = func() (io.ReadCloser, error) {
				f, err := open()
				return &endFile{f, cancel}, err // after several volumes
			}
		}
	}}
	if _, err := s.open().Backup(ctx, src, engine.BackupOptions{}); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	if !slices.Contains(targetNames(t, s), leaseName) {
		t.Fatal("a cancelled run has deleted its lease")
	}
	other := *s
	other.state = filepath.Join(t.TempDir(), "state")
	s.now = at(0).Add(time.Minute)
	other.now = s.now
	other.opt.Now = func() time.Time { return other.now }
	if _, err := other.tryBackup(t.Context(), other.open(), f.dir); !errors.Is(err, engine.ErrLocked) {
		t.Errorf("another host: %v, want ErrLocked", err)
	}
	s.backup(f.dir)
	sameTree(t, "restored", snapshot(t, f.dir, exact), snapshot(t, s.restore(at(99)), exact))
}

// An endFile tells when it has been read to its end.
type endFile struct {
	io.ReadCloser
	atEnd func()
}

func (f *endFile) Read(p []byte) (int, error) {
	n, err := f.ReadCloser.Read(p)
	if err == io.EOF {
		f.atEnd()
	}
	return n, err
}
