package daemon

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
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
	"github.com/purser-backup/purser/internal/rancher/ranchertest"
)

const (
	servicePassword  = "pa55word-of-a-service"
	databasePassword = "pa55word-of-the-database"
)

// ranch is a bench whose Engine is one host of a Rancher environment.
type ranch struct {
	*bench
	server *ranchertest.Server
	mu     sync.Mutex
	jobs   map[string]dumpers.Job
}

// ranchWorld has a service on the own host, one on another, and two stacks.
func ranchWorld() ranchertest.World {
	env := map[string]any{"PASSWORD": servicePassword}
	return ranchertest.World{
		Stacks: []ranchertest.Stack{{ID: "1st7", Name: "shop", Docker: "password: " + servicePassword + "\r\n", Rancher: "version: '2'\r\n"},
			{ID: "1st8", Name: "database", Docker: "version: '2'\r\n", Rancher: "version: '2'\r\n"}},
		Hosts: []ranchertest.Host{{ID: "1h2", Name: "host2"}},
		Services: []ranchertest.Service{
			{ID: "1s5", Name: "near", Stack: "1st7", Image: "docker:store:1", Env: env}, {ID: "1s6", Name: "far", Stack: "1st7", Image: "docker:store:1", Env: env}},
		Containers: []ranchertest.Container{
			{ID: "1i10", Of: "1s5", Image: "docker:store:1", Docker: "id-near", IP: "10.42.0.5", Env: env},
			{ID: "1i11", Of: "1s6", Image: "docker:store:1", Docker: "id-far", IP: "10.42.0.6", Host: "1h2", Starts: 1, Env: env}},
	}
}

func newRanch(t *testing.T, env ...string) *ranch {
	t.Helper()
	r := &ranch{server: ranchertest.New(t, ranchWorld()), jobs: map[string]dumpers.Job{}}
	r.bench = newBench(t, append([]string{
		"BACKUP_RANCHER_API_URL=" + r.server.API(), "BACKUP_RANCHER_API_KEY=" + ranchertest.AccessKey, "BACKUP_RANCHER_API_SECRET=" + ranchertest.SecretKey,
		"PASSPHRASE=open sesame",
	}, env...)...)
	log := slog.New(slog.NewTextHandler(&locked{mu: &r.mu, w: r.bench.log}, &slog.HandlerOptions{Level: slog.LevelDebug, ReplaceAttr: withoutTime}))
	r.Daemon.log, r.Daemon.opt.Log, r.Daemon.rancher.log = log, log, log
	log.Debug("every level is logged")
	r.Daemon.rancher.options.RetryDelay = time.Millisecond
	near := container("near", "store:1")
	near.Labels = map[string]string{"io.rancher.stack.name": "shop", "io.rancher.stack_service.name": "shop/near"}
	r.engine.list = []discovery.Container{near, container("web", "nginx")}
	r.Daemon.connect = func(ctx context.Context) (*dockerEngine, error) {
		docker, err := r.engine.connect(ctx)
		if err != nil {
			return nil, err
		}
		docker.source = scoped{lister: r, scope: r.scope, rancher: r.Daemon.rancher}
		inner := docker.runtime
		docker.runtime = func(ctx context.Context, created func(context.Context, string) error) (dumpRuntime, error) {
			made, err := inner(ctx, created)
			made.Runtime = r.lookedAt(&ranchRuntime{made.Runtime, r})
			return made, err
		}
		return docker, nil
	}
	return r
}

// locked is a log that is read while it is written.
type locked struct {
	mu *sync.Mutex
	w  io.Writer
}

func (l *locked) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(p)
}

func (r *ranch) logged() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.bench.log.String()
}

func (r *ranch) Containers(context.Context) ([]discovery.Container, error) {
	return slices.Clone(r.engine.list), nil
}

func (r *ranch) Changes(ctx context.Context, changed chan<- struct{}) error {
	signal(changed)
	return r.engine.Changes(ctx, changed)
}

// ranchRuntime also runs what shares no service's network.
type ranchRuntime struct {
	dumpers.Runtime
	r *ranch
}

func (f *ranchRuntime) Run(ctx context.Context, job dumpers.Job, stdout, stderr io.Writer) (int, error) {
	f.r.mu.Lock()
	f.r.jobs[job.Service] = job
	f.r.mu.Unlock()
	if job.Container == "" {
		return 0, f.r.engine.runtimeOf(job)
	}
	return f.Runtime.Run(ctx, job, stdout, stderr)
}

func (f *fakeEngine) runtimeOf(job dumpers.Job) error {
	return (&fakeRuntime{fakeEngine: f}).write(job)
}

// A run with everything of Rancher's: services here and elsewhere, the
// definitions of stacks, and the server's own database.
func TestRunWithRancher(t *testing.T) {
	r := newRanch(t, "BACKUP_RANCHER_DB_HOST=db.example", "BACKUP_RANCHER_DB_PASSWORD="+databasePassword)
	r.write(t, "recipes/index/rancher-database.yml", "rancher-database: {regex: '^$', template: rancher-database.yml}\n")
	r.write(t, "recipes/templates/rancher-database.yml",
		"image: 'client:1'\nenvironments: ['P:{{ env.BACKUP_RANCHER_DB_PASSWORD }}']\ncommands:\n- dump -h {{ ip }} {{ target_dir }}\n")
	r.write(t, "recipes/templates/store.yml", "environments: ['P:{{ env.PASSWORD }}']\ncommands:\n- dump -h {{ ip }} {{ target_dir }}\n")
	var err error
	r.catalog, err = loadCatalog(filepath.Join(r.root, "recipes"))
	r.must(t, err)
	record := r.run(t, Complete)
	for path, want := range map[string]string{
		"dump/shop/near/all.sql": "dump of shop/near\n", "dump/shop/far/all.sql": "dump of shop/far\n",
		"rancher/database/all.sql": "dump of .rancher/database\n", "rancher/shop/docker-compose.yml": "password: " + servicePassword + "\r\n",
		"rancher/shop/rancher-compose.yml": "version: '2'\r\n", "rancher/database.stack/docker-compose.yml": "version: '2'\r\n",
	} {
		if got := r.restored(t, path); got != want {
			t.Errorf("restored %s: %q", path, got)
		}
	}
	if len(record.Services) != 3 || !record.Backup.Encrypted {
		t.Errorf("record: %+v", record)
	}
	for id, want := range map[string][3]string{
		"shop/near": {"id-near", "sha256:near", "127.0.0.1"}, "shop/far": {"", "store:1", "10.42.0.6"}, ".rancher/database": {"", "client:1", "db.example"},
	} {
		job := r.jobs[id]
		if job.Container != want[0] || job.Image != want[1] || !strings.Contains(job.Script, want[2]) {
			t.Errorf("%s: network of %q, image %q, script %q", id, job.Container, job.Image, job.Script)
		}
	}
	found, err := r.Discover(t.Context())
	r.must(t, err)
	if i := slices.IndexFunc(found.Services, func(f Found) bool { return f.ID == ".rancher/database" }); i < 0 || found.Services[i].Image != "db.example:3306" {
		t.Errorf("found: %+v", found.Services)
	}
	r.noSecrets(t)
}

// noSecrets looks for secrets in all that was logged and noted.
func (r *ranch) noSecrets(t *testing.T) {
	t.Helper()
	texts := map[string]string{"the log": r.logged()}
	err := fs.WalkDir(os.DirFS(r.root), "state/state", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		content, err := os.ReadFile(filepath.Join(r.root, path))
		texts[path] = string(content)
		return err
	})
	r.must(t, err)
	for where, text := range texts {
		for _, secret := range []string{servicePassword, databasePassword, ranchertest.SecretKey, ranchertest.SecretInEvents, "open sesame"} {
			if strings.Contains(text, secret) {
				t.Errorf("%s holds %s", where, secret)
			}
		}
	}
	if !strings.Contains(texts["the log"], "level=DEBUG") || len(texts) < 2 {
		t.Errorf("only %d texts were looked at, or not at every level", len(texts))
	}
}

// Without Rancher, what Docker shows is dumped, and the run says what is missing.
func TestRunWithoutRancher(t *testing.T) {
	for name, fault := range map[string]ranchertest.Fault{
		"refused": {Status: 401}, "broken": {Status: 500}, "proxy": {Status: 502, Body: "<html>" + servicePassword + "</html>"},
		"other": {Status: 200, Body: `{"data":[{"environment":{"P":"` + servicePassword + `"}}]}`},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRanch(t)
			first := r.run(t, Complete)
			if len(first.Services) != 2 {
				t.Fatalf("services: %+v", first.Services)
			}
			fault.Match = "GET "
			r.server.Fail(fault)
			record := r.run(t, Incomplete, "export stacks: rancher: ", "only what Docker shows is known")
			if len(record.Services) != 1 || record.Services[0].ID != "shop/near" {
				t.Errorf("services: %+v", record.Services)
			}
			h, err := r.state.loadHistory()
			r.must(t, err)
			if far := h.service("shop/far"); !far.GoneSince.IsZero() || far.LastGood.IsZero() {
				t.Errorf("what could not be seen is gone: %+v", far)
			}
			if got := r.restored(t, "dump/shop/far/all.sql"); got != "dump of shop/far\n" {
				t.Errorf("the last good dump: %q", got)
			}
			_, err = r.Dump(t.Context(), []string{"shop/far"})
			if err == nil || !strings.Contains(err.Error(), "only what Docker shows is known") || !strings.Contains(err.Error(), "no such service") {
				t.Errorf("a dump by name: %v", err)
			}
			r.server.Heal()
			if record = r.run(t, Complete); len(record.Services) != 2 {
				t.Errorf("services: %+v", record.Services)
			}
			r.noSecrets(t)
		})
	}
}

// One stack that can't be exported leaves the rest as it would be.
func TestRunWithAStackThatFails(t *testing.T) {
	r := newRanch(t)
	w := ranchWorld()
	w.Stacks[0].ExportStatus = 422
	r.server.Set(w)
	r.run(t, Incomplete, "export of stack shop: rancher: ask for its definition: the server answers 422")
	if got := r.restored(t, "rancher/database.stack/docker-compose.yml"); got == "" {
		t.Error("the other stack is not there")
	}
	// A key that may only read is told of, and is no failure.
	for i := range w.Stacks {
		w.Stacks[i].ExportStatus, w.Stacks[i].Docker, w.Stacks[i].Rancher = 0, "", ""
	}
	r.server.Set(w)
	record := r.run(t, Complete)
	if want := "none of 2 stacks can be exported: Rancher lets this key only read"; !slices.Contains(record.Problems, want) {
		t.Errorf("problems: %q", record.Problems)
	}
}

// A service that Rancher expects to run, and that doesn't, is not gone.
func TestRunWhileAServiceIsDown(t *testing.T) {
	r := newRanch(t)
	r.run(t, Complete)
	w := ranchWorld()
	w.Containers[1].State = "stopped"
	r.server.Set(w)
	record := r.run(t, Complete)
	if !slices.ContainsFunc(record.Problems, func(p string) bool { return strings.Contains(p, "shop/far: the service is active") }) {
		t.Errorf("problems: %q", record.Problems)
	}
	h, err := r.state.loadHistory()
	r.must(t, err)
	if far := h.service("shop/far"); !far.GoneSince.IsZero() {
		t.Errorf("%+v", far)
	}
	// Once it is stopped by the user's will, it is as any that is gone.
	w.Services[1].State = "inactive"
	r.server.Set(w)
	r.run(t, Complete)
	h, err = r.state.loadHistory()
	r.must(t, err)
	if far := h.service("shop/far"); far.GoneSince.IsZero() {
		t.Errorf("%+v", far)
	}
}

// A service elsewhere that restarts during its dump is noticed.
func TestRunWhileAFarServiceRestarts(t *testing.T) {
	r := newRanch(t)
	starts := 1
	inner := r.Daemon.connect
	r.Daemon.connect = func(ctx context.Context) (*dockerEngine, error) {
		docker, err := inner(ctx)
		made := docker.runtime
		docker.runtime = func(ctx context.Context, created func(context.Context, string) error) (dumpRuntime, error) {
			run, err := made(ctx, created)
			run.Runtime = &restarting{run.Runtime, func() {
				starts++
				w := ranchWorld()
				w.Containers[1].Starts = starts
				r.server.Set(w)
			}}
			return run, err
		}
		return docker, err
	}
	r.run(t, Incomplete, "dump of shop/far: run: the service restarted meanwhile")
	if starts != 3 {
		t.Errorf("tried %d times", starts-1)
	}
}

type restarting struct {
	dumpers.Runtime
	restart func()
}

func (f *restarting) Run(ctx context.Context, job dumpers.Job, stdout, stderr io.Writer) (int, error) {
	if job.Service == "shop/far" {
		f.restart()
	}
	return f.Runtime.Run(ctx, job, stdout, stderr)
}

// The watch follows Rancher's events, survives that the server goes away, and
// lists on while there are no events.
func TestWatchWithRancher(t *testing.T) {
	r := newRanch(t)
	r.must(t, r.state.create())
	r.Daemon.now = time.Now
	w, err := r.newWatcher()
	r.must(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { w.watch(ctx); close(done) }()
	defer func() { cancel(); <-done }()
	r.seen(t, "the start", "shop/far", "shop/near")
	r.eventually(t, "a subscription", func() bool { return r.server.Subscribers() == 1 })
	more := ranchWorld()
	more.Services = append(more.Services, ranchertest.Service{ID: "1s7", Name: "new", Stack: "1st7", Image: "docker:store:1"})
	more.Containers = append(more.Containers, ranchertest.Container{ID: "1i12", Of: "1s7", Image: "docker:store:1", IP: "10.42.0.7"})
	r.server.Set(more)
	r.server.Emit("container", "1i12")
	r.seen(t, "an event", "shop/far", "shop/near", "shop/new")
	// The server goes away: what was seen stays, and the problem shows.
	r.server.Fail(ranchertest.Fault{Match: "GET ", Status: 503})
	r.server.Hangup()
	r.eventually(t, "the problem", func() bool {
		v, err := r.state.loadView()
		return err == nil && slices.ContainsFunc(v.Problems, func(p Problem) bool { return p.Subject == "rancher" })
	})
	r.seen(t, "the server being away", "shop/far", "shop/near", "shop/new")
	// It is back, without events: services are listed all the same.
	r.server.Heal()
	r.server.Fail(ranchertest.Fault{Match: "/subscribe", Status: 404})
	r.server.Set(ranchWorld())
	r.seen(t, "the server being back", "shop/far", "shop/near")
	r.server.Heal()
	r.eventually(t, "a new subscription", func() bool { return r.server.Subscribers() == 1 })
	if text := r.logged(); strings.Count(text, "Rancher's events can't be followed") != 1 || strings.Count(text, "following Rancher's events") != 2 {
		t.Errorf("log:\n%s", text)
	}
	r.noSecrets(t)
}

func (r *ranch) eventually(t *testing.T, what string, cond func() bool) {
	t.Helper()
	for began := time.Now(); !cond(); {
		if time.Since(began) > time.Minute {
			t.Fatalf("no sign of %s\n%s", what, r.logged())
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// seen waits until the watch has seen just these stores.
func (r *ranch) seen(t *testing.T, after string, want ...string) {
	t.Helper()
	r.eventually(t, fmt.Sprintf("%q after %s", want, after), func() bool {
		v, err := r.state.loadView()
		var got []string
		for _, s := range v.Services {
			if strings.HasPrefix(s.ID, "shop/") {
				got = append(got, s.ID)
			}
		}
		return err == nil && slices.Equal(got, want)
	})
}

// Without dumps of services, stacks are exported without Docker, and Rancher's
// own database is dumped by itself.
func TestRunOfRanchersOwnDataOnly(t *testing.T) {
	r := newRanch(t, "BACKUP_MODULE_DATABASE=false")
	r.engine.down = errors.New("there is no Engine")
	r.run(t, Complete)
	if got := r.restored(t, "rancher/shop/rancher-compose.yml"); got != "version: '2'\r\n" {
		t.Errorf("restored: %q", got)
	}
	r = newRanch(t, "BACKUP_MODULE_DATABASE=false", "BACKUP_MODULE_STACK=false", "BACKUP_RANCHER_DB_HOST=db.example", "BACKUP_RANCHER_DB_PASSWORD="+databasePassword)
	record := r.run(t, Incomplete, "dump of .rancher/database: check") // this Engine writes no dump of a database
	if len(record.Services) != 1 || r.server.Asked("") != 0 {
		t.Errorf("services %+v, requests %q", record.Services, r.server.Requests())
	}
	r.noSecrets(t)
	r = newRanch(t, "BACKUP_RANCHER_DB_HOST=db.example")
	r.run(t, Incomplete, "dump of .rancher/database: render rancher-database.yml: no password")
}
