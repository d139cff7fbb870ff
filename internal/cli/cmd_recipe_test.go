package cli

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/purser-backup/purser/internal/daemon"
)

// The user's own recipes are listed first, beside purser's.
func TestRecipeList(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	for _, dir := range []string{"index", "templates"} {
		if err := os.Mkdir(filepath.Join(b.root, dir), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	b.write("index/shop.yml", "shop: {regex: acme/shop, template: shop.yml}\nother: {regex: acme/other, template: mysql.yml}\n")
	b.write("templates/shop.yml", "commands: [a]\nload: [b]\neach: replica\noutput: x\n")
	stdout, stderr, code := b.run("recipe", "list", "--output", "json")
	if code != 0 {
		t.Fatalf("exit status %d: %s", code, stderr)
	}
	var got struct{ Recipes []daemon.Recipe }
	if err := json.Unmarshal([]byte(stdout), &got); err != nil {
		t.Fatal(err)
	}
	for _, want := range []daemon.Recipe{
		{Kind: "shop", Recipe: "templates/shop.yml", Own: true, Loads: true, Inside: true, Regex: "acme/shop"},
		{Kind: "other", Recipe: "mysql.yml", Loads: true, Regex: "acme/other"},
		{Kind: "etcd", Recipe: "etcd.yml", Regex: "etcd"},
	} {
		if !slices.Contains(got.Recipes, want) {
			t.Errorf("%+v is not among %+v", want, got.Recipes)
		}
	}
	stdout, _, _ = b.run("recipe", "list")
	lines := strings.Split(stdout, "\n")
	if strings.Join(strings.Fields(lines[1]), " ") != "shop templates/shop.yml yours yes inside acme/shop" {
		t.Errorf("it shows:\n%s", stdout)
	}
	b.write("templates/shop.yml", "commands: [a]\nlaod: [b]\n")
	if _, stderr, code := b.run("recipe", "list"); code != 2 || !strings.Contains(stderr, `templates/shop.yml:2: unknown key "laod"`) {
		t.Errorf("exit status %d: %s", code, stderr)
	}
}

// What the command line lacks is told before anything is started.
func TestRecipeUsage(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"tset"}, `unknown argument "tset"`},
		{[]string{"test"}, "the kind is missing"},
		{[]string{"test", "mysql"}, "--image is missing"},
		{[]string{"list", "mysql"}, "takes no arguments"},
		{[]string{"list", "--image", "x"}, "takes no arguments"},
	} {
		_, stderr, code := b.run(append([]string{"recipe"}, c.args...)...)
		if code != 2 || !strings.Contains(stderr, c.want) || !strings.Contains(stderr, "hint: usage: purser recipe list") {
			t.Errorf("%q: exit status %d: %s", c.args, code, stderr)
		}
	}
}
