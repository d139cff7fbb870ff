package docker_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/purser-backup/purser/dumpers"
	"github.com/purser-backup/purser/internal/docker"
	"github.com/purser-backup/purser/internal/docker/dockertest"
)

// crashVariable is set where this test binary is a purser that gets killed.
// Its value is the container to dump.
const crashVariable = "PURSER_TEST_CRASH"

// TestCrashing is run by TestKilledPurser, as a process of its own.
func TestCrashing(t *testing.T) {
	if id := os.Getenv(crashVariable); id != "" {
		b := newBenchAt(t, os.Getenv("SOURCE"), "crash", "long", longRecipe)
		_, err := b.dump(t.Context(), t, id)
		t.Fatalf("it was not killed: %v", err)
	}
}

func TestKilledPurser(t *testing.T) {
	t.Parallel()
	source := t.TempDir()
	e := dockertest.Open(t)
	id := e.Start(t, dockertest.Container{Image: "busybox", Cmd: []string{"sleep", "1000"}, Labels: map[string]string{"backup.type": "long", "backup.id": "crash/db"}})
	good := filepath.Join(source, "dump/crash/db/good")
	if err := os.MkdirAll(filepath.Dir(good), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(good, []byte("good"), 0o644); err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	purser := exec.Command(self, "-test.run=^TestCrashing$")
	purser.Env = append(os.Environ(), crashVariable+"="+id, "SOURCE="+source)
	if err := purser.Start(); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		if files, _ := filepath.Glob(source + "/.purser/*/*/new/started"); len(files) > 0 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the dump didn't begin")
		}
	}
	if err := purser.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := purser.Wait(); err == nil || !strings.Contains(err.Error(), "killed") {
		t.Fatal(err)
	}

	client, err := docker.Open(t.Context(), docker.Options{Host: dockertest.Host(t)})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if n, err := client.Runtime(docker.RuntimeOptions{Instance: "crash"}).Sweep(t.Context()); n != 1 || err != nil {
		t.Errorf("swept %d, %v", n, err)
	}
	b := newBenchAt(t, source, "crash", "long", longRecipe)
	b.clean(t)
	if data, err := os.ReadFile(good); err != nil || string(data) != "good" {
		t.Errorf("the previous dump: %q, %v", data, err)
	}
	if report, err := b.dump(t.Context(), t, id); err != nil || report.Files != 2 {
		t.Errorf("the next dump: %+v, %v", report, err)
	}
}

func TestMemoryLimit(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	id := b.idle(t, "x")
	place, err := b.client.Locate(t.Context(), b.source)
	if err != nil {
		t.Fatal(err)
	}
	small := b.client.Runtime(docker.RuntimeOptions{Instance: b.instance, Place: place, Memory: 16 << 20})
	_, err = small.Run(t.Context(), dumpers.Job{Service: "_/x", Container: id, Image: "busybox", Dir: b.source, Target: "/purser",
		Script: "dd if=/dev/zero of=/dev/null bs=256M count=1"}, os.Stderr, os.Stderr)
	if err == nil || !strings.Contains(err.Error(), "memory limit") || hint(err) == "" {
		t.Errorf("error %v, hint %q", err, hint(err))
	}
	b.clean(t)
}
