package main_test

import (
	"path/filepath"
	"testing"
)

// Two profiles on a real Engine: one run makes the dump once and a backup for
// each; what each holds, stock duplicity restores from its directory.
func TestProfilesOnAnEngine(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	config := t.TempDir()
	write(t, filepath.Join(config, "index/own.yml"), []byte("own: {regex: ^own$, template: own.yml}\n"), 0o644)
	write(t, filepath.Join(config, "templates/own.yml"), []byte("commands: [\"sh -c 'date +%s%N >{{ target_dir }}/it'\"]\n"), 0o644)
	write(t, filepath.Join(config, "purser.yml"), []byte(`BACKUP_PROFILES:
  daily:
    retention: last 30 days
  often:
    schedule: "@every 1h"
    retention: last 2 snapshots
    full_on: H
`), 0o644)
	w.container("one", "busybox", "-t", "--label", "backup.type=own")
	p := w.purser("named volume")
	p.mounts = append(p.mounts, config+":/opt/backup/config:ro")

	type record struct {
		Services []struct{ Outcome string }
		Profiles []struct {
			Profile string
			Backup  struct{ Kind string }
		}
	}
	var first, second record
	p.read(&first, "run")
	if len(first.Services) != 1 || len(first.Profiles) != 2 || first.Profiles[0].Backup.Kind != "full" || first.Profiles[1].Backup.Kind != "full" {
		t.Fatalf("the first run: %+v", first)
	}
	daily := snapshot(t, p.source)
	p.read(&second, "run", "--profile", "often")
	if len(second.Services) != 1 || len(second.Profiles) != 1 || second.Profiles[0].Backup.Kind != "incremental" {
		t.Fatalf("the second run: %+v", second)
	}
	often := snapshot(t, p.source)

	wantSame(t, "the newest backup of all", often, snapshot(t, p.restored()))
	wantSame(t, "the newest daily backup", daily, snapshot(t, p.restored("--profile", "daily")))
	// One that knows neither settings nor state: the target tells.
	stranger := p.fresh().remount(func(m string) string {
		if m == config+":/opt/backup/config:ro" {
			return ""
		}
		return m
	})
	wantSame(t, "the newest backup of all, to a stranger", often, snapshot(t, stranger.restored()))
	for profile, want := range map[string]map[string]string{"daily": daily, "often": often} {
		at := *p
		at.target = filepath.Join(p.target, profile)
		wantSame(t, "duplicity's restore of "+profile, want, snapshot(t, at.duplicity()))
	}
	p.must("verify", "--data", "--profile", "often")
	p.wantNothingLeft()
}
