package dumpers

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/purser-backup/purser/discovery"
)

// talker is a Runtime whose commands succeed, and say something. It knows no
// container.
type talker struct {
	engineless
	says string
}

func (r *talker) Run(_ context.Context, job Job, stdout, stderr io.Writer) (int, error) {
	if _, err := io.WriteString(stdout, "ERROR is a fine name\n"); err != nil {
		return 0, err
	}
	// The Engine cuts where it likes.
	for text := r.says; text != ""; text = text[min(len(text), 7):] {
		if _, err := io.WriteString(stderr, text[:min(len(text), 7)]); err != nil {
			return 0, err
		}
	}
	return 0, os.WriteFile(filepath.Join(job.Dir, "all.sql"), []byte(r.says+"\n-- done\n"), 0o600)
}

func (r *talker) Exec(_ context.Context, job Job, stdout, stderr io.Writer) (int, error) {
	_, err := io.WriteString(stdout, "-- done\n")
	_, said := io.WriteString(stderr, r.says)
	return 0, errors.Join(err, said)
}

// What commands that succeed write to their standard error is told, less what
// the recipe ignores, and fails the dump where the recipe says so.
func TestComplaints(t *testing.T) {
	const password = "first line\nsecond"
	lines := func(n int) string { return strings.Repeat("another one\n", n) }
	for _, c := range []struct{ name, stderr, says, told, failure string }{
		{"nothing", "{}", "", "", ""},
		{"blanks", "{}", " \n\r\n", "", ""},
		{"an error counts as little as anything", "{}", "ERROR: lost it\n", "ERROR: lost it", ""},
		{"no end of the line", "{}", "WARNING: old", "WARNING: old", ""},
		{"progress", "{}", "10 %\r100 %\r\ndone\n", "10 %; 100 %; done", ""},
		{"ignored", "{ignore: '^[0-9]+ %$'}", "10 %\r100 %\r\nWARNING: 10 %\n", "WARNING: 10 %", ""},
		{"all ignored", "{ignore: ' %$'}", "10 %\r100 %\r\n", "", ""},
		{"failure", "{fails: '^ERROR', ignore: lost}", "lost\nERROR: lost it\nERROR: and more\n", "", "ERROR: lost it"},
		{"failure far before the end", "{fails: '^ERROR'}", "ERROR: lost it\n" + lines(10000), "", "ERROR: lost it"},
		{"failure in the last line", "{fails: '^ERROR'}", lines(3) + "ERROR: lost it", "", "ERROR: lost it"},
		{"no failure elsewhere in a line", "{fails: '^ERROR'}", "no ERROR\n", "no ERROR", ""},
		{"many lines", "{}", lines(9) + "the end\n", "…; another one; another one; another one; another one; the end", ""},
		{"long line", "{}", strings.Repeat("ż", 9000), "", ""},
		{"secret", "{}", "login with " + password + " refused\n", "login with [redacted] refused", ""},
		{"half a secret", "{ignore: refused}", "login with first line\nrefused\n", "login with [redacted]", ""},
		{"half a secret in a failure", "{fails: login}", "login with first line\n", "", "login with [redacted]"},
	} {
		t.Run(c.name, func(t *testing.T) {
			report, warned, err := dumpTalking(t, "trailer: [{file: all.sql, contains: '-- done'}]\nstderr: "+c.stderr, c.says, password)
			var e *Error
			switch {
			case c.failure != "":
				if !errors.As(err, &e) || e.Err.Error() != "the commands succeeded, but said: "+c.failure || e.Hint() == "" || warned > 0 {
					t.Errorf("error %v, %d warnings", err, warned)
				}
				return
			case c.name == "long line":
				if n := len([]rune(report.Complaint)); n > 3*(toldLineChars+3) || n < toldLineChars || strings.ContainsRune(report.Complaint, '\uFFFD') {
					t.Errorf("told in %d letters: %q", n, report.Complaint)
				}
			case report.Complaint != c.told:
				t.Errorf("told %q, want %q", report.Complaint, c.told)
			}
			if err != nil || (warned == 1) != (report.Complaint != "") {
				t.Errorf("error %v, %d warnings", err, warned)
			}
		})
	}
}

// So are those that run in the service's own containers.
func TestComplaintsOfReplicas(t *testing.T) {
	const recipe = "each: replica\noutput: all.sql\nstderr: {fails: '^ERROR'}"
	report, warned, err := dumpTalking(t, recipe, "WARNING: old\n", "p")
	if report.Complaint != "WARNING: old" || warned != 1 || err != nil {
		t.Errorf("told %q, %d warnings, error %v", report.Complaint, warned, err)
	}
	if _, _, err := dumpTalking(t, recipe, "WARNING: old\nERROR: lost it\n", "p"); err == nil || !strings.Contains(err.Error(), "but said: ERROR: lost it") {
		t.Errorf("error %v", err)
	}
}

// dumpTalking dumps a service that has a dump, which must be there still if the
// new one is none.
func dumpTalking(t *testing.T, keys, says, password string) (report Report, warned int, err error) {
	t.Helper()
	catalog, err := Load(fstest.MapFS{
		"index/store.yml": {Data: []byte("store: {regex: store, template: store.yml}")},
		"templates/store.yml": {Data: []byte("environments: ['PASSWORD:{{ env.PASSWORD }}']\ncommands: [dump]\n" +
			keys + "\n")},
	})
	if err != nil {
		t.Fatal(err)
	}
	recipe, _ := catalog.ByKind("store")
	source := t.TempDir()
	good := filepath.Join(source, "dump/shop/db/all.sql")
	if err := errors.Join(os.MkdirAll(filepath.Dir(good), 0o755), os.WriteFile(good, []byte("good"), 0o600)); err != nil {
		t.Fatal(err)
	}
	d, err := Open(Options{Source: source, Instance: "me", Runtime: &talker{says: says}, Warn: func(string, ...any) { warned++ }})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	s := discovery.Service{Stack: "shop", Name: "db", Containers: []discovery.Container{{Name: "db-1", Image: "store", Env: map[string]string{"PASSWORD": password}}}}
	report, err = d.Dump(t.Context(), s, recipe)
	if got, e := os.ReadFile(good); (e == nil && string(got) == "good") != (err != nil) {
		t.Errorf("the dump is %q, %v, error %v", got, e, err)
	}
	return report, warned, err
}
