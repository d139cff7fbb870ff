package config_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/purser-backup/purser/internal/config"
)

func settingsFile(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "purser.yml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// Every setting can stand in the file, and means there what it means in the
// environment.
func TestFileOfSettings(t *testing.T) {
	var text strings.Builder
	var environ []string
	for i, v := range rancherBackup {
		name := strings.ToUpper(strings.ReplaceAll(v[0], "-", "_"))
		if i%2 == 0 {
			name = strings.ToLower(name)
		}
		text.WriteString(name + ": '" + v[1] + "'\n")
		environ = append(environ, v[0]+"="+v[1])
	}
	got, err := config.Load([]string{"PATH=/bin", "DEBUG="}, nil, settingsFile(t, text.String()))
	if err != nil {
		t.Fatal(err)
	}
	want := load(t, environ...)
	same(t, got, want)
}

func TestFileValues(t *testing.T) {
	secretFile := settingsFile(t, "open sesame\n")
	path := settingsFile(t, `# all of purser's settings
backup_duplicity_volsize: 08
BACKUP_MODULE_STACK: no
BACKUP_CRON_SCHEDULE: &daily "@daily"
backup-instance: *daily
BACKUP_DUPLICITY_OPTIONS: [--no-print-statistics, '--name=a b', "it's"]
PASSPHRASE_FILE: `+secretFile+`
BACKUP_STALE_AFTER: 1D
BACKUP_SCOPE:
BACKUP_LISTEN: ~
`)
	_, err := config.Load([]string{"backup_stale_after=2D", "BACKUP_INSTANCE=x"}, nil, path)
	if err == nil || !strings.Contains(err.Error(), "a word that is no option") {
		t.Errorf("a list of options: %v", err)
	}
	c, err := config.Load([]string{"backup_stale_after=2D", "BACKUP_INSTANCE=x", "BACKUP_DUPLICITY_OPTIONS=--no-print-statistics"},
		map[string]string{"BACKUP_CRON_SCHEDULE": "@hourly"}, path)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, s := range c.Settings() {
		got[s.Name] = s.Value + " from " + strings.ReplaceAll(s.Origin.String(), path, "FILE")
	}
	for name, want := range map[string]string{
		"BACKUP_DUPLICITY_VOLSIZE": "08 from file FILE line 2",
		"BACKUP_MODULE_STACK":      "no from file FILE line 3",
		"BACKUP_CRON_SCHEDULE":     "@hourly from command line",
		"BACKUP_INSTANCE":          "x from environment BACKUP_INSTANCE",
		"BACKUP_STALE_AFTER":       "2D from environment backup_stale_after",
		"PASSPHRASE":               "[redacted] from file " + secretFile,
		"BACKUP_SCOPE":             "all from default",
		"BACKUP_LISTEN":            " from default",
	} {
		if got[name] != want {
			t.Errorf("%s: %q, want %q", name, got[name], want)
		}
	}
	if c.VolumeSize != 8<<20 || c.Passphrase.Reveal() != "open sesame" {
		t.Errorf("got %+v", c)
	}
}

// Rules may be lists, and sets of them a mapping.
func TestFileFilters(t *testing.T) {
	path := settingsFile(t, `BACKUP_FILTER_SETS:
  common: ["- /cache/", + /var/***]
  "none": []
BACKUP_FILTER:
- merge common
- + /keep
BACKUP_EXCLUDE: ["*.tmp"]
`)
	c, err := config.Load(nil, nil, path)
	if err != nil {
		t.Fatal(err)
	}
	want := "- /cache/, + /var/***, + /keep, - *.tmp"
	if got := strings.Join(c.Filter.Rules(), ", "); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	environ := []string{"BACKUP_FILTER_SETS=[common]\n- /cache/\n+ /var/***", "BACKUP_FILTER=merge common; + /keep", "BACKUP_EXCLUDE=*.tmp"}
	if c, err = config.Load(environ, nil, ""); err != nil || strings.Join(c.Filter.Rules(), ", ") != want {
		t.Errorf("from the environment: %q, %v", c.Filter.Rules(), err)
	}
	for text, fault := range map[string]string{
		"BACKUP_FILTER_SETS: {a: x}":       "not a mapping of names to lists",
		"BACKUP_FILTER_SETS: {a: [[x]]}":   "not a list of plain values",
		"BACKUP_FILTER: {a: [x]}":          "not a plain value",
		"BACKUP_EXCLUDE: [{a: b}]":         "not a list of plain values",
		"BACKUP_DUPLICITY_VOLSIZE: [1, 2]": "not a plain value",
		"BACKUP_FILTER: [merge nothing]":   "there is no set nothing",
	} {
		if _, err := config.Load(nil, nil, settingsFile(t, text)); err == nil || !strings.Contains(err.Error(), fault) {
			t.Errorf("%s: %v, want %q", text, err, fault)
		}
	}
}

// X in the environment also sets aside X_FILE in the file, and the other way round.
func TestEnvironmentWinsOverFile(t *testing.T) {
	secretFile := settingsFile(t, "of a file\n")
	for _, c := range []struct{ environ, text, want string }{
		{"PASSPHRASE=of the environment", "PASSPHRASE_FILE: /does/not/exist", "of the environment"},
		{"PASSPHRASE_FILE=" + secretFile, "PASSPHRASE: of the settings", "of a file"},
		{"PASSPHRASE=", "PASSPHRASE: of the settings", "of the settings"},
	} {
		got, err := config.Load([]string{c.environ}, nil, settingsFile(t, c.text))
		if err != nil || got.Passphrase.Reveal() != c.want {
			t.Errorf("%s and %s: %v, %v", c.environ, c.text, got, err)
		}
	}
}

func TestNoFileOfSettings(t *testing.T) {
	for _, text := range []string{"", "# nothing\n", "---\n", "{}", "null"} {
		if _, err := config.Load(nil, nil, settingsFile(t, text)); err != nil {
			t.Errorf("%q: %v", text, err)
		}
	}
	if _, err := config.Load(nil, nil, filepath.Join(t.TempDir(), "purser.yml")); err != nil {
		t.Error(err)
	}
}

func TestFaultsInFile(t *testing.T) {
	for _, c := range []struct{ text, msg, hint string }{
		{"DEBUG: true\nBACKUP_DUPLICITY_VOLSIEZ: 7\n", "BACKUP_DUPLICITY_VOLSIEZ (from file FILE line 2): no such setting", "write BACKUP_DUPLICITY_VOLSIZE if"},
		{"backup_archivedir: /x", "backup_archivedir (from file FILE line 1): no such setting", "BACKUP_ARCHIVE_DIR"},
		{"colour: red", "colour (from file FILE line 1): no such setting", "take it out"},
		{"\n[a, b]: red", "file FILE line 2: no such setting", "take it out"},
		{"DEBUG: maybe", `DEBUG="maybe" (from file FILE line 1): neither true nor false`, "true or false"},
		{"DEBUG: true\ndebug: true", "DEBUG (from file FILE line 2): given in line 1 already", "one of the two"},
		{"PASSPHRASE: hidden\nPASSPHRASE_FILE: /x", "PASSPHRASE (from file FILE line 1): both PASSPHRASE and PASSPHRASE_FILE", "one of them"},
		{"PASSPHRASE:\n  - hidden", "PASSPHRASE (from file FILE line 2): not a plain value", "one plain value"},
		{"BACKUP_DUPLICITY_OPTIONS: [[hidden]]", "BACKUP_DUPLICITY_OPTIONS (from file FILE line 1): not a list of plain values", "one plain value"},
		{"- DEBUG", "file FILE line 1: not a mapping", "BACKUP_DUPLICITY_VOLSIZE: 100"},
		{"DEBUG", "file FILE line 1: not a mapping", "BACKUP_DUPLICITY_VOLSIZE: 100"},
		{"DEBUG: true\nTZ: 'UTC", "file FILE line 2: ", "correct the YAML"},
		{"DEBUG: *nothing", "file FILE: unknown anchor", "correct the YAML"},
		{"DEBUG: true\n---\nDEBUG: true", "file FILE line 2: a second YAML document", "one mapping"},
		{"DEBUG: true\n---\n'", "file FILE line 3: ", "correct the YAML"},
	} {
		path := settingsFile(t, c.text)
		_, err := config.Load(nil, nil, path)
		var e *config.Error
		if !errors.As(err, &e) || len(e.Faults) != 1 {
			t.Errorf("%q: %v", c.text, err)
			continue
		}
		got := strings.ReplaceAll(e.Faults[0].Error(), path, "FILE")
		if !strings.Contains(got, c.msg) || !strings.Contains(e.Faults[0].Hint(), c.hint) || strings.Contains(got, "hidden") {
			t.Errorf("%q: %q, hint %q, want %q, %q", c.text, got, e.Faults[0].Hint(), c.msg, c.hint)
		}
	}
	if _, err := config.Load(nil, nil, t.TempDir()); err == nil || !strings.Contains(err.Error(), "is a directory") {
		t.Errorf("a directory: %v", err)
	}
}

func FuzzFileOfSettings(f *testing.F) {
	f.Add("DEBUG: true\n")
	f.Add("BACKUP_DUPLICITY_OPTIONS: [a, *b]\n&b c: d")
	f.Add("a: &a [*a]\n<<: *a")
	f.Add("DEBUG: &a\n  x: *a")
	f.Fuzz(func(t *testing.T, text string) {
		if strings.Contains(text, "_FILE") || strings.Contains(text, "_file") {
			return // it might name any file of the machine
		}
		path := filepath.Join(t.TempDir(), "purser.yml")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		c, err := config.Load(nil, nil, path)
		if (c == nil) == (err == nil) {
			t.Errorf("%v and %v", c, err)
		}
	})
}
