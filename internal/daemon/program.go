package daemon

import (
	"bytes"
	"context"
	"errors"
	"maps"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/purser-backup/purser/dumpers"
	"github.com/purser-backup/purser/engine/storage"
	"github.com/purser-backup/purser/internal/config"
	"github.com/purser-backup/purser/internal/docker"
	"github.com/purser-backup/purser/internal/secret"
)

// exchangeDir is where files are exchanged with programs, below the archive
// directory: that is a volume where purser runs in a container.
const exchangeDir = "exchange"

// programs says where the program runs that the target needs, if it needs one:
// here, or in a container of the image that the operator has named.
func programs(o Options, target string) storage.Programs {
	cfg := o.Config
	p := storage.Programs{Dir: filepath.Join(cfg.ArchiveDir, exchangeDir), Home: homeDir()}
	kind, _, _ := strings.Cut(strings.ToLower(target), ":")
	if image := map[string]string{"rsync": cfg.Programs.RsyncImage, "rclone": cfg.Programs.RcloneImage}[kind]; image != "" {
		p.Runner = &containerRunner{opt: o, image: image}
	}
	return p
}

func homeDir() string {
	u, err := user.Current()
	if err != nil {
		return "" // there is no place of his own to look into
	}
	return u.HomeDir
}

// rclone are the settings of rclone. Its file is looked for beside the keys, too.
func rclone(c config.Programs, keyDir string) storage.Rclone {
	r := storage.Rclone{Config: c.Rclone["RCLONE_CONFIG"].Reveal(), Env: maps.Clone(c.Rclone)}
	delete(r.Env, "RCLONE_CONFIG")
	if r.Config != "" {
		return r
	}
	places := []string{filepath.Join(homeDir(), ".config", "rclone", "rclone.conf")}
	if keyDir != "" {
		places = append([]string{filepath.Join(filepath.Dir(keyDir), "rclone.conf")}, places...)
	}
	for _, path := range places {
		if st, err := os.Stat(path); err == nil && st.Mode().IsRegular() {
			r.Config = path
			break
		}
	}
	return r
}

// containerRunner runs the program of a target in one-shot containers. It
// connects when it is first needed.
type containerRunner struct {
	opt   Options
	image string

	mu      sync.Mutex
	client  *docker.Client
	runtime *docker.Runtime
}

// Run implements storage.Runner.
func (c *containerRunner) Run(ctx context.Context, cmd storage.Command) error {
	runtime, err := c.connect(ctx)
	if err != nil {
		return err
	}
	tool := docker.Tool{Image: c.image, Program: cmd.Name, Args: cmd.Args, Dir: cmd.Dir, Files: cmd.Files}
	for _, name := range slices.Sorted(maps.Keys(cmd.Env)) {
		if name != "SSH_AUTH_SOCK" { // which no container reaches
			tool.Env = append(tool.Env, dumpers.Variable{Name: name, Value: cmd.Env[name]})
		}
	}
	for name, value := range map[string]string{"LC_ALL": "C", "TZ": "UTC"} {
		tool.Env = append(tool.Env, dumpers.Variable{Name: name, Value: secret.New(value)})
	}
	stdout := cmd.Stdout
	if stdout == nil {
		stdout = new(beginning)
	}
	stderr := new(beginning)
	status, err := runtime.RunTool(ctx, tool, stdout, stderr)
	if err == nil && status != 0 {
		err = &storage.ExitError{Program: cmd.Name, Status: status, Stderr: stderr.String()}
	}
	return err
}

// connect finds the Engine and the own place once.
func (c *containerRunner) connect(ctx context.Context) (*docker.Runtime, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.runtime != nil {
		return c.runtime, nil
	}
	d := &Daemon{opt: c.opt, cfg: c.opt.Config}
	client, err := d.openDocker(ctx)
	if err != nil {
		return nil, err
	}
	fail := func(err error) (*docker.Runtime, error) { return nil, errors.Join(err, client.Close()) }
	place, err := client.Locate(ctx, c.opt.Config.ArchiveDir)
	if err != nil {
		return fail(err)
	}
	instance, err := d.instance(ctx, client, place)
	if err != nil {
		return fail(err)
	}
	runtime := client.Runtime(docker.RuntimeOptions{Instance: instance, Place: place, CPUShares: sharesOf(c.opt.Config.CPUClass)})
	if err := runtime.SweepTools(ctx, c.opt.Now()); err != nil {
		return fail(err)
	}
	c.client, c.runtime = client, runtime
	return runtime, nil
}

// Close implements storage.Runner.
func (c *containerRunner) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.client == nil {
		return nil
	}
	client := c.client
	c.client, c.runtime = nil, nil
	return client.Close()
}

// beginning keeps the beginning of what is written.
type beginning struct{ bytes.Buffer }

func (b *beginning) Write(p []byte) (int, error) {
	const most = 16 << 10
	b.Buffer.Write(p[:min(len(p), most-b.Len())])
	return len(p), nil
}
