package daemon

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/purser-backup/purser/discovery"
	"github.com/purser-backup/purser/internal/api"
)

const (
	readers     = 200
	maxSlowdown = 5 // percent
)

// read lets readers ask for all that /v1 has, as fast as they are answered,
// until ctx ends. It counts the answers.
func read(ctx context.Context, t *testing.T, base string, answers *atomic.Int64) {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: readers}}
	defer client.CloseIdleConnections()
	paths := []string{api.PathServices, api.PathRuns, api.PathSets}
	var wg sync.WaitGroup
	for i := range readers {
		wg.Go(func() {
			for n := i; ctx.Err() == nil; n++ {
				err := get(ctx, client, base+paths[n%len(paths)])
				if ctx.Err() != nil {
					return
				}
				if err != nil {
					t.Error(err)
					return
				}
				answers.Add(1)
			}
		})
	}
	wg.Wait()
}

// settled waits until about every reader has been answered: that they connect
// is not what is measured.
func settled(t *testing.T, answers *atomic.Int64) {
	t.Helper()
	from := answers.Load()
	for answers.Load() < from+readers && !t.Failed() {
		if !sleep(t.Context(), 10*time.Millisecond) {
			t.Fatal("the readers are not answered")
		}
	}
}

func get(ctx context.Context, client *http.Client, url string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+testToken)
	res, err := client.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK || len(body) == 0 {
		return fmt.Errorf("%s: %s, %d bytes, %v", url, res.Status, len(body), err)
	}
	return nil
}

// fill makes size bytes of files that compress like dumps.
func (b *bench) fill(t *testing.T, size int) {
	t.Helper()
	const each = 8 << 20
	for n := 0; n*each < size; n++ {
		text := make([]byte, 0, min(each, size))
		for i := 0; len(text) < min(each, size)-64; i++ {
			text = fmt.Appendf(text, "INSERT INTO t VALUES (%d,'%x');\n", i, i*(n+7)*2654435761)
		}
		b.write(t, fmt.Sprintf("source/dump-%03d", n), string(text))
	}
}

// timed makes a full backup and tells how long the run took.
func (b *bench) timed(t *testing.T) time.Duration {
	t.Helper()
	start := time.Now()
	if record := b.run(t, Complete); record.Backup.Kind != "full" {
		t.Errorf("the run made %+v", record.Backup)
	}
	return time.Since(start)
}

// costOfReaders tells how much of the machine readers and server together take
// while nothing else is done. Other programs don't change that much.
func costOfReaders(t *testing.T, base string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	start, before := time.Now(), processorTime(t)
	var answers atomic.Int64
	read(ctx, t, base, &answers)
	took, used := time.Since(start), processorTime(t)-before
	t.Logf("%d readers, %d answers in %v: %.1f %% of %d processors", readers, answers.Load(), took,
		100*used.Seconds()/took.Seconds()/float64(runtime.NumCPU()), runtime.NumCPU())
}

func processorTime(t *testing.T) time.Duration {
	t.Helper()
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// Many readers get all their answers while a run is under way, and the run
// hardly notices. How little is measured with PURSER_SOAK=1, on a machine that
// does nothing else; the runs take longer then than 30 seconds together.
func TestReadersDuringARun(t *testing.T) {
	size, rounds := 8<<20, 1
	soak := os.Getenv("PURSER_SOAK") != ""
	if soak {
		size, rounds = 384<<20, 5
	}
	b, base := served(t, "PASSPHRASE=secret passphrase", "BACKUP_DUPLICITY_FULL_IF_OLDER_THAN=1s", "BACKUP_DUPLICITY_REMOVE_ALL_BUT_N_FULL=1")
	b.engine.fail = nil
	b.engine.list = []discovery.Container{container("one", "store:1")}
	var alone, beside []time.Duration
	var answers atomic.Int64
	b.fill(t, size)
	for range rounds {
		alone = append(alone, b.timed(t))
		ctx, cancel := context.WithCancel(t.Context())
		var reading sync.WaitGroup
		reading.Go(func() { read(ctx, t, base, &answers) })
		settled(t, &answers)
		beside = append(beside, b.timed(t))
		cancel()
		reading.Wait()
	}
	slices.Sort(alone)
	slices.Sort(beside)
	without, with := alone[rounds/2], beside[rounds/2]
	slower := 100 * (with.Seconds()/without.Seconds() - 1)
	t.Logf("a run takes %v alone and %v beside %d readers (medians of %d), %.1f %% longer; %d answers", without, with, readers, rounds, slower, answers.Load())
	if soak {
		costOfReaders(t, base)
	}
	if soak && slower > maxSlowdown {
		t.Errorf("the run is %.1f %% slower, more than %d %%", slower, maxSlowdown)
	}
}
