package docker_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/purser-backup/purser/internal/docker/dockertest"
)

// A script in the service's own container ends with the dump, however that
// ends, and all that it started.
func TestExecEnds(t *testing.T) {
	t.Parallel()
	b := newBench(t, "endless", "each: replica\noutput: out\ncommands: [['sh', '-c', 'touch /tmp/begun; sleep 1234 | sleep 1234']]",
		"done", "each: replica\noutput: out\ncommands: [['sh', '-c', 'cat; sleep 2345 >/dev/null 2>&1 & echo \"{{ env.WORD }}\"']]")
	id := b.Start(t, dockertest.Container{Image: "busybox", Cmd: []string{"sleep", "1000"},
		Labels: map[string]string{"backup.type": "endless"}})
	ctx, cancel := context.WithCancelCause(t.Context())
	stopped := errors.New("stopped by the test")
	go func() {
		b.Exec(t, id, "sh", "-c", "until [ -e /tmp/begun ]; do sleep 0.1; done")
		cancel(stopped)
	}()
	if _, err := b.dump(ctx, t, id); !errors.Is(err, stopped) {
		t.Errorf("the dump ended with %v", err)
	}
	b.Exec(t, id, "sh", "-c", "n=0; while ps | grep -v grep | grep 'sleep 1234'; do n=$((n+1)); [ $n -lt 600 ] || exit 1; sleep 0.1; done")

	const word = "a \"b\" $c `d` 'e'"
	done := b.Start(t, dockertest.Container{Image: "busybox", Cmd: []string{"sleep", "1000"}, Env: []string{"WORD=" + word},
		Labels: map[string]string{"backup.type": "done"}})
	report, err := b.dump(t.Context(), t, done)
	if err != nil {
		t.Fatal(err)
	}
	s := b.service(t, done)
	if got := string(b.read(t, report, s.Primary().Name+"/out")); got != word+"\n" {
		t.Errorf("the dump is %q", got)
	}
	b.Exec(t, done, "sh", "-c", "n=0; while ps | grep -v grep | grep 'sleep 2345'; do n=$((n+1)); [ $n -lt 600 ] || exit 1; sleep 0.1; done")
	if left := b.Exec(t, done, "ps"); strings.Count(left, "read") > 0 {
		t.Errorf("left in the service:\n%s", left)
	}
}
