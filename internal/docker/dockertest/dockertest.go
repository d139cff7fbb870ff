// Package dockertest starts containers for tests on a real Engine. The Engine
// and the images come from the test script; nothing is pulled.
package dockertest

import (
	"bytes"
	"context"
	"os"
	"testing"
	"time"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/client"
	"github.com/docker/docker/pkg/stdcopy"
)

// Variable names the environment variable that holds the Engine's address.
const Variable = "PURSER_TEST_DOCKER_HOST"

// Host returns the address of the Engine for tests. Without one the test
// fails: a skipped test would look like a good one.
func Host(t testing.TB) string {
	t.Helper()
	host := os.Getenv(Variable)
	if host == "" {
		t.Fatalf("%s is not set: this test needs a Docker Engine; make test starts one", Variable)
	}
	return host
}

// Container is a container to start. Image must be there.
type Container struct {
	Image      string
	Name       string // empty: the Engine's choice
	Env        []string
	Labels     map[string]string
	Entrypoint []string
	Cmd        []string
	User       string
	Binds      []string // as of docker run -v
	Network    string
}

// Engine is the Engine for tests.
type Engine struct {
	API *client.Client
}

// Open connects to the Engine for tests.
func Open(t testing.TB) *Engine {
	t.Helper()
	api, err := client.NewClientWithOpts(client.WithHost(Host(t)), client.WithAPIVersionNegotiation())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := api.Close(); err != nil {
			t.Error(err)
		}
	})
	return &Engine{API: api}
}

// Start starts a container and removes it, with its anonymous volumes, when
// the test ends. It returns the id.
func (e *Engine) Start(t testing.TB, c Container) string {
	t.Helper()
	created, err := e.API.ContainerCreate(t.Context(),
		&container.Config{Image: c.Image, Env: c.Env, Labels: c.Labels, Entrypoint: c.Entrypoint, Cmd: c.Cmd, User: c.User},
		&container.HostConfig{Binds: c.Binds, NetworkMode: container.NetworkMode(c.Network)}, nil, nil, c.Name)
	if err != nil {
		t.Fatalf("create container of %s: %v", c.Image, err)
	}
	t.Cleanup(func() { e.Remove(t, created.ID) })
	if err := e.API.ContainerStart(t.Context(), created.ID, container.StartOptions{}); err != nil {
		t.Fatalf("start container of %s: %v", c.Image, err)
	}
	return created.ID
}

// Remove removes a container at once; one that is gone is no error.
func (e *Engine) Remove(t testing.TB, id string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 30*time.Second)
	defer cancel()
	err := e.API.ContainerRemove(ctx, id, container.RemoveOptions{Force: true, RemoveVolumes: true})
	if err != nil && !cerrdefs.IsNotFound(err) && !cerrdefs.IsConflict(err) {
		t.Errorf("remove container %s: %v", id, err)
	}
}

// Exec runs a command in a container and returns its output; a status other
// than 0 fails the test.
func (e *Engine) Exec(t testing.TB, id string, cmd ...string) string {
	t.Helper()
	return e.ExecInput(t, id, nil, cmd...)
}

// ExecInput is Exec with standard input.
func (e *Engine) ExecInput(t testing.TB, id string, input []byte, cmd ...string) string {
	t.Helper()
	created, err := e.API.ContainerExecCreate(t.Context(), id, container.ExecOptions{
		Cmd: cmd, AttachStdin: input != nil, AttachStdout: true, AttachStderr: true,
	})
	if err != nil {
		t.Fatalf("exec %q: %v", cmd, err)
	}
	stream, err := e.API.ContainerExecAttach(t.Context(), created.ID, container.ExecAttachOptions{})
	if err != nil {
		t.Fatalf("exec %q: %v", cmd, err)
	}
	defer stream.Close()
	if input != nil {
		go func() {
			_, err := stream.Conn.Write(input)
			if err == nil {
				err = stream.CloseWrite()
			}
			if err != nil {
				t.Errorf("exec %q: write input: %v", cmd, err)
			}
		}()
	}
	var stdout, stderr bytes.Buffer
	if _, err := stdcopy.StdCopy(&stdout, &stderr, stream.Reader); err != nil {
		t.Fatalf("exec %q: %v", cmd, err)
	}
	info, err := e.API.ContainerExecInspect(t.Context(), created.ID)
	if err != nil {
		t.Fatalf("exec %q: %v", cmd, err)
	}
	if info.ExitCode != 0 {
		t.Fatalf("exec %q: exit status %d: %s%s", cmd, info.ExitCode, stderr.String(), stdout.String())
	}
	return stdout.String()
}

// StandIn makes an image that stands in for one that isn't to be had: a shell,
// and scripts under the names of its programs. It is removed when the test
// ends.
func (e *Engine) StandIn(t testing.TB, tag string, programs map[string]string) {
	t.Helper()
	id := e.Start(t, Container{Image: "busybox", Cmd: []string{"sleep", "100000"}})
	for name, script := range programs {
		e.ExecInput(t, id, []byte("#!/bin/sh\n"+script), "sh", "-c", `cat >"/bin/$1" && chmod 755 "/bin/$1"`, "sh", name)
	}
	made, err := e.API.ContainerCommit(t.Context(), id, container.CommitOptions{Reference: tag})
	if err != nil {
		t.Fatalf("make image %s: %v", tag, err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 30*time.Second)
		defer cancel()
		if _, err := e.API.ImageRemove(ctx, made.ID, image.RemoveOptions{Force: true}); err != nil && !cerrdefs.IsNotFound(err) {
			t.Errorf("remove image %s: %v", tag, err)
		}
	})
}

// MariaDB starts a MariaDB server with a root password and waits until it
// answers.
func (e *Engine) MariaDB(t testing.TB, c Container) string {
	t.Helper()
	if c.Image == "" {
		c.Image = "mariadb:11"
	}
	id := e.Start(t, c)
	e.Exec(t, id, "sh", "-c", "n=0; until mariadb-admin ping -h 127.0.0.1 >/dev/null 2>&1; do n=$((n+1)); [ $n -lt 600 ] || exit 1; sleep 0.1; done")
	return id
}

// PostgreSQL starts a PostgreSQL server and waits until it answers.
func (e *Engine) PostgreSQL(t testing.TB, c Container) string {
	t.Helper()
	if c.Image == "" {
		c.Image = "postgres:17"
	}
	id := e.Start(t, c)
	e.Exec(t, id, "sh", "-c", "n=0; until pg_isready -q -h 127.0.0.1; do n=$((n+1)); [ $n -lt 600 ] || exit 1; sleep 0.1; done")
	return id
}
