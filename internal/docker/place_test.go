package docker_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/volume"
	"github.com/docker/docker/pkg/stdcopy"

	"github.com/purser-backup/purser/discovery"
	"github.com/purser-backup/purser/dumpers"
	"github.com/purser-backup/purser/internal/docker"
	"github.com/purser-backup/purser/internal/docker/dockertest"
)

// insideVariable is set where this test binary runs as purser would, in a
// container of the Engine. Its value is the service to dump.
const insideVariable = "PURSER_TEST_INSIDE"

// TestInside is run by TestPlaces, in a container.
func TestInside(t *testing.T) {
	service := os.Getenv(insideVariable)
	if service == "" {
		return // the other half runs it
	}
	source := os.Getenv("SOURCE")
	c, err := docker.Open(t.Context(), docker.Options{Host: "unix:///engine.sock"})
	if err != nil {
		t.Fatal(err)
	}
	place, err := c.Locate(t.Context(), source)
	if err != nil {
		t.Fatal(err)
	}
	fmt.Printf("self=%s mounted=%t\n", place.Self.Name, place.Mounted())
	recipe, err := dumpers.Load(fstest.MapFS{
		"index/x.yml": {Data: []byte("x: {regex: x, template: x.yml}")},
		"x.yml":       {Data: []byte("commands: [\"sh -c 'echo dumped > {{ target_dir }}/file'\"]")},
	})
	if err != nil {
		t.Fatal(err)
	}
	d, err := dumpers.Open(dumpers.Options{Source: source, Instance: "inside",
		Runtime: c.Runtime(docker.RuntimeOptions{Instance: "inside", Place: place})})
	if err != nil {
		t.Fatal(err)
	}
	services, _, err := c.Services(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range services {
		if s.ID() != service {
			continue
		}
		s.Settings.Type = "x"
		if _, err := d.Dump(t.Context(), s, recipe.Match(s).Recipe); err != nil {
			t.Fatalf("%v\nhint: %s", err, hint(err))
		}
		data, err := os.ReadFile(filepath.Join(source, "dump", service, "file"))
		fmt.Printf("file=%s err=%v\n", bytes.TrimSpace(data), err)
	}
}

func TestPlaces(t *testing.T) {
	t.Parallel()
	e := dockertest.Open(t)
	e.Start(t, dockertest.Container{Image: "busybox", Cmd: []string{"sleep", "1000"}, Labels: map[string]string{"backup.id": "places/db"}})
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	socket := strings.TrimPrefix(dockertest.Host(t), "unix://")
	if _, err := e.API.VolumeCreate(t.Context(), volume.CreateOptions{Name: "purser-test-places"}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 30*time.Second)
		defer cancel()
		if err := e.API.VolumeRemove(ctx, "purser-test-places", true); err != nil {
			t.Error(err)
		}
	})
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "sub"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, source string
		binds        []string
		network      string
		want         []string
	}{
		{"volume", "/backup", []string{"purser-test-places:/backup"}, "", []string{"self=purser-places-volume mounted=true", "file=dumped"}},
		{"below", "/data/sub", []string{dir + ":/data"}, "", []string{"self=purser-places-below mounted=true", "file=dumped"}},
		{"bind", "/backup", []string{dir + ":/backup"}, "", []string{"self=purser-places-bind mounted=true", "file=dumped"}},
		{"hostnet", "/backup", []string{dir + ":/backup"}, "host", []string{"self=purser-places-hostnet mounted=true", "file=dumped"}},
		{"nested", "/backup", []string{"purser-test-places:/backup", dir + ":/backup/more"}, "", []string{"self=purser-places-nested mounted=true", "file=dumped"}},
		{"unmounted", "/tmp", nil, "", []string{"self=purser-places-unmounted mounted=false", "on no mount of purser's container", "hint: mount a volume"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			// The image's libc is at least as new as the one of the machine
			// that built this binary.
			id := e.Start(t, dockertest.Container{Image: "postgres:17", Name: "purser-places-" + c.name, User: "0",
				Entrypoint: []string{"/test"}, Cmd: []string{"-test.run=^TestInside$", "-test.v"}, Network: c.network,
				Env:    []string{insideVariable + "=places/db", "SOURCE=" + c.source},
				Labels: map[string]string{discovery.LabelRole: "daemon"},
				Binds:  append(c.binds, self+":/test:ro", socket+":/engine.sock")})
			ended, failed := e.API.ContainerWait(t.Context(), id, container.WaitConditionNotRunning)
			select {
			case <-ended:
			case err := <-failed:
				t.Fatal(err)
			}
			logs, err := e.API.ContainerLogs(t.Context(), id, container.LogsOptions{ShowStdout: true, ShowStderr: true})
			if err != nil {
				t.Fatal(err)
			}
			defer logs.Close()
			var out bytes.Buffer
			if _, err := stdcopy.StdCopy(&out, &out, logs); err != nil {
				t.Fatal(err)
			}
			for _, want := range c.want {
				if !strings.Contains(out.String(), want) {
					t.Errorf("output lacks %q:\n%s", want, out.String())
				}
			}
		})
	}
}

func TestSourceThatTheEngineDoesNotSee(t *testing.T) {
	t.Parallel()
	b := newBench(t, "x", "commands: ['true']")
	id := b.idle(t, "x")
	// A place whose mount leads elsewhere, as with an Engine on another host.
	elsewhere := t.TempDir()
	if err := os.MkdirAll(filepath.Join(elsewhere, "real"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ source, text string }{
		{elsewhere, "mounts another directory"}, {"/nonexistent-for-purser", "bind source path does not exist"},
	} {
		place := docker.Place{Source: b.source, Self: discovery.Container{ID: "x", Name: "x",
			Mounts: []discovery.Mount{{Type: "bind", Source: c.source, Destination: b.source}}}}
		job := dumpers.Job{Service: "_/x", Container: id, Image: "busybox", Script: "true", Dir: b.source, Target: "/purser"}
		r := b.client.Runtime(docker.RuntimeOptions{Instance: "elsewhere", Place: place})
		_, err := r.Run(t.Context(), job, new(bytes.Buffer), new(bytes.Buffer))
		if err == nil || !strings.Contains(err.Error(), c.text) || !strings.Contains(hint(err), "doesn't see") {
			t.Errorf("error %v, hint %q", err, hint(err))
		}
		if n, err := r.Sweep(t.Context()); n != 0 || err != nil {
			t.Errorf("left %d, %v", n, err)
		}
	}
}

func TestOpenErrors(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	silent, err := net.Listen("unix", dir+"/silent.sock")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	stale, err := net.Listen("unix", dir+"/stale.sock")
	if err != nil {
		t.Fatal(err)
	}
	stale.(*net.UnixListener).SetUnlinkOnClose(false)
	stale.Close()
	for _, c := range []struct{ host, hint string }{
		{"unix://" + dir + "/absent.sock", "mount it with -v"},
		{"unix://" + dir + "/stale.sock", "is the Engine running"},
		{"unix://" + dir + "/silent.sock", "check DOCKER_HOST"},
		{"nonsense", "DOCKER_HOST is written as"},
	} {
		_, err := docker.Open(t.Context(), docker.Options{Host: c.host, Timeout: 300 * time.Millisecond})
		if err == nil || !strings.Contains(hint(err), c.hint) {
			t.Errorf("%s: error %v, hint %q", c.host, err, hint(err))
		}
	}
}

func TestChanges(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	changed := make(chan struct{}, 1)
	ended := make(chan error, 1)
	go func() { ended <- b.client.Changes(ctx, changed) }()
	await := func(what string) {
		t.Helper()
		select {
		case <-changed:
		case err := <-ended:
			t.Fatalf("%s: %v", what, err)
		case <-ctx.Done():
			t.Fatalf("%s: no signal", what)
		}
	}
	await("subscription")
	id := b.idle(t, "x")
	await("start")
	b.Remove(t, id)
	await("removal")
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("after the end: %v", err)
	}
}
