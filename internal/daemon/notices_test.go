package daemon

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/purser-backup/purser/discovery"
	"github.com/purser-backup/purser/internal/config"
	"github.com/purser-backup/purser/internal/notify"
	"github.com/purser-backup/purser/internal/notify/notifytest"
)

// mailed gives the titles of the mails that have come.
func mailed(m *notifytest.SMTP) []string {
	var titles []string
	for _, one := range m.Take() {
		titles = append(titles, strings.TrimPrefix(one.Subject, "purser on test: "))
	}
	return titles
}

// What can't be delivered doesn't change the run, is shown, and comes later.
func TestUndeliveredNotificationsComeLater(t *testing.T) {
	web := notifytest.NewHTTP(t)
	b := newBench(t, "BACKUP_NOTIFICATION_URLS=generic+"+web.Base+"/hook-t0k3n", "BACKUP_NOTIFICATION_LEVEL=success",
		"BACKUP_MODULE_DATABASE=false", "BACKUP_PING_URL="+web.Base+"/ping-t0k3n")
	web.Answer(http.StatusBadGateway)
	b.run(t, Complete)
	status, err := ReadStatus(b.cfg, b.now())
	b.must(t, err)
	if len(status.Notices) != 2 || !slices.ContainsFunc(status.Wrong, func(s string) bool { return strings.HasPrefix(s, "ping: nothing gets through since") }) {
		t.Errorf("status: %+v, %q", status.Notices, status.Wrong)
	}
	text := strings.Join(status.Wrong, "\n") + b.log.String()
	if strings.Contains(text, "t0k3n") || !strings.Contains(text, "notification 1 (generic+http)") {
		t.Errorf("a secret is shown, or nothing: %s", text)
	}
	web.Answer(http.StatusOK)
	m, err := b.newMonitor()
	b.must(t, err)
	b.must(t, m.check(t.Context()))
	if got := web.Take(); len(got) != 1 || got[0].Path != "/hook-t0k3n" || !strings.Contains(got[0].Body, "Run complete") {
		t.Errorf("delivered later: %+v", got)
	}
	b.run(t, Complete)
	if status, err = ReadStatus(b.cfg, b.now()); err != nil || len(status.Notices) != 0 {
		t.Errorf("all is well again: %+v, %v", status.Notices, err)
	}
	if told, err := b.state.loadTold(); err != nil || len(told.Pending) != 0 {
		t.Errorf("pending: %+v, %v", told.Pending, err)
	}
}

// While one process delivers what waits, another may have delivered it too, and
// left something new.
func TestWhatComesMeanwhileIsNotLost(t *testing.T) {
	b := newBench(t, "BACKUP_NOTIFICATION_URLS=generic+http://127.0.0.1:1/hook")
	b.must(t, b.state.create())
	message := func(title string) pending {
		return pending{Service: "notification 1 (generic+http)", Message: notify.Message{Title: title}, Since: b.now()}
	}
	wait := func(list ...pending) {
		b.must(t, b.notices.update(func(told *told) bool {
			told.Pending = list
			return true
		}))
	}
	fresh := message("new")
	web := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { wait(fresh) }))
	defer web.Close()
	cfg, err := config.Load([]string{"BACKUP_ARCHIVE_DIR=" + b.cfg.ArchiveDir, "BACKUP_NOTIFICATION_URLS=generic+" + web.URL + "/hook"}, nil, "")
	b.must(t, err)
	n, err := newNotices(Options{Config: cfg, Log: b.Daemon.log, Now: b.now})
	b.must(t, err)
	wait(message("one"), message("two"))
	n.flush(t.Context())
	told, err := b.state.loadTold()
	if err != nil || len(told.Pending) != 1 || !told.Pending[0].equal(fresh) {
		t.Errorf("waiting: %+v, %v", told.Pending, err)
	}
}

// An alert comes once, and its end too. The level changed leaves out what
// stays as it is.
func TestAlertsComeOnce(t *testing.T) {
	mail := notifytest.NewSMTP(t)
	b := newBench(t, "BACKUP_NOTIFICATION_URLS="+mail.URL(), "BACKUP_NOTIFICATION_LEVEL=changed", "BACKUP_INSTANCE=test")
	b.engine.list = []discovery.Container{container("one", "store"), container("two", "store")}
	step := func(want ...string) {
		t.Helper()
		if got := mailed(mail); !slices.Equal(got, want) {
			t.Errorf("mails: %q, want %q", got, want)
		}
	}
	b.run(t, Complete)
	step("backup complete")
	b.run(t, Complete)
	step()
	b.engine.list = b.engine.list[:1]
	b.run(t, Complete)
	b.run(t, Complete)
	step("_/two is gone")
	b.engine.list = append(b.engine.list, container("two", "store"))
	b.run(t, Complete)
	step("over: _/two is gone")
	b.engine.down = errors.New("no socket")
	b.run(t, Failed, "no socket")
	b.run(t, Failed, "no socket")
	step("backup failed")
	b.engine.down = nil
	b.run(t, Complete)
	step("backup complete")
}

func TestBadNotificationSettings(t *testing.T) {
	cfg, err := config.Load([]string{"BACKUP_NOTIFICATION_URLS=telegramm://x logger://"}, nil, "")
	if err != nil {
		t.Fatal(err)
	}
	_, err = New(Options{Config: cfg, Now: time.Now})
	var wrong *ConfigError
	if !errors.As(err, &wrong) || !strings.Contains(err.Error(), "no such service") || !strings.Contains(err.Error(), "reaches nobody") {
		t.Errorf("got %v", err)
	}
}
