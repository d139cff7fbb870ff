package daemon

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/purser-backup/purser/internal/config"
	"github.com/purser-backup/purser/internal/notify"
)

const (
	notificationTemplates = "notifications" // below the directory of the user's recipes
	// tellLimit bounds how long a run waits for its messages to be delivered.
	tellLimit = time.Minute
	// maxPending and pendingLimit bound what waits to be delivered.
	maxPending   = 50
	pendingLimit = 3 * 24 * time.Hour
)

// notices tell people what happens, and remember what they were told.
type notices struct {
	*notify.Sender
	cfg   *config.Config
	log   *slog.Logger
	now   func() time.Time
	state state
	mu    sync.Mutex // guards the state file against goroutines; its lock, against processes
}

// Alert is something that is wrong since a while, of which people were told.
type Alert struct {
	Key      string          `json:"key"`
	Kind     string          `json:"kind"`
	Severity notify.Severity `json:"severity"`
	Subject  string          `json:"subject"`
	Text     string          `json:"text"`
	Hints    []string        `json:"hints,omitempty"` // what can be done about it
	Since    time.Time       `json:"since"`
}

// NoticeFailure is a way to tell people that doesn't work.
type NoticeFailure struct {
	Service string    `json:"service"`
	Since   time.Time `json:"since"`
	Error   string    `json:"error"`
}

// pending is a message that waits to be delivered.
type pending struct {
	Service string         `json:"service"`
	Message notify.Message `json:"message"`
	Since   time.Time      `json:"since"`
}

func (p pending) equal(q pending) bool {
	return p.Service == q.Service && p.Message == q.Message && p.Since.Equal(q.Since)
}

// told is what people were told, and what not.
type told struct {
	Version    int             `json:"version"`
	LastResult Result          `json:"last_result"`
	Alerts     []Alert         `json:"alerts"`
	Failures   []NoticeFailure `json:"failures"`
	Pending    []pending       `json:"pending"`
}

func (s state) toldPath() string { return filepath.Join(s.dir, "notifications.json") }

func (s state) loadTold() (told, error) {
	var t told
	_, err := load(s.toldPath(), &t)
	return t, err
}

// newNotices makes what of it can be used even if a part of its settings is
// faulty.
func newNotices(o Options) (*notices, error) {
	n := &notices{cfg: o.Config, log: o.Log, now: o.Now, state: newState(o.Config.ArchiveDir)}
	templates := ""
	if o.Recipes != "" {
		templates = filepath.Join(o.Recipes, notificationTemplates)
	}
	var err error
	n.Sender, err = notify.New(notify.Options{
		URLs: o.Config.Notices.URLs, Ping: o.Config.Notices.Ping, Templates: templates, Scrub: o.Config.Scrub, Pauses: o.pauses,
	})
	if err != nil {
		return n, configErrors(err)
	}
	return n, nil
}

// configErrors makes each of several joined errors a ConfigError.
func configErrors(err error) error {
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return &ConfigError{err}
	}
	var all []error
	for _, e := range joined.Unwrap() {
		all = append(all, configErrors(e))
	}
	return errors.Join(all...)
}

// update changes what is remembered, if change says that there is something.
func (n *notices) update(change func(*told) bool) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.cfg.ArchiveDir == "" {
		return errors.New("there is no archive directory, since its setting is faulty")
	}
	if err := n.state.create(); err != nil {
		return err
	}
	lock, err := waitFile(n.state.toldPath() + ".lock")
	if err != nil {
		return err
	}
	defer lock.unlock()
	t, err := n.state.loadTold()
	if err != nil {
		return err
	}
	if !change(&t) {
		return nil
	}
	t.Version = stateVersion
	return save(n.state.toldPath(), t)
}

// scrubbed is a list with the secrets taken out.
func scrubbed(cfg *config.Config, list []string) []string {
	var clean []string
	for _, text := range list {
		clean = append(clean, cfg.Scrub(text))
	}
	return clean
}

// raise tells people, once, that something began to be wrong.
func (n *notices) raise(ctx context.Context, a Alert) {
	a.Text, a.Hints = n.cfg.Scrub(a.Text), scrubbed(n.cfg, a.Hints)
	if a.Key == "" {
		a.Key = a.Kind
	}
	fresh := true
	err := n.update(func(t *told) bool {
		i := slices.IndexFunc(t.Alerts, func(b Alert) bool { return b.Key == a.Key })
		if fresh = i < 0; fresh {
			a.Since = n.now()
			t.Alerts = append(t.Alerts, a)
		}
		return fresh
	})
	if err != nil {
		n.log.Warn("what people were told can't be noted, they may be told again", "error", err)
	}
	if !fresh {
		return
	}
	n.log.Warn("alert: "+a.Subject, "text", a.Text)
	e := &notify.Event{Kind: a.Kind, Severity: a.Severity, Changed: true, Subject: a.Subject, Text: a.Text, Hints: a.Hints}
	for _, h := range a.Hints {
		e.Lines = append(e.Lines, "hint: "+h)
	}
	n.tell(ctx, e)
}

// settle tells people that what was wrong is not any more.
func (n *notices) settle(ctx context.Context, key string) {
	known, err := n.state.loadTold()
	if err == nil && !slices.ContainsFunc(known.Alerts, func(a Alert) bool { return a.Key == key }) {
		return // as nearly always
	}
	var gone *Alert
	err = n.update(func(t *told) bool {
		i := slices.IndexFunc(t.Alerts, func(b Alert) bool { return b.Key == key })
		if i < 0 {
			return false
		}
		a := t.Alerts[i]
		gone = &a
		t.Alerts = slices.Delete(t.Alerts, i, i+1)
		return true
	})
	if err != nil {
		n.log.Warn("what people were told can't be noted", "error", err)
	}
	if gone == nil {
		return
	}
	n.log.Info("alert is over: " + gone.Subject)
	n.tell(ctx, &notify.Event{
		Kind: gone.Kind, Severity: notify.Success, Changed: true, Subject: "over: " + gone.Subject,
		Text: "This is over. It began at " + gone.Since.Format(time.RFC3339) + ": " + gone.Text,
	})
}

// tell sends an event to all who want to know of it.
func (n *notices) tell(ctx context.Context, e *notify.Event) {
	if !n.Active() || !notify.Wants(n.cfg.Notices.Level, e) {
		return
	}
	e.Time, e.Target = n.now(), URLs(n.cfg)
	e.Instance, e.Host = n.identity()
	m, err := n.Render(e)
	if err != nil {
		n.log.Warn("a template of notifications failed", "error", err)
		m = notify.Message{Title: n.cfg.Scrub("purser: " + e.Subject), Body: n.cfg.Scrub(e.Text)}
	}
	ctx, cancel := context.WithTimeout(ctx, tellLimit)
	defer cancel()
	failed := map[string]string{}
	for _, f := range n.Send(ctx, m) {
		failed[f.Service] = oneLine(f.Err)
		n.log.Warn("a notification could not be delivered, it is tried again later", "service", f.Service, "error", f.Err)
	}
	n.noteDelivery(m, failed)
}

// noteDelivery remembers where a message did not arrive.
func (n *notices) noteDelivery(m notify.Message, failed map[string]string) {
	now := n.now()
	err := n.update(func(t *told) bool {
		before := len(t.Failures)
		t.Failures = slices.DeleteFunc(t.Failures, func(f NoticeFailure) bool { return f.Service != pingService && failed[f.Service] == "" })
		for service, why := range failed {
			t.fail(service, why, now)
			t.Pending = append(t.Pending, pending{service, m, now})
		}
		t.Pending = t.Pending[max(0, len(t.Pending)-maxPending):]
		return before > 0 || len(failed) > 0
	})
	if err != nil {
		n.log.Warn("what people were told can't be noted", "error", err)
	}
}

func (t *told) fail(service, why string, now time.Time) {
	i := slices.IndexFunc(t.Failures, func(f NoticeFailure) bool { return f.Service == service })
	if i < 0 {
		t.Failures = append(t.Failures, NoticeFailure{service, now, why})
		return
	}
	t.Failures[i].Error = why
}

// flush tries to deliver what waits. A service that fails is not asked again
// this time.
func (n *notices) flush(ctx context.Context) {
	known, err := n.state.loadTold()
	if err != nil || len(known.Pending) == 0 {
		return // a file that can't be read is told of where it is written
	}
	ctx, cancel := context.WithTimeout(ctx, tellLimit)
	defer cancel()
	failed := map[string]string{}
	var done []pending
	for _, p := range known.Pending {
		if n.now().Sub(p.Since) > pendingLimit {
			n.log.Warn("a notification was given up", "service", p.Service, "title", p.Message.Title)
			done = append(done, p)
			continue
		}
		if failed[p.Service] == "" {
			if err := n.SendTo(ctx, p.Service, p.Message); err != nil {
				failed[p.Service] = oneLine(err)
			}
		}
		if failed[p.Service] == "" {
			done = append(done, p)
		}
	}
	err = n.update(func(t *told) bool {
		// Meanwhile some may have come, and others have been delivered by another process.
		t.Pending = slices.DeleteFunc(t.Pending, func(p pending) bool { return slices.ContainsFunc(done, p.equal) })
		t.Failures = slices.DeleteFunc(t.Failures, func(f NoticeFailure) bool { return f.Service != pingService && failed[f.Service] == "" })
		return true
	})
	if err != nil {
		n.log.Warn("what people were told can't be noted", "error", err)
	}
}

// identity is how messages name this purser: as the dump containers do, where
// a run has found that out.
func (n *notices) identity() (instance, host string) {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	if instance = n.cfg.Instance; instance != "" {
		return instance, host
	}
	if h, err := n.state.loadHistory(); err == nil && h.Instance != "" {
		return h.Instance, host
	}
	return host, host
}
