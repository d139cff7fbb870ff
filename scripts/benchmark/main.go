// Benchmark measures purser, in tables. The first compares it with other backup
// programs, on the same data and in one run: a first full backup, one with
// nothing changed, an increment and the restore of it. It ends with 1 only if a
// step fails or a restore differs; a figure that is missed is marked.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

type settings struct {
	dir    string // everything is made in here, and removed
	purser string
	size   int // percent of the whole data
	runs   int
	tools  string
}

// tables are all that can be measured, each by itself.
func tables() map[string]func(context.Context, *settings) error {
	return map[string]func(context.Context, *settings) error{
		"comparison": comparison, "memory": memoryTable, "days": daysTable, "chain": chainTable, "growth": growthTable,
		"targets": remoteTable,
		"dumps":   dumpTables, // on the Engine of DOCKER_HOST
	}
}

func run(ctx context.Context) error {
	var s settings
	flag.StringVar(&s.dir, "dir", "/var/tmp/purser-bench", "where data and repositories are made; must not exist")
	flag.StringVar(&s.purser, "purser", "bin/purser", "the program to measure")
	flag.IntVar(&s.size, "size", 100, "size of the data in percent")
	flag.IntVar(&s.runs, "runs", 3, "how often each step is run; medians are shown")
	flag.StringVar(&s.tools, "tools", "restic,borg,duplicity,kopia", "the peers; those that are not installed are left out")
	wanted := flag.String("tables", "comparison,memory,days,chain,growth", "what to measure")
	flag.Parse()
	if s.size < 1 || s.runs < 1 || flag.NArg() > 0 {
		return errors.New("usage: benchmark [-tables LIST] [-size PERCENT] [-runs N] [-tools LIST] [-purser FILE] [-dir DIR]")
	}
	known := tables()
	for name := range strings.SplitSeq(*wanted, ",") {
		if known[name] == nil {
			return fmt.Errorf("there is no table %q: choose of %q", name, slices.Sorted(maps.Keys(known)))
		}
	}
	var err error
	if s.purser, err = filepath.Abs(s.purser); err != nil {
		return err
	}
	if err := os.Mkdir(s.dir, 0o700); err != nil {
		return fmt.Errorf("make a directory to work in: %w", err)
	}
	defer os.RemoveAll(s.dir)
	describe(ctx, &s)
	for name := range strings.SplitSeq(*wanted, ",") {
		if err := known[name](ctx, &s); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

// describe prints what the figures hold for.
func describe(ctx context.Context, s *settings) {
	var uts syscall.Utsname
	_ = syscall.Uname(&uts) // without it the line is shorter
	fmt.Printf("%s, %s, %d processors, %s, Linux %s\n", time.Now().UTC().Format("2006-01-02 15:04 UTC"),
		field("/proc/cpuinfo", "model name"), processors(), field("/proc/meminfo", "MemTotal"), text(uts.Release[:]))
	for _, t := range chosen(s) {
		out, err := exec.CommandContext(ctx, t.version[0], t.version[1:]...).CombinedOutput()
		line, _, _ := strings.Cut(strings.TrimSpace(string(out)), "\n")
		if err != nil {
			line = err.Error()
		}
		fmt.Printf("%-10s %s\n", t.name, line)
	}
}

// chosen are purser, first, and the peers that are wanted and installed.
func chosen(s *settings) []tool {
	wanted := strings.Split(s.tools, ",")
	all := tools(s.dir, s.purser)
	return slices.DeleteFunc(all, func(t tool) bool {
		if t.name == "purser" {
			return false
		}
		_, err := exec.LookPath(t.version[0])
		return err != nil || !slices.Contains(wanted, t.name)
	})
}

// field is the value of the first line of a file in /proc that begins with key.
func field(file, key string) string {
	b, err := os.ReadFile(file)
	if err != nil {
		return "unknown"
	}
	for line := range strings.Lines(string(b)) {
		if k, v, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(k) == key {
			return strings.TrimSpace(v)
		}
	}
	return "unknown"
}

func processors() int {
	b, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return 0
	}
	return strings.Count(string(b), "processor\t:")
}

func text(c []int8) string {
	var b []byte
	for _, x := range c {
		if x == 0 {
			break
		}
		b = append(b, byte(x))
	}
	return string(b)
}
