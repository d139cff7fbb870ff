package templates_test

import (
	"crypto/rand"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/purser-backup/purser/discovery"
	"github.com/purser-backup/purser/dumpers"
	"github.com/purser-backup/purser/templates"
)

var update = flag.Bool("update", false, "write the golden files anew")

// rancher-backup's own five recipes, converted by hand as its README describes
// them, win over purser's and render to what rancher-backup ran.
func TestAncestorRecipes(t *testing.T) {
	catalog, err := dumpers.Load(os.DirFS("../compose/rancher-backup/config"), templates.FS())
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ image, env string }{
		{"mysql:5.7", "MYSQL_USER=u MYSQL_PASSWORD=p MYSQL_DATABASE=d"},
		{"mysql:5.7", "MYSQL_USER=u MYSQL_PASSWORD=p"},
		{"mysql:5.7", "MYSQL_DATABASE=d MYSQL_ROOT_PASSWORD=r"},
		{"mysql:5.7", "MYSQL_ROOT_PASSWORD=r"},
		{"mariadb:10", "MYSQL_USER=u MYSQL_PASSWORD=p MYSQL_DATABASE=d"},
		{"mariadb:10", "MYSQL_ROOT_PASSWORD=r"},
		{"postgres:9.6", "POSTGRES_USER=u POSTGRES_PASSWORD=p POSTGRES_DB=d"},
		{"postgres:9.6", "POSTGRES_USER=u POSTGRES_PASSWORD=p"},
		{"postgres:9.6", "POSTGRES_PASSWORD=p POSTGRES_DB=d"},
		{"postgres:9.6", ""},
		{"mongo:3.4", "MONGO_USER=u MONGO_PASS=p"},
		{"mongo:3.4", "MONGO_PASS=p"},
		{"mongo:3.4", ""},
		{"elasticsearch:5", ""},
	} {
		name := strings.NewReplacer(":", "-", " ", ",").Replace(strings.TrimSpace(c.image + " " + c.env))
		t.Run(name, func(t *testing.T) {
			wantGolden(t, filepath.Join("testdata/ancestor", name+".txt"), rendered(t, catalog, c.image, c.env))
		})
	}
}

// rendered shows what would be run for a service.
func rendered(t *testing.T, catalog *dumpers.Catalog, image, environment string) string {
	t.Helper()
	return renderedAt(t, catalog, "127.0.0.1", image, environment)
}

func renderedAt(t *testing.T, catalog *dumpers.Catalog, ip, image, environment string) string {
	t.Helper()
	env := map[string]string{}
	for _, e := range strings.Fields(environment) {
		name, value, _ := strings.Cut(e, "=")
		env[name] = value
	}
	service := discovery.Service{Stack: "shop", Name: "db", Containers: []discovery.Container{{Image: image, Env: env}}}
	match := catalog.Match(service)
	if match.Recipe == nil {
		t.Fatalf("no recipe for %s: %s", image, match.Reason)
	}
	spec, err := match.Recipe.Render(service, dumpers.Vars{IP: ip, TargetDir: "/purser", Rand: rand.Reader})
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	fmt.Fprintf(&out, "image: %s\n", spec.Image)
	for _, v := range spec.Env {
		fmt.Fprintf(&out, "%s=%s\n", v.Name, v.Value.Reveal())
	}
	return out.String() + spec.Script
}

func wantGolden(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", path, diff)
	}
}
