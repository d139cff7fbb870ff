package config_test

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/purser-backup/purser/internal/config"
)

// seedVariable is one line of the golden file.
type seedVariable struct {
	spellings [4]string // the last one names a file
	value     string
	shown     string // "NAME = VALUE" as a setting, or "-"
}

func seedVariables(t *testing.T) []seedVariable {
	t.Helper()
	text, err := os.ReadFile("testdata/rancher-backup.golden")
	if err != nil {
		t.Fatal(err)
	}
	var list []seedVariable
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSuffix(line, "\n")
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		fields := strings.Split(line, " | ")
		if len(fields) != 6 {
			t.Fatalf("%d fields: %s", len(fields), line)
		}
		list = append(list, seedVariable{[4]string(fields[:4]), fields[4], fields[5]})
	}
	return list
}

// Every variable of rancher-backup has the same effect in each of four spellings.
func TestSeedVariables(t *testing.T) {
	list := seedVariables(t)
	if len(list) != 26 {
		t.Fatalf("%d variables", len(list))
	}
	var first *config.Config
	for column, name := range []string{"as in its README", "hyphenated", "lower case", "from files"} {
		t.Run(name, func(t *testing.T) {
			got := load(t, seedColumn(t, list, column)...)
			shown := map[string]string{}
			for _, s := range got.Settings() {
				if s.Origin.Kind != config.Default {
					shown[s.Name] = s.Name + " = " + s.Value
				}
			}
			want := map[string]string{}
			for _, v := range list {
				if name, _, ok := strings.Cut(v.shown, " = "); ok {
					want[name] = v.shown
				}
			}
			if diff := cmp.Diff(want, shown); diff != "" {
				t.Errorf("settings (-want +got):\n%s", diff)
			}
			if first == nil {
				first = got
			}
			same(t, got, first) // what is redacted above, too
		})
	}
	for _, got := range []string{first.Passphrase.Reveal(), first.Rancher.SecretKey.Reveal(), first.Rancher.DB.Password.Reveal(), first.Credentials.FTPPassword.Reveal()} {
		if !strings.Contains(got, " se") {
			t.Errorf("a secret is %q", got)
		}
	}
}

// seedColumn is an environment in one of the spellings.
func seedColumn(t *testing.T, list []seedVariable, column int) []string {
	t.Helper()
	dir := t.TempDir()
	var environ []string
	for i, v := range list {
		value := v.value
		if column == 3 {
			value = filepath.Join(dir, strconv.Itoa(i))
			if err := os.WriteFile(value, []byte(v.value+"\n"), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		environ = append(environ, v.spellings[column]+"="+value)
	}
	return environ
}

// The prefix of all other names may come from a file as well.
func TestPrefixFromFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "prefix")
	if err := os.WriteFile(path, []byte("/my/app\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := load(t, "CONFD_PREFIX_KEY_FILE="+path, "MY_APP_DUPLICITY_url=file:///x").URL.Reveal(); got != "file:///x/" {
		t.Errorf("the target is %q", got)
	}
	for _, name := range []string{"CONFD_PREFIX_KEY_FILE", "CONFD_BACKEND_FILE"} {
		if _, err := config.Load([]string{name + "=" + path + "-none"}, nil, ""); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s names no file: %v", name, err)
		}
	}
	if _, err := config.Load([]string{"CONFD_BACKEND_FILE=" + path}, nil, ""); err == nil || !strings.Contains(err.Error(), "environment only") {
		t.Errorf("a backend from a file: %v", err)
	}
}
