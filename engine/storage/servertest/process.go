// Package servertest starts real storage servers, each for one test, on the
// loopback interface. The script scripts/test-servers installs them.
package servertest

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

const patience = 30 * time.Second

// Server is a program that serves on a port of 127.0.0.1.
type Server struct {
	Port int
	cmd  *exec.Cmd
	log  *lockedBuffer
	done chan struct{} // closed when it has ended
}

// Addr is the server's host and port.
func (s *Server) Addr() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(s.Port)) }

// Log is what the server has said on its standard output and error.
func (s *Server) Log() string { return s.log.String() }

// Stop ends the server at once. A second Stop does nothing.
func (s *Server) Stop() {
	// Some servers leave the work to children, and some of these leave the group.
	all := descendants(s.cmd.Process.Pid)
	_ = syscall.Kill(-s.cmd.Process.Pid, syscall.SIGKILL) // gone already: fine
	for _, pid := range all {
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
	<-s.done
}

// descendants are the processes that a process has started, and theirs.
func descendants(pid int) (all []int) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	if err != nil {
		return nil // it is gone
	}
	for _, word := range strings.Fields(string(text)) {
		if child, err := strconv.Atoi(word); err == nil {
			all = append(append(all, child), descendants(child)...)
		}
	}
	return all
}

// Restart starts the server again on the same port, with the same data, after a
// Stop.
func (s *Server) Restart(t *testing.T) {
	t.Helper()
	old := s.cmd
	s.cmd, s.done = exec.Command(old.Path, old.Args[1:]...), make(chan struct{})
	s.cmd.Env, s.cmd.Stdout, s.cmd.Stderr, s.cmd.SysProcAttr = old.Env, old.Stdout, old.Stderr, old.SysProcAttr
	s.launch(t)
	s.await(t, filepath.Base(old.Path))
}

// launch starts the process and notes its end.
func (s *Server) launch(t *testing.T) {
	t.Helper()
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	cmd, done := s.cmd, s.done
	go func() {
		defer close(done)
		_ = cmd.Wait() // how it ended is of no interest: it is killed
	}()
}

// Cut ends all connections at once, and the server goes on. It is for servers
// that have a process for each.
func (s *Server) Cut(t *testing.T) {
	t.Helper()
	children := strings.Fields(run(t, "pgrep", "--parent", strconv.Itoa(s.cmd.Process.Pid)))
	if len(children) == 0 {
		t.Fatal("there is no connection to cut")
	}
	run(t, "kill", append([]string{"-KILL"}, children...)...)
}

// start runs a server and waits until it takes connections. It ends with the test.
func start(t *testing.T, port int, env []string, name string, args ...string) *Server {
	t.Helper()
	path := program(t, name)
	s := &Server{Port: port, cmd: exec.Command(path, args...), log: &lockedBuffer{}, done: make(chan struct{})}
	s.cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir(), "LC_ALL=C.UTF-8"}, env...)
	s.cmd.Stdout, s.cmd.Stderr = s.log, s.log
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	s.launch(t)
	t.Cleanup(func() {
		s.Stop()
		if t.Failed() {
			t.Logf("%s said:\n%.4000s", name, s.Log())
		}
	})
	s.await(t, name)
	return s
}

func (s *Server) await(t *testing.T, name string) {
	t.Helper()
	eventually(t, "for "+name+" on "+s.Addr(), func() bool {
		select {
		case <-s.done:
			t.Fatalf("%s ended at once: %s", name, s.Log())
		default:
		}
		c, err := net.Dial("tcp", s.Addr())
		if err != nil {
			return false
		}
		_ = c.Close()
		return true
	})
}

// eventually waits until cond holds.
func eventually(t *testing.T, what string, cond func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !cond() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("waited %s %s in vain", patience, what)
		}
	}
}

// program finds a server, also where the path of a user does not lead.
func program(t *testing.T, name string) string {
	t.Helper()
	for _, dir := range append(filepath.SplitList(os.Getenv("PATH")), "/usr/sbin", "/sbin") {
		path := filepath.Join(dir, name)
		if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0 {
			return path
		}
	}
	t.Fatalf("there is no program %s: scripts/test-servers installs it, and prints the PATH that leads to it", name)
	return ""
}

// freePorts gives ports that nobody listens on now.
func freePorts(t *testing.T, n int) []int {
	t.Helper()
	var ports []int
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer func() {
			if err := l.Close(); err != nil {
				t.Error(err)
			}
		}()
		ports = append(ports, l.Addr().(*net.TCPAddr).Port)
	}
	return ports
}

// write makes a file of a configuration.
func write(t *testing.T, path string, mode os.FileMode, format string, args ...any) string {
	t.Helper()
	if err := os.WriteFile(path, fmt.Appendf(nil, format, args...), mode); err != nil {
		t.Fatal(err)
	}
	return path
}

// folder makes a directory below another.
func folder(t *testing.T, parts ...string) string {
	t.Helper()
	path := filepath.Join(parts...)
	if err := os.MkdirAll(path, 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
