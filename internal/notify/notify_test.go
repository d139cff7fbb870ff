package notify_test

import (
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/purser-backup/purser/internal/api"
	"github.com/purser-backup/purser/internal/notify"
	"github.com/purser-backup/purser/internal/notify/notifytest"
	"github.com/purser-backup/purser/internal/secret"
)

func plain(s string) string { return strings.ReplaceAll(s, "geheim", "[redacted]") }

func options(urls ...string) notify.Options {
	o := notify.Options{Scrub: plain, Pauses: []time.Duration{time.Millisecond, time.Millisecond}}
	for _, u := range urls {
		o.URLs = append(o.URLs, secret.New(u))
	}
	return o
}

func sender(t *testing.T, o notify.Options) *notify.Sender {
	t.Helper()
	s, err := notify.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func event() *notify.Event {
	return &notify.Event{
		Kind: "run", Severity: notify.Failure, Subject: "backup failed", Text: "Run failed: geheim.", Lines: []string{"one", "two"}, Hints: []string{"log in as geheim"},
		Instance: "nas", Host: "h", Target: "file:///target/", Time: time.Date(2026, 5, 20, 10, 0, 0, 0, time.UTC),
		Run: &api.Run{Result: api.Failed},
	}
}

func TestSendByMailAndHTTP(t *testing.T) {
	mail, web := notifytest.NewSMTP(t), notifytest.NewHTTP(t)
	s := sender(t, options(mail.URL(), "generic+"+web.Base+"/hook?template=json"))
	m, err := s.Render(event())
	if err != nil {
		t.Fatal(err)
	}
	const body = "Run failed: [redacted].\n\none\ntwo\n\ninstance nas, host h, target file:///target/, 2026-05-20T10:00:00Z\n"
	if diff := cmp.Diff(notify.Message{Title: "purser on nas: backup failed", Body: body}, m); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if failed := s.Send(t.Context(), m); len(failed) > 0 {
		t.Fatalf("not delivered: %v", failed)
	}
	got := mail.Take()
	if len(got) != 1 || got[0].Subject != m.Title || got[0].To[0] != "admin@example.org" || !strings.Contains(got[0].Body, "Run failed: [redacted].") {
		t.Errorf("mail: %+v", got)
	}
	if got := web.Take(); len(got) != 1 || !strings.Contains(got[0].Body, `"title":"purser on nas: backup failed"`) {
		t.Errorf("request: %+v", got)
	}
}

func TestSendTriesAgainAndShowsNoSecret(t *testing.T) {
	web := notifytest.NewHTTP(t)
	web.Answer(http.StatusInternalServerError)
	const token = "A0B1C2D3E4F5"
	closed := "smtp://me:" + token + "@127.0.0.1:1/?from=a@example.org&to=b@example.org"
	s := sender(t, options("generic+"+web.Base+"/"+token, closed))
	failed := s.Send(t.Context(), notify.Message{Title: "t", Body: "b"})
	if len(failed) != 2 || failed[0].Service != "notification 1 (generic+http)" || !strings.Contains(failed[1].Err.Error(), "connection refused") {
		t.Fatalf("failures: %+v", failed)
	}
	for _, f := range failed {
		if text := f.Service + f.Err.Error(); strings.Contains(text, token) {
			t.Errorf("a secret is shown: %s", text)
		}
	}
	if err := s.SendTo(t.Context(), failed[0].Service, notify.Message{}); err == nil {
		t.Error("a service that refuses is taken for a good one")
	}
	web.Answer(http.StatusOK)
	if err := s.SendTo(t.Context(), failed[0].Service, notify.Message{Body: "b"}); err != nil || len(web.Take()) != 1 {
		t.Errorf("later: %v", err)
	}
	if err := s.SendTo(t.Context(), "notification 9 (x)", notify.Message{}); err != nil {
		t.Errorf("a service that is not there: %v", err)
	}
}

func TestPing(t *testing.T) {
	web := notifytest.NewHTTP(t)
	o := options()
	o.Ping = secret.New(web.Base + "/uuid?create=1")
	s := sender(t, o)
	for _, signal := range []notify.Signal{notify.Started, notify.Succeeded, notify.Failing} {
		if err := s.Ping(t.Context(), signal, "geheim "+string(signal)); err != nil {
			t.Error(err)
		}
	}
	want := []notifytest.Request{
		{Path: "/uuid/start?create=1", Body: "[redacted] start"}, {Path: "/uuid?create=1", Body: "[redacted] "}, {Path: "/uuid/fail?create=1", Body: "[redacted] fail"},
	}
	if diff := cmp.Diff(want, web.Take()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	web.Answer(http.StatusNotFound)
	if err := s.Ping(t.Context(), notify.Failing, ""); err == nil || err.Error() != "ping: the answer is 404 Not Found" {
		t.Errorf("refused: %v", err)
	}
	o.Ping = secret.New("http://127.0.0.1:1/uuid")
	if err := sender(t, o).Ping(t.Context(), notify.Failing, ""); err == nil || strings.Contains(err.Error(), "uuid") {
		t.Errorf("nobody there: %v", err)
	}
}

func TestFaults(t *testing.T) {
	for url, want := range map[string]string{
		"telegramm://t0k3n@telegram": "notification 1 (telegramm): no such service",
		"logger://":                  "notification 1 (logger): it reaches nobody",
		"smtp://u:t0k3n@host/":       "notification 1 (smtp): ",
		"telegram://t0k3n@telegram":  "notification 1 (telegram): ",
	} {
		_, err := notify.New(options(url))
		var fault *notify.Error
		if !errors.As(err, &fault) || fault.Hint() == "" || !strings.HasPrefix(err.Error(), want) || strings.Contains(err.Error(), "t0k3n") {
			t.Errorf("%s: %v, want %q", url, err, want)
		}
	}
	for _, good := range []string{"ntfy://ntfy.sh/topic", "gotify://host/Aaa.bbb.ccc.ddd", "matrix://u:p@host:8448/?rooms=a"} {
		if _, err := notify.New(options(good)); err != nil {
			t.Errorf("%s: %v", good, err)
		}
	}
}

func TestTemplates(t *testing.T) {
	for _, test := range []struct{ title, body, want string }{
		{"{{ .Severity }}\n{{ .Kind }}", "{{ size 2048 }}", "failure run|2.00 KiB"},
		{"x", `{{ with .Run }}{{ .Result }} {{ join $.Lines "," }}{{ end }}`, "x|failed one,two"},
		{"x", "{{ json .Lines }} {{ time .Time }} {{ duration 5 }}", `x|["one","two"] 2026-05-20T10:00:00Z 0s`},
		{"x", `{{ range .Hints }}{{ . }}{{ end }}`, "x|log in as [redacted]"},
		{"{{ .Text }}", "x", "Run failed: [redacted].|x"},
		{"{{", "x", "error: template DIR/title.tmpl: template: title.tmpl:1: unclosed action"},
		{"x", "{{ .Nothing }}", "error: template DIR/body.tmpl: template: body.tmpl:1:3: executing"},
		{"x", "{{ .Run.Result }}", "error: template DIR/body.tmpl: template: body.tmpl:1:7: executing"}, // not every event has a run
	} {
		o := options()
		o.Templates = t.TempDir()
		for name, text := range map[string]string{"title.tmpl": test.title, "body.tmpl": test.body} {
			if err := os.WriteFile(filepath.Join(o.Templates, name), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		s, err := notify.New(o)
		if err != nil {
			if got := "error: " + strings.ReplaceAll(err.Error(), o.Templates, "DIR"); !strings.HasPrefix(got, test.want) {
				t.Errorf("%q: got %s, want %s", test, got, test.want)
			}
			if _, err := s.Render(event()); err != nil {
				t.Errorf("%q: what is good can't be used: %v", test, err)
			}
			continue
		}
		m, err := s.Render(event())
		if got := m.Title + "|" + m.Body; err != nil || got != test.want {
			t.Errorf("%q: got %q, %v", test, got, err)
		}
	}
}

func TestLongMessagesAreCut(t *testing.T) {
	e := event()
	e.Subject, e.Text = strings.Repeat("é", 500), strings.Repeat("é", 5000)
	m, err := sender(t, options()).Render(e)
	if err != nil || len(m.Title) > 200 || len(m.Body) > 3500 || !strings.HasSuffix(m.Body, "é [cut]") {
		t.Errorf("%d, %d, %v", len(m.Title), len(m.Body), err)
	}
}

func TestWants(t *testing.T) {
	for level, want := range map[string]string{"failure": "f", "incomplete": "fi", "success": "fisc", "changed": "c"} {
		got := ""
		for _, e := range []struct {
			name string
			notify.Event
		}{
			{"f", notify.Event{Severity: notify.Failure}}, {"i", notify.Event{Severity: notify.Incomplete}},
			{"s", notify.Event{Severity: notify.Success}}, {"c", notify.Event{Severity: notify.Success, Changed: true}},
		} {
			if notify.Wants(level, &e.Event) {
				got += e.name
			}
		}
		if got != want {
			t.Errorf("%s: got %s, want %s", level, got, want)
		}
	}
}
