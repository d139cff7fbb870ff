package daemon

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/purser-backup/purser/engine/storage"
	"github.com/purser-backup/purser/engine/storage/driver/drivertest"
	"github.com/purser-backup/purser/internal/api"
)

// A secret that is everywhere is nowhere in what leaves the machine or is kept:
// whoever fails says what he was given, and a bug what it was about. What is
// looked for is its middle, which is the same however it is quoted.
func TestNoSecretIsTold(t *testing.T) {
	const middle = "Pl4nt3d"
	hidden, ofService := `s3cr3t "`+middle+`\" <1>`, `s3cr3t "`+middle+`\" <2>`
	s := newScene(t, "PASSPHRASE="+hidden, "SIGN_PASSPHRASE="+hidden, "FTP_PASSWORD="+hidden, "AWS_SECRET_ACCESS_KEY="+hidden,
		"BACKUP_RANCHER_DB_PASSWORD="+hidden, "BACKUP_LISTEN=127.0.0.1:1", "BACKUP_LISTEN_TOKEN="+hidden+hidden)
	s.engine.list[1].Image, s.engine.list[1].Env = "mysql:8", map[string]string{"MYSQL_ROOT_PASSWORD": ofService}
	s.engine.more = map[string]string{"_/two": "-- Dump completed\n"}
	var outputs []string
	look := func(what string) {
		t.Helper()
		for where, text := range s.outputs(t) {
			outputs = append(outputs, where)
			if strings.Contains(text, middle) {
				t.Errorf("%s: %s shows the secret:\n%s", what, where, text)
			}
		}
	}
	run := func(want Result) {
		t.Helper()
		record, err := s.Run(t.Context(), RunOptions{Trigger: ByCommand})
		if record == nil || record.Result != want {
			t.Fatalf("%+v, %v", record, err)
		}
	}
	run(Complete)
	look("a good run")
	s.engine.fail = map[string]string{"_/one": "login with " + hidden + " refused", "_/two": "login with " + ofService + " refused"}
	run(Incomplete)
	look("dumps that fail")
	s.withFault(drivertest.Fault{Call: 1, Mode: drivertest.Before, Err: withHint(errors.New("401 for the key "+hidden), "don't use %s", hidden), Down: true})
	s.write(t, "source/volumes.txt", "changed\n")
	run(Failed)
	look("a target that fails")
	s.opt.wrap = func(store *storage.Store) *storage.Store {
		return storage.New(buggyTarget{store, "at " + hidden}, s.cfg.URL.Reveal(), storage.Options{Retries: -1})
	}
	run(Failed)
	look("a bug")
	s.engine.down = withHint(fmt.Errorf("http://me:%s@engine: refused", hidden), "don't use %s", hidden)
	run(Failed)
	look("an Engine that is away")
	w, err := s.newWatcher()
	s.must(t, err)
	w.lost(s.engine.down)
	s.forward(patience)
	s.check(t)
	look("an Engine that is away for long")
	TellStart(t.Context(), Options{Config: s.cfg, Log: slog.New(slog.DiscardHandler), Now: s.now}, withHint(errors.New("no "+hidden), "not %s", hidden))
	look("a daemon that can't start")
	for _, want := range []string{
		"metrics", "/v1/services", "/v1/runs", "/v1/sets", "/readyz", "ping", "ping fail", "target", "status", "last-run.json", "runs.json", "notifications.json", "services.json",
		"mail backup complete", "mail backup incomplete", "mail backup failed", "mail Docker can't be reached", "mail the daemon can't run",
	} {
		if !slices.Contains(outputs, want) {
			t.Errorf("%s was not looked at: %q", want, outputs)
		}
	}
}

// outputs are all texts that tell of what happened since the last call, by
// where they are.
func (s *scene) outputs(t *testing.T) map[string]string {
	t.Helper()
	found := map[string]string{"metrics": s.scraped(t)}
	for _, m := range s.mail.Take() {
		found["mail "+strings.TrimPrefix(m.Subject, "purser on test: ")] = m.Subject + m.Body
	}
	for _, r := range s.web.Take() {
		found[strings.TrimSpace("ping "+strings.Trim(r.Path, "/"))] += r.Body
	}
	h := s.newHandler()
	for path, route := range h.routes {
		if _, body, err := route.answer(t.Context()); err == nil {
			found[path] = string(body)
		} else if path != api.PathSets { // the target is faulty
			t.Errorf("%s: %v", path, err)
		}
	}
	status, err := ReadStatus(s.cfg, s.now())
	s.must(t, err)
	found["status"] = fmt.Sprintf("%+v", status)
	entries, err := os.ReadDir(s.state.dir)
	s.must(t, err)
	for _, e := range entries {
		if e.IsDir() {
			continue
		}
		text, err := os.ReadFile(filepath.Join(s.state.dir, e.Name()))
		s.must(t, err)
		found[e.Name()] = string(text)
	}
	text, err := os.ReadFile(filepath.Join(s.root, "target", "purser-status.json"))
	s.must(t, err)
	found["target"] = string(text)
	return found
}
