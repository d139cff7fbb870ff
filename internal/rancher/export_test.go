package rancher_test

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/purser-backup/purser/internal/rancher/ranchertest"
	"github.com/purser-backup/purser/internal/stackexport"
)

func exportable() world {
	w := small()
	w.Stacks = []ranchertest.Stack{
		{ID: "1st7", Name: "shop", Docker: "version: '2'\r\nservices:\r\n  db:\r\n    command: echo $$HOME\r\n", Rancher: "version: '2'\r\n"},
		{ID: "1st8", Name: "broken", ExportStatus: 500},
		{ID: "1st9", Name: "empty", Docker: "version: '2'\r\n", Rancher: "version: '2'\r\n"},
		{ID: "1st10", Name: "old", Docker: "{}\r\n", Rancher: "{}\r\n"},
		{ID: "1st11", Name: "kubernetes", Type: "kubernetesStack"},
		{ID: "1st12", Name: "project", Type: "composeProject"},
		{ID: "1st13", Name: "hollow", Docker: "x"},
	}
	return w
}

// Files are kept byte for byte; a stack that fails doesn't stop the others.
func TestExport(t *testing.T) {
	s := ranchertest.New(t, exportable())
	dir := t.TempDir()
	got, err := stackexport.Export(t.Context(), dir, "rancher", open(t, s))
	if err != nil {
		t.Fatal(err)
	}
	if got.Written != 3 || !slices.Equal(got.Impossible, []string{"kubernetes", "project"}) || len(got.Failed) != 2 {
		t.Fatalf("%+v", got)
	}
	wantError(t, got.Failed[0], "ask for its definition: the server answers 500", "log of the Rancher server")
	wantError(t, got.Failed[1], "ask for its definition: the server sends an empty definition", "log of the Rancher server")
	for name, want := range map[string]string{
		"shop/docker-compose.yml": exportable().Stacks[0].Docker, "shop/rancher-compose.yml": "version: '2'\r\n", "old/docker-compose.yml": "{}\r\n",
	} {
		if text, err := os.ReadFile(filepath.Join(dir, "rancher", name)); err != nil || string(text) != want {
			t.Errorf("%s: %q, %v", name, text, err)
		}
	}
}

func TestExportRefused(t *testing.T) {
	s := ranchertest.New(t, exportable())
	client := open(t, s)
	for _, f := range []ranchertest.Fault{
		{Match: "1st7/?action", Status: 200, Body: page}, {Match: "1st9/?action", Status: 200, Body: "{}"}, {Match: "1st10/?action", Status: 403},
	} {
		s.Fail(f)
	}
	got, err := stackexport.Export(t.Context(), t.TempDir(), "rancher", client)
	if err != nil || got.Written != 0 || len(got.Failed) != 5 {
		t.Fatalf("%+v, %v", got, err)
	}
	for _, err := range got.Failed {
		wantError(t, err, "ask for its definition", "")
	}
	// Links to another host are not followed with the keys.
	other := ranchertest.New(t, exportable())
	s.Heal()
	s.Links(other.URL)
	if got, err = stackexport.Export(t.Context(), t.TempDir(), "rancher", client); err != nil || got.Written != 0 {
		t.Errorf("%+v, %v", got, err)
	}
	if n := len(other.Requests()); n != 0 {
		t.Errorf("the other server was asked %d times", n)
	}
}
