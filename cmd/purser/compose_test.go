package main_test

import (
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"

	"github.com/purser-backup/purser/internal/config"
)

const everyday, demo = "../../compose/docker-compose.yml", "../../compose/demo/docker-compose.yml"

// composeFile is the part of Compose's format that ours use.
type composeFile struct {
	Services map[string]composeService
	Secrets  map[string]struct{ File string }
	Volumes  map[string]any
}

type composeService struct {
	Image       string
	Hostname    string
	Environment map[string]string
	Labels      map[string]string
	Volumes     []string
	Secrets     []string
	ReadOnly    bool     `yaml:"read_only"`
	CapDrop     []string `yaml:"cap_drop"`
	CapAdd      []string `yaml:"cap_add"`
	SecurityOpt []string `yaml:"security_opt"`
	StopGrace   string   `yaml:"stop_grace_period"`
}

func parseCompose(t *testing.T, text []byte) composeFile {
	t.Helper()
	var f composeFile
	if err := yaml.Unmarshal(text, &f); err != nil {
		t.Fatal(err)
	}
	if f.Services["purser"].Image == "" {
		t.Fatal("no service purser with an image")
	}
	return f
}

func readFile(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

var substitution = regexp.MustCompile(`\$\{(\w+):-([^}]*)\}`)

// environ is the environment that Compose makes where its own has no variables,
// with files that are there in place of secrets.
func (s composeService) environ(t *testing.T) []string {
	t.Helper()
	secret := filepath.Join(t.TempDir(), "secret")
	write(t, secret, []byte("open sesame\n"), 0o600)
	var env []string
	for _, name := range slices.Sorted(maps.Keys(s.Environment)) {
		value := substitution.ReplaceAllString(s.Environment[name], "$2")
		if strings.HasPrefix(value, "/run/secrets/") {
			if !slices.Contains(s.Secrets, strings.TrimPrefix(value, "/run/secrets/")) {
				t.Errorf("%s is %s, and the service has no such secret", name, value)
			}
			value = secret
		}
		env = append(env, name+"="+value)
	}
	return env
}

// wantConfigured checks that a service's environment is a valid configuration
// that can make an encrypted backup.
func wantConfigured(t *testing.T, s composeService) {
	t.Helper()
	c, err := config.Load(s.environ(t), nil, "")
	if err != nil {
		t.Fatal(err)
	}
	if err := c.CheckTarget(); err != nil {
		t.Error(err)
	}
	if c.Passphrase.IsZero() {
		t.Error("there is no passphrase")
	}
	if len(c.Notes) > 0 {
		t.Errorf("settings without effect: %q", c.Notes)
	}
}

func TestComposeFiles(t *testing.T) {
	for _, path := range []string{everyday, demo} {
		t.Run(path, func(t *testing.T) {
			f := parseCompose(t, readFile(t, path))
			s := f.Services["purser"]
			wantConfigured(t, s)
			if !s.ReadOnly || s.StopGrace != "30s" || !slices.Contains(s.SecurityOpt, "no-new-privileges:true") ||
				!cmp.Equal(s.CapDrop, []string{"ALL"}) || !cmp.Equal(s.CapAdd, []string{"CHOWN", "DAC_OVERRIDE", "FOWNER"}) {
				t.Errorf("purser has other rights than its tests: %+v", s)
			}
			for _, where := range []string{"/backup", "/var/lib/purser", "/target"} {
				volume := s.mounted(where)
				if _, ok := f.Volumes[volume]; !ok {
					t.Errorf("%s is on %q, not on a named volume", where, volume)
				}
			}
			if got := s.mounted("/var/run/docker.sock"); got != "/var/run/docker.sock" {
				t.Errorf("the socket is %q", got)
			}
			for _, name := range s.Secrets {
				if f.Secrets[name].File == "" {
					t.Errorf("the secret %s has no file", name)
				}
			}
		})
	}
}

// mounted returns what the service mounts at a path.
func (s composeService) mounted(where string) string {
	for _, m := range s.Volumes {
		m = substitution.ReplaceAllString(m, "$2")
		if source, rest, _ := strings.Cut(m, ":"); rest == where || strings.HasPrefix(rest, where+":") {
			return source
		}
	}
	return ""
}

// The everyday deployment, with the rights and the settings of its Compose file
// and the image's own command and health check.
func TestDeployment(t *testing.T) {
	w := newWorld(t)
	maria := w.mariadb("mariadb", "mariadb:11")
	maria.fill()
	s := parseCompose(t, readFile(t, everyday)).Services["purser"]
	p := w.purser("named volume")
	secret := filepath.Join(t.TempDir(), "passphrase")
	write(t, secret, []byte(passphrase+"\n"), 0o600)

	options := []string{"--hostname", s.Hostname, "--read-only", "-v", secret + ":/run/secrets/passphrase:ro",
		"-e", "BACKUP_INSTANCE=" + w.stack, "-e", "BACKUP_SCOPE=label=purser-test=" + w.stack}
	for _, cap := range s.CapDrop {
		options = append(options, "--cap-drop", cap)
	}
	for _, cap := range s.CapAdd {
		options = append(options, "--cap-add", cap)
	}
	for _, o := range s.SecurityOpt {
		options = append(options, "--security-opt", o)
	}
	for name, value := range s.Environment {
		options = append(options, "-e", name+"="+substitution.ReplaceAllString(value, "$2"))
	}
	for _, m := range p.mounts {
		options = append(options, "-v", m)
	}
	daemon := w.container("purser", w.image, options...)
	var status struct {
		LastRun *struct{ Result string } `json:"last_run"`
	}
	w.eventually("the daemon's first run is over", func() bool {
		r := w.command(nil, "docker", "exec", daemon, "purser", "status", "--output", "json").run()
		return r.code == 0 && decode(t, r.stdout, &status) && status.LastRun != nil
	})
	if status.LastRun.Result != "complete" {
		t.Errorf("the first run: %s", w.docker("logs", daemon))
	}
	if got, want := w.docker("inspect", "--format", "{{json .Config.Healthcheck.Test}}", daemon), `["CMD","/usr/bin/purser","health"]`; got != want {
		t.Errorf("the image's health check is %s, want %s", got, want)
	}
	if got := w.docker("exec", daemon, "/usr/bin/purser", "health"); got != "healthy" {
		t.Errorf("purser health: %s", got)
	}
	w.docker("stop", "--time", "30", daemon)
	if code := w.docker("inspect", "--format", "{{.State.ExitCode}}", daemon); code != "0" {
		t.Errorf("the daemon stopped with %s: %s", code, w.docker("logs", daemon))
	}
	p.wantChain(0)
	p.wantNothingLeft()
	if got := maria.loaded(t, p.fresh().restored()); got != maria.goods() {
		t.Error("the rows that were loaded differ from the server's")
	}
}
