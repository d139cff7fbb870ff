package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/purser-backup/purser/engine"
	"github.com/purser-backup/purser/internal/config"
	"github.com/purser-backup/purser/internal/daemon"
)

type withHints struct {
	error
	hint string
}

func (e *withHints) Unwrap() error { return e.error }
func (e *withHints) Hint() string  { return e.hint }

func TestPrintErrors(t *testing.T) {
	one := &withHints{errors.New("one"), "do this\nor that"}
	two := errors.New("two\nlines")
	for _, test := range []struct {
		name string
		err  error
		want string
	}{
		{"none", nil, ""},
		{"hints of two lines", one, "error: one\nhint: do this\nhint: or that\n"},
		{"hint below a wrapping", fmt.Errorf("above: %w", one), "error: above: one\nhint: do this\nhint: or that\n"},
		{"two lines become one", two, "error: two; lines\n"},
		{"joined", errors.Join(one, errors.Join(two, errors.New("three"))),
			"error: one\nhint: do this\nhint: or that\nerror: two; lines\nerror: three\n"},
		{"two causes in one sentence", fmt.Errorf("%w because of %w", engine.ErrLocked, two),
			"error: repository is locked by another process because of two; lines\n"},
	} {
		t.Run(test.name, func(t *testing.T) {
			var b bytes.Buffer
			printErrors(&b, test.err, noScrub)
			if diff := cmp.Diff(test.want, b.String()); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

type incompleteError struct{ error }

func (e incompleteError) Unwrap() error { return e.error }

func (incompleteError) Is(target error) bool { return target == daemon.ErrIncomplete }

func TestExitCode(t *testing.T) {
	part := incompleteError{errors.New("a dump failed")}
	for _, test := range []struct {
		err  error
		want int
	}{
		{nil, 0},
		{errors.New("any"), 1},
		{usagef("", "x"), 2},
		{&config.Error{}, 2},
		{part, 3},
		{errors.Join(part, part), 3},
		{errors.Join(part, errors.New("and the upload too")), 1},
		{errors.Join(part, fmt.Errorf("open: %w", engine.ErrWrongKey)), 12},
		{fmt.Errorf("restore: %w", engine.ErrNoBackup), 10},
		{engine.ErrLocked, 11},
		{fmt.Errorf("%w: run.lock", daemon.ErrLocked), 11},
		{engine.ErrNoEncryption, 12},
		{fmt.Errorf("restore: %w", &engine.CorruptError{Object: "x", Err: errors.New("y")}), 20},
		{errInterrupted, 130},
	} {
		if got := exitCode(test.err); got != test.want {
			t.Errorf("exit code of %v is %d, want %d", test.err, got, test.want)
		}
	}
}

func TestFormats(t *testing.T) {
	now := time.Date(2026, 5, 20, 12, 0, 0, 0, time.UTC)
	for _, test := range []struct{ got, want string }{
		{formatSize(0), "0 B"},
		{formatSize(1023), "1023 B"},
		{formatSize(1024), "1.00 KiB"},
		{formatSize(10239), "10.0 KiB"},
		{formatSize(1023 << 10), "1.00 MiB"},
		{formatSize(200 << 20), "200 MiB"},
		{formatSize(1 << 62), "4.00 EiB"},
		{formatTime(time.Time{}), "-"},
		{formatTime(now), "2026-05-20T12:00:00Z"},
		{formatDuration(1234567 * time.Microsecond), "1.235s"},
		{formatDuration(61500 * time.Millisecond), "1m2s"},
		{formatAgo(time.Time{}, now), "never"},
		{formatAgo(now.Add(-5*time.Second), now), "5s ago"},
		{formatAgo(now.Add(-50*time.Hour), now), "2d2h ago"},
		{formatAgo(now.Add(90*time.Minute), now), "in 1h30m"},
		{count(1, "file"), "1 file"},
		{count(0, "file"), "0 files"},
		{printable("plain ä"), "plain ä"},
		{printable("a\x1b[31mb"), `a\x1b[31mb`},
		{printable("\xff"), `\xff`},
		{cleanPath("/dump/../dump/x/"), "dump/x"},
		{cleanPath("../../etc"), "etc"},
		{cleanPath(""), ""},
	} {
		if test.got != test.want {
			t.Errorf("got %q, want %q", test.got, test.want)
		}
	}
}

func TestLogLines(t *testing.T) {
	var b bytes.Buffer
	h := newLogHandler(&b, slog.LevelInfo, noScrub)
	at := time.Date(2026, 5, 20, 12, 0, 0, 0, time.UTC)
	log := slog.New(h).With("instance", "a b")
	line := func(level slog.Level, msg string, args ...any) {
		if !log.Enabled(context.Background(), level) {
			return
		}
		r := slog.NewRecord(at, level, msg, 0)
		r.Add(args...)
		if err := log.Handler().Handle(context.Background(), r); err != nil {
			t.Fatal(err)
		}
	}
	line(slog.LevelDebug, "not shown")
	line(slog.LevelInfo, "dump done", "service", "shop/db", "took", 1500*time.Millisecond, "at", at)
	line(slog.LevelWarn, "two\nlines", "error", errors.New("x\ny"))
	log = slog.New(h)
	line(slog.LevelError, "no attributes")
	const want = `2026-05-20T12:00:00Z INFO  dump done instance="a b" service=shop/db took=1.5s at=2026-05-20T12:00:00Z
2026-05-20T12:00:00Z WARN  two lines instance="a b" error="x\ny"
2026-05-20T12:00:00Z ERROR no attributes
`
	if diff := cmp.Diff(want, b.String()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestDiscoveryTable(t *testing.T) {
	found := daemon.Discovery{
		Services: []daemon.Found{
			{ID: "shop/db", Image: "mariadb:11", Action: daemon.ActionDump, Recipe: "mariadb", Reason: "image mariadb:11 is mariadb"},
			{ID: "shop/web", Image: "nginx", Action: daemon.ActionNone, Reason: "no recipe matches the image nginx"},
		},
		Problems: []daemon.Problem{
			{Subject: "shop/web", Message: "label \"backup.tpye\" is unknown and has no effect", Hint: "did you mean backup.type?", Warning: true},
			{Subject: "bad", Message: "container name is empty"},
		},
	}
	const want = `SERVICE   IMAGE       ACTION  RECIPE   WHY
shop/db   mariadb:11  dump    mariadb  image mariadb:11 is mariadb
shop/web  nginx       none    -        no recipe matches the image nginx
warning: shop/web: label "backup.tpye" is unknown and has no effect
hint: did you mean backup.type?
error: bad: container name is empty
`
	var b bytes.Buffer
	if err := writeDiscovery(&b, found); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, b.String()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestStatusText(t *testing.T) {
	now := time.Date(2026, 5, 20, 12, 0, 0, 0, time.UTC)
	midnight := now.Add(-12 * time.Hour)
	status := daemon.Status{
		Instance: "test", Daemon: true, NextRun: now.Add(12 * time.Hour),
		LastRun:    &daemon.Run{Result: daemon.Incomplete, Started: midnight},
		LastBackup: &daemon.Backup{Kind: "incremental", Ended: midnight.Add(time.Minute)},
		Services: []daemon.ServiceStatus{
			{ServiceRecord: daemon.ServiceRecord{ID: "shop/cache", Recipe: "redis", LastGood: midnight, Bytes: 2048, GoneSince: now}, State: daemon.StateGone},
			{ServiceRecord: daemon.ServiceRecord{ID: "shop/db", Recipe: "mariadb", Error: "exit status 2"}, State: daemon.StateFailed},
			{ServiceRecord: daemon.ServiceRecord{ID: "shop/new", Recipe: "mariadb"}, State: daemon.StateWaiting},
			{ServiceRecord: daemon.ServiceRecord{ID: "shop/old", Recipe: "mariadb", LastGood: midnight, Bytes: 1024}, State: daemon.StateSkipped},
			{ServiceRecord: daemon.ServiceRecord{ID: "shop/test"}, State: daemon.StateSkipped},
		},
		Wrong: []string{"shop/db: the last dump failed: exit status 2"},
	}
	for i := range 10 {
		status.Services = append(status.Services, daemon.ServiceStatus{ServiceRecord: daemon.ServiceRecord{ID: fmt.Sprintf("web/%d", i)}, State: daemon.StateUncovered})
	}
	const want = `instance:     test
next run:     2026-05-21T00:00:00Z (in 12h0m)
last run:     incomplete, 2026-05-20T00:00:00Z (12h0m ago)
last backup:  incremental, 2026-05-20T00:01:00Z (11h59m ago)
not covered:  10 services: web/0, web/1, web/2, web/3, web/4, web/5 and 4 more, see ` + "`purser discover`" + `
skipped:      1 service: shop/test
SERVICE     RECIPE       SIZE  LAST GOOD DUMP                    STATE
shop/cache  redis    2.00 KiB  2026-05-20T00:00:00Z (12h0m ago)  gone
shop/db     mariadb         -  never                             failed
shop/new    mariadb         -  never                             waiting
shop/old    mariadb  1.00 KiB  2026-05-20T00:00:00Z (12h0m ago)  skipped
wrong: shop/db: the last dump failed: exit status 2
`
	var b bytes.Buffer
	if err := writeStatus(&b, status, now); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, b.String()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestFailedRunInTheLog: in the daemon's log, too, each error has its hints.
func TestFailedRunInTheLog(t *testing.T) {
	var b bytes.Buffer
	log := slog.New(newLogHandler(&b, slog.LevelInfo, noScrub))
	part := incompleteError{&withHints{errors.New("dump of shop/db: access denied"), "set the password"}}
	logErrors(log, errors.Join(part, errors.New("the target is full")))
	var got []string
	for line := range bytes.Lines(b.Bytes()) {
		_, text, _ := bytes.Cut(bytes.TrimSpace(line), []byte(" "))
		got = append(got, string(text))
	}
	want := []string{
		`ERROR run incomplete error="dump of shop/db: access denied" hint="set the password"`,
		`ERROR run failed error="the target is full"`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func noScrub(s string) string { return s }

// What the settings hold of secrets is taken out of the log and of errors,
// whoever has put it in there.
func TestSecretsAreScrubbed(t *testing.T) {
	b := newBench(t, "BACKUP_DUPLICITY_URL=file://ROOT/s3cr3t-passphrase", "PASSPHRASE=s3cr3t-passphrase", "BACKUP_MODULE_DATABASE=false")
	b.write("s3cr3t-passphrase", "a file, not a directory")
	_, errs, code := b.run("run")
	if code == 0 || strings.Contains(errs, "s3cr3t-passphrase") || strings.Count(errs, "ROOT/[redacted]") < 2 {
		t.Errorf("exit status %d:\n%s", code, errs)
	}
	// What whoever is asked says is shown, and a log quotes it.
	const hidden = `s3cr3t "passphrase"`
	b = newBench(t, local, "PASSPHRASE="+hidden, "DEBUG=true", "BACKUP_MODULE_DATABASE=false")
	program := filepath.Join(b.root, "ask")
	if err := os.WriteFile(program, []byte("#!/bin/sh\necho '"+hidden+"'; exit 1\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	b.env = append(b.env, "BACKUP_GONOGO="+program)
	var out string
	out, errs, code = b.run("run")
	if code != 0 || strings.Contains(out+errs, "s3cr3t") || !strings.Contains(out, "[redacted]") {
		t.Errorf("exit status %d:\n%s%s", code, out, errs)
	}
	var line bytes.Buffer
	slog.New(newLogHandler(&line, slog.LevelInfo, func(s string) string {
		cfg, err := config.Load([]string{"PASSPHRASE=" + hidden}, nil, "")
		if err != nil {
			t.Fatal(err)
		}
		return cfg.Scrub(s)
	})).Warn("refused", "error", errors.New("login with "+hidden))
	if !strings.Contains(line.String(), `error="login with [redacted]"`) {
		t.Errorf("the log has %s", &line)
	}
}
