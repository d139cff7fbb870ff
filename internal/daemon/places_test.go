package daemon

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/purser-backup/purser/engine"
	"github.com/purser-backup/purser/engine/storage"
	"github.com/purser-backup/purser/engine/storage/driver/drivertest"
	"github.com/purser-backup/purser/internal/hint"
)

// twoTargets is a bench with a second target.
func twoTargets(t *testing.T, env ...string) (b *bench, first, second string) {
	root := t.TempDir()
	first, second = filepath.Join(root, "first")+"/", filepath.Join(root, "second")+"/"
	b = newBench(t, append([]string{"BACKUP_DUPLICITY_URL=file://" + strings.TrimSuffix(first, "/") + " file://" + strings.TrimSuffix(second, "/"), "BACKUP_MODULE_DATABASE=false"}, env...)...)
	return b, first, second
}

// sameFiles compares what two directories hold, less what each run writes anew.
func sameFiles(t *testing.T, first, second string) {
	t.Helper()
	read := func(dir string) map[string]string {
		all := map[string]string{}
		entries, err := os.ReadDir(dir)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			t.Fatal(err)
		}
		for _, e := range entries {
			text, err := os.ReadFile(filepath.Join(dir, e.Name()))
			if err != nil {
				t.Fatal(err)
			}
			if e.Name() != "purser-status.json" {
				all[e.Name()] = string(text)
			}
		}
		return all
	}
	if diff := cmp.Diff(read(first), read(second)); diff != "" {
		t.Errorf("the targets differ (-first +second):\n%s", diff)
	}
}

func TestRunToTwoTargets(t *testing.T) {
	b, first, second := twoTargets(t)
	record, err := b.Run(t.Context(), RunOptions{Trigger: ByCommand})
	if err != nil || record.Result != Complete {
		t.Fatalf("%v: %v", record.Result, err)
	}
	sameFiles(t, first, second)
	if len(record.Targets) != 2 || record.Targets[0].URL != "file://"+first || record.Targets[0].UploadedBytes != record.Targets[1].UploadedBytes ||
		record.Targets[1].Kept != (*record.Kept) {
		t.Errorf("targets are reported as %+v", record.Targets)
	}

	// The second fails: the run is incomplete, says which, and prunes nothing.
	b.opt.wrap = func(s *storage.Store) *storage.Store {
		if !strings.Contains(s.URL(), "second") {
			return s
		}
		fault := drivertest.Fault{Call: 1, Verb: drivertest.Put, Down: true}
		return storage.New(drivertest.NewFaulty(s, fault), "file://"+second, storage.Options{Retries: -1})
	}
	b.write(t, "source/volumes.txt", "changed once")
	record, err = b.Run(t.Context(), RunOptions{Trigger: ByCommand})
	var behind *engine.PlaceError
	if !errors.Is(err, ErrIncomplete) || !errors.As(err, &behind) || behind.URL != "file://"+second || behind.Hint() == "" {
		t.Fatalf("error %v", err)
	}
	if record.Result != Incomplete || record.Backup == nil || record.Prune != nil || record.Targets[1].Error == "" || record.Targets[0].Error != "" {
		t.Errorf("record %+v", record)
	}
	if lines := strings.Join(record.Lines(), "\n"); !strings.Contains(lines, "target file://"+second+": 0 B stored, NOT equal") {
		t.Errorf("the report is\n%s", lines)
	}
	page := b.page(t)
	for _, want := range []string{
		`purser_target_behind{target="file://` + first + `"} 0`, `purser_target_behind{target="file://` + second + `"} 1`,
		`purser_target_sets{target="file://` + first + `"} 2`,
	} {
		if !strings.Contains(page, want) {
			t.Errorf("the metrics lack %s", want)
		}
	}
	status, err := ReadStatus(b.cfg, b.now())
	b.must(t, err)
	if text := strings.Join(status.Wrong, "\n"); !strings.Contains(text, second) {
		t.Errorf("the status doesn't name the target:\n%s", text)
	}

	// The next run gives it what it lacks.
	b.opt.wrap = nil
	b.write(t, "source/volumes.txt", "changed twice")
	record, err = b.Run(t.Context(), RunOptions{Trigger: ByCommand})
	if err != nil || record.Result != Complete || record.Targets[1].CopiedSets != 1 {
		t.Fatalf("%+v: %v", record, err)
	}
	sameFiles(t, first, second)
}

// page gives the metrics.
func (b *bench) page(t *testing.T) string {
	t.Helper()
	_, page, err := b.newMetrics().answer(t.Context())
	b.must(t, err)
	return string(page)
}

// A folder that can't be read is a target that is away, if there is another.
func TestTargetThatIsNoFolder(t *testing.T) {
	b, first, second := twoTargets(t)
	second = strings.TrimSuffix(second, "/")
	b.must(t, os.WriteFile(second, nil, 0o600))
	record, err := b.Run(t.Context(), RunOptions{Trigger: ByCommand})
	if !errors.Is(err, ErrIncomplete) || record == nil || record.Result != Incomplete {
		t.Fatalf("%+v: %v", record, err)
	}
	b.must(t, os.Remove(second))
	if _, err := b.Run(t.Context(), RunOptions{Trigger: ByCommand}); err != nil {
		t.Fatal(err)
	}
	sameFiles(t, first, second)
}

func TestLiveKeepAndUploadLatest(t *testing.T) {
	target := filepath.Join(t.TempDir(), "target")
	b := newBench(t, "BACKUP_DUPLICITY_URL=file://"+target, "BACKUP_MODULE_DATABASE=false",
		"BACKUP_LIVE_KEEP=1", "BACKUP_UPLOAD_LATEST=false")
	for _, text := range []string{"one", "two", "three"} {
		b.write(t, "source/volumes.txt", text)
		if _, err := b.Run(t.Context(), RunOptions{Trigger: ByCommand}); err != nil {
			t.Fatal(err)
		}
	}
	repo, err := OpenRepository(t.Context(), b.opt)
	b.must(t, err)
	defer repo.Close()
	reports, err := repo.Report(t.Context())
	b.must(t, err)
	if len(reports) != 2 || !reports[0].Live || reports[0].Sets != 3 || reports[1].Sets != 2 {
		t.Errorf("places are %+v", reports)
	}
	b.giveUpLive(t, target)
	dest := filepath.Join(t.TempDir(), "restored")
	_, err = repo.Restore(t.Context(), dest, engine.RestoreOptions{})
	b.must(t, err)
	if text, err := os.ReadFile(filepath.Join(dest, "volumes.txt")); err != nil || string(text) != "three" {
		t.Errorf("restored %q, %v", text, err)
	}
}

// giveUpLive takes the place nearby out of the settings: the next run sends what
// was only there.
func (b *bench) giveUpLive(t *testing.T, target string) {
	t.Helper()
	cfg := *b.cfg
	cfg.LiveKeep, cfg.UploadLatest = 0, true
	b.cfg, b.opt.Config = &cfg, &cfg
	if _, err := b.Run(t.Context(), RunOptions{Trigger: ByCommand}); err != nil {
		t.Fatal(err)
	}
	repo, err := OpenRepository(t.Context(), b.opt)
	b.must(t, err)
	defer repo.Close()
	c, err := repo.Collection(t.Context())
	b.must(t, err)
	if len(c.Chains) != 1 || len(c.Chains[0].Sets) != 3 || len(repo.Alone()) != 1 {
		t.Errorf("%d places hold %+v", len(repo.Alone()), c)
	}
}

// A URL that can't be a target is refused before anything is begun, whichever
// of several it is.
func TestMalformedTargetAmongSeveral(t *testing.T) {
	for _, bad := range []string{"nonsense://x", "file:////x", "sftp://:pw@/"} {
		b := newBench(t, "BACKUP_DUPLICITY_URL=file:///good "+bad)
		record, err := b.Run(t.Context(), RunOptions{Trigger: ByCommand})
		if record != nil || hint.Text(err) == "" || strings.Contains(err.Error(), "pw@") {
			t.Errorf("%s: %v", bad, err)
		}
	}
}
