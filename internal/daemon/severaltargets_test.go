package daemon

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/purser-backup/purser/internal/config"
)

// Each target that needs a program gets the image of its own kind.
func TestProgramsOfEachTarget(t *testing.T) {
	for _, urls := range []string{"file:///a rclone://r:x", "rsync://h::m/x rclone://r:x"} {
		cfg, err := config.Load([]string{"BACKUP_DUPLICITY_URL=" + urls, "BACKUP_RCLONE_IMAGE=rclone/rclone", "BACKUP_RSYNC_IMAGE=my/rsync"}, nil, "")
		if err != nil {
			t.Fatal(err)
		}
		for target, image := range map[string]string{"rclone://r:x": "rclone/rclone", "rsync://h::m/x": "my/rsync", "file:///a": ""} {
			runner, ok := programs(Options{Config: cfg}, target).Runner.(*containerRunner)
			if ok != (image != "") || ok && runner.image != image {
				t.Errorf("%s of %q: %+v", target, urls, runner)
			}
		}
	}
}

// A target that is not mounted is away; the others get their backup.
func TestOneTargetIsNotMounted(t *testing.T) {
	mounted, err := os.MkdirTemp("/dev/shm", "purser-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(mounted); err != nil {
			t.Error(err)
		}
	})
	b := newBench(t, "BACKUP_DUPLICITY_URL=file://"+mounted+"/a file:///purser-not-mounted", "BACKUP_MODULE_DATABASE=false", "BACKUP_TARGET_REQUIRE_MOUNT=true")
	record, err := b.Run(t.Context(), RunOptions{Trigger: ByCommand})
	if !errors.Is(err, ErrIncomplete) || record == nil || record.Backup == nil {
		t.Errorf("record %+v, error %v", record, err)
	}
}

// A run of one profile that is cut short leaves those that wait on the list.
func TestCutRunOfOneProfileKeepsTheOthers(t *testing.T) {
	b := newBench(t, "BACKUP_TIME_LIMIT=1s", "BACKUP_MODULE_DATABASE=false", "BACKUP_DUPLICITY_VOLSIZE=1",
		"BACKUP_PROFILES=[hourly]\n[weekly]\nschedule: @weekly")
	b.must(t, os.WriteFile(filepath.Join(b.root, "source", "big"), incompressible(t, 3<<20), 0o600))
	b.must(t, b.state.create())
	b.must(t, b.state.saveJobs(jobs{Profiles: []string{"weekly"}}))
	_, err := b.Run(t.Context(), RunOptions{Trigger: ByCommand, Profile: "hourly"})
	left, failed := b.state.loadJobs()
	if failed != nil || !slices.Contains(left.Profiles, "weekly") || !slices.Contains(left.Profiles, "hourly") {
		t.Errorf("left are %+v, %v; the run said %v", left, failed, err)
	}
}
