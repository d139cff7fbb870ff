package arch_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// goPackage is what go list tells of a package.
type goPackage struct {
	ImportPath                         string
	Dir                                string
	Imports, TestImports, XTestImports []string
}

func (p goPackage) name() string { return strings.TrimPrefix(p.ImportPath, module+"/") }

func packages(t *testing.T) []goPackage {
	t.Helper()
	out, err := exec.Command("go", "list", "-json=ImportPath,Dir,Imports,TestImports,XTestImports", module+"/...").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var list []goPackage
	for d := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p goPackage
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		list = append(list, p)
	}
	if len(list) < 10 {
		t.Fatalf("go list finds only %d packages", len(list))
	}
	return list
}

func TestImports(t *testing.T) {
	list := packages(t)
	for _, fault := range checkImports(list, table()) {
		t.Error(fault)
	}
	for _, fault := range checkOwners(list, owners()) {
		t.Error(fault)
	}
	for _, p := range list {
		for _, word := range []string{"util", "utils", "common", "helper", "helpers", "manager", "misc"} {
			if filepath.Base(p.name()) == word {
				t.Errorf("%s: the name says nothing", p.name())
			}
		}
	}
}

func checkImports(list []goPackage, table []rule) (faults []string) {
	for _, p := range list {
		i := slices.IndexFunc(table, func(r rule) bool { return r.pkg == p.name() })
		if i < 0 {
			faults = append(faults, fmt.Sprintf("%s is not in the table of imports", p.name()))
			continue
		}
		r := table[i]
		faults = append(faults, forbidden(p, p.Imports, r.code, "")...)
		inTests := append(slices.Concat(r.code, r.tests), r.pkg)
		faults = append(faults, forbidden(p, slices.Concat(p.TestImports, p.XTestImports), inTests, " in its tests")...)
	}
	return faults
}

func forbidden(p goPackage, imports, allowed []string, where string) (faults []string) {
	for _, path := range imports {
		name, ours := strings.CutPrefix(path, module+"/")
		if ours && !slices.ContainsFunc(allowed, func(a string) bool { return matches(a, name) }) {
			faults = append(faults, fmt.Sprintf("%s must not import %s%s", p.name(), name, where))
		}
	}
	return faults
}

func matches(pattern, name string) bool {
	if dir, ok := strings.CutSuffix(pattern, "*"); ok {
		return strings.HasPrefix(name, dir)
	}
	return pattern == name
}

// checkOwners looks at code only: a test may use a module to prove something
// about it.
func checkOwners(list []goPackage, owners map[string][]string) (faults []string) {
	for _, p := range list {
		for _, path := range p.Imports {
			for mod, pkgs := range owners {
				if (path == mod || strings.HasPrefix(path, mod+"/")) && !slices.Contains(pkgs, p.name()) {
					faults = append(faults, fmt.Sprintf("%s must not import %s: that is for %q only", p.name(), path, pkgs))
				}
			}
		}
	}
	return faults
}

// The checks find what they are for.
func TestImportChecks(t *testing.T) {
	table := []rule{{pkg: "a", code: []string{"b"}, tests: []string{"c/*"}}, {pkg: "b"}}
	list := []goPackage{
		{ImportPath: module + "/a", Imports: []string{"fmt", module + "/b"}, XTestImports: []string{module + "/a", module + "/b", module + "/c/d"}},
		{ImportPath: module + "/b", Imports: []string{module + "/a"}, TestImports: []string{module + "/c/d"}},
		{ImportPath: module + "/x", Imports: []string{"example.org/sdk/v3/client"}},
		{ImportPath: module + "/a", Imports: []string{module + "/c/d", "example.org/sdkother"}},
	}
	want := []string{
		"b must not import a", "b must not import c/d in its tests", "x is not in the table of imports", "a must not import c/d",
	}
	if got := checkImports(list, table); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := checkOwners(list, map[string][]string{"example.org/sdk": {"b"}}); len(got) != 1 || !strings.HasPrefix(got[0], "x must not import") {
		t.Errorf("got %q", got)
	}
}

// root is the folder of the module.
func root(t *testing.T) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Dir(filepath.Dir(dir))
}
