package storage_test

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/purser-backup/purser/engine/storage"
	"github.com/purser-backup/purser/engine/storage/driver/drivertest"
	"github.com/purser-backup/purser/engine/storage/servertest"
)

// With 50 ms of delay on the way, uploads side by side still fill the line.
func TestUploadsOverALongLine(t *testing.T) {
	const line, count, atOnce, size = 4 << 20, 8, 4, 4 << 20
	want := 0.7 // other tests need the processors, too
	if drivertest.Soak() {
		want = 0.9
	}
	all := faultSites(t)
	for _, name := range []string{"s3", "sftp"} {
		t.Run(name, func(t *testing.T) {
			proxy := servertest.NewProxy(t, all[name].server.Addr())
			proxy.Delay(50*time.Millisecond, line)
			s := all[name].open(t, proxy.Port, nil)
			data := randomBytes(size)
			if err := put(t.Context(), s, "first", "so that the connection is there"); err != nil {
				t.Fatal(err)
			}
			began := time.Now()
			var g errgroup.Group
			g.SetLimit(atOnce)
			for i := range count {
				g.Go(func() error { return s.Put(t.Context(), fmt.Sprint(i), bytes.NewReader(data), size) })
			}
			if err := g.Wait(); err != nil {
				t.Fatal(err)
			}
			rate := count * size / time.Since(began).Seconds()
			t.Logf("%.2f of the line", rate/line)
			if rate < want*line {
				t.Errorf("%.0f bytes per second, the line gives %d", rate, line)
			}
		})
	}
}

// A limit is kept to within 5 % over 10 s, by uploads side by side.
func TestUploadRate(t *testing.T) {
	const rate, seconds, count = 2 << 20, 10, 2
	c := faultSites(t)["s3"]
	s := c.open(t, c.server.Port, func(o *storage.Options) { o.UploadRate = func() int64 { return rate } })
	data := randomBytes(rate * seconds / count)
	began := time.Now()
	var g errgroup.Group
	for i := range count {
		g.Go(func() error { return s.Put(t.Context(), fmt.Sprint(i), bytes.NewReader(data), int64(len(data))) })
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	took := time.Since(began).Seconds()
	t.Logf("%.3f of the rate", seconds/took)
	// A machine that is busy may be slower; faster is never right.
	if took < 0.95*seconds || took > 2*seconds {
		t.Errorf("%.2f s for what takes %d s", took, seconds)
	}
}
