package program

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/purser-backup/purser/engine/storage/driver"
)

// searchPath is where programs are looked for. They get none of this process's
// environment, which holds secrets.
const searchPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

const (
	maxStderr = 16 << 10
	// outliving is how long what a child of the program still says is waited for.
	outliving = 30 * time.Second
)

// Local runs programs on this machine, each as a process group of its own.
type Local struct {
	Home string
}

// Run implements Runner.
func (l Local) Run(ctx context.Context, c Command) error {
	path, err := find(c.Name)
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, path, c.Args...)
	cmd.Env = []string{"PATH=" + searchPath, "HOME=" + l.Home, "LC_ALL=C", "TZ=UTC"}
	for name, value := range c.Env {
		cmd.Env = append(cmd.Env, name+"="+value.Reveal())
	}
	stderr := &limited{max: maxStderr}
	cmd.Stdout, cmd.Stderr = c.Stdout, stderr
	// It may have children, as rsync has ssh.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = outliving
	err = cmd.Run()
	var exit *exec.ExitError
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.As(err, &exit):
		return &ExitError{Program: c.Name, Status: exit.ExitCode(), Stderr: stderr.String()}
	case err != nil:
		return fmt.Errorf("run %s: %w", c.Name, err)
	}
	return nil
}

// Close implements Runner.
func (l Local) Close() error { return nil }

func find(name string) (string, error) {
	for dir := range strings.SplitSeq(searchPath, ":") {
		path := filepath.Join(dir, name)
		if st, err := os.Stat(path); err == nil && st.Mode().IsRegular() && st.Mode()&0o111 != 0 {
			return path, nil
		}
	}
	return "", driver.Permanent(driver.WithHint(fmt.Errorf("there is no program %s", name),
		fmt.Sprintf("install %s, or name an image that has it in BACKUP_%s_IMAGE", name, strings.ToUpper(name))))
}
