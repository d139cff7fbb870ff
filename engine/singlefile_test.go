package engine_test

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/purser-backup/purser/engine"
	"github.com/purser-backup/purser/engine/storage"
	"github.com/purser-backup/purser/engine/storage/driver"
)

// counting notes which volumes are fetched.
type counting struct {
	driver.Backend
	mu  sync.Mutex
	got map[string]int // by set
}

func (c *counting) Get(ctx context.Context, name string) (io.ReadCloser, error) {
	if set, _, volume := strings.Cut(name, ".vol"); volume {
		c.mu.Lock()
		c.got[set]++
		c.mu.Unlock()
	}
	return c.Backend.Get(ctx, name)
}

// One small file out of a large chain costs no more than a volume of each set.
func TestOneFileFetchesOneVolumeOfASet(t *testing.T) {
	t.Parallel()
	f := &fixture{t: t, dir: t.TempDir(), rand: newRand()}
	f.write("etc/app.conf", 10_000)
	for i := range 8 {
		f.write(fmt.Sprintf("data/%d", i), 200_000)
		f.write(fmt.Sprintf("more/%d", i), 200_000)
	}
	s := newSite(t, passphrase, f.dir)
	s.backup(f.dir)
	const sets = 6
	for n := 1; n < sets; n++ {
		s.now, f.gen = at(n), n
		for i := range 8 {
			f.append(fmt.Sprintf("data/%d", i), 60_000)
			f.append(fmt.Sprintf("more/%d", i), 60_000)
		}
		if n%2 == 0 {
			f.patch("etc/app.conf", 5000, 100)
		}
		s.backup(f.dir)
	}
	volumes := 0
	for _, name := range targetNames(t, s) {
		if strings.Contains(name, ".vol") {
			volumes++
		}
	}
	c := &counting{Backend: s.backend(), got: map[string]int{}}
	dest := filepath.Join(t.TempDir(), "app.conf")
	_, err := s.openStore(storage.New(c, s.url(), storage.Options{})).Restore(t.Context(), dest, engine.RestoreOptions{Path: "etc/app.conf"})
	f.check(err)
	want, err := os.ReadFile(f.path("etc/app.conf"))
	f.check(err)
	got, err := os.ReadFile(dest)
	f.check(err)
	if string(got) != string(want) {
		t.Error("the file differs")
	}
	for set, n := range c.got {
		if n > 1 {
			t.Errorf("%d volumes of %s were fetched", n, set)
		}
	}
	if len(c.got) < 3 || volumes < 4*sets {
		t.Errorf("%d of %d volumes were fetched: the test shows nothing", len(c.got), volumes)
	}
}
