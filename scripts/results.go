//go:build ignore

// Results reads `go test -json` and prints what a person wants to see of it:
// the whole output of each test that failed, go test's own result line of each
// package, and at the end one line with the counts. A skipped test is a failure.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
)

type event struct {
	Action, Package, Test, Output string
}

// suite is one package's part of the run.
type suite struct {
	failed int
	output map[string][]string // by test, of those that have not ended; "" is the package itself
}

type report struct {
	out            io.Writer
	passed, failed int
	suites         map[string]*suite
}

func main() {
	r := &report{out: os.Stdout, suites: map[string]*suite{}}
	if err := r.read(os.Stdin); err != nil {
		fmt.Fprintln(os.Stderr, "error: cannot read the output of go test:", err)
		r.failed++
	}
	fmt.Fprintf(r.out, "%d passed, %d failed\n", r.passed, r.failed)
	if r.failed > 0 || r.passed == 0 {
		os.Exit(1)
	}
}

func (r *report) read(in io.Reader) error {
	lines := bufio.NewReader(in)
	for {
		line, err := lines.ReadBytes('\n')
		if len(line) > 0 {
			var e event
			if json.Unmarshal(line, &e) != nil {
				// Not every word of the go command comes as JSON.
				fmt.Fprintf(r.out, "%s", line)
			} else {
				r.add(e)
			}
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func (r *report) add(e event) {
	s := r.suites[e.Package]
	if s == nil {
		s = &suite{output: map[string][]string{}}
		r.suites[e.Package] = s
	}
	switch e.Action {
	case "output":
		s.output[e.Test] = append(s.output[e.Test], e.Output)
	case "build-output":
		fmt.Fprint(r.out, e.Output)
	case "pass", "fail", "skip":
		if e.Test == "" {
			r.endPackage(e, s)
		} else {
			r.endTest(e, s)
		}
	}
}

func (r *report) endTest(e event, s *suite) {
	lines := s.output[e.Test]
	delete(s.output, e.Test)
	if e.Action == "pass" {
		r.passed++
		return
	}
	s.failed++
	r.failed++
	if e.Action == "skip" {
		fmt.Fprintf(r.out, "skipped, which counts as failed: %s %s\n", e.Package, e.Test)
	}
	fmt.Fprint(r.out, strings.Join(lines, ""))
}

// endPackage prints go test's result line; of a package that failed, also what was printed outside its tests,
// and by tests that never ended, as one of them may have brought the process down.
func (r *report) endPackage(e event, s *suite) {
	lines := s.output[""]
	delete(s.output, "")
	if e.Action != "fail" {
		for _, line := range lines {
			if strings.HasPrefix(line, "ok ") || strings.HasPrefix(line, "? ") {
				fmt.Fprint(r.out, line)
			}
		}
		return
	}
	for _, test := range slices.Sorted(maps.Keys(s.output)) {
		s.failed++
		r.failed++
		fmt.Fprintf(r.out, "not ended: %s %s\n%s", e.Package, test, strings.Join(s.output[test], ""))
	}
	if s.failed == 0 { // it does not build, or fails outside its tests
		r.failed++
	}
	fmt.Fprint(r.out, strings.Join(lines, ""))
}
