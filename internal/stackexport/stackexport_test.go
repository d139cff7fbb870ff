package stackexport_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/purser-backup/purser/internal/stackexport"
)

type stacks []stackexport.Stack

func (s stacks) Stacks(context.Context) ([]stackexport.Stack, error) { return s, nil }

func define(name, text string) stackexport.Stack {
	return stackexport.Stack{Name: name, Files: func(context.Context) ([]stackexport.File, error) {
		return []stackexport.File{{Name: "docker-compose.yml", Content: []byte(text)}, {Name: "rancher-compose.yml", Content: []byte("r " + text)}}, nil
	}}
}

func failing(name string, err error) stackexport.Stack {
	return stackexport.Stack{Name: name, Files: func(context.Context) ([]stackexport.File, error) { return nil, err }}
}

// tree lists the files below a directory with their content.
func tree(t *testing.T, dir string) map[string]string {
	t.Helper()
	found := map[string]string{}
	err := fs.WalkDir(os.DirFS(dir), ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		content, err := os.ReadFile(filepath.Join(dir, path))
		found[path] = string(content)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func TestExport(t *testing.T) {
	dir := t.TempDir()
	text := "version: '2'\r\nservices:\r\n  db:\r\n    command: echo $$HOME\r\n"
	broken := &stackexport.Error{Stack: "x", Err: errors.New("500"), Advice: "see the log"}
	from := stacks{define("shop", text), failing("broken", broken), {Name: "kubernetes"}, define("database", "d"), define("web", "w"), define("web", "other"),
		define("..", "x"), define("a/b", "x"), define(".purser", "x"), define("a\nb", "x"), define("", "x"), define(strings.Repeat("x", 201), "x")}
	got, err := stackexport.Export(t.Context(), dir, "rancher", from)
	if err != nil {
		t.Fatal(err)
	}
	if got.Written != 3 || got.Unchanged != 0 || !slices.Equal(got.Impossible, []string{"kubernetes"}) || len(got.Failed) != 8 {
		t.Errorf("%+v", got)
	}
	var e *stackexport.Error
	if !errors.As(got.Failed[0], &e) || e.Error() != "export of stack broken: export of stack x: 500" || e.Hint() != "see the log" {
		t.Errorf("failed: %v", got.Failed[0])
	}
	want := map[string]string{
		"rancher/shop/docker-compose.yml": text, "rancher/shop/rancher-compose.yml": "r " + text,
		"rancher/web/docker-compose.yml": "w", "rancher/web/rancher-compose.yml": "r w",
		"rancher/database.stack/docker-compose.yml": "d", "rancher/database.stack/rancher-compose.yml": "r d",
	}
	if d := cmp.Diff(want, tree(t, dir)); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
	if _, err := os.Stat(filepath.Join(dir, ".purser/export")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the staging is left: %v", err)
	}
	info, err := os.Stat(filepath.Join(dir, "rancher/shop/docker-compose.yml"))
	if err != nil || info.Mode() != 0o600 {
		t.Errorf("passwords are in it, and everybody may read it: %v, %v", info.Mode(), err)
	}
}

// What hasn't changed is not written anew, what fails stays as it was, and what
// is gone stays.
func TestExportAgain(t *testing.T) {
	dir := t.TempDir()
	if _, err := stackexport.Export(t.Context(), dir, "rancher", stacks{define("same", "1"), define("changed", "1"), define("failing", "1"), define("gone", "1")}); err != nil {
		t.Fatal(err)
	}
	past := time.Unix(1, 0)
	for name := range tree(t, dir) {
		if err := os.Chtimes(filepath.Join(dir, name), past, past); err != nil {
			t.Fatal(err)
		}
	}
	// What a run that was killed has left.
	left := filepath.Join(dir, ".purser/export")
	if err := os.MkdirAll(left, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(left, "new"), []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	got, err := stackexport.Export(t.Context(), dir, "rancher", stacks{define("same", "1"), define("changed", "2"), failing("failing", errors.New("500"))})
	if err != nil || got.Written != 1 || got.Unchanged != 1 || len(got.Failed) != 1 {
		t.Errorf("%+v, %v", got, err)
	}
	after := tree(t, dir)
	for _, name := range []string{"same", "failing", "gone"} {
		file := "rancher/" + name + "/docker-compose.yml"
		info, err := os.Stat(filepath.Join(dir, file))
		if err != nil || after[file] != "1" || !info.ModTime().Equal(past) {
			t.Errorf("%s is not as it was: %q, %v", file, after[file], err)
		}
	}
	if after["rancher/changed/docker-compose.yml"] != "2" || len(after) != 8 {
		t.Errorf("%q", after)
	}
}

// A link in the tree doesn't lead the export out of it.
func TestExportStaysInTheSource(t *testing.T) {
	dir, outside := t.TempDir(), t.TempDir()
	if err := os.Symlink(outside, filepath.Join(dir, "rancher")); err != nil {
		t.Fatal(err)
	}
	got, err := stackexport.Export(t.Context(), dir, "rancher", stacks{define("shop", "1")})
	if err != nil || len(got.Failed) != 1 {
		t.Errorf("%+v, %v", got, err)
	}
	if left := tree(t, outside); len(left) != 0 {
		t.Errorf("written outside: %q", left)
	}
}

func TestExportCancelled(t *testing.T) {
	dir := t.TempDir()
	ctx, cancel := context.WithCancel(t.Context())
	stop := stackexport.Stack{Name: "b", Files: func(context.Context) ([]stackexport.File, error) {
		cancel()
		return nil, errors.New("the answer of a call that was cancelled")
	}}
	got, err := stackexport.Export(ctx, dir, "rancher", stacks{define("a", "1"), stop, define("c", "1")})
	if !errors.Is(err, context.Canceled) || got.Written != 1 || len(got.Failed) != 0 {
		t.Errorf("%+v, %v", got, err)
	}
	if left := tree(t, dir); len(left) != 2 {
		t.Errorf("%q", left)
	}
}

func TestExportFails(t *testing.T) {
	if _, err := stackexport.Export(t.Context(), filepath.Join(t.TempDir(), "absent"), "rancher", stacks{}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no source: %v", err)
	}
	want := errors.New("401")
	if _, err := stackexport.Export(t.Context(), t.TempDir(), "rancher", broken{want}); !errors.Is(err, want) {
		t.Errorf("no list: %v", err)
	}
	got, err := stackexport.Export(t.Context(), t.TempDir(), "rancher", stacks{failing("a", syscall.EROFS), failing("b", syscall.ENOSPC)})
	var e *stackexport.Error
	if err != nil || !errors.As(got.Failed[0], &e) || !strings.Contains(e.Hint(), "BACKUP_MODULE_STACK=false") ||
		!errors.As(got.Failed[1], &e) || !strings.Contains(e.Hint(), "free space") {
		t.Errorf("%v, %v", got.Failed, err)
	}
}

type broken struct{ err error }

func (b broken) Stacks(context.Context) ([]stackexport.Stack, error) { return nil, b.err }
