package daemon

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/purser-backup/purser/discovery"
	"github.com/purser-backup/purser/internal/docker/dockertest"
)

// feed is an Engine whose containers change, and that can go away. As a real
// one it tells only those who have subscribed.
type feed struct {
	mu     sync.Mutex
	list   []discovery.Container
	broken error                          // it can't be reached
	lists  int                            // how often it was asked
	subs   map[chan<- struct{}]chan error // and how each ends
}

func (f *feed) connect(context.Context) (*dockerEngine, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.broken != nil {
		return nil, f.broken
	}
	return &dockerEngine{source: f, close: func() error { return nil }}, nil
}

func (f *feed) Services(context.Context) ([]discovery.Service, []discovery.Problem, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.lists++
	if f.broken != nil {
		return nil, nil, f.broken
	}
	services, problems := discovery.Group(f.list)
	return services, problems, nil
}

func (f *feed) Changes(ctx context.Context, changed chan<- struct{}) error {
	end := make(chan error, 1)
	f.mu.Lock()
	f.subs[changed] = end
	f.mu.Unlock()
	defer func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		delete(f.subs, changed)
	}()
	f.signal(changed)
	select {
	case err := <-end:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (f *feed) signal(changed chan<- struct{}) {
	select {
	case changed <- struct{}{}:
	default:
	}
}

// set changes the containers and tells the subscribers.
func (f *feed) set(list ...discovery.Container) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.list = list
	for changed := range f.subs {
		f.signal(changed)
	}
}

// fail ends all subscriptions and lets nobody in, until it is called with nil.
func (f *feed) fail(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.broken = err
	for _, end := range f.subs {
		if err != nil {
			end <- err
		}
	}
}

// watched runs the watch of a bench in a bubble of fake time, in which steps
// then happens.
func watched(t *testing.T, steps func(t *testing.T, b *bench, f *feed)) {
	b := newBench(t)
	synctest.Test(t, func(t *testing.T) {
		b.log.Reset()
		f := &feed{subs: map[chan<- struct{}]chan error{}}
		b.Daemon.connect = f.connect
		b.now = func() time.Time { return time.Now().Round(0).UTC() }
		b.must(t, b.state.create())
		w, err := b.newWatcher()
		b.must(t, err)
		w.log = slog.New(slog.NewTextHandler(b.log, &slog.HandlerOptions{ReplaceAttr: withoutTime}))
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { w.watch(ctx); close(done) }()
		defer func() { cancel(); <-done }()
		synctest.Wait()
		steps(t, b, f)
	})
}

// after lets time pass and returns what was logged meanwhile.
func (b *bench) after(d time.Duration) string {
	time.Sleep(d)
	synctest.Wait()
	defer b.log.Reset()
	return b.log.String()
}

func (b *bench) logs(t *testing.T, got string, want ...string) {
	t.Helper()
	lines := strings.Split(strings.TrimSuffix(got, "\n"), "\n")
	if got == "" {
		lines = nil
	}
	if diff := cmp.Diff(want, lines); diff != "" {
		t.Errorf("log (-want +got):\n%s", diff)
	}
}

func (b *bench) states(t *testing.T) string {
	t.Helper()
	v, err := b.state.loadView()
	b.must(t, err)
	h, err := b.state.loadHistory()
	b.must(t, err)
	var list []string
	for _, s := range services(&h, &v) {
		list = append(list, s.ID+" "+string(s.State))
	}
	return strings.Join(list, ", ")
}

func TestWatchTellsWhatAppearsAndVanishesOnce(t *testing.T) {
	watched(t, func(t *testing.T, b *bench, f *feed) {
		b.logs(t, b.after(0))
		f.set(container("db", "store"), container("web", "nginx"))
		b.logs(t, b.after(settle),
			`level=INFO msg="service found" service=_/db image=store action=dump why="image store is store"`,
			`level=INFO msg="service found, which nothing covers" service=_/web image=nginx action=none why="no recipe matches the image nginx"`)
		if got := b.states(t); got != "_/db waiting, _/web not covered" {
			t.Errorf("states: %s", got)
		}
		f.set(container("db", "store"), container("web", "nginx")) // say, a pause and its end
		b.logs(t, b.after(time.Hour))
		// Made anew: two changes within a moment are none.
		f.set(container("web", "nginx"))
		time.Sleep(settle / 2)
		f.set(container("db", "store"), container("web", "nginx"))
		b.logs(t, b.after(time.Hour))

		skipped := container("db", "store")
		skipped.Labels = map[string]string{discovery.LabelDisable: "true"}
		f.set(skipped)
		got := b.after(settle)
		if !strings.HasPrefix(got, `level=INFO msg="service changed" service=_/db image=store action=skip`) || !strings.HasSuffix(got, "level=INFO msg=\"service stopped\" service=_/web\n") {
			t.Errorf("log: %s", got)
		}
		if got := b.states(t); got != "_/db skipped" {
			t.Errorf("states: %s", got)
		}
		f.set(container("db", "store"))
		b.after(settle)
		f.set()
		b.logs(t, b.after(settle), `level=WARN msg="service stopped, and can't be dumped until it runs again" service=_/db`)
	})
}

func TestWatchTellsOfAProblemOnce(t *testing.T) {
	watched(t, func(t *testing.T, b *bench, f *feed) {
		one, two := container("one", "store"), container("two", "store:2")
		one.Labels, two.Labels = map[string]string{discovery.LabelID: "shop/db"}, map[string]string{discovery.LabelID: "shop/db"}
		f.set(one, two)
		if got := b.after(settle); strings.Count(got, "\n") != 1 || !strings.HasPrefix(got, "level=WARN msg=problem subject=shop/db problem=") {
			t.Errorf("log: %s", got)
		}
		f.set(two, one)
		b.logs(t, b.after(settle))
	})
}

func TestWatchSurvivesTheEngine(t *testing.T) {
	watched(t, func(t *testing.T, b *bench, f *feed) {
		f.set(container("db", "store"))
		b.after(settle)
		f.fail(errors.New("the stream has ended"))
		b.logs(t, b.after(time.Hour), `level=WARN msg="Docker can't be reached, trying again until it is back" error="the stream has ended"`)
		v, err := b.state.loadView()
		b.must(t, err)
		if v.Lost.IsZero() || v.Error != "the stream has ended" || len(v.Services) != 1 {
			t.Errorf("view: %+v", v)
		}
		f.mu.Lock()
		f.list = []discovery.Container{container("db", "store"), container("new", "store")}
		f.mu.Unlock()
		f.fail(nil)
		b.logs(t, b.after(reconnectMax), // listed again: nobody has told of the new one
			`level=INFO msg="Docker is back" lost_since=2000-01-01T00:00:02.000Z`,
			`level=INFO msg="service found" service=_/new image=store action=dump why="image store is store"`)
		f.set()
		if got := b.after(settle); strings.Count(got, "service stopped") != 2 {
			t.Errorf("the new subscription doesn't work: %s", got)
		}
	})
}

// An Engine that is away is asked less and less often, and at least once a minute.
func TestWatchTriesAgainWithPauses(t *testing.T) {
	watched(t, func(t *testing.T, b *bench, f *feed) {
		tries := 0
		f.mu.Lock()
		f.broken = errors.New("no socket")
		f.mu.Unlock()
		connect := b.Daemon.connect
		w, err := b.newWatcher()
		b.must(t, err)
		w.connect = func(ctx context.Context) (*dockerEngine, error) { tries++; return connect(ctx) }
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		w.watch(ctx)
		if tries < 60 || tries > 70 {
			t.Errorf("%d tries in an hour", tries)
		}
	})
}

// A daemon that starts again tells only what has changed since.
func TestWatchGoesOnFromTheLastDaemon(t *testing.T) {
	watched(t, func(t *testing.T, b *bench, f *feed) {
		f.set(container("db", "store"), container("web", "nginx"))
		b.after(settle)
		last, err := b.state.loadView()
		b.must(t, err)
		last.Lost, last.Error = b.now(), "it died while Docker was away"
		b.must(t, b.state.saveView(last))
		w, err := b.newWatcher()
		b.must(t, err)
		f.mu.Lock()
		f.list = []discovery.Container{container("web", "nginx")}
		f.mu.Unlock()
		w.log = slog.New(slog.NewTextHandler(b.log, &slog.HandlerOptions{ReplaceAttr: withoutTime}))
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		w.watch(ctx)
		b.logs(t, b.after(0), `level=WARN msg="service stopped, and can't be dumped until it runs again" service=_/db`)
	})
}

func TestStatusOfTheWatch(t *testing.T) {
	b := newBench(t)
	b.must(t, b.state.create())
	at := b.clock
	b.must(t, b.state.saveHistory(history{LastRun: &Run{Result: Complete}, Services: []ServiceRecord{
		{ID: "shop/bad", Error: "dump of shop/bad: no"}, {ID: "shop/db", LastGood: at}, {ID: "shop/down", LastGood: at}, {ID: "shop/gone", LastGood: at, GoneSince: at},
	}}))
	seen := view{Seen: at, Services: []Seen{
		{ID: "shop/bad", Action: ActionDump}, {ID: "shop/db", Action: ActionDump, Image: "store:3"}, {ID: "shop/fail", Action: ActionFail, Reason: "no recipe nosuch"},
		{ID: "shop/new", Action: ActionGuess}, {ID: "shop/off", Action: ActionSkip}, {ID: "shop/web", Action: ActionNone},
	}}
	b.must(t, b.state.saveView(seen))
	states := func() (string, Status) {
		status, err := ReadStatus(b.cfg, at)
		b.must(t, err)
		var list []string
		for _, s := range status.Services {
			list = append(list, fmt.Sprintf("%s %s", strings.TrimPrefix(s.ID, "shop/"), s.State))
		}
		return strings.Join(list, ", "), status
	}
	if got, status := states(); got != "bad failed, db good, down good, gone gone" || status.Docker != nil {
		t.Errorf("without a daemon: %s", got)
	}
	lock, err := lockFile(b.state.daemonLock())
	b.must(t, err)
	defer lock.unlock()
	b.must(t, b.state.saveHeartbeat(heartbeat{First: at, Next: at}))
	got, status := states()
	const want = "bad failed, db good, down not running, fail failed, gone gone, new waiting, off skipped, web not covered"
	if got != want || status.Docker == nil || !status.Docker.Seen.Equal(at) {
		t.Errorf("with a daemon: %s", got)
	}
	if !slices.Contains(status.Wrong, "shop/down: stopped, and can't be dumped until it runs again") {
		t.Errorf("wrong: %q", status.Wrong)
	}
	seen.Lost, seen.Error = at, "no socket"
	b.must(t, b.state.saveView(seen))
	got, status = states()
	if !strings.Contains(got, "down good") || !slices.Contains(status.Wrong, "Docker can't be reached since 2026-05-20T10:00:00Z: no socket") {
		t.Errorf("without an Engine: %s, %q", got, status.Wrong)
	}
}

// gate lets connections through to an Engine until it is shut, which also cuts
// those that are open.
type gate struct {
	t        *testing.T
	path, to string
	mu       sync.Mutex
	listener net.Listener
	open     []net.Conn
}

func (g *gate) unlock() {
	g.t.Helper()
	l, err := net.Listen("unix", g.path)
	if err != nil {
		g.t.Fatal(err)
	}
	g.mu.Lock()
	g.listener = l
	g.mu.Unlock()
	go func() {
		for {
			from, err := l.Accept()
			if err != nil {
				return
			}
			to, err := net.Dial("unix", g.to)
			if err != nil {
				g.t.Error(err)
				return
			}
			g.mu.Lock()
			g.open = append(g.open, from, to)
			g.mu.Unlock()
			go func() { io.Copy(to, from); to.Close() }()
			go func() { io.Copy(from, to); from.Close() }()
		}
	}()
}

func (g *gate) shut() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.listener.Close()
	for _, c := range g.open {
		c.Close()
	}
	g.open = nil
}

// TestWatchOnAnEngine: the events of a real one lead to the right view, also
// after it was away.
func TestWatchOnAnEngine(t *testing.T) {
	engine := dockertest.Open(t)
	g := &gate{t: t, path: filepath.Join(t.TempDir(), "sock"), to: strings.TrimPrefix(dockertest.Host(t), "unix://")}
	g.unlock()
	defer g.shut()
	b := newBench(t, "DOCKER_HOST=unix://"+g.path, "BACKUP_SCOPE=label=purser.test="+t.Name())
	b.Daemon.connect = b.connectDocker
	b.must(t, b.state.create())
	w, err := b.newWatcher()
	b.must(t, err)
	views := make(chan view, 1000)
	w.save = func(v view) error { views <- v; return nil }
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	done := make(chan struct{})
	go func() { w.watch(ctx); close(done) }()
	defer func() { cancel(); <-done }()
	expect := func(what string, ok func(view) bool) {
		t.Helper()
		for {
			select {
			case v := <-views:
				if ok(v) {
					return
				}
			case <-ctx.Done():
				t.Fatalf("the watch never saw %s", what)
			}
		}
	}
	services := func(n int) func(view) bool {
		return func(v view) bool { return v.Lost.IsZero() && len(v.Services) == n }
	}
	start := func() string {
		return engine.Start(t, dockertest.Container{Image: "busybox", Cmd: []string{"sleep", "600"}, Labels: map[string]string{"purser.test": t.Name()}})
	}
	expect("no service", services(0))
	first := start()
	expect("the first service", services(1))
	g.shut()
	expect("that the Engine is away", func(v view) bool { return !v.Lost.IsZero() && len(v.Services) == 1 })
	start()
	g.unlock()
	expect("what was started meanwhile", services(2))
	engine.Remove(t, first)
	expect("that one was stopped", services(1))
}
