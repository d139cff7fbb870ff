package daemon

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestGoNoGo(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/go" {
			w.WriteHeader(http.StatusNoContent)
			return
		}
		http.Error(w, "load is 40,\n2 of 2 nodes", http.StatusServiceUnavailable)
	}))
	defer server.Close()
	withPassword := strings.Replace(server.URL, "://", "://me:open-sesame@", 1)
	for _, test := range []struct{ ask, want string }{
		{"", ""},
		{"/bin/true", ""},
		{"true", ""},
		{"sh -c 'exit 0'", ""},
		{"sh -c 'echo load is 40 >&2; exit 1'", "run sh: exit status 1: load is 40"},
		{"sh -c 'exit 7'", "run sh: exit status 7"},
		{"/nonexistent/check_load -c 1,5,15", "run /nonexistent/check_load: "},
		{`sh -c 'test -z "$PASSPHRASE$BACKUP_ARCHIVE_DIR$HOME" && test -n "$PATH"'`, ""},
		{server.URL + "/go", ""},
		{withPassword + "/go", ""},
		{server.URL + "/no", "answers 503 Service Unavailable: load is 40, 2 of 2 nodes"},
		{withPassword + "/no", "answers 503 Service Unavailable"},
		{"http://me:open-sesame@127.0.0.1:1/", "ask 127.0.0.1:1: "},
	} {
		b := newBench(t, "BACKUP_GONOGO="+test.ask)
		err := b.goNoGo(t.Context())
		switch {
		case test.want == "" && err != nil:
			t.Errorf("%q: %v", test.ask, err)
		case test.want != "" && (!errors.Is(err, ErrNoGo) || !strings.Contains(err.Error(), test.want)):
			t.Errorf("%q: %v, want %q", test.ask, err, test.want)
		}
		if err != nil && strings.Contains(err.Error(), "sesame") {
			t.Errorf("%q: the error shows the password: %v", test.ask, err)
		}
	}
}

// T6: while the answer is no, there is no contact with anybody, and no failure.
func TestNoGoMakesNoRun(t *testing.T) {
	dir := t.TempDir()
	flag := filepath.Join(dir, "go")
	b := newBench(t, "BACKUP_GONOGO=test -e "+flag)
	b.engine.down = errors.New("Docker must not be asked")
	if run, err := b.Run(t.Context(), RunOptions{Trigger: BySchedule}); run != nil || !errors.Is(err, ErrNoGo) {
		t.Errorf("run %+v, %v", run, err)
	}
	status, err := ReadStatus(b.cfg, b.now())
	b.must(t, err)
	if status.LastRun != nil {
		t.Errorf("last run: %+v", status.LastRun)
	}
	b.engine.down = nil
	if run, err := b.Run(t.Context(), RunOptions{Trigger: ByCommand, Force: true}); run == nil || err != nil {
		t.Errorf("with force: %+v, %v", run, err)
	}
	b.must(t, os.WriteFile(flag, nil, 0o600))
	b.run(t, Complete)
}

func TestLoopAsksAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, "@daily", "UTC", "2026-05-20 10:00:00")
		r.last = r.parse(t, "2026-05-20 00:00:00")
		r.errs = []error{ErrNoGo, ErrNoGo, nil}
		r.serveFor(t, 39*time.Hour, nil)
		want := []string{"05-21 00:00:00 +00", "05-21 00:05:00 +00", "05-21 00:10:00 +00", "05-22 00:00:00 +00"}
		if diff := cmp.Diff(want, r.starts[:min(len(r.starts), 4)]); diff != "" || len(r.told) != 0 {
			t.Errorf("starts (-want +got):\n%s\ntold %q", diff, r.told)
		}
	})
}
