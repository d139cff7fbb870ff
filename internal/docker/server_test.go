package docker_test

import (
	"context"
	"io"
	"strings"
	"testing"

	"github.com/purser-backup/purser/discovery"
	"github.com/purser-backup/purser/dumpers"
)

// buggyWriter panics at the first Write.
type buggyWriter struct{ written chan struct{} }

func (b buggyWriter) Write([]byte) (int, error) {
	close(b.written)
	panic("out of rum")
}

// A bug in what takes the output of a trial's server, or in what is done with
// the server, is an error of the trial, and the server is removed.
func TestServerWithBuggyTrial(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	server := dumpers.Server{Service: "_/x", Image: "busybox", Command: []string{"sh", "-c", "echo ahoy; sleep 1000"}}
	output := buggyWriter{written: make(chan struct{})}
	for name, serve := range map[string]func() error{
		"output": func() error {
			return b.runtime.Serve(t.Context(), server, output, func(ctx context.Context, _ discovery.Container) error {
				select {
				case <-output.written:
					return nil
				case <-ctx.Done():
					return ctx.Err()
				}
			})
		},
		"use": func() error {
			return b.runtime.Serve(t.Context(), server, io.Discard, func(context.Context, discovery.Container) error { panic("out of rum") })
		},
	} {
		if err := serve(); err == nil || !strings.Contains(err.Error(), "a bug in purser: out of rum") {
			t.Errorf("%s: error %v", name, err)
		}
		b.clean(t)
	}
}
