package daemon

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/purser-backup/purser/discovery"
	"github.com/purser-backup/purser/dumpers"
	"github.com/purser-backup/purser/engine"
	"github.com/purser-backup/purser/internal/config"
)

// fakeEngine stands in for the Docker Engine. It refuses what a real one
// would: a container that it doesn't have, a directory that isn't there, an
// image without a name. Everything around it is real.
type fakeEngine struct {
	t        *testing.T
	list     []discovery.Container
	fail     map[string]string // service to the error text of its dump
	more     map[string]string // service to what its dump has besides
	says     map[string]string // service to what its dump writes to its standard error
	buggy    string            // the service whose dump panics
	hung     func()            // if not nil, a dump calls it and waits until it is cancelled
	down     error             // the Engine can't be reached
	leftover int               // containers of a dead run
}

func (f *fakeEngine) connect(context.Context) (*dockerEngine, error) {
	if f.down != nil {
		return nil, f.down
	}
	return &dockerEngine{
		source: f, close: func() error { return nil },
		runtime: func(_ context.Context, created func(context.Context, string) error) (dumpRuntime, error) {
			run := &fakeRuntime{f, created}
			return dumpRuntime{Runtime: run, instance: "test", sweep: f.sweep}, nil
		},
	}, nil
}

func (f *fakeEngine) Services(context.Context) ([]discovery.Service, []discovery.Problem, error) {
	services, problems := discovery.Group(f.list)
	return services, problems, nil
}

func (f *fakeEngine) Changes(ctx context.Context, _ chan<- struct{}) error {
	<-ctx.Done()
	return ctx.Err()
}

func (f *fakeEngine) sweep(context.Context) (int, error) {
	n := f.leftover
	f.leftover = 0
	return n, nil
}

type fakeRuntime struct {
	*fakeEngine
	note func(context.Context, string) error
}

func (f *fakeRuntime) State(_ context.Context, id string) (discovery.State, error) {
	i := slices.IndexFunc(f.list, func(c discovery.Container) bool { return c.ID == id })
	if i < 0 {
		return discovery.State{}, fmt.Errorf("no container %s: %w", id, os.ErrNotExist)
	}
	return f.list[i].State(), nil
}

func (f *fakeRuntime) ReadFile(context.Context, string, string) ([]byte, error) {
	return nil, errors.New("no secret file was expected to be read")
}

func (f *fakeRuntime) Exec(context.Context, dumpers.Job, io.Writer, io.Writer) (int, error) {
	return 0, errors.New("no script was expected to run in a service's own container")
}

func (f *fakeRuntime) Run(ctx context.Context, job dumpers.Job, stdout, stderr io.Writer) (int, error) {
	if info, err := os.Stat(job.Dir); err != nil || !info.IsDir() || job.Image == "" || job.Script == "" {
		f.t.Errorf("a real Engine would refuse the job %+v", job)
	}
	if _, err := f.State(ctx, job.Container); err != nil {
		return 0, err
	}
	if err := f.note(ctx, "purser-"+strings.ReplaceAll(job.Service, "/", "-")); err != nil {
		return 0, err
	}
	if job.Service == f.buggy {
		panic("out of rum")
	}
	if f.hung != nil {
		f.hung()
		<-ctx.Done()
		return 0, ctx.Err()
	}
	if message := f.fail[job.Service]; message != "" {
		_, err := io.WriteString(stderr, message)
		return 2, err
	}
	if _, err := io.WriteString(stderr, f.says[job.Service]); err != nil {
		return 0, err
	}
	return 0, f.write(job)
}

// write makes the files that the recipes of the test leave behind.
func (f *fakeRuntime) write(job dumpers.Job) error {
	dir := job.Dir
	if info, err := os.Stat(filepath.Join(dir, "dump")); err == nil && info.IsDir() {
		dir = filepath.Join(dir, "dump")
	}
	return os.WriteFile(filepath.Join(dir, "all.sql"), []byte("dump of "+job.Service+"\n"+f.more[job.Service]), 0o600)
}

func container(name, image string) discovery.Container {
	return discovery.Container{
		ID: "id-" + name, Name: name, Image: image, ImageID: "sha256:" + name, Running: true,
		Created: time.Unix(1, 0), StartedAt: time.Unix(2, 0),
	}
}

// bench is a Daemon on real directories, with a fake Engine.
type bench struct {
	*Daemon
	engine *fakeEngine
	log    *bytes.Buffer
	root   string
	mu     sync.Mutex
	clock  time.Time // a second later each time it is looked at
}

func (b *bench) tick() time.Time {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.clock = b.clock.Add(time.Second)
	return b.clock
}

func newBench(t *testing.T, env ...string) *bench {
	t.Helper()
	b := &bench{engine: &fakeEngine{t: t}, log: &bytes.Buffer{}, root: t.TempDir(), clock: time.Date(2026, 5, 20, 10, 0, 0, 0, time.UTC)}
	for _, dir := range []string{"source", "recipes/index", "recipes/templates"} {
		b.must(t, os.MkdirAll(filepath.Join(b.root, dir), 0o755))
	}
	recipe := "commands:\n- sh -c 'dump > {{ target_dir }}/all.sql'\n"
	b.write(t, "recipes/index/store.yml", "store: {regex: store, template: store.yml}\n")
	b.write(t, "recipes/templates/store.yml", recipe)
	b.write(t, "source/volumes.txt", "a file of the user\n")
	if !slices.ContainsFunc(env, func(v string) bool { return strings.HasPrefix(v, "BACKUP_DUPLICITY_URL=") }) {
		env = append(env, "BACKUP_DUPLICITY_URL=file://"+filepath.Join(b.root, "target"))
	}
	env = append([]string{
		"TZ=UTC",
		"BACKUP_DUPLICITY_SOURCE_PATH=" + filepath.Join(b.root, "source"), "BACKUP_ARCHIVE_DIR=" + filepath.Join(b.root, "state"),
	}, env...)
	if !slices.ContainsFunc(env, func(v string) bool { return strings.HasPrefix(v, "PASSPHRASE=") }) {
		env = append(env, "BACKUP_DUPLICITY_OPTIONS=--no-encryption")
	}
	cfg, err := config.Load(env, nil, "")
	b.must(t, err)
	b.Daemon, err = New(Options{
		Config: cfg, Rand: rand.Reader, Recipes: filepath.Join(b.root, "recipes"),
		Log: slog.New(slog.NewTextHandler(b.log, &slog.HandlerOptions{ReplaceAttr: withoutTime})),
		Now: b.tick, pauses: []time.Duration{time.Millisecond},
	})
	b.must(t, err)
	b.Daemon.connect = b.engine.connect
	b.Daemon.listen = func() ([]listener, error) { return nil, nil } // a bubble of fake time has no network
	return b
}

func (b *bench) must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (b *bench) write(t *testing.T, name, text string) {
	t.Helper()
	b.must(t, os.WriteFile(filepath.Join(b.root, name), []byte(text), 0o600))
}

// run makes a run and checks its result and what is wrong with it.
func (b *bench) run(t *testing.T, want Result, wrong ...string) *Run {
	t.Helper()
	record, err := b.Run(t.Context(), RunOptions{Trigger: ByCommand})
	if record == nil {
		t.Fatalf("no run: %v", err)
	}
	if record.Result != want {
		t.Errorf("the run is %s (%v), want %s", record.Result, err, want)
	}
	text := ""
	if err != nil {
		text = err.Error()
	}
	if (err == nil) != (len(wrong) == 0) {
		t.Errorf("the run's error is %q, want %q", text, wrong)
	}
	for _, w := range wrong {
		if !strings.Contains(text, w) {
			t.Errorf("the run's error is %q, without %q", text, w)
		}
	}
	if _, found, err := b.state.loadJournal(); err != nil || found {
		t.Errorf("after the run there is a journal: %v, %v", found, err)
	}
	if locked, err := isLocked(b.state.runLock()); err != nil || locked {
		t.Errorf("after the run the lock is held: %v, %v", locked, err)
	}
	return record
}

// restored returns the content of a file in the newest backup, "" if it is
// not there.
func (b *bench) restored(t *testing.T, path string) string {
	t.Helper()
	return b.restoredAt(t, path, time.Time{})
}

func (b *bench) restoredAt(t *testing.T, path string, at time.Time) string {
	t.Helper()
	repo, err := OpenRepository(t.Context(), b.opt)
	b.must(t, err)
	defer repo.Close()
	dest := filepath.Join(t.TempDir(), "restored")
	_, err = repo.Restore(t.Context(), dest, engine.RestoreOptions{Time: at})
	b.must(t, err)
	content, err := os.ReadFile(filepath.Join(dest, path))
	if errors.Is(err, os.ErrNotExist) {
		return ""
	}
	b.must(t, err)
	return string(content)
}

func TestRunDumpsAndBacksUp(t *testing.T) {
	b := newBench(t, "PASSPHRASE=open sesame")
	b.engine.list = []discovery.Container{container("one", "store:1"), container("two", "acme/store"), container("web", "nginx")}
	record := b.run(t, Complete)
	if len(record.Services) != 2 || record.Backup == nil || record.Backup.Kind != "full" || !record.Backup.Encrypted {
		t.Errorf("record: %+v", record)
	}
	if got := b.restored(t, "dump/_/one/all.sql"); got != "dump of _/one\n" {
		t.Errorf("the backup holds %q", got)
	}
	if got := b.restored(t, ".purser"); got != "" {
		t.Error("the staging directory was backed up")
	}
	status, err := ReadStatus(b.cfg, b.now())
	b.must(t, err)
	if len(status.Services) != 2 || status.Services[0].LastGood.IsZero() || status.Instance != "test" || status.LastBackup == nil {
		t.Errorf("status: %+v", status)
	}
	record = b.run(t, Complete)
	if record.Backup == nil || record.Backup.Kind != "incremental" {
		t.Errorf("second run: %+v", record.Backup)
	}
}

func TestFailedDumpMakesTheRunIncompleteAndKeepsTheGoodOne(t *testing.T) {
	b := newBench(t)
	b.engine.list = []discovery.Container{container("good", "store"), container("bad", "store")}
	b.run(t, Complete)
	b.engine.fail = map[string]string{"_/bad": "access denied"}
	b.write(t, "source/volumes.txt", "changed\n")
	record := b.run(t, Incomplete, "dump of _/bad", "access denied")
	if record.Backup == nil || b.restored(t, "volumes.txt") != "changed\n" {
		t.Error("the tree was not backed up")
	}
	if got := b.restored(t, "dump/_/bad/all.sql"); got != "dump of _/bad\n" {
		t.Errorf("the good dump is gone: %q", got)
	}
	status, err := ReadStatus(b.cfg, b.now())
	b.must(t, err)
	if !slices.ContainsFunc(status.Wrong, func(s string) bool { return strings.Contains(s, "dump of _/bad: run: exit status 2") }) {
		t.Errorf("status doesn't tell: %q", status.Wrong)
	}
	if status.Services[0].LastGood.IsZero() || status.LastComplete == nil || !status.LastComplete.Before(record.Started) {
		t.Errorf("the good past is forgotten: %+v", status)
	}
	b.engine.fail = nil
	b.run(t, Complete)
}

func TestGuessedRecipeCountsOnlyOnceItHasWorked(t *testing.T) {
	b := newBench(t)
	b.engine.list = []discovery.Container{container("guess", "acme/bookstore-web")}
	b.engine.fail = map[string]string{"_/guess": "no such program"}
	record := b.run(t, Complete)
	if len(record.Problems) != 1 || !strings.Contains(record.Problems[0], "no such program") {
		t.Errorf("problems: %q", record.Problems)
	}
	b.engine.fail = nil
	b.run(t, Complete)
	b.engine.fail = map[string]string{"_/guess": "no such program"}
	b.run(t, Incomplete, "no such program")
}

func TestRunWithoutDocker(t *testing.T) {
	down := withHint(errors.New("the socket is not there"), "mount it")
	b := newBench(t)
	b.engine.down = down
	record := b.run(t, Failed, "the socket is not there")
	if record.Backup != nil {
		t.Error("a backup was made")
	}
	record, err := b.Run(t.Context(), RunOptions{Trigger: ByCommand, Force: true})
	var hinter interface{ Hint() string }
	if !errors.Is(err, ErrIncomplete) || !errors.As(err, &hinter) || hinter.Hint() != "mount it\nwhere nothing is to be dumped, set BACKUP_MODULE_DATABASE=false" {
		t.Errorf("forced: %v, hint %q", err, hinter.Hint())
	}
	if record.Result != Incomplete || record.Backup == nil {
		t.Errorf("forced: %+v", record)
	}
	b = newBench(t, "BACKUP_MODULE_DATABASE=false")
	b.engine.down = down
	b.run(t, Complete)
	b = newBench(t)
	b.engine.down = down
	if _, err := b.Backup(t.Context(), false, ""); err != nil {
		t.Errorf("a backup alone needs Docker: %v", err)
	}
}

func TestServicesThatCannotBeToldApartMakeTheRunIncomplete(t *testing.T) {
	b := newBench(t)
	b.engine.list = []discovery.Container{container("one", "store"), container("two", "store:2")}
	for i := range b.engine.list {
		b.engine.list[i].Labels = map[string]string{discovery.LabelID: "shop/db"}
	}
	b.run(t, Incomplete, "shop/db: containers", "neither is dumped")
	b.engine.list = []discovery.Container{container("one", "nginx")}
	b.engine.list[0].Labels = map[string]string{discovery.LabelType: "nosuch"}
	b.run(t, Incomplete, "dump of _/one", "nosuch")
}

func TestServiceThatIsGoneIsReportedAndItsDumpKept(t *testing.T) {
	b := newBench(t)
	b.engine.list = []discovery.Container{container("one", "store")}
	b.run(t, Complete)
	b.engine.list = nil
	b.run(t, Complete)
	status, err := ReadStatus(b.cfg, b.now())
	b.must(t, err)
	if len(status.Services) != 1 || status.Services[0].GoneSince.IsZero() {
		t.Errorf("status: %+v", status.Services)
	}
	if b.restored(t, "dump/_/one/all.sql") == "" {
		t.Error("the dump of the service that is gone was dropped")
	}
}

func TestCancelledRunUploadsNothing(t *testing.T) {
	b := newBench(t)
	b.engine.list = []discovery.Container{container("one", "store")}
	ctx, cancel := context.WithCancel(t.Context())
	b.engine.hung = cancel
	record, err := b.Run(ctx, RunOptions{Trigger: BySchedule})
	if !errors.Is(err, context.Canceled) || record.Result != Interrupted || record.Backup != nil {
		t.Errorf("got %+v, %v", record, err)
	}
	if _, err := os.Stat(filepath.Join(b.root, "target")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the target was touched: %v", err)
	}
	if len(record.Services) != 1 || record.Services[0].Outcome != DumpCancelled {
		t.Errorf("services: %+v", record.Services)
	}
	b.engine.hung = nil
	b.run(t, Complete)
}

func TestRunAfterADeadOneSweeps(t *testing.T) {
	b := newBench(t)
	b.engine.leftover = 2
	b.must(t, b.state.create())
	b.must(t, b.state.saveJournal(journal{Command: commandRun, Trigger: BySchedule, Started: b.clock, Since: b.clock, Phase: PhaseDump, Created: []string{"purser-x"}}))
	status, err := ReadStatus(b.cfg, b.now())
	b.must(t, err)
	if !slices.Contains(status.Wrong, "a run died in the phase dump: the next one clears up after it") {
		t.Errorf("status doesn't tell: %q", status.Wrong)
	}
	if _, err := b.Backup(t.Context(), false, ""); err != nil {
		t.Error(err)
	}
	if _, found, err := b.state.loadJournal(); err != nil || !found {
		t.Errorf("a backup without Docker has forgotten what is left there: %v, %v", found, err)
	}
	b.run(t, Complete)
	for _, line := range []string{
		`level=WARN msg="the last run was interrupted" started=2026-05-20T10:00:00.000Z phase=dump`,
		`level=WARN msg="containers of a dead run removed" containers=2`,
	} {
		if !strings.Contains(b.log.String(), line) {
			t.Errorf("the log lacks %q:\n%s", line, b.log)
		}
	}
}

func TestNothingToDumpNeedsNoDumpDirectory(t *testing.T) {
	b := newBench(t)
	b.engine.list = []discovery.Container{container("web", "nginx")}
	connect := b.Daemon.connect
	b.Daemon.connect = func(ctx context.Context) (*dockerEngine, error) {
		docker, err := connect(ctx)
		docker.runtime = func(context.Context, func(context.Context, string) error) (dumpRuntime, error) {
			return dumpRuntime{}, errors.New("the source path is read-only")
		}
		return docker, err
	}
	b.run(t, Complete)
}

func TestOnlyOneRunAtATime(t *testing.T) {
	b := newBench(t)
	b.must(t, b.state.create())
	lock, err := b.state.lockRun()
	b.must(t, err)
	defer lock.unlock()
	if _, err := b.Run(t.Context(), RunOptions{}); !errors.Is(err, ErrLocked) {
		t.Errorf("run: %v", err)
	}
	if _, err := b.Dump(t.Context(), nil); !errors.Is(err, ErrLocked) {
		t.Errorf("dump: %v", err)
	}
	if _, err := b.Backup(t.Context(), true, ""); !errors.Is(err, ErrLocked) {
		t.Errorf("backup: %v", err)
	}
}

func TestDumpOfNamedServices(t *testing.T) {
	b := newBench(t)
	b.engine.list = []discovery.Container{container("one", "store"), container("two", "store"), container("web", "nginx")}
	dumps, err := b.Dump(t.Context(), []string{"_/two"})
	b.must(t, err)
	if len(dumps) != 1 || dumps[0].ID != "_/two" || dumps[0].Outcome != Dumped {
		t.Errorf("dumps: %+v", dumps)
	}
	_, err = b.Dump(t.Context(), []string{"_/three", "_/web"})
	const want = "no such service: _/three\n_/web can't be dumped: no recipe matches the image nginx"
	if err == nil || err.Error() != want {
		t.Errorf("got %v", err)
	}
}

func TestStateOfAnotherVersionIsRefused(t *testing.T) {
	for _, name := range []string{"run.json", "last-run.json"} {
		b := newBench(t)
		b.must(t, b.state.create())
		b.write(t, "state/state/"+name, `{"version": 2, "services": "of another kind"}`)
		record, err := b.Run(t.Context(), RunOptions{})
		if record != nil || err == nil || !strings.HasSuffix(err.Error(), name+": version 2 is unknown to this purser") {
			t.Errorf("%s: %v, %v", name, record, err)
		}
	}
}

func TestBackupLeavesOutItself(t *testing.T) {
	b := newBench(t)
	target := filepath.Join(b.root, "source", "target")
	cfg, err := config.Load([]string{
		"BACKUP_DUPLICITY_URL=file://" + target, "BACKUP_DUPLICITY_OPTIONS=--no-encryption",
		"BACKUP_DUPLICITY_SOURCE_PATH=" + filepath.Join(b.root, "source"), "BACKUP_ARCHIVE_DIR=" + filepath.Join(b.root, "source/state"),
	}, nil, "")
	b.must(t, err)
	b.opt.Config, b.cfg, b.state = cfg, cfg, newState(cfg.ArchiveDir)
	for range 2 {
		if _, err := b.Backup(t.Context(), true, ""); err != nil {
			t.Fatal(err)
		}
	}
	if b.restored(t, "volumes.txt") == "" {
		t.Error("the user's file is missing")
	}
	repo, err := OpenRepository(t.Context(), b.opt)
	b.must(t, err)
	defer repo.Close()
	b.must(t, repo.Files(t.Context(), engine.FilesOptions{}, func(f engine.File) error {
		if strings.HasPrefix(f.Path, "target") || strings.HasPrefix(f.Path, "state") {
			t.Errorf("the backup holds %s", f.Path)
		}
		return nil
	}))
}
