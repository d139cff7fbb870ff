package docker_test

import (
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/purser-backup/purser/dumpers"
	"github.com/purser-backup/purser/internal/docker/dockertest"
)

// A replaced dump that is kept for the next backup gives way to a dump that turns
// out to need its room.
func TestReplacedDumpGivesWay(t *testing.T) {
	t.Parallel()
	source := smallDisk(t, "9m")
	b := newBenchAt(t, source, "way-"+filepath.Base(filepath.Dir(source)),
		"two", "commands: ['dd if=/dev/urandom of={{ target_dir }}/f bs=1M count=2']", "six", "commands: ['dd if=/dev/urandom of={{ target_dir }}/f bs=1M count=6']")
	two, six := b.idle(t, "two"), b.idle(t, "six")
	for range 2 {
		if _, err := b.dump(t.Context(), t, two); err != nil {
			t.Fatal(err)
		}
	}
	if kept, err := filepath.Glob(dumpers.Previous(source) + "/dump/*/*/f"); err != nil || len(kept) != 1 {
		t.Fatalf("kept: %v, %v", kept, err)
	}
	report, err := b.dump(t.Context(), t, six)
	if err != nil || report.Bytes != 6<<20 || report.Attempts != 2 {
		t.Errorf("%+v, %v", report, err)
	}
}

// smallDisk mounts a file system of its own for a source.
func smallDisk(t *testing.T, size string) string {
	t.Helper()
	source := t.TempDir()
	if err := syscall.Mount("purser-test", source, "tmpfs", 0, "size="+size); err != nil {
		t.Fatalf("mount a small file system: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(source, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return source
}

// A dump for which there is no room is not begun, and the last one stays.
func TestNoRoomForTheDump(t *testing.T) {
	t.Parallel()
	source := smallDisk(t, "8m")
	b := newBenchAt(t, source, "room-"+filepath.Base(filepath.Dir(source)),
		"five", "commands: ['dd if=/dev/urandom of={{ target_dir }}/f bs=1M count=5']", "small", "commands: ['cp /etc/passwd {{ target_dir }}/f']")
	five, small := b.idle(t, "five"), b.idle(t, "small")
	report, err := b.dump(t.Context(), t, five)
	if err != nil {
		t.Fatal(err)
	}
	first := string(b.read(t, report, "f"))
	err = b.failure(t, five, "look for room", "the last dump has 5.0 MiB", "has 3.0 MiB free")
	if !strings.Contains(hint(err), "free space on the file system of "+source) {
		t.Errorf("hint %q", hint(err))
	}
	if string(b.read(t, report, "f")) != first {
		t.Error("the last dump has changed")
	}
	for range 2 {
		if _, err := b.dump(t.Context(), t, small); err != nil {
			t.Error(err)
		}
	}
}

// A service that has just started gets time to answer; one that runs for long
// and doesn't answer fails at once.
func TestServiceThatStarts(t *testing.T) {
	t.Parallel()
	b := newBench(t, "slow", "commands: [\"sh -c 'nc -w 2 127.0.0.1 4321 </dev/null || { echo connect: Connection refused >&2; exit 1; }; echo ok > {{ target_dir }}/f'\"]")
	slow := func(script string) string {
		return b.Start(t, dockertest.Container{Image: "busybox", Cmd: []string{"sh", "-c", script}, Labels: map[string]string{"backup.type": "slow"}})
	}
	id := slow("sleep 4; while :; do nc -l -p 4321 </dev/null; done")
	report, err := b.dump(t.Context(), t, id)
	if err != nil || report.Attempts < 2 {
		t.Errorf("%d attempts, %v", report.Attempts, err)
	}

	// What has nothing to do with a start fails at once, too.
	other := newBench(t, "refuses", "commands: [\"sh -c 'echo downloading, starting upload: access denied >&2; exit 1'\"]")
	refuses := other.service(t, other.idle(t, "refuses"))
	report, err = other.dumper.Dump(t.Context(), refuses, other.catalog.Match(refuses).Recipe)
	if err == nil || report.Attempts != 1 {
		t.Errorf("%d attempts, %v", report.Attempts, err)
	}

	dumper, err := dumpers.Open(dumpers.Options{Source: b.source, Instance: b.instance, Runtime: b.runtime, Grace: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer dumper.Close()
	s := b.service(t, slow("sleep 1000"))
	report, err = dumper.Dump(t.Context(), s, b.catalog.Match(s).Recipe)
	if err == nil || report.Attempts != 1 || !strings.Contains(err.Error(), "Connection refused") {
		t.Errorf("%d attempts, %v", report.Attempts, err)
	}
	if want := "see docker logs " + s.Primary().Name; !strings.Contains(hint(err), want) {
		t.Errorf("hint %q, want %q", hint(err), want)
	}
}
