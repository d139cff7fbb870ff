package main_test

import (
	"encoding/json"
	"io"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/purser-backup/purser/internal/cli"
	"github.com/purser-backup/purser/internal/config"
)

func decode(t *testing.T, text string, into any) bool {
	t.Helper()
	if err := json.Unmarshal([]byte(text), into); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	return true
}

func TestReadmeCompose(t *testing.T) {
	found := regexp.MustCompile("(?s)```yaml\n(services:.*?)```").FindSubmatch(readFile(t, "../../README.md"))
	if found == nil {
		t.Fatal("the README shows no Compose file")
	}
	f := parseCompose(t, found[1])
	s := f.Services["purser"]
	wantConfigured(t, s)
	for _, m := range s.Volumes {
		source, _, _ := strings.Cut(m, ":")
		if _, ok := f.Volumes[source]; !ok && !strings.HasPrefix(source, "/") {
			t.Errorf("%s is no volume of the file", source)
		}
	}
	for _, name := range s.Secrets {
		if f.Secrets[name].File == "" {
			t.Errorf("the secret %s has no file", name)
		}
	}
}

// What the documents tell users to set or to type is there.
func TestDocumentedNames(t *testing.T) {
	c, err := config.Load(nil, nil, "")
	if err != nil {
		t.Fatal(err)
	}
	var known []string
	for _, s := range c.Settings() {
		known = append(known, s.Name, s.Name+"_FILE")
		if !strings.Contains(string(readFile(t, "../../README.md")), s.Name) {
			t.Errorf("README.md doesn't tell of %s", s.Name)
		}
	}
	for _, path := range []string{"../../README.md", "../../CHANGELOG.md", everyday, demo} {
		text := string(readFile(t, path))
		for _, name := range regexp.MustCompile(`\b(BACKUP_[A-Z_]*[A-Z]|[A-Z_]*PASSPHRASE(_FILE)?)\b`).FindAllString(text, -1) {
			if !slices.Contains(known, name) {
				t.Errorf("%s: %s is no setting", path, name)
			}
		}
		for _, m := range regexp.MustCompile("(?m)(?:`|^    |exec purser )purser ([a-z]+)").FindAllStringSubmatch(text, -1) {
			if code := cli.Run(t.Context(), []string{"help", m[1]}, os.Environ(), strings.NewReader(""), io.Discard, io.Discard); code != 0 {
				t.Errorf("%s: purser %s is no command", path, m[1])
			}
		}
	}
}

// The first screen of the README has the commands that a reader needs first.
func TestReadmeFirstScreen(t *testing.T) {
	lines := strings.Split(string(readFile(t, "../../README.md")), "\n")
	screen := strings.Join(lines[:min(50, len(lines))], "\n")
	for _, want := range []string{"make demo", "make test", "docker compose -f compose/docker-compose.yml up -d", "```yaml\nservices:"} {
		if !strings.Contains(screen, want) {
			t.Errorf("the first 50 lines don't show %q", want)
		}
	}
}
