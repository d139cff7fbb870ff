package dumpers

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/purser-backup/purser/discovery"
)

// vault is a Runtime of one running container with files in it.
type vault struct {
	files map[string]string
	read  []string // paths, in order
	jobs  []Job
	says  string // on standard error, before a failure
}

func (v *vault) Run(_ context.Context, job Job, _, stderr io.Writer) (int, error) {
	v.jobs = append(v.jobs, job)
	if v.says != "" {
		_, err := io.WriteString(stderr, v.says)
		return 1, err
	}
	return 0, os.WriteFile(filepath.Join(job.Dir, "all.sql"), []byte("dump\n"), 0o600)
}

func (v *vault) Exec(context.Context, Job, io.Writer, io.Writer) (int, error) {
	return 1, errors.New("nothing runs in the container itself")
}

func (v *vault) ReadFile(_ context.Context, _, path string) ([]byte, error) {
	v.read = append(v.read, path)
	text, ok := v.files[path]
	if !ok {
		return nil, fmt.Errorf("%s: %w", path, os.ErrNotExist)
	}
	return []byte(text), nil
}

func (v *vault) State(context.Context, string) (discovery.State, error) {
	return discovery.State{Running: true}, nil
}

// given are the variables that the last job was given by their own names.
func (v *vault) given() map[string]string {
	given := map[string]string{}
	for _, e := range v.jobs[len(v.jobs)-1].Env {
		given[e.Name] = e.Value.Reveal()
	}
	return given
}

const vaultRecipe = "environments: ['U:{{ or env.ADMIN env.USER_NAME }}', 'P:{{ env.PASSWORD }}']\ncommands:\n- dump {{ target_dir }}\nload:\n- load\n"

func openVault(t *testing.T, secrets Secrets) (*vault, *Dumper, *Recipe) {
	t.Helper()
	catalog, err := Load(fstest.MapFS{
		"index/store.yml":     {Data: []byte("store: {regex: store, template: store.yml}")},
		"templates/store.yml": {Data: []byte(vaultRecipe)},
	})
	if err != nil {
		t.Fatal(err)
	}
	recipe, _ := catalog.ByKind("store")
	v := &vault{files: map[string]string{}}
	d, err := Open(Options{Source: t.TempDir(), Instance: "me", Runtime: v, Secrets: secrets})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return v, d, recipe
}

func shop(env ...string) discovery.Service {
	c := discovery.Container{ID: "1", Name: "db-1", Image: "store:1", Running: true, Env: map[string]string{}, Cmd: []string{"serve"}}
	for _, e := range env {
		name, value, _ := strings.Cut(e, "=")
		c.Env[name] = value
	}
	return discovery.Service{Stack: "shop", Name: "db", Containers: []discovery.Container{c}}
}

// bind writes secrets, by their paths below the directory.
func bind(t *testing.T, dir Secrets, files map[string]string) {
	t.Helper()
	for name, text := range files {
		path := filepath.Join(string(dir), name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// What the operator has bound comes before the service's own variable and its
// file, and counts from the next dump on.
func TestBoundSecret(t *testing.T) {
	dir := Secrets(t.TempDir())
	v, d, r := openVault(t, dir)
	s := shop("USER_NAME=app", "PASSWORD_FILE=/run/p")
	v.files["/run/p"] = "of the first start\n"
	for _, c := range []struct {
		bound map[string]string
		want  map[string]string
		read  int // files in the service until then
	}{
		{nil, map[string]string{"U": "app", "P": "of the first start"}, 1},
		{map[string]string{"shop/other/PASSWORD": "not mine", "other/db/PASSWORD": "nor this", "shop/db/.PASSWORD": "x", "shop/db/NOTE": "x"},
			map[string]string{"U": "app", "P": "of the first start"}, 2},
		{map[string]string{"shop/db/PASSWORD": " changed 'since' \r\n"}, map[string]string{"U": "app", "P": " changed 'since' "}, 2},
		{map[string]string{"shop/db/PASSWORD": "and again", "shop/db/ADMIN": "backup\n"}, map[string]string{"U": "backup", "P": "and again"}, 2},
	} {
		bind(t, dir, c.bound)
		if _, err := d.Dump(t.Context(), s, r); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(c.want, v.given()); diff != "" || len(v.read) != c.read {
			t.Errorf("%v: %d files were read in the service, %s", c.bound, len(v.read), diff)
		}
	}
	job := v.jobs[len(v.jobs)-1]
	if strings.Contains(job.Script+fmt.Sprint(job), "and again") {
		t.Errorf("the script shows the secret: %+v", job)
	}
}

// A secret that can't be read fails the dump: the service's own password may
// be the wrong one.
func TestBoundSecretIsRefused(t *testing.T) {
	for name, c := range map[string]struct {
		spoil func(t *testing.T, path string) error
		want  string
	}{
		"empty":       {func(_ *testing.T, path string) error { return os.WriteFile(path, []byte("\r\n"), 0o600) }, "PASSWORD is empty"},
		"no text":     {func(_ *testing.T, path string) error { return os.WriteFile(path, []byte("h1dden\x00"), 0o600) }, "PASSWORD is not text"},
		"too long":    {func(_ *testing.T, path string) error { return os.WriteFile(path, make([]byte, maxBound+1), 0o600) }, "PASSWORD has more than 65536 bytes"},
		"a directory": {func(_ *testing.T, path string) error { return os.Mkdir(path, 0o700) }, "PASSWORD is no file"},
		"a pipe":      {func(_ *testing.T, path string) error { return syscall.Mkfifo(path, 0o600) }, "PASSWORD is no file"},
		"unreadable":  {func(_ *testing.T, path string) error { return os.Symlink(path+".gone", path) }, "no such file"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := Secrets(t.TempDir())
			bind(t, dir, map[string]string{"shop/db/ADMIN": "a"})
			path := filepath.Join(string(dir), "shop/db/PASSWORD")
			if err := c.spoil(t, path); err != nil {
				t.Fatal(err)
			}
			_, d, r := openVault(t, dir)
			_, err := d.Dump(t.Context(), shop("PASSWORD=own"), r)
			wantAdvised(t, err, []string{"dump of shop/db: credentials", path, c.want}, []string{"0600", path})
		})
	}
	_, d, r := openVault(t, "/nowhere")
	_, err := d.Dump(t.Context(), shop("PASSWORD=own"), r)
	wantAdvised(t, err, []string{"/nowhere", "no such file"}, []string{SecretsSetting})
}

func wantAdvised(t *testing.T, err error, texts, advice []string) {
	t.Helper()
	var e *Error
	if !errors.As(err, &e) {
		t.Fatalf("error %v", err)
	}
	for _, text := range texts {
		if !strings.Contains(e.Error(), text) {
			t.Errorf("error %q lacks %q", e, text)
		}
	}
	for _, text := range advice {
		if !strings.Contains(e.Hint(), text) {
			t.Errorf("hint %q of %q lacks %q", e.Hint(), e, text)
		}
	}
	if strings.Contains(e.Error()+e.Hint(), "h1dden") {
		t.Errorf("it shows the secret: %v %s", e, e.Hint())
	}
}

// Whatever a bound variable is called, its value isn't shown. The hint says
// where purser looked.
func TestBoundSecretIsNotShown(t *testing.T) {
	dir := Secrets(t.TempDir())
	bind(t, dir, map[string]string{"shop/db/ADMIN": "h1dden", "shop/db/PASSWORD": "h1dden too"})
	v, d, r := openVault(t, dir)
	v.says = "login of h1dden with h1dden too refused\n"
	_, err := d.Dump(t.Context(), shop("USER_NAME=app"), r)
	wantAdvised(t, err, []string{"login of [redacted] with [redacted] refused"},
		[]string{"PASSWORD from the file " + string(dir) + "/shop/db/PASSWORD", "bound to it in " + string(dir) + "/shop/db: ADMIN, PASSWORD"})

	for _, c := range []struct {
		secrets Secrets
		says    string
		want    string
	}{
		{dir, "no\nhint: looked for PASSWORD\n", "looked for PASSWORD\nno secret is bound to it: there is none in " + string(dir) + "/shop/new"},
		{"", "no\nhint: looked for PASSWORD\n", "the file shop/new/VARIABLE below a directory that BACKUP_SERVICE_SECRETS names"},
	} {
		v, d, r := openVault(t, c.secrets)
		v.says = c.says
		s := shop("USER_NAME=app")
		s.Name = "new"
		_, err := d.Dump(t.Context(), s, r)
		wantAdvised(t, err, nil, []string{c.want})
	}
}

// The operator is told of a secret that has no effect, and of one that others
// may read.
func TestLookAtSecrets(t *testing.T) {
	dir := Secrets(t.TempDir())
	_, _, r := openVault(t, dir)
	disabled := shop()
	disabled.Name = "disabled"
	plans := []Plan{{shop("USER_NAME=app", "PASSWORD_FILE=/run/p"), r}, {disabled, nil}}
	if used, remarks := dir.Look(plans, false); len(used)+len(remarks) > 0 {
		t.Errorf("of nothing: %v, %v", used, remarks)
	}
	bind(t, dir, map[string]string{"shop/db/PASSWORD": "x", "shop/db/ADMIN": "x", "shop/db/USER_NAME": "x", "shop/db/PASSWORT": "x", "shop/db/.git": "x",
		"shop/bd/PASSWORD": "x", "shop/disabled/PASSWORD": "x", "shop/PASSWORD": "x", "README": "x"})
	if err := os.Chmod(string(dir)+"/shop/db/PASSWORD", 0o640); err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"README":                 "it has no effect here",
		"shop/PASSWORD":          "it has no effect here",
		"shop/bd":                "no service shop/bd runs",
		"shop/disabled":          "shop/disabled isn't dumped",
		"shop/db/PASSWORD":       "others than its owner may use it: its mode is 0640",
		"shop/db/PASSWORT":       "it has no effect: the recipe templates/store.yml knows no such variable",
		"shop/db/USER_NAME":      "it has no effect: the recipe templates/store.yml takes other variables of shop/db instead",
		"of services not seen:":  "",
		"of a missing directory": "no such file or directory",
	}
	used, remarks := dir.Look(plans, false)
	got := map[string]string{"of services not seen:": ""}
	for _, m := range remarks {
		rel, err := filepath.Rel(string(dir), m.Path)
		if err != nil || m.Advice == "" || strings.Contains(rel, "..") {
			t.Errorf("%+v, %v", m, err)
		}
		got[rel] = m.Message
	}
	if _, remarks = dir.Look(plans, true); len(remarks) != len(got)-2 {
		t.Errorf("where services may run unseen: %v", remarks)
	}
	_, remarks = Secrets("/nowhere").Look(plans, false)
	got["of a missing directory"] = remarks[0].Message
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(map[string][]string{"shop/db": {string(dir) + "/shop/db/ADMIN", string(dir) + "/shop/db/PASSWORD"}}, used); diff != "" {
		t.Error(diff)
	}
}

// linuxserver's images call it FILE__NAME.
func TestSecretFileOfLinuxserver(t *testing.T) {
	v, d, r := openVault(t, "")
	v.files["/run/p"], v.files["/run/none"] = "w0rd\n", "\n"
	if _, err := d.Dump(t.Context(), shop("USER_NAME=app", "FILE__PASSWORD=/run/p"), r); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]string{"U": "app", "P": "w0rd"}, v.given()); diff != "" {
		t.Error(diff)
	}
	_, err := d.Dump(t.Context(), shop("FILE__PASSWORD=/run/none"), r)
	wantAdvised(t, err, []string{"/run/none of FILE__PASSWORD in container db-1 is empty"}, []string{"readable"})
	_, err = d.Dump(t.Context(), shop("FILE__PASSWORD=/run/gone"), r)
	wantAdvised(t, err, []string{"read /run/gone of FILE__PASSWORD in container db-1"}, []string{"readable"})
}

// A drill's server has what the service has, and what comes from files where
// nobody sees it.
func TestTwinKeepsSecrets(t *testing.T) {
	dir := Secrets(t.TempDir())
	bind(t, dir, map[string]string{"shop/db/ADMIN": "backup"})
	for _, file := range []string{"PASSWORD_FILE", "FILE__PASSWORD"} {
		v, d, r := openVault(t, dir)
		v.files["/run/p"] = "w0rd\n"
		server, err := d.twin(t.Context(), shop("USER_NAME=app", "ADMIN=root", file+"=/run/p", "OTHER_FILE=/x"), r)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]string{"OTHER_FILE=/x", "USER_NAME=app"}, server.Env); diff != "" {
			t.Error(diff)
		}
		got := map[string]string{}
		for _, s := range server.Secrets {
			got[s.Name] = s.Value.Reveal()
		}
		if diff := cmp.Diff(map[string]string{"ADMIN": "backup", "PASSWORD": "w0rd"}, got); diff != "" {
			t.Error(diff)
		}
		if diff := cmp.Diff([]string{"serve"}, server.Command); diff != "" {
			t.Error(diff)
		}
	}
}
