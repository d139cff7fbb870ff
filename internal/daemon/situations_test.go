package daemon

import (
	"errors"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/purser-backup/purser/discovery"
	"github.com/purser-backup/purser/engine/storage/driver/drivertest"
	"github.com/purser-backup/purser/internal/config"
	"github.com/purser-backup/purser/internal/notify/notifytest"
)

// scene is a bench whose notifications go to a mail server, and whose pings go
// to a dead man's switch.
type scene struct {
	*bench
	mail *notifytest.SMTP
	web  *notifytest.HTTP
	env  []string
}

func newScene(t *testing.T, env ...string) *scene {
	t.Helper()
	s := &scene{mail: notifytest.NewSMTP(t), web: notifytest.NewHTTP(t)}
	s.env = append([]string{
		"BACKUP_NOTIFICATION_URLS=" + s.mail.URL(), "BACKUP_PING_URL=" + s.web.Base, "BACKUP_NOTIFICATION_LEVEL=success", "BACKUP_INSTANCE=test",
	}, env...)
	s.bench = newBench(t, s.env...)
	s.engine.list = []discovery.Container{container("one", "store"), container("two", "store")}
	s.Daemon.room = func(string) (room, error) { return room{free: 600, total: 1000}, nil }
	return s
}

// good makes a good run, and forgets what was told of it.
func (s *scene) good(t *testing.T) {
	t.Helper()
	s.run(t, Complete)
	s.mail.Take()
	s.web.Take()
}

// pings gives the paths that were asked for: start, fail, or - for a success.
func (s *scene) pings() []string {
	var list []string
	for _, r := range s.web.Take() {
		name := strings.Trim(r.Path, "/")
		if name == "" {
			name = "-"
		}
		list = append(list, name)
	}
	return list
}

// forward sets the clock.
func (s *scene) forward(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.clock = s.clock.Add(d)
}

func (s *scene) check(t *testing.T) {
	t.Helper()
	m, err := s.newMonitor()
	s.must(t, err)
	s.must(t, m.check(t.Context()))
}

// situation is one of the things that can happen, and who is told what of it.
// The exit status of a run follows from its result; internal/cli tests that.
type situation struct {
	name   string
	happen func(t *testing.T, s *scene)
	mails  []string // titles
	text   string   // is in one of them
	pings  []string
	metric string
}

const onTarget = `target="file://ROOT/target/"} 1`

// runSituations are those of a run.
func runSituations() []situation {
	status := func(r string) string { return `purser_backup_last_status{status="` + r + `",` + onTarget }
	return []situation{
		{"good", func(t *testing.T, s *scene) { s.run(t, Complete) },
			[]string{"backup complete"}, "_/one: dumped as store, 14 B", []string{"start", "-"}, status("complete")},
		{"incomplete", func(t *testing.T, s *scene) {
			s.engine.list[0].Labels = map[string]string{"backup.tpye": "store"}
			s.run(t, Incomplete, "backup.tpye")
		}, []string{"backup incomplete"}, "backup.tpye", []string{"start", "fail"}, status("incomplete")},
		{"failed dump", func(t *testing.T, s *scene) {
			s.engine.fail = map[string]string{"_/two": "access denied"}
			s.run(t, Incomplete, "access denied")
		}, []string{"backup incomplete"}, "error: dump of _/two", []string{"start", "fail"}, `purser_service_last_dump_success{service="_/two"} 0`},
		{"failed upload", func(t *testing.T, s *scene) {
			s.withFault(drivertest.Fault{Verb: drivertest.Put, Call: 1, Mode: drivertest.Before, Err: errors.New("connection lost"), Down: true})
			s.run(t, Failed, "connection lost")
		}, []string{"backup failed"}, "connection lost", []string{"start", "fail"}, status("failed")},
		{"panic in a run", func(t *testing.T, s *scene) {
			s.withBug()
			s.run(t, Failed, "a bug in purser: out of rum")
		}, []string{"backup failed"}, "out of rum", []string{"start", "fail"}, status("failed")},
		{"Engine away", func(t *testing.T, s *scene) {
			s.engine.down = withHint(errors.New("no such socket"), "mount it")
			s.run(t, Failed, "no such socket")
		}, []string{"backup failed"}, "error: no such socket\r\nhint: mount it\r\n", []string{"start", "fail"}, "purser_docker_up 0"},
		{"no match", func(t *testing.T, s *scene) {
			s.engine.list = []discovery.Container{container("web", "nginx")}
			s.run(t, Complete)
		}, []string{"backup complete", "nothing is dumped"}, "No recipe fits any of 1 service", []string{"start", "-"}, `purser_alert_active{kind="nothing"} 1`},
		{"vanished service", func(t *testing.T, s *scene) {
			s.good(t)
			s.engine.list = s.engine.list[:1]
			s.run(t, Complete)
		}, []string{"backup complete", "_/two is gone"}, "Its last dump is kept", []string{"start", "-"}, `purser_alert_active{kind="gone"} 1`},
		{"target nearly full", func(t *testing.T, s *scene) {
			s.Daemon.room = func(string) (room, error) { return room{free: 40, total: 1000}, nil }
			s.run(t, Complete)
		}, []string{"backup complete", "the target is nearly full"}, "40 B of 1000 B are free", []string{"start", "-"}, "purser_target_free_bytes{" + `target="file://ROOT/target/"} 40`},
		{"target full", func(t *testing.T, s *scene) {
			s.withFault(drivertest.Fault{Verb: drivertest.Put, Call: 2, Mode: drivertest.Before, Err: syscall.ENOSPC, Down: true})
			s.run(t, Failed, "no space left")
		}, []string{"backup failed", "the target is full"}, "no space left", []string{"start", "fail"}, `purser_alert_active{kind="full"} 1`},
	}
}

// otherSituations are those in which there is no run.
func otherSituations() []situation {
	return []situation{
		{"lock", func(t *testing.T, s *scene) {
			s.good(t)
			s.must(t, s.state.saveHeartbeat(heartbeat{First: s.now(), Started: s.now(), Next: s.now()}))
			lock, err := s.state.lockRun()
			s.must(t, err)
			defer lock.unlock()
			if record, err := s.Run(t.Context(), RunOptions{}); record != nil || !errors.Is(err, ErrLocked) {
				t.Errorf("a run beside another: %+v, %v", record, err)
			}
			s.check(t) // nobody is told yet
			s.forward(patience)
			s.check(t)
			s.check(t)
		}, []string{"a due backup can't begin"}, "waits for another purser", nil, `purser_alert_active{kind="lock"} 1`},
		{"bad configuration", func(t *testing.T, s *scene) {
			env := append([]string{"BACKUP_ARCHIVE_DIR=" + filepath.Join(s.root, "state"), "BACKUP_CRON_SCHEDULE=whenever"}, s.env...)
			_, fault := config.Load(env, nil, "")
			for range 2 { // as a container that is restarted
				TellStart(t.Context(), Options{Config: config.Salvage(env, nil, ""), Log: slog.New(slog.DiscardHandler), Now: s.now}, fault)
			}
		}, []string{"the daemon can't run"}, `BACKUP_CRON_SCHEDULE="whenever"`, []string{"fail", "fail"}, `purser_alert_active{kind="start"} 1`},
		{"Engine away for long", func(t *testing.T, s *scene) {
			s.good(t)
			s.must(t, s.state.saveView(view{Lost: s.now(), Error: "no such socket", Hints: []string{"mount it"}}))
			s.check(t)
			s.forward(patience)
			s.check(t)
		}, []string{"Docker can't be reached"}, "hint: mount it\r\n", nil, `purser_alert_active{kind="engine"} 1`},
		{"missed schedule", func(t *testing.T, s *scene) {
			s.good(t)
			s.forward(30 * time.Hour)
			m, err := s.newMonitor()
			s.must(t, err)
			if m.missed.IsZero() {
				t.Error("the monitor sees nothing missed")
			}
			m.notices.raise(t.Context(), m.missedAlert()) // what its watch begins with
		}, []string{"a backup was missed"}, "due at 2026-05-21T00:00:00Z", nil, `purser_alert_active{kind="missed"} 1`},
		{"no good run for too long", func(t *testing.T, s *scene) {
			s.good(t)
			s.forward(60 * time.Hour)
			s.check(t)
		}, []string{"no good backup for too long"}, "No run has been complete since", nil, `purser_backup_healthy{target="file://ROOT/target/"} 0`},
	}
}

func TestSituations(t *testing.T) {
	for _, test := range slices.Concat(runSituations(), otherSituations()) {
		t.Run(test.name, func(t *testing.T) {
			s := newScene(t)
			test.happen(t, s)
			var titles []string
			var text strings.Builder
			for _, m := range s.mail.Take() {
				titles = append(titles, strings.TrimPrefix(m.Subject, "purser on test: "))
				text.WriteString(m.Body)
			}
			if diff := cmp.Diff(test.mails, titles); diff != "" {
				t.Errorf("mails (-want +got):\n%s", diff)
			}
			if !strings.Contains(text.String(), test.text) {
				t.Errorf("no %q in the mails:\n%s", test.text, &text)
			}
			if diff := cmp.Diff(test.pings, s.pings()); diff != "" {
				t.Errorf("pings (-want +got):\n%s", diff)
			}
			has(t, s.scraped(t), test.metric)
			// The next good run settles what can be settled.
			s.opt.wrap, s.engine.fail, s.engine.down = nil, nil, nil
			s.engine.list = []discovery.Container{container("one", "store"), container("two", "store")}
			s.Daemon.room = func(string) (room, error) { return room{free: 600, total: 1000}, nil }
			s.run(t, Complete)
			s.must(t, s.state.saveView(view{Seen: s.now()}))
			s.must(t, s.state.saveHeartbeat(heartbeat{First: s.now(), Next: s.now().Add(time.Hour)}))
			s.check(t)
			s.settle(t.Context(), kindStart) // as a daemon that starts
			if told, err := s.state.loadTold(); err != nil || len(told.Alerts) != 0 {
				t.Errorf("still wrong: %+v, %v", told.Alerts, err)
			}
		})
	}
}
