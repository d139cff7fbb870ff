package main_test

import (
	"encoding/json"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/purser-backup/purser/internal/notify/notifytest"
)

const listenToken = "0123456789abcdef"

// told is an installation whose notifications go to a mail server, whose pings
// go to a web server, and whose daemon serves metrics.
type told struct {
	*purser
	mail   *notifytest.SMTP
	web    *notifytest.HTTP
	state  string
	listen string // address
}

// newTold sets purser up as a user would: the settings that hold secrets are in files.
func newTold(w *world) *told {
	w.t.Helper()
	p := w.purser("host process")
	o := &told{mail: notifytest.NewSMTP(w.t), web: notifytest.NewHTTP(w.t), state: filepath.Join(filepath.Dir(p.source), "state"), listen: freeAddress(w.t)}
	secrets := filepath.Dir(p.source)
	write(w.t, filepath.Join(secrets, "urls"), []byte(o.mail.URL()+"\n"), 0o600)
	write(w.t, filepath.Join(secrets, "token"), []byte(listenToken+"\n"), 0o600)
	o.purser = p.with("BACKUP_NOTIFICATION_URLS_FILE="+filepath.Join(secrets, "urls"), "BACKUP_NOTIFICATION_LEVEL=success", "BACKUP_PING_URL="+o.web.Base,
		"BACKUP_LISTEN="+o.listen, "BACKUP_LISTEN_TOKEN_FILE="+filepath.Join(secrets, "token"), "BACKUP_DUPLICITY_OPTIONS=--num-retries 1")
	return o
}

// freeAddress is one that nobody listens at, a moment ago at least.
func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// scrape gives the metrics, empty while nobody answers.
func (o *told) scrape() string {
	o.w.t.Helper()
	req, err := http.NewRequestWithContext(o.w.t.Context(), http.MethodGet, "http://"+o.listen+"/metrics", nil)
	if err != nil {
		o.w.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+listenToken)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return ""
	}
	defer res.Body.Close()
	page, err := io.ReadAll(res.Body)
	if err != nil {
		return ""
	}
	return "\n" + string(page)
}

// event is what happened: how the command ended, and who was told what.
type event struct {
	code  int
	mails []string // titles
	pings []string // start, fail, or - for a success
}

// wantTold checks what was told since the last time: the titles and pings, a
// text in one of the mails, and a series that the daemon shows soon after.
func (o *told) wantTold(what string, got result, want event, text, series string) {
	o.w.t.Helper()
	is := event{code: got.code}
	var all strings.Builder
	for _, m := range o.mail.Take() {
		is.mails = append(is.mails, strings.TrimPrefix(m.Subject, "purser on "+o.w.stack+": "))
		all.WriteString(m.Body)
	}
	for _, r := range o.web.Take() {
		signal := strings.Trim(r.Path, "/")
		if signal == "" {
			signal = "-"
		}
		is.pings = append(is.pings, signal)
	}
	slices.Sort(want.mails) // what the monitor and a run tell comes in any order
	slices.Sort(is.mails)
	if diff := cmp.Diff(want, is, cmp.AllowUnexported(event{})); diff != "" {
		o.w.t.Errorf("%s (-want +got):\n%s%s", what, diff, got)
	}
	if !strings.Contains(all.String(), text) {
		o.w.t.Errorf("%s: no %q in:\n%s", what, text, &all)
	}
	if strings.Contains(all.String(), passphrase) || strings.Contains(all.String(), listenToken) {
		o.w.t.Errorf("%s: a secret is told:\n%s", what, &all)
	}
	if series != "" {
		o.w.eventually(what+": "+series, func() bool { return strings.Contains(o.scrape(), "\n"+series+"\n") })
	}
}

// series is one about the target of this installation.
func (o *told) series(name, labels, value string) string {
	if labels != "" {
		labels += ","
	}
	return name + "{" + labels + `target="file://` + o.target + `/"} ` + value
}

// daemon starts one, and gives what ends it.
func (o *told) daemon() (stop func() result) {
	o.w.t.Helper()
	running := o.command("daemon").start()
	o.w.eventually("the daemon answers", func() bool { return o.scrape() != "" })
	return func() result {
		o.w.t.Helper()
		if err := running.cmd.Process.Signal(syscall.SIGTERM); err != nil {
			o.w.t.Fatal(err)
		}
		return running.wait()
	}
}

// age lets the last run be longer ago, as if the host had been off.
func (o *told) age(by time.Duration) {
	o.w.t.Helper()
	path := filepath.Join(o.state, "state/last-run.json")
	var history map[string]any
	if err := json.Unmarshal(readFile(o.w.t, path), &history); err != nil {
		o.w.t.Fatal(err)
	}
	older := func(in map[string]any, name string) {
		at, err := time.Parse(time.RFC3339Nano, in[name].(string))
		if err != nil {
			o.w.t.Fatal(err)
		}
		in[name] = at.Add(-by)
	}
	older(history, "last_whole_run")
	older(history["last_run"].(map[string]any), "started")
	older(history["last_run"].(map[string]any), "ended")
	text, err := json.Marshal(history)
	if err != nil {
		o.w.t.Fatal(err)
	}
	write(o.w.t, path, text, 0o600)
}

// holdLock takes a lock as another purser does, until release is called.
func holdLock(t *testing.T, path string) (release func()) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.FcntlFlock(f.Fd(), unix.F_OFD_SETLK, &unix.Flock_t{Type: unix.F_WRLCK}); err != nil {
		t.Fatal(err)
	}
	return func() {
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	}
}

// What a user is told by mail, by a dead man's switch, by the metrics and by
// the exit status, as one thing after the other happens to an installation.
func TestToldOfWhatHappens(t *testing.T) {
	w := newWorld(t)
	o := newTold(w)
	status := func(r string) string { return o.series("purser_backup_last_status", `status="`+r+`"`, "1") }
	good, bad := []string{"start", "-"}, []string{"start", "fail"}

	web := w.container("web", "busybox", "-t")
	stop := o.daemon()
	w.eventually("mails about the first run", func() bool { return o.mail.Count() == 2 && o.web.Count() == 2 })
	o.wantTold("nothing matches", result{}, event{0, []string{"backup complete", "nothing is dumped"}, good}, "No recipe fits any of 1 service",
		`purser_alert_active{kind="nothing"} 1`)

	db := w.mariadb("db", "mariadb:11")
	o.wantTold("a good run", o.run("run"), event{0, []string{"backup complete", "over: nothing is dumped"}, good},
		db.id()+": dumped as mariadb", `purser_service_last_dump_success{service="`+db.id()+`"} 1`)

	broken := w.container("broken", "busybox", "-t", "--label", "backup.type=mysql")
	o.wantTold("a failed dump", o.run("run"), event{3, []string{"backup incomplete"}, bad},
		"\r\nhint: ", `purser_service_last_dump_success{service="`+w.stack+`/broken"} 0`)
	w.docker("rm", "-f", broken, web)

	o.wantTold("the Engine is away", o.with("DOCKER_HOST=unix:///nobody").run("run"), event{1, []string{"backup failed"}, bad}, "\r\nhint: ", status("failed"))

	release := holdLock(t, filepath.Join(o.state, "state/run.lock"))
	o.wantTold("another purser is at work", o.run("run"), event{code: 11}, "", "")
	release()

	o.wantTold("a bad setting", o.with("BACKUP_CRON_SCHEDULE=whenever").run("daemon"), event{2, []string{"the daemon can't run"}, []string{"fail"}},
		"BACKUP_CRON_SCHEDULE", `purser_alert_active{kind="start"} 1`)

	w.docker("rm", "-f", db.name)
	o.wantTold("the service is gone", o.run("run"), event{0, []string{"backup complete", "nothing is dumped", db.id() + " is gone"}, good},
		"Its last dump is kept", `purser_alert_active{kind="gone"} 1`)

	o.failingTargets(status, good, bad)

	if r := stop(); r.code != 0 {
		t.Errorf("the daemon: %s", r)
	}
	o.age(50 * time.Hour)
	stop = o.daemon()
	w.eventually("mails about the missed run", func() bool { return o.mail.Count() == 3 && o.web.Count() == 2 })
	o.wantTold("a run was missed", stop(), event{0, []string{"over: the daemon can't run", "a backup was missed", "backup complete"}, good}, "the daemon did not run", "")
}

// failingTargets lets the target refuse, be nearly full, and be full.
func (o *told) failingTargets(status func(string) string, good, bad []string) {
	o.w.t.Helper()
	t := o.w.t
	lease := filepath.Join(o.target, "purser-lease.json")
	write(t, filepath.Join(o.source, "a"), make([]byte, 1000), 0o600)
	write(t, filepath.Join(lease, "file"), nil, 0o600)
	o.wantTold("a failed upload", o.run("run"), event{1, []string{"backup failed"}, bad}, "purser-lease.json", status("failed"))
	if err := os.RemoveAll(lease); err != nil {
		t.Fatal(err)
	}
	small := filepath.Join(t.TempDir(), "small")
	if err := os.Mkdir(small, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("purser-test", small, "tmpfs", 0, "size=40m"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(small, 0); err != nil {
			t.Error(err)
		}
	})
	write(t, filepath.Join(small, "others"), make([]byte, 39000<<10), 0o600)
	p := o.with("BACKUP_DUPLICITY_URL=file://"+small, "BACKUP_MODULE_DATABASE=false")
	o.wantTold("the target is nearly full", p.run("run"), event{0, []string{"backup complete", "the target is nearly full"}, good},
		"are free on the target", `purser_alert_active{kind="full"} 1`)
	write(t, filepath.Join(o.source, "noise"), noise(rand.New(rand.NewPCG(1, 2)), 4<<20), 0o600)
	o.wantTold("the target is full", p.run("run"), event{1, []string{"backup failed"}, bad}, "no space left", status("failed"))
	if err := os.Remove(filepath.Join(o.source, "noise")); err != nil {
		t.Fatal(err)
	}
	o.wantTold("another target", o.run("run"), event{0, []string{"backup complete", "over: the target is nearly full"}, good}, "", `purser_alert_active{kind="full"} 0`)
}
