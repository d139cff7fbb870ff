package docker_test

import (
	"context"
	"io"
	"strings"
	"testing"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/image"

	"github.com/purser-backup/purser/discovery"
	"github.com/purser-backup/purser/dumpers"
	"github.com/purser-backup/purser/internal/docker/dockertest"
	"github.com/purser-backup/purser/internal/secret"
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

// A server is handed its secrets, whoever it runs as, and nobody who may
// inspect its container sees them.
func TestServerSecrets(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	for _, c := range []struct{ user, mode string }{
		{"root", ""}, // who removes the file
		{"1001", "600 1001"},
		{"postgres", "444 0"}, // of an unknown number
	} {
		t.Run(c.user, func(t *testing.T) { b.serveSecret(t, b.imageOf(t, c.user), c.mode) })
	}
	b.clean(t)
}

// imageOf makes an image whose containers run as a user.
func (b *bench) imageOf(t *testing.T, user string) string {
	t.Helper()
	id := b.Start(t, dockertest.Container{Image: "postgres:17", Entrypoint: []string{"sleep"}, Cmd: []string{"1000"}})
	made, err := b.API.ContainerCommit(t.Context(), id, container.CommitOptions{Changes: []string{"USER " + user, `ENTRYPOINT ["sh", "-c"]`}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if _, err := b.API.ImageRemove(context.WithoutCancel(t.Context()), made.ID, image.RemoveOptions{Force: true}); err != nil {
			t.Error(err)
		}
	})
	return made.ID
}

func (b *bench) serveSecret(t *testing.T, image, mode string) {
	t.Helper()
	value := "h1dden 'quoted' \"twice\" $HOME\n"
	server := dumpers.Server{Service: "_/x", Image: image, Env: []string{"OPEN=yes", "odd.name=two words"},
		Secrets: []dumpers.Variable{{Name: "WORD", Value: secret.New(value)}},
		Command: []string{`stat -c '%a %u' /.purser-* 2>/dev/null; tr '\0' '\n' </proc/1/environ | grep odd; echo "$OPEN:$1:$WORD:$$:end"; sleep 1000`, "x", "two words"}}
	output := &shown{until: ":end\n", done: make(chan struct{})}
	err := b.runtime.Serve(t.Context(), server, output, func(ctx context.Context, c discovery.Container) error {
		if c.Env["WORD"] != value || c.Env["OPEN"] != "yes" {
			t.Errorf("the server's environment is %q", c.Env)
		}
		_, inspected, err := b.API.ContainerInspectWithRaw(ctx, c.ID, false)
		if inspected := string(inspected); err != nil || strings.Contains(inspected, "h1dden") || !strings.Contains(inspected, "OPEN=yes") {
			t.Errorf("the container is %s", inspected)
		}
		select {
		case <-output.done:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	})
	want := "odd.name=two words\nyes:two words:" + value + ":1:end\n"
	file, got, found := strings.Cut(output.text.String(), "\n")
	if !found || mode == "" {
		file, got = "", output.text.String()
	}
	if err != nil || got != want || file != mode {
		t.Errorf("it prints %q, want %q and then %q; %v", output.text.String(), mode, want, err)
	}
}

// shown keeps what is written, and tells when it ends as awaited.
type shown struct {
	text  strings.Builder
	until string
	done  chan struct{}
}

func (s *shown) Write(p []byte) (int, error) {
	n, err := s.text.Write(p)
	if strings.HasSuffix(s.text.String(), s.until) {
		close(s.done)
	}
	return n, err
}
