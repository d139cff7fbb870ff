package daemon

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/purser-backup/purser/internal/config"
)

const classChild = "PURSER_TEST_CLASS_CHILD"

// A class can't be taken back, so a process of its own sets it.
func TestClass(t *testing.T) {
	own, err := unix.Getpriority(unix.PRIO_PROCESS, 0)
	if err != nil {
		t.Fatal(err)
	}
	usual := 20 - own // the call adds 20
	for _, test := range []struct {
		cpu, io config.Class
		want    string // nice, scheduling policy and class of I/O of each thread
	}{
		{config.Normal, config.Normal, fmt.Sprint(usual, " 0 usual")},
		{config.Low, config.Normal, "10 0 usual"},
		{config.Normal, config.Low, fmt.Sprint(usual, " 0 ", ioprioBestEffort)},
		{config.Idle, config.Idle, fmt.Sprint(usual, " 5 ", ioprioIdle)},
	} {
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestClassChild$", "-test.v")
		cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%s %s", classChild, test.cpu, test.io))
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		_, got, _ := strings.Cut(string(out), "classes: ")
		got, _, _ = strings.Cut(got, "\n")
		if got != test.want {
			t.Errorf("%s %s: %q, want %q", test.cpu, test.io, got, test.want)
		}
	}
}

// TestClassChild is the process that TestClass starts: it sets its class
// between the making of threads, and prints those of all threads that there are.
func TestClassChild(t *testing.T) {
	asked := os.Getenv(classChild)
	if asked == "" {
		return
	}
	cpu, io, _ := strings.Cut(asked, " ")
	hold := make(chan struct{})
	defer close(hold)
	threads := func(n int) {
		for range n {
			ready := make(chan struct{})
			go func() {
				runtime.LockOSThread()
				close(ready)
				<-hold
			}()
			<-ready
		}
	}
	threads(5)
	if err := setClass(config.Class(cpu), config.Class(io)); err != nil {
		t.Fatal(err)
	}
	threads(20)
	entries, err := os.ReadDir("/proc/self/task")
	if err != nil {
		t.Fatal(err)
	}
	if len(entries) < 25 {
		t.Errorf("only %d threads", len(entries))
	}
	classes := map[string]bool{}
	for _, e := range entries {
		tid, err := strconv.Atoi(e.Name())
		if err != nil {
			t.Fatal(err)
		}
		stat, err := os.ReadFile("/proc/self/task/" + e.Name() + "/stat")
		if err != nil {
			t.Fatal(err)
		}
		_, rest, _ := strings.Cut(string(stat), ") ")
		fields := strings.Fields(rest)
		value, _, errno := unix.Syscall(unix.SYS_IOPRIO_GET, ioprioWhoProcess, uintptr(tid), 0)
		if errno != 0 {
			t.Fatal(errno)
		}
		class := "usual" // kernels show it in different ways
		if config.Class(io) != config.Normal {
			class = strconv.Itoa(int(value >> ioprioClassShift))
		}
		classes[fields[16]+" "+fields[38]+" "+class] = true
	}
	var list []string
	for c := range classes {
		list = append(list, c)
	}
	fmt.Printf("classes: %s\n", strings.Join(list, ", "))
}
