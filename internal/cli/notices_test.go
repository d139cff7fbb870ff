package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/purser-backup/purser/internal/notify/notifytest"
)

// What happens, who is told, and with which exit status the command ends.
func TestNotificationsAndExitStatus(t *testing.T) {
	web := notifytest.NewHTTP(t)
	noDumps := []string{local, "BACKUP_MODULE_DATABASE=false", "PASSPHRASE=open sesame"}
	for _, test := range []struct {
		name    string
		env     []string
		prepare func(t *testing.T, b *bench)
		args    string
		code    int
		told    string // in the notification; empty is none
		pings   string
	}{
		{"good", noDumps, nil, "run", 0, "Run complete", "start -"},
		{"incomplete", []string{local, "PASSPHRASE=open sesame"}, nil, "run --force", 3, "Run incomplete", "start fail"},
		{"Engine away", []string{local, "PASSPHRASE=open sesame"}, nil, "run", 1, "Run failed", "start fail"},
		{"failed upload", append([]string{"BACKUP_DUPLICITY_OPTIONS=--num-retries 1"}, noDumps...), func(t *testing.T, b *bench) {
			if err := os.MkdirAll(filepath.Join(b.root, "target", "purser-lease.json"), 0o700); err != nil {
				t.Fatal(err)
			}
		}, "run", 1, "Run failed", "start fail"},
		{"no target", noDumps[1:], nil, "run", 2, "BACKUP_DUPLICITY_URL: not set", "fail"},
		{"lock", noDumps, func(t *testing.T, b *bench) { lockState(t, b) }, "run", 11, "", ""},
		{"bad configuration", append([]string{"BACKUP_CRON_SCHEDULE=never"}, noDumps...), nil, "daemon", 2, "the daemon can't run", "fail"},
		{"bad recipe", noDumps, func(t *testing.T, b *bench) {
			if err := os.Mkdir(filepath.Join(b.root, "index"), 0o700); err != nil {
				t.Fatal(err)
			}
			b.write("index/x.yml", "{")
		}, "daemon", 2, "the daemon can't run", "fail"},
		{"port taken", append([]string{"BACKUP_LISTEN=" + strings.TrimPrefix(web.Base, "http://"), "BACKUP_LISTEN_TOKEN=0123456789abcdef"}, noDumps...),
			nil, "daemon", 1, "address already in use", "fail"},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := newBench(t, append([]string{
				"BACKUP_NOTIFICATION_URLS=generic+" + web.Base + "/hook?template=json", "BACKUP_NOTIFICATION_LEVEL=success", "BACKUP_PING_URL=" + web.Base + "/ping",
			}, test.env...)...)
			b.write("source/file", "content\n")
			if test.prepare != nil {
				test.prepare(t, b)
			}
			_, errs, code := b.run(strings.Fields(test.args)...)
			if code != test.code {
				t.Errorf("exit status %d, want %d:\n%s", code, test.code, errs)
			}
			var told, pings []string
			for _, r := range web.Take() {
				if signal, ok := strings.CutPrefix(r.Path, "/ping"); !ok {
					told = append(told, r.Body)
				} else if signal = strings.TrimPrefix(signal, "/"); signal == "" {
					pings = append(pings, "-")
				} else {
					pings = append(pings, signal)
				}
			}
			if text := strings.Join(told, "\n"); len(told) > 1 || (test.told == "") != (len(told) == 0) || !strings.Contains(text, test.told) {
				t.Errorf("told: %q, want %q", told, test.told)
			}
			if got := strings.Join(pings, " "); got != test.pings {
				t.Errorf("pings: %s, want %s", got, test.pings)
			}
		})
	}
}

// lockState holds the lock of a run, as another purser does.
func lockState(t *testing.T, b *bench) {
	t.Helper()
	dir := filepath.Join(b.root, "state", "state")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	f, err := os.Create(filepath.Join(dir, "run.lock"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	if err := unix.FcntlFlock(f.Fd(), unix.F_OFD_SETLK, &unix.Flock_t{Type: unix.F_WRLCK}); err != nil {
		t.Fatal(err)
	}
}
