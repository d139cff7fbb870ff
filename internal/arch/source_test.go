package arch_test

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const (
	maxFile     = 500 // lines
	maxFunction = 60
)

// longFunctions may be longer than maxFunction, each for its reason.
func longFunctions() map[string]string {
	return map[string]string{
		"engine/internal/librsync/md4.go: md4Blocks":         "the rounds of RFC 1320, written out",
		"engine/internal/librsync/md4pair.go: md4BlockPairs": "the same, for two sums",
	}
}

// banned are calls that only package main and tests make, and why.
func banned() map[string]string {
	return map[string]string{
		"time.Sleep":   "wait on a timer and the context",
		"os.Exit":      "return an error; only main ends the process",
		"log.Fatal":    "return an error; only main ends the process",
		"log.Fatalf":   "return an error; only main ends the process",
		"log.Fatalln":  "return an error; only main ends the process",
		"panic":        "return an error",
		"os.Getenv":    "settings come from internal/config",
		"os.LookupEnv": "settings come from internal/config",
		"os.Environ":   "the environment is passed in by main",
		"os.Setenv":    "there is no global state",
		"os.Chdir":     "there is no global state",
	}
}

func TestSource(t *testing.T) {
	top := root(t)
	files := 0
	err := filepath.WalkDir(top, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if name := d.Name(); path != top && (strings.HasPrefix(name, ".") || name == "testdata" || name == "vendor") {
				return filepath.SkipDir
			}
			return nil
		}
		if filepath.Ext(path) != ".go" {
			return nil
		}
		src, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(top, path)
		if err != nil {
			return err
		}
		files++
		for _, fault := range checkFile(filepath.ToSlash(rel), src) {
			t.Error(fault)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if files < 10 {
		t.Fatalf("only %d files were looked at", files)
	}
}

// checkFile tells which rules a file breaks. Tests and test kits may do more.
func checkFile(name string, src []byte) (faults []string) {
	if n := bytes.Count(src, []byte("\n")); n >= maxFile {
		faults = append(faults, fmt.Sprintf("%s has %d lines; split it below %d", name, n, maxFile))
	}
	set := token.NewFileSet()
	file, err := parser.ParseFile(set, name, src, parser.SkipObjectResolution)
	if err != nil {
		return append(faults, err.Error())
	}
	isTest := strings.HasSuffix(name, "_test.go") || strings.HasSuffix(filepath.Dir(name), "test")
	at := func(n ast.Node) string { return fmt.Sprintf("%s:%d", name, set.Position(n.Pos()).Line) }
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.FuncDecl:
			lines := set.Position(n.End()).Line - set.Position(n.Pos()).Line + 1
			_, known := longFunctions()[name+": "+n.Name.Name]
			if lines > maxFunction && !isTest && !known && !isTable(n) {
				faults = append(faults, fmt.Sprintf("%s: %s has %d lines; keep to %d", at(n), n.Name.Name, lines, maxFunction))
			}
			if n.Name.Name == "init" && n.Recv == nil {
				faults = append(faults, at(n)+": init runs behind everybody's back; make a value where it is needed")
			}
		case *ast.CallExpr:
			call := callee(n.Fun)
			why, bad := banned()[call]
			if bad && !isTest && file.Name.Name != "main" {
				faults = append(faults, fmt.Sprintf("%s: %s: %s", at(n), call, why))
			}
			if method, ok := n.Fun.(*ast.SelectorExpr); ok && method.Sel.Name == "Go" && !isTest && file.Name.Name != "main" && !guarded(n) {
				faults = append(faults, at(n)+": "+unguarded)
			}
		case *ast.GoStmt:
			if !isTest && file.Name.Name != "main" && !guarded(n.Call) {
				faults = append(faults, at(n)+": "+unguarded)
			}
		}
		return true
	})
	return faults
}

const unguarded = "a panic in this goroutine ends the process; start it with bug.Guard"

// guarded tells a goroutine in which a panic becomes an error.
func guarded(start ast.Node) (found bool) {
	ast.Inspect(start, func(n ast.Node) bool {
		if call, ok := n.(*ast.CallExpr); ok && callee(call.Fun) == "bug.Guard" {
			found = true
		}
		return !found
	})
	return found
}

// isTable tells a function that does nothing but return a table.
func isTable(f *ast.FuncDecl) bool {
	if f.Body == nil || len(f.Body.List) != 1 {
		return false
	}
	_, ok := f.Body.List[0].(*ast.ReturnStmt)
	return ok
}

// callee gives "pkg.Func" or "Func" for a plain call, else "".
func callee(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.Ident:
		return e.Name
	case *ast.SelectorExpr:
		if x, ok := e.X.(*ast.Ident); ok {
			return x.Name + "." + e.Sel.Name
		}
	}
	return ""
}

// The checks find what they are for.
func TestSourceChecks(t *testing.T) {
	long := strings.Repeat("\tf()\n", maxFunction)
	for _, c := range []struct{ name, src, want string }{
		{"a/a.go", "package a\nfunc f() { time.Sleep(1) }", "a/a.go:2: time.Sleep"},
		{"a/a.go", "package a\nfunc f() { panic(1) }", "a/a.go:2: panic"},
		{"a/a.go", "package a\nfunc f() { go func() { os.Exit(1) }() }", "os.Exit"},
		{"a/a.go", "package a\nfunc f() {\ngo g() }", "a/a.go:3: a panic in this goroutine"},
		{"a/a.go", "package a\nfunc f() { work.Go(func() error { return g() }) }", "a/a.go:2: a panic in this goroutine"},
		{"a/a.go", "package a\nfunc f() { go func() { done <- bug.Guard(g)() }(); work.Go(bug.Guard(g)) }", ""},
		{"a/a_test.go", "package a\nfunc f() { go g() }", ""},
		{"a/a.go", "package a\nvar x = os.Getenv(`X`)", "os.Getenv"},
		{"a/a.go", "package a\nfunc init() {}", "a/a.go:2: init"},
		{"a/a_test.go", "package a\nfunc init() {}", "a/a_test.go:2: init"},
		{"a/a.go", "package a\nfunc f() {\n" + long + "}", "f has 62 lines"},
		{"a/a_test.go", "package a" + strings.Repeat("\n", maxFile), "500 lines"},
		{"a/a.go", "package", "expected"},
		{"cmd/purser/main.go", "package main\nfunc main() { os.Exit(1) }", ""},
		{"a/a_test.go", "package a\nfunc f() { os.Getenv(`X`); time.Sleep(1); panic(1)\n" + long + "}", ""},
		{"a/atest/a.go", "package atest\nfunc f() { panic(1) }", ""},
		{"a/a.go", "package a\nfunc f() []int { return []int{\n" + strings.Repeat("1,\n", maxFunction) + "} }", ""},
		{"a/a.go", "package a\ntype t struct{}\nfunc (t) init() {}\nfunc g(t t) { t.init(); x.Sleep() }", ""},
	} {
		got := strings.Join(checkFile(c.name, []byte(c.src)), "; ")
		if c.want == "" && got != "" || !strings.Contains(got, c.want) {
			t.Errorf("%s %.60q: got %q, want %q", c.name, c.src, got, c.want)
		}
	}
}
