package docker_test

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/purser-backup/purser/discovery"
	"github.com/purser-backup/purser/dumpers"
	"github.com/purser-backup/purser/internal/docker"
	"github.com/purser-backup/purser/internal/docker/dockertest"
	"github.com/purser-backup/purser/internal/secret"
)

// A program sees its arguments as they are, its variables, its directory and
// copies of its files, and tells how it ended; nothing of it is left.
func TestRunTool(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	key := filepath.Join(t.TempDir(), "a key")
	if err := os.WriteFile(key, []byte("of the door"), 0o600); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(b.source, "exchange")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	tool := docker.Tool{
		Image: "busybox", Program: "sh", Dir: dir, Files: []string{key, "/not/there"},
		Env:  []dumpers.Variable{{Name: "WORD", Value: secret.New("it's a 'secret'")}},
		Args: []string{"-c", `cat "$2"; echo "|$WORD|$1"; echo written >"$3/file"; echo said >&2; exit 3`, "sh", "two  words $HOME", key, dir},
	}
	var stdout, stderr bytes.Buffer
	status, err := b.runtime.RunTool(t.Context(), tool, &stdout, &stderr)
	if err != nil || status != 3 || stdout.String() != "of the door|it's a 'secret'|two  words $HOME\n" || stderr.String() != "said\n" {
		t.Errorf("status %d, %v, %q, %q", status, err, stdout.String(), stderr.String())
	}
	if text, err := os.ReadFile(filepath.Join(dir, "file")); err != nil || string(text) != "written\n" {
		t.Errorf("in the directory: %q, %v", text, err)
	}
	for want, change := range map[string]func(*docker.Tool){
		"a shell and nonesuch in it": func(tool *docker.Tool) { tool.Program = "nonesuch" },
		"letters, digits":            func(tool *docker.Tool) { tool.Env = []dumpers.Variable{{Name: "A-B"}} },
		"image's name":               func(tool *docker.Tool) { tool.Image = "localhost:1/none" },
	} {
		bad := tool
		change(&bad)
		if _, err := b.runtime.RunTool(t.Context(), bad, io.Discard, io.Discard); err == nil || !strings.Contains(hint(err), want) {
			t.Errorf("got %v, want the hint %q", err, want)
		}
	}
	if err := b.runtime.SweepTools(t.Context(), time.Now()); err != nil {
		t.Error(err)
	}
}

// Containers of a dead purser go after an hour, and no others.
func TestSweepTools(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	labels := func(instance string) map[string]string {
		return map[string]string{discovery.LabelRole: "tool", discovery.LabelInstance: instance}
	}
	ended := b.Start(t, dockertest.Container{Image: "busybox", Cmd: []string{"true"}, Labels: labels(b.instance)})
	running := b.Start(t, dockertest.Container{Image: "busybox", Cmd: []string{"sleep", "1000"}, Labels: labels(b.instance)})
	other := b.Start(t, dockertest.Container{Image: "busybox", Cmd: []string{"true"}, Labels: labels("another")})
	there := func(id string) bool {
		_, err := b.runtime.State(t.Context(), id)
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			t.Fatal(err)
		}
		return err == nil
	}
	if err := b.runtime.SweepTools(t.Context(), time.Now()); err != nil || !there(ended) {
		t.Errorf("a young one: there is %v, %v", there(ended), err)
	}
	for deadline := time.Now().Add(30 * time.Second); there(ended) && time.Now().Before(deadline); { // it may just be ending
		if err := b.runtime.SweepTools(t.Context(), time.Now().Add(2*time.Hour)); err != nil {
			t.Fatal(err)
		}
	}
	if there(ended) || !there(running) || !there(other) {
		t.Errorf("there are: ended %v, running %v, another's %v", there(ended), there(running), there(other))
	}
}
