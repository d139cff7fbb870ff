package docker_test

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/api/types/mount"

	"github.com/purser-backup/purser/discovery"
	"github.com/purser-backup/purser/dumpers"
	"github.com/purser-backup/purser/internal/docker"
	"github.com/purser-backup/purser/internal/docker/dockertest"
)

// idle is a container to dump from with a recipe of the test.
func (b *bench) idle(t *testing.T, kind string, env ...string) string {
	t.Helper()
	return b.Start(t, dockertest.Container{Image: "busybox", Cmd: []string{"sleep", "1000"}, Env: env,
		Labels: map[string]string{"backup.type": kind}})
}

func hint(err error) string {
	var h interface{ Hint() string }
	if errors.As(err, &h) {
		return h.Hint()
	}
	return ""
}

func TestWrongPassword(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	db := b.MariaDB(t, dockertest.Container{Env: []string{"MARIADB_ROOT_PASSWORD=rightpassword"}})
	pg := b.PostgreSQL(t, dockertest.Container{Env: []string{"POSTGRES_PASSWORD=rightpassword"}})
	// The official images trust the loopback device; others don't.
	b.Exec(t, pg, "sh", "-c", `sed -i 's/ trust$/ scram-sha-256/' "$PGDATA"/pg_hba.conf; su postgres -s /bin/sh -c "pg_ctl reload -D $PGDATA" || kill -HUP 1`)
	for _, c := range []struct{ id, variable, text string }{
		{db, "MARIADB_ROOT_PASSWORD", "Access denied"},
		{pg, "POSTGRES_PASSWORD", "password authentication failed"},
	} {
		s := b.service(t, c.id)
		s.Containers[0].Env[c.variable] = "wrongpassword"
		_, err := b.dumper.Dump(t.Context(), s, b.catalog.Match(s).Recipe)
		var e *dumpers.Error
		if !errors.As(err, &e) || e.Service != s.ID() || !strings.Contains(err.Error(), c.text) {
			t.Errorf("error %v", err)
		}
		if strings.Contains(err.Error(), "wrongpassword") || !strings.Contains(hint(err), c.variable+" from the service's environment") {
			t.Errorf("error %v, hint %q", err, hint(err))
		}
		b.clean(t)
	}
}

func TestNoCredentials(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	id := b.Start(t, dockertest.Container{Image: "busybox", Cmd: []string{"sleep", "1000"}, Labels: map[string]string{"backup.type": "mysql"}})
	err := b.failure(t, id, "no password found", "MYSQL_ROOT_PASSWORD", b.service(t, id).ID())
	if hint(err) == "" {
		t.Error("no hint")
	}
}

func TestCredentialFiles(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	dir := t.TempDir()
	for name, mode := range map[string]os.FileMode{"empty": 0o444, "large": 0o444} {
		if err := os.WriteFile(filepath.Join(dir, name), make([]byte, map[string]int{"large": 1 << 20}[name]), mode); err != nil {
			t.Fatal(err)
		}
	}
	for file, text := range map[string]string{"empty": "is empty", "large": "larger than 65536 bytes", "absent": "No such file", "": "s a directory"} {
		id := b.Start(t, dockertest.Container{Image: "busybox", Cmd: []string{"sleep", "1000"}, Binds: []string{dir + ":/secrets"},
			Env: []string{"MYSQL_ROOT_PASSWORD_FILE=/secrets/" + file}, Labels: map[string]string{"backup.type": "mysql"}})
		err := b.failure(t, id, text, "credentials", "MYSQL_ROOT_PASSWORD_FILE", "/secrets/"+file)
		if hint(err) == "" {
			t.Error("no hint")
		}
		b.Remove(t, id)
	}
}

func TestDumpAll(t *testing.T) {
	t.Parallel()
	b := newBench(t, "good", "commands: ['cp /etc/passwd {{ target_dir }}/f']", "bad", "commands: ['false']")
	var plans []dumpers.Plan
	for _, kind := range []string{"bad", "good", "bad", "good"} {
		s := b.service(t, b.idle(t, kind))
		plans = append(plans, dumpers.Plan{Service: s, Recipe: b.catalog.Match(s).Recipe})
	}
	var done atomic.Int32
	results := b.dumper.DumpAll(t.Context(), plans, dumpers.Pool{Parallel: 2, Done: func(dumpers.Result) { done.Add(1) }})
	for i, r := range results {
		if (r.Err != nil) != (i%2 == 0) || r.Plan.Service.ID() != plans[i].Service.ID() {
			t.Errorf("%d: %+v", i, r)
		}
	}
	if done.Load() != 4 {
		t.Errorf("%d were reported", done.Load())
	}
	stop := errors.New("stopping")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(stop)
	for _, r := range b.dumper.DumpAll(ctx, plans, dumpers.Pool{Parallel: 2}) {
		if !errors.Is(r.Err, stop) {
			t.Errorf("after the end: %v", r.Err)
		}
	}
	b.clean(t)
}

func TestFailedDumps(t *testing.T) {
	t.Parallel()
	b := newBench(t,
		"noclient", "commands: [nosuchclient --all]",
		"halfway", `commands: ["sh -c 'echo half > {{ target_dir }}/f'", "sh -c 'echo cannot go on >&2; exit 3'"]`,
		"pipe", `commands: ["sh -c 'false | cat > {{ target_dir }}/f; '"]`,
		"nothing", "commands: ['true']",
		"empty", "commands: ['touch {{ target_dir }}/f']",
		"trailer", "commands: [\"sh -c 'echo rows > {{ target_dir }}/f.sql'\"]\ntrailer: [{file: '*.sql', contains: '-- done'}]",
		"absent", "commands: [\"sh -c 'echo rows > {{ target_dir }}/f.txt'\"]\ntrailer: [{file: '*.sql', contains: '-- done'}]",
		"link", "commands: ['ln -s /etc/passwd {{ target_dir }}/f']",
		"fifo", "commands: ['mkfifo {{ target_dir }}/f']",
		"slow", "commands: ['sleep 1000']",
		"noimage", "image: nosuch.invalid/image:1\ncommands: ['true']",
	)
	for _, c := range []struct {
		kind  string
		texts []string
		hint  string
	}{
		{"noclient", []string{"exit status 127", "nosuchclient"}, "lacks a program"},
		{"halfway", []string{"command 2 of 2 failed with exit status 3", "cannot go on"}, ""},
		{"pipe", []string{"exit status 1"}, ""},
		{"nothing", []string{"wrote nothing"}, "is kept"},
		{"empty", []string{"wrote nothing"}, ""},
		{"trailer", []string{"f.sql is incomplete"}, ""},
		{"absent", []string{"no file *.sql"}, ""},
		{"link", []string{"f is not a regular file"}, ""},
		{"fifo", []string{"f is not a regular file"}, ""},
		{"slow", []string{"no progress for 1s"}, discovery.LabelIdleTimeout},
		{"noimage", []string{"pull image nosuch.invalid/image:1"}, "recipe"},
	} {
		t.Run(c.kind, func(t *testing.T) {
			idle := "10m" // a loaded machine is no failure
			if c.kind == "slow" {
				idle = "1s"
			}
			id := b.Start(t, dockertest.Container{Image: "busybox", Cmd: []string{"sleep", "1000"},
				Labels: map[string]string{"backup.type": c.kind, "backup.idle-timeout": idle, "backup.id": "shop/" + c.kind}})
			good := filepath.Join(b.source, "dump/shop", c.kind, "good")
			if err := errors.Join(os.MkdirAll(filepath.Dir(good), 0o755), os.WriteFile(good, []byte("good"), 0o644)); err != nil {
				t.Fatal(err)
			}
			err := b.failure(t, id, c.texts...)
			if !strings.Contains(hint(err), c.hint) {
				t.Errorf("hint %q", hint(err))
			}
			if data, err := os.ReadFile(good); err != nil || string(data) != "good" {
				t.Errorf("the previous dump: %q, %v", data, err)
			}
		})
	}
}

func TestDeadlineAndCancel(t *testing.T) {
	t.Parallel()
	b := newBench(t, "busy", "commands: [\"sh -c 'while :; do echo x >> {{ target_dir }}/f; sleep 0.05; done'\"]")
	id := b.Start(t, dockertest.Container{Image: "busybox", Cmd: []string{"sleep", "1000"},
		Labels: map[string]string{"backup.type": "busy", "backup.timeout": "1500ms"}})
	err := b.failure(t, id, "deadline passed after 1.5s")
	if !strings.Contains(hint(err), discovery.LabelTimeout) {
		t.Errorf("hint %q", hint(err))
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	stop := errors.New("stopping")
	time.AfterFunc(300*time.Millisecond, func() { cancel(stop) })
	start := time.Now()
	if _, err := b.dump(ctx, t, id); !errors.Is(err, stop) {
		t.Errorf("cancelled: %v", err)
	}
	if took := time.Since(start); took > 8*time.Second {
		t.Errorf("cancelling took %s", took)
	}
}

// oneShots returns the ids of running one-shot containers of this bench:
// other tests may use the Engine at the same time.
func (b *bench) oneShots(t *testing.T) []string {
	t.Helper()
	list, err := b.API.ContainerList(t.Context(), container.ListOptions{Filters: filters.NewArgs(
		filters.Arg("label", "io.purser.role=dump"), filters.Arg("label", "io.purser.instance="+b.instance))})
	if err != nil {
		t.Fatal(err)
	}
	var ids []string
	for _, s := range list {
		ids = append(ids, s.ID)
	}
	return ids
}

// during starts a dump and calls act when its one-shot has written something.
func (b *bench) during(t *testing.T, id string, act func(oneShot string)) (dumpers.Report, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	acted := make(chan struct{})
	go func() {
		defer close(acted)
		for ctx.Err() == nil && !t.Failed() {
			files, _ := filepath.Glob(b.source + "/.purser/*/*/new/started")
			// The Engine lists a container some time after it began.
			if ids := b.oneShots(t); len(files) > 0 && len(ids) > 0 {
				act(ids[0])
				return
			}
			time.Sleep(20 * time.Millisecond)
		}
	}()
	report, err := b.dump(ctx, t, id)
	<-acted
	return report, err
}

const longRecipe = "commands: [\"sh -c 'touch {{ target_dir }}/started; n=0; while [ $n -lt 25 ]; do n=$((n+1)); echo $n >> {{ target_dir }}/f; sleep 0.1; done'\"]"

func TestOneShotKilled(t *testing.T) {
	t.Parallel()
	b := newBench(t, "long", longRecipe)
	id := b.idle(t, "long")
	_, err := b.during(t, id, func(one string) {
		if err := b.API.ContainerKill(t.Context(), one, "KILL"); err != nil {
			t.Error(err)
		}
	})
	if err == nil || !strings.Contains(err.Error(), "137") {
		t.Errorf("error %v", err)
	}
	b.clean(t)
}

func TestServicePausedStoppedRestarted(t *testing.T) {
	t.Parallel()
	b := newBench(t, "long", longRecipe)
	id := b.idle(t, "long")
	s := b.service(t, id)
	recipe := b.catalog.Match(s).Recipe
	if err := b.API.ContainerPause(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	if _, err := b.dumper.Dump(t.Context(), s, recipe); err == nil || !strings.Contains(err.Error(), "is paused") || hint(err) == "" {
		t.Errorf("paused: %v", err)
	}
	if err := b.API.ContainerUnpause(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	zero := 0
	report, err := b.during(t, id, func(string) {
		if err := b.API.ContainerRestart(t.Context(), id, container.StopOptions{Timeout: &zero}); err != nil {
			t.Error(err)
		}
	})
	if err != nil || report.Attempts != 2 {
		t.Errorf("restarted: %+v, %v", report, err)
	}
	_, err = b.during(t, id, func(string) {
		if err := b.API.ContainerStop(t.Context(), id, container.StopOptions{Timeout: &zero}); err != nil {
			t.Error(err)
		}
	})
	if err == nil || !strings.Contains(err.Error(), "stopped meanwhile") {
		t.Errorf("stopped: %v", err)
	}
	if _, err := b.dumper.Dump(t.Context(), s, recipe); err == nil || !strings.Contains(err.Error(), "is not running") {
		t.Errorf("stopped before: %v", err)
	}
	b.Remove(t, id)
	if _, err := b.dumper.Dump(t.Context(), s, recipe); err == nil || !strings.Contains(err.Error(), "is gone") {
		t.Errorf("gone: %v", err)
	}
}

func TestInjection(t *testing.T) {
	t.Parallel()
	b := newBench(t, "hostile", `
commands:
  - "sh -c 'printf %s {{ env.A }} > {{ target_dir }}/unquoted; printf %s \"<{{ env.A }}>\" > {{ target_dir }}/double'"
  - "cp {{ target_dir }}/unquoted {{ target_dir }}/{{ env.NAME }}"
  - ["sh", "-c", "printf %s '{{ env.A }}' > {{ target_dir }}/single; printf %s \"$B\" > {{ target_dir }}/variable"]
environments:
  - B:{{ env.A }}
`)
	for _, value := range []string{
		"x; touch /purser/pwn", "$(touch /purser/pwn)", "`touch /purser/pwn`", "' ; touch /purser/pwn; '", `"; touch /purser/pwn; "`,
		"a\n- image: evil\ncommands: ['touch /purser/pwn']", "{{ env.B }}", "${HOME}", "a: b # c", `\`, "*", "  two  words ", "\ttab", "%s%n", "ż🍐", "-n",
	} {
		id := b.idle(t, "hostile", "A="+value, "NAME=a b;$(touch pwn)'\"")
		report, err := b.dump(t.Context(), t, id)
		if err != nil {
			t.Errorf("%q: %v", value, err)
			continue
		}
		for name, want := range map[string]string{"unquoted": value, "double": "<" + value + ">", "single": value, "variable": value, "a b;$(touch pwn)'\"": value} {
			if got := string(b.read(t, report, name)); got != want {
				t.Errorf("%q: %s is %q", value, name, got)
			}
		}
		if report.Files != 5 {
			t.Errorf("%q: %d files", value, report.Files)
		}
		b.Remove(t, id)
	}
}

// TestSecretsStayInside looks for a password wherever the Engine keeps or
// shows something of a one-shot container.
func TestSecretsStayInside(t *testing.T) {
	t.Parallel()
	const secret = "correct-horse-battery"
	b := newBench(t, "long", "environments: ['PW:{{ env.PASSWORD }}']\n"+
		strings.Replace(longRecipe, "touch", "test -n $PW; touch", 1))
	id := b.idle(t, "long", "PASSWORD="+secret)
	var shown, id1 string
	_, err := b.during(t, id, func(one string) {
		id1 = one
		_, raw, err := b.API.ContainerInspectWithRaw(t.Context(), one, false)
		if err != nil {
			t.Error(err)
		}
		top, err := b.API.ContainerTop(t.Context(), one, nil)
		if err != nil {
			t.Error(err)
		}
		for _, process := range top.Processes {
			raw = append(raw, strings.Join(process, " ")...)
		}
		shown = string(raw)
	})
	if err != nil {
		t.Fatal(err)
	}
	if shown == "" || strings.Contains(shown, secret) {
		t.Errorf("inspect and top: %s", shown)
	}
	info, err := b.API.Info(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	// The service's own files hold it, as the user put it there.
	out, err := exec.Command("grep", "-rl", secret, info.DockerRootDir+"/containers").CombinedOutput()
	for _, line := range strings.Fields(string(out)) {
		if !strings.Contains(line, id) {
			t.Errorf("secret in %s (%v)", line, err)
		}
	}
	left, err := filepath.Glob(info.DockerRootDir + "/containers/" + id1 + "*")
	if err != nil || len(left) > 0 {
		t.Errorf("left of the one-shot: %v, %v", left, err)
	}
}

func TestOneShotIsConfined(t *testing.T) {
	t.Parallel()
	b := newBench(t, "long", longRecipe)
	id := b.idle(t, "long")
	_, err := b.during(t, id, func(one string) {
		info, err := b.API.ContainerInspect(t.Context(), one)
		if err != nil {
			t.Error(err)
			return
		}
		h := info.HostConfig
		if h.LogConfig.Type != "none" || len(h.CapDrop) != 1 || h.CapDrop[0] != "ALL" || h.Privileged ||
			len(h.SecurityOpt) != 1 || h.Memory == 0 || *h.PidsLimit == 0 || h.NetworkMode != container.NetworkMode("container:"+id) ||
			len(info.Mounts) != 1 || info.Config.Labels[discovery.LabelRole] != "dump" || info.Config.Healthcheck.Test[0] != "NONE" {
			t.Errorf("config %+v, host config %+v", info.Config, h)
		}
		services, _, err := b.client.Services(t.Context())
		for _, s := range services {
			if s.Primary().ID == one {
				t.Errorf("the one-shot is listed as the service %s", s.ID())
			}
		}
		if err != nil {
			t.Error(err)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestInstancesDontSweepEachOther(t *testing.T) {
	t.Parallel()
	a, b := newBench(t, "long", longRecipe), newBench(t)
	id := a.idle(t, "long")
	other := b.client.Runtime(docker.RuntimeOptions{Instance: "other"})
	_, err := a.during(t, id, func(string) {
		if n, err := other.Sweep(t.Context()); n != 0 || err != nil {
			t.Errorf("the other instance swept %d, %v", n, err)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	// A container that a killed purser left is swept by its own instance only.
	name := "purser-left"
	left := b.Start(t, dockertest.Container{Image: "busybox", Name: name, Cmd: []string{"sleep", "1000"},
		Labels: map[string]string{discovery.LabelInstance: "other", discovery.LabelRole: "dump"}})
	if n, err := a.runtime.Sweep(t.Context()); n != 0 || err != nil {
		t.Errorf("swept %d of another, %v", n, err)
	}
	if n, err := other.Sweep(t.Context()); n != 1 || err != nil {
		t.Errorf("swept %d of its own, %v", n, err)
	}
	if _, err := other.State(t.Context(), left); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("state of a removed container: %v", err)
	}
}

func TestNoVolumeIsLeft(t *testing.T) {
	t.Parallel()
	b := newBench(t, "long", "image: postgres:17\n"+longRecipe)
	id := b.idle(t, "long")
	var volumes []string
	_, err := b.during(t, id, func(one string) {
		info, err := b.API.ContainerInspect(t.Context(), one)
		if err != nil {
			t.Error(err)
		}
		for _, m := range info.Mounts {
			if m.Type == mount.TypeVolume {
				volumes = append(volumes, m.Name)
			}
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(volumes) == 0 {
		t.Fatal("the image has no volume: the test shows nothing")
	}
	for _, name := range volumes {
		if _, err := b.API.VolumeInspect(t.Context(), name); !cerrdefs.IsNotFound(err) {
			t.Errorf("volume %s is left, %v", name, err)
		}
	}
}

func TestImageWithoutShell(t *testing.T) {
	t.Parallel()
	b := newBench(t, "bare", "image: purser-test-bare\ncommands: [dump]")
	var content bytes.Buffer
	w := tar.NewWriter(&content)
	if err := errors.Join(w.WriteHeader(&tar.Header{Name: "etc/", Typeflag: tar.TypeDir, Mode: 0o755}), w.Close()); err != nil {
		t.Fatal(err)
	}
	body, err := b.API.ImageImport(t.Context(), image.ImportSource{Source: &content, SourceName: "-"}, "purser-test-bare", image.ImportOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, body); err != nil {
		t.Fatal(err)
	}
	body.Close()
	err = b.failure(t, b.idle(t, "bare"), "the image has no shell")
	if !strings.Contains(hint(err), "another image") {
		t.Errorf("hint %q", hint(err))
	}
}
