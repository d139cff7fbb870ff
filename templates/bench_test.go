package templates_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/purser-backup/purser/discovery"
	"github.com/purser-backup/purser/dumpers"
	"github.com/purser-backup/purser/internal/docker"
	"github.com/purser-backup/purser/internal/docker/dockertest"
	"github.com/purser-backup/purser/internal/hint"
	"github.com/purser-backup/purser/templates"
)

// bench runs the recipes that purser brings against real servers.
type bench struct {
	*dockertest.Engine
	client  *docker.Client
	runtime *docker.Runtime
	dumper  *dumpers.Dumper
	catalog *dumpers.Catalog
	source  string
}

func newBench(t *testing.T) *bench {
	t.Helper()
	b := &bench{Engine: dockertest.Open(t), source: t.TempDir()}
	instance := "recipes-" + filepath.Base(filepath.Dir(b.source))
	var err error
	if b.client, err = docker.Open(t.Context(), docker.Options{Host: dockertest.Host(t)}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.client.Close() })
	place, err := b.client.Locate(t.Context(), b.source)
	if err != nil {
		t.Fatal(err)
	}
	b.runtime = b.client.Runtime(docker.RuntimeOptions{Instance: instance, Place: place})
	b.dumper, err = dumpers.Open(dumpers.Options{Source: b.source, Instance: instance, Runtime: b.runtime})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.dumper.Close() })
	if b.catalog, err = dumpers.Load(templates.FS()); err != nil {
		t.Fatal(err)
	}
	return b
}

// service finds a container as a service, and its recipe.
func (b *bench) service(t *testing.T, id string) (discovery.Service, *dumpers.Recipe) {
	t.Helper()
	services, problems, err := b.client.Services(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range services {
		if s.Primary().ID != id {
			continue
		}
		m := b.catalog.Match(s)
		if m.Recipe == nil {
			t.Fatalf("no recipe: %s", m.Reason)
		}
		return s, m.Recipe
	}
	t.Fatalf("container %s is no service; problems: %v", id, problems)
	return discovery.Service{}, nil
}

func (b *bench) dump(t *testing.T, id string) (dumpers.Report, error) {
	t.Helper()
	s, r := b.service(t, id)
	report, err := b.dumper.Dump(t.Context(), s, r)
	b.clean(t)
	wantQuiet(t, report)
	return report, err
}

// wantQuiet checks that a dump that succeeded gave nothing to complain of: a client
// that always does would be told about each night.
func wantQuiet(t *testing.T, report dumpers.Report) {
	t.Helper()
	if report.Complaint != "" {
		t.Errorf("the dump's commands said: %s", report.Complaint)
	}
}

// load loads the dump of a report into a container.
func (b *bench) load(t *testing.T, report dumpers.Report, id string, force bool) (dumpers.Loaded, error) {
	t.Helper()
	s, r := b.service(t, id)
	loaded, err := b.dumper.Load(t.Context(), s, r, dumpers.LoadOptions{Force: force, Fill: b.fill(report)})
	b.clean(t)
	return loaded, err
}

// fill is a LoadOptions.Fill with the dump of a report.
func (b *bench) fill(report dumpers.Report) func(string) error {
	return func(dir string) error { return os.CopyFS(dir, os.DirFS(filepath.Join(b.source, report.Path))) }
}

// clean checks that nothing is left of a dump or a load.
func (b *bench) clean(t *testing.T) {
	t.Helper()
	if n, err := b.runtime.Sweep(context.WithoutCancel(t.Context())); err != nil || n != 0 {
		t.Errorf("%d containers were left behind, %v", n, err)
	}
	if left, err := filepath.Glob(b.source + "/.purser/*/*"); err != nil || len(left) > 0 {
		t.Errorf("left in staging: %v, %v", left, err)
	}
}

// script runs a script in a container.
func (b *bench) script(t *testing.T, id, text string) string {
	t.Helper()
	return b.Exec(t, id, "sh", "-c", text)
}

// ready waits until a script in the container succeeds.
func (b *bench) ready(t *testing.T, id, text string) {
	t.Helper()
	b.script(t, id, "n=0; until ("+text+") >/dev/null 2>/tmp/ready; do n=$((n+1)); [ $n -lt 1200 ] || { cat /tmp/ready >&2; exit 1; }; sleep 0.1; done")
}

// wantError checks an error's text, and its hint.
func wantError(t *testing.T, err error, advice string, texts ...string) {
	t.Helper()
	if err == nil {
		t.Error("there is no error")
		return
	}
	for _, text := range texts {
		if !strings.Contains(err.Error(), text) {
			t.Errorf("error %q lacks %q", err, text)
		}
	}
	if !strings.Contains(hint.Text(err), advice) {
		t.Errorf("%v: its hint lacks %q", err, advice)
	}
}
