package main_test

import (
	"strings"
	"testing"
	"time"

	"github.com/purser-backup/purser/internal/docker/dockertest"
)

// A thousand containers are discovered in less than a second, the program's own
// start included. The best of some tries counts: other tests share the processors.
func TestThousandContainersInASecond(t *testing.T) {
	const containers, gone, images, limit = 1000, 10, 20, time.Second
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
		if r.code != 0 || strings.Count(r.stdout, "\n") < containers-gone {
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
