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

// failing is a Runtime whose scripts fail. It knows no container.
type failing struct {
	engineless
	says   string
	status int
}

func (r *failing) Run(_ context.Context, _ Job, _, stderr io.Writer) (int, error) {
	_, err := io.WriteString(stderr, r.says)
	return r.status, err
}

// A hint suits what failed: a password only where one was refused, and what to
// do with a load that went wrong only there. What the recipe's own hints say
// comes before all that.
func TestAdvice(t *testing.T) {
	catalog, err := Load(fstest.MapFS{
		"index/store.yml":     {Data: []byte("store: {regex: store, template: store.yml}\nbare: {regex: bare, template: bare.yml}")},
		"templates/store.yml": {Data: []byte("environments: ['PASSWORD:{{ env.PASSWORD }}']\ncommands: [dump]\nload: [load]\n")},
		"templates/bare.yml":  {Data: []byte("commands: [dump]\nload: [load]\n")},
	})
	if err != nil {
		t.Fatal(err)
	}
	const (
		used     = "it used PASSWORD from the service's environment"
		password = used + "; a database keeps the password of its first start\n" +
			"another password goes into the file shop/db/VARIABLE below a directory that BACKUP_SERVICE_SECRETS names"
		shown   = "what the recipe's commands printed is in the error; "
		loading = "what was refused, or is missing, is in the error, and may be in the service's log: docker logs db-1\n" +
			"what was loaded until then may stay: load again with --force, an older dump with --time, or into a new service with --to"
	)
	for _, c := range []struct {
		kind, says string
		status     int
		dump, load string
	}{
		{"store", "Access denied for user 'root'", 1, password, password},
		{"store", "NOAUTH Authentication required.", 1, password, password},
		{"store", "GET /: 401 no", 1, password, password},
		{"store", "lost connection to the server at row 4015", 2, shown + used, loading},
		{"store", "the dump has 3 rows, the server 2", 1, shown + used, loading},
		{"bare", "the dump has 3 rows, the server 2", 1, shown + "`purser discover` names the recipe", loading},
		{"store", "too new\nhint: --force\n", 1, "--force", "--force"},
		{"store", "sh: dump: not found", 127, "lacks a program", "lacks a program"},
		{"store", "can't write: No space left on device", 1, "free space on the file system", "free space on the file system"},
	} {
		recipe, _ := catalog.ByKind(c.kind)
		d, err := Open(Options{Source: t.TempDir(), Instance: "me", Runtime: &failing{says: c.says, status: c.status}})
		if err != nil {
			t.Fatal(err)
		}
		defer d.Close()
		s := discovery.Service{Stack: "shop", Name: "db", Containers: []discovery.Container{
			{Name: "db-1", Image: "store", Env: map[string]string{"PASSWORD": "pw-1"}}}}
		fill := func(dir string) error { return os.WriteFile(filepath.Join(dir, "all.sql"), []byte("dump\n"), 0o600) }
		_, dumped := d.Dump(t.Context(), s, recipe)
		_, loaded := d.Load(t.Context(), s, recipe, LoadOptions{Fill: fill})
		for i, want := range []string{c.dump, c.load} {
			err := []error{dumped, loaded}[i]
			var e *Error
			if !errors.As(err, &e) {
				t.Fatalf("%q: %v", c.says, err)
			}
			if !strings.Contains(e.Hint(), want) || strings.HasPrefix(want, used) && e.Hint() != want {
				t.Errorf("%v: hint %q, want %q", err, e.Hint(), want)
			}
			if other := []string{loading, used}[i]; strings.Contains(e.Hint(), other) && !strings.Contains(want, other) {
				t.Errorf("%v: hint %q is of something else", err, e.Hint())
			}
		}
	}
}
