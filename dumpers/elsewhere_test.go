package dumpers

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/purser-backup/purser/discovery"
)

// engineless is a Runtime that knows no container. It keeps the jobs.
type engineless struct {
	t      *testing.T
	states []discovery.State // what State answers, one after the other
	jobs   []Job
}

func (e *engineless) Run(_ context.Context, job Job, _, _ io.Writer) (int, error) {
	e.jobs = append(e.jobs, job)
	return 0, os.WriteFile(filepath.Join(job.Dir, "all.sql"), []byte("dump\n"), 0o600)
}

func (e *engineless) Exec(context.Context, Job, io.Writer, io.Writer) (int, error) {
	e.t.Error("a command was run in a container elsewhere")
	return 1, errors.New("not here")
}

func (e *engineless) ReadFile(context.Context, string, string) ([]byte, error) {
	e.t.Error("a file of a container elsewhere was asked for")
	return nil, errors.New("not here")
}

func (e *engineless) State(_ context.Context, id string) (discovery.State, error) {
	if id == "" {
		e.t.Error("the state of nothing was asked for")
	}
	if len(e.states) == 0 {
		return discovery.State{}, fmt.Errorf("no container %s: %w", id, fs.ErrNotExist)
	}
	s := e.states[0]
	e.states = e.states[1:]
	return s, nil
}

// far is a service on another host.
func far() discovery.Service {
	return discovery.Service{Stack: "shop", Name: "db", Containers: []discovery.Container{{
		ID: "rancher:1i10", Name: "db-1", Image: "store:1", Running: true, Env: map[string]string{"PASSWORD": "p"},
		Elsewhere: &discovery.Elsewhere{Host: "host2", Address: "10.42.0.6"},
	}}}
}

func dumpElsewhere(t *testing.T, s discovery.Service, states ...discovery.State) (*engineless, string, error) {
	t.Helper()
	return dumpBy(t, s, "environments: ['P:{{ env.PASSWORD }}']\ncommands:\n- dump -h {{ ip }} {{ target_dir }}\n", states...)
}

func dumpBy(t *testing.T, s discovery.Service, template string, states ...discovery.State) (*engineless, string, error) {
	t.Helper()
	catalog, err := Load(fstest.MapFS{
		"index/store.yml":     {Data: []byte("store: {regex: store, template: store.yml}")},
		"templates/store.yml": {Data: []byte(template)},
	})
	if err != nil {
		t.Fatal(err)
	}
	recipe, found := catalog.ByKind("store")
	if _, other := catalog.ByKind("stor"); !found || other {
		t.Fatal("a recipe is found by its whole key, and only so")
	}
	runtime := &engineless{t: t, states: states}
	source := t.TempDir()
	d, err := Open(Options{Source: source, Instance: "me", Runtime: runtime})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	_, err = d.Dump(t.Context(), s, recipe)
	return runtime, source, err
}

// A service on another host is dumped from purser's own network, with an image
// by its name.
func TestDumpElsewhere(t *testing.T) {
	running := discovery.State{Running: true, Starts: 2}
	runtime, source, err := dumpElsewhere(t, far(), running, running)
	if err != nil {
		t.Fatal(err)
	}
	job := runtime.jobs[0]
	if job.Container != "" || job.Image != "store:1" || !strings.Contains(job.Script, "10.42.0.6") || content(t, source+"/dump/shop/db/all.sql") != "dump\n" {
		t.Errorf("job %+v", job)
	}
	// A server in no container has no state, and may have a place of its own.
	s := far()
	s.Containers[0].ID, s.Dir = "", "rancher/database"
	if _, source, err = dumpElsewhere(t, s); err != nil || content(t, source+"/rancher/database/all.sql") != "dump\n" {
		t.Errorf("a server in no container: %v", err)
	}
}

func TestDumpElsewhereFails(t *testing.T) {
	running := discovery.State{Running: true, Starts: 2}
	for name, c := range map[string]struct {
		change func(*discovery.Container)
		states []discovery.State
		want   [2]string // error and hint
	}{
		"no address": {func(c *discovery.Container) { c.Elsewhere.Address = "" }, nil, [2]string{"container db-1 on host host2 has no address", "managed network"}},
		"an address that is a command": {func(c *discovery.Container) { c.Elsewhere.Address = "1.2.3.4;reboot" }, nil,
			[2]string{`the address "1.2.3.4;reboot" of container db-1 is none`, ""}},
		"an address that is an option": {func(c *discovery.Container) { c.Elsewhere.Address = "--help" }, nil, [2]string{`"--help" of container db-1 is none`, ""}},
		"gone":                         {func(*discovery.Container) {}, nil, [2]string{"container db-1 is gone", ""}},
		"stopped":                      {func(*discovery.Container) {}, []discovery.State{{}}, [2]string{"container db-1 is not running", "docker logs"}},
		"a password in a file": {func(c *discovery.Container) { c.Env = map[string]string{"PASSWORD_FILE": "/run/secrets/p"} }, []discovery.State{running},
			[2]string{"PASSWORD_FILE names a file in container db-1, which can't be read: it runs on host host2", "PASSWORD itself"}},
		"restarted twice": {func(*discovery.Container) {}, []discovery.State{running, {Running: true, Starts: 3}, running, {Running: true, Starts: 3}},
			[2]string{"the service restarted meanwhile", ""}},
	} {
		t.Run(name, func(t *testing.T) {
			s := far()
			c.change(&s.Containers[0])
			_, source, err := dumpElsewhere(t, s, c.states...)
			var e *Error
			if !errors.As(err, &e) || !strings.Contains(e.Error(), c.want[0]) || !strings.Contains(e.Hint(), c.want[1]) {
				t.Fatalf("got %v", err)
			}
			if entries, err := os.ReadDir(source + "/dump"); err == nil {
				t.Errorf("there is a dump: %v", entries)
			}
		})
	}
}

// No command can be run in a container of another host.
func TestReplicaElsewhere(t *testing.T) {
	_, _, err := dumpBy(t, far(), "each: replica\noutput: all.tar\ncommands: [tar]\n", discovery.State{Running: true}, discovery.State{Running: true})
	var e *Error
	if !errors.As(err, &e) || !strings.Contains(e.Error(), "container db-1 runs on host host2") || !strings.Contains(e.Hint(), "start purser on that host") {
		t.Errorf("got %v", err)
	}
}

// The swap of a dump with a place of its own is finished where it belongs.
func TestRecoverElsewhere(t *testing.T) {
	source := t.TempDir()
	for name, text := range map[string]string{
		".purser/me/0123/new/f": "new", ".purser/me/0123/old/f": "good", "rancher/shop/docker-compose.yml": "x",
		".purser/me/0123/intent": `{"version":1,"stack":".rancher","service":"database","dir":"rancher/database"}`,
	} {
		write(t, filepath.Join(source, name), text)
	}
	d, err := Open(Options{Source: source, Instance: "me"})
	if err != nil {
		t.Fatal(err)
	}
	d.Close()
	got := []string{content(t, source+"/rancher/database/f"), content(t, source+"/rancher/shop/docker-compose.yml")}
	if d := cmp.Diff([]string{"new", "x"}, got); d != "" {
		t.Error(d)
	}
}
