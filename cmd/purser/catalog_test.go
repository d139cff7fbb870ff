package main_test

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/purser-backup/purser/internal/config"
)

const catalogEntry = "../../compose/rancher/templates/purser"

// question is what Rancher asks before it starts a stack of its catalogue.
type question struct {
	Variable, Label, Description, Type string
	Required                           bool
	Default                            any
}

type catalogVersion struct {
	Version string
	Catalog struct {
		Name, Version string
		Minimum       string `yaml:"minimum_rancher_version"`
		UpgradeFrom   string `yaml:"upgrade_from"`
		Questions     []question
	}
	Services map[string]struct{ Scale int }
}

func parseYAML(t *testing.T, path string, into any) {
	t.Helper()
	decoder := yaml.NewDecoder(strings.NewReader(string(readFile(t, path))))
	if err := decoder.Decode(into); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
}

// The catalogue's entry is whole, as Rancher's own checks of a catalogue want it.
func TestCatalogEntry(t *testing.T) {
	var entry struct{ Name, Description, Version, Category, Maintainer, License string }
	parseYAML(t, filepath.Join(catalogEntry, "config.yml"), &entry)
	if entry.Name != "purser" || entry.Description == "" || entry.Category != "Backup" || entry.License != "Apache-2.0" ||
		!regexp.MustCompile(`^[^<>]+ <[^<>@ ]+@[^<>@ ]+\.[a-z]+>$`).MatchString(entry.Maintainer) {
		t.Errorf("config.yml: %+v", entry)
	}
	if !regexp.MustCompile(`^[a-z0-9-]{1,63}$`).MatchString(filepath.Base(catalogEntry)) {
		t.Error("the directory's name can't be a stack's")
	}
	if count(t, filepath.Join(catalogEntry, "catalogIcon-purser.*")) != 1 {
		t.Error("there is no icon")
	}
	folders, err := os.ReadDir(catalogEntry)
	if err != nil {
		t.Fatal(err)
	}
	var versions []string
	next := 0
	for _, f := range folders {
		if !f.IsDir() {
			continue
		}
		if f.Name() != strconv.Itoa(next) {
			t.Errorf("the folder %s breaks the row of versions", f.Name())
		}
		next++
		var v catalogVersion
		parseYAML(t, filepath.Join(catalogEntry, f.Name(), "rancher-compose.yml"), &v)
		if v.Version != "2" || v.Catalog.Name != entry.Name || v.Catalog.Minimum != "v1.2.0" || v.Services["purser"].Scale != 1 {
			t.Errorf("version %s: %+v", f.Name(), v)
		}
		versions = append(versions, v.Catalog.Version)
		if len(readFile(t, filepath.Join(catalogEntry, f.Name(), "README.md"))) < 100 {
			t.Errorf("version %s has no README", f.Name())
		}
	}
	if len(versions) == 0 || versions[len(versions)-1] != entry.Version || len(slices.Compact(slices.Sorted(slices.Values(versions)))) != len(versions) {
		t.Errorf("versions %q, and the newest is %s", versions, entry.Version)
	}
}

var answer = regexp.MustCompile(`\$\{([A-Z_]+)\}`)

// Each question is asked for a reason, each variable is a setting, and with the
// answers by default purser backs up.
func TestCatalogQuestions(t *testing.T) {
	var v catalogVersion
	parseYAML(t, filepath.Join(catalogEntry, "0/rancher-compose.yml"), &v)
	text := readFile(t, filepath.Join(catalogEntry, "0/docker-compose.yml"))
	asked := map[string]string{}
	for _, q := range v.Catalog.Questions {
		if _, twice := asked[q.Variable]; twice || q.Label == "" {
			t.Errorf("the question %+v", q)
		}
		if !slices.Contains([]string{"string", "int", "boolean", "password", "enum", "multiline"}, q.Type) {
			t.Errorf("%s: Rancher knows no type %s", q.Variable, q.Type)
		}
		secret := regexp.MustCompile(`PASS|SECRET`).MatchString(q.Variable)
		if secret != (q.Type == "password") || secret && q.Default != nil {
			t.Errorf("%s: a secret is asked for as a password, and has no default", q.Variable)
		}
		if q.Required && q.Default == nil && q.Variable != "PASSPHRASE" {
			t.Errorf("%s must be answered, and has no default", q.Variable)
		}
		asked[q.Variable] = ""
		if q.Default != nil {
			asked[q.Variable] = fmt.Sprint(q.Default)
		}
	}
	var used []string
	for _, m := range answer.FindAllSubmatch(text, -1) {
		used = append(used, string(m[1]))
	}
	slices.Sort(used)
	if want := slices.Sorted(maps.Keys(asked)); !slices.Equal(slices.Compact(used), want) {
		t.Errorf("used %q, asked for %q", used, want)
	}

	asked["PASSPHRASE"] = "open sesame"
	f := parseCompose(t, text)
	s := f.Services["purser"]
	if s.Labels["io.rancher.container.create_agent"] != "true" || s.Labels["io.rancher.container.agent.role"] != "environment" || s.Labels["backup.disable"] != "true" {
		t.Errorf("labels: %q", s.Labels)
	}
	for _, where := range []string{"/backup", "/var/lib/purser", "/target", "/var/run/docker.sock"} {
		if s.mounted(where) == "" {
			t.Errorf("nothing is mounted at %s", where)
		}
	}
	wantCatalogConfig(t, s, asked)
}

// wantCatalogConfig checks what purser makes of the answers, with what Rancher's
// agent adds.
func wantCatalogConfig(t *testing.T, s composeService, answers map[string]string) {
	t.Helper()
	agent := []string{"CATTLE_URL=http://rancher:8080/v1", "CATTLE_ACCESS_KEY=k", "CATTLE_SECRET_KEY=s"}
	load := func(more map[string]string) *config.Config {
		env := slices.Clone(agent)
		for name, value := range s.Environment {
			env = append(env, name+"="+answer.ReplaceAllStringFunc(value, func(m string) string {
				variable := answer.FindStringSubmatch(m)[1]
				if v, ok := more[variable]; ok {
					return v
				}
				return answers[variable]
			}))
		}
		c, err := config.Load(env, nil, "")
		if err != nil {
			t.Fatal(err)
		}
		if len(c.Notes) > 0 {
			t.Errorf("settings without effect: %q", c.Notes)
		}
		return c
	}
	known := map[string]bool{}
	c := load(nil)
	for _, setting := range c.Settings() {
		known[setting.Name] = true
	}
	for name := range s.Environment {
		if !known[name] {
			t.Errorf("%s is no setting", name)
		}
	}
	if err := c.CheckTarget(); err != nil || !c.Rancher.Known() || c.Passphrase.IsZero() || c.ModuleRancherDB {
		t.Errorf("by default: %v, %+v", err, c)
	}
	c = load(map[string]string{"BACKUP_MODULE_RANCHER_DB": "true", "BACKUP_RANCHER_DB_HOST": "db.example", "BACKUP_RANCHER_DB_PASSWORD": "x"})
	if !c.ModuleRancherDB || c.Rancher.DB.Host != "db.example" || c.Rancher.DB.Port != 3306 {
		t.Errorf("with Rancher's database: %+v", c.Rancher.DB)
	}
}
