package main_test

import (
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/purser-backup/purser/internal/docker/dockertest"
)

// A thousand containers are discovered in less than a second, the program's own
// start included. The best of some tries counts: other tests share the processors.
func TestThousandContainersInASecond(t *testing.T) {
	const containers, gone, oneShots, images, limit = 1000, 10, 10, 20, time.Second
	w := newWorld(t)
	p := w.purser("host process").without("BACKUP_SCOPE")
	crowd := dockertest.NewCrowd(t, containers, images)
	best := time.Hour
	for try := 0; try < 10 && best >= limit; try++ {
		c := w.command(p.env, p.binary, "discover")
		c.cmd.Env = append(c.cmd.Env, "DOCKER_HOST="+crowd.Host)
		began := time.Now()
		r := c.run()
		best = min(best, time.Since(began))
		if r.code != 0 || strings.Count(r.stdout, "\n") < containers-gone-oneShots {
			t.Fatalf("discover: %s", r)
		}
		for call, n := range crowd.Asked() {
			if n != 1 {
				t.Errorf("%s: asked %d times", call, n)
			}
		}
	}
	t.Logf("%d containers in %s", containers, best)
	if best >= limit {
		t.Errorf("%d containers took %s, want less than %s", containers, best, limit)
	}
}

// The image is smaller than 25 MB. Its size is that of its files, before compression.
func TestImageSize(t *testing.T) {
	w := newWorld(t)
	const limit = 25_000_000
	size, err := strconv.Atoi(w.docker("image", "inspect", "--format", "{{.Size}}", w.image))
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("the image has %d bytes", size)
	if size >= limit {
		t.Errorf("the image has %d bytes, want less than %d", size, limit)
	}
}

// A daemon that has found some services, has made its first run, and waits for
// the next one takes less than 30 MB.
func TestIdleMemory(t *testing.T) {
	t.Parallel()
	const limit = 30_000_000
	w := newWorld(t)
	w.postgres("postgres", "postgres:17")
	w.mariadb("mariadb", "mariadb:11")
	for _, service := range []string{"web", "cache", "queue"} {
		w.container(service, "busybox", "-t")
	}
	p := w.purser("named volume")
	write(t, filepath.Join(p.source, "volumes/big"), noise(rand.New(rand.NewPCG(7, 8)), 32<<20), 0o600)
	name := w.stack + "-daemon"
	daemon := p.named(name, "daemon").start()
	var status struct {
		LastRun  *struct{ Result string } `json:"last_run"`
		Running  *struct{ Phase string }  `json:"running"`
		Services []struct{ ID string }    `json:"services"`
	}
	w.eventually("the first run is over and all services are watched", func() bool {
		r := w.command(nil, "docker", "exec", name, "purser", "status", "--output", "json").run()
		return r.code == 0 && decode(t, r.stdout, &status) && status.LastRun != nil && status.Running == nil && len(status.Services) >= 5
	})
	var used int64
	began := time.Now()
	w.eventually("the idle daemon takes little memory", func() bool {
		used = residentMemory(t, w.docker("top", name, "-o", "pid,rss"))
		t.Logf("%s after the run: %d bytes", time.Since(began).Round(time.Second), used)
		return used < limit
	})
	w.stop(name, daemon, 0)
	if status.LastRun.Result != "complete" {
		t.Errorf("the first run is %s", status.LastRun.Result)
	}
}

// residentMemory adds up the second column that docker top prints, in KiB. The
// Engine's own figure has the page cache of the files that were written too.
func residentMemory(t *testing.T, text string) int64 {
	t.Helper()
	processes := strings.Split(strings.TrimSpace(text), "\n")[1:]
	if len(processes) == 0 {
		t.Fatalf("docker top prints %q", text)
	}
	var used int64
	for _, process := range processes {
		var pid, kib int64
		if _, err := fmt.Sscan(process, &pid, &kib); err != nil {
			t.Fatalf("docker top prints %q: %v", text, err)
		}
		used += kib << 10
	}
	return used
}
