package daemon

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/purser-backup/purser/internal/bug"
	"github.com/purser-backup/purser/internal/hint"
)

const (
	// settle is how long the watch waits after a change before it lists: a
	// container that is made anew is many events, and one change.
	settle = 2 * time.Second
	// The pause before Docker is tried again, which doubles with each try.
	reconnectFirst = time.Second
	reconnectMax   = time.Minute
)

// view is what the daemon sees on the Engine between runs. It is for `purser
// status`, and says when services with a schedule of their own are due; each run
// discovers anew.
type view struct {
	Version  int       `json:"version"`
	Seen     time.Time `json:"seen"`                // when the services were listed
	Lost     time.Time `json:"lost_since,omitzero"` // since when Docker can't be reached
	Error    string    `json:"error,omitempty"`     // why
	Hints    []string  `json:"hints,omitempty"`     // what can be done about it
	Services []Seen    `json:"services"`
	Problems []Problem `json:"problems"`
}

// Seen is a service that runs, and what the next run is about to do with it.
type Seen struct {
	ID     string    `json:"id"`
	Image  string    `json:"image"`
	Action Action    `json:"action"`
	Recipe string    `json:"recipe"`
	Reason string    `json:"reason"`
	Since  time.Time `json:"since"` // when the daemon first saw it
	// Schedule is one of its own; else it is dumped with every run.
	Schedule string `json:"schedule,omitempty"`
}

func (s state) viewPath() string { return filepath.Join(s.dir, "services.json") }

func (s state) loadView() (view, error) {
	var v view
	_, err := load(s.viewPath(), &v)
	return v, err
}

func (s state) saveView(v view) error {
	v.Version = stateVersion
	return save(s.viewPath(), v)
}

// watcher keeps the view of an Engine up to date.
type watcher struct {
	connect  func(context.Context) (*dockerEngine, error)
	discover func(context.Context, *dockerEngine) (Discovery, error)
	save     func(view) error
	now      func() time.Time
	log      *slog.Logger
	view     view
}

// watch works until ctx is cancelled. An Engine that goes away is tried again
// until it is back.
func (w *watcher) watch(ctx context.Context) {
	pause := reconnectFirst
	for ctx.Err() == nil {
		listed, err := w.follow(ctx)
		if ctx.Err() != nil {
			return
		}
		if listed {
			pause = reconnectFirst
		}
		w.lost(err)
		sleep(ctx, pause)
		pause = min(2*pause, reconnectMax)
	}
}

// follow subscribes, and lists the services at once and after each change,
// until the Engine is lost. It reports whether it ever listed them.
func (w *watcher) follow(ctx context.Context) (listed bool, err error) {
	defer bug.Catch(&err)
	docker, err := w.connect(ctx)
	if err != nil {
		return false, err
	}
	changed := make(chan struct{}, 1)
	g, gctx := errgroup.WithContext(ctx)
	g.Go(bug.Guard(func() error {
		if err := docker.source.Changes(gctx, changed); err != nil {
			return err
		}
		return errors.New("the subscription has ended")
	}))
	g.Go(bug.Guard(func() error {
		for {
			select {
			case <-changed:
			case <-gctx.Done():
				return gctx.Err()
			}
			if listed && !sleep(gctx, settle) {
				return gctx.Err()
			}
			select { // what came meanwhile is in the list too
			case <-changed:
			default:
			}
			found, err := w.discover(gctx, docker)
			if err != nil {
				return err
			}
			w.update(found)
			listed = true
		}
	}))
	err = g.Wait()
	return listed, join(err, docker.close())
}

// lost notes that the Engine can't be reached, and logs it once.
func (w *watcher) lost(err error) {
	first := w.view.Lost.IsZero()
	if first {
		w.view.Lost = w.now()
		w.log.Warn("Docker can't be reached, trying again until it is back", "error", err, stackOf(err))
	}
	if text := oneLine(err); first || text != w.view.Error {
		w.view.Error, w.view.Hints = text, hint.OfAll(err)
		w.keep()
	}
}

// update takes over what was listed, and logs what has changed.
func (w *watcher) update(found Discovery) {
	now := w.now()
	if !w.view.Lost.IsZero() {
		w.log.Info("Docker is back", "lost_since", w.view.Lost)
	}
	old := w.view
	w.view = view{Seen: now, Services: []Seen{}, Problems: found.Problems}
	for _, f := range found.Services {
		w.view.Services = append(w.view.Services, w.seen(&old, f, now))
	}
	if found.blind { // what can't be seen may run as before
		for _, s := range old.Services {
			if !slices.ContainsFunc(w.view.Services, func(now Seen) bool { return now.ID == s.ID }) {
				w.view.Services = append(w.view.Services, s)
			}
		}
	}
	slices.SortFunc(w.view.Services, func(a, b Seen) int { return strings.Compare(a.ID, b.ID) })
	for _, s := range old.Services {
		if w.view.service(s.ID) == nil {
			w.vanished(s)
		}
	}
	for _, p := range found.Problems {
		if !slices.Contains(old.Problems, p) {
			w.log.Warn("problem", "subject", p.Subject, "problem", p.Message, "hint", p.Hint)
		}
	}
	w.keep()
}

// seen logs a service that is new or has changed.
func (w *watcher) seen(old *view, f Found, now time.Time) Seen {
	s := Seen{ID: f.ID, Image: f.Image, Action: f.Action, Recipe: f.Recipe, Reason: f.Reason, Since: now, Schedule: f.Schedule}
	attrs := []any{"service", s.ID, "image", s.Image, "action", s.Action, "why", s.Reason}
	if s.Schedule != "" {
		attrs = append(attrs, "schedule", s.Schedule)
	}
	before := old.service(s.ID)
	if before != nil {
		s.Since = before.Since
	}
	switch {
	case before == nil && s.Action == ActionNone:
		w.log.Info("service found, which nothing covers", attrs...)
	case before == nil:
		w.log.Info("service found", attrs...)
	case s != *before:
		w.log.Info("service changed", attrs...)
	}
	return s
}

func (w *watcher) vanished(s Seen) {
	switch s.Action {
	case ActionNone, ActionSkip:
		w.log.Info("service stopped", "service", s.ID)
	default:
		w.log.Warn("service stopped, and can't be dumped until it runs again", "service", s.ID)
	}
}

func (w *watcher) keep() {
	if err := w.save(w.view); err != nil {
		w.log.Warn("what is seen on Docker can't be saved, `purser status` is out of date", "error", err)
	}
}

// service returns what was seen of a service, nil if it doesn't run.
func (v *view) service(id string) *Seen {
	i, found := slices.BinarySearchFunc(v.Services, id, func(s Seen, id string) int { return strings.Compare(s.ID, id) })
	if !found {
		return nil
	}
	return &v.Services[i]
}

// newWatcher makes a watcher that goes on from what the last daemon saw.
func (d *Daemon) newWatcher() (*watcher, error) {
	last, err := d.state.loadView()
	if err != nil {
		return nil, err
	}
	last.Lost, last.Error, last.Hints = time.Time{}, "", nil
	save := func(v view) error {
		v.Error, v.Hints = d.cfg.Scrub(v.Error), scrubbed(d.cfg, v.Hints)
		return d.state.saveView(v)
	}
	return &watcher{connect: d.connect, discover: d.discover, save: save, now: d.now, log: d.log, view: last}, nil
}
