package docker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/pkg/stdcopy"

	"github.com/purser-backup/purser/discovery"
	"github.com/purser-backup/purser/dumpers"
)

// roleDump marks one-shot containers.
const roleDump = "dump"

// cleanupTime is what removing one container may take after its context ended.
const cleanupTime = 30 * time.Second

// RuntimeOptions configure a Runtime. Instance and Place are required.
type RuntimeOptions struct {
	Instance string // this purser's id, put on all that it creates
	Place    Place
	Memory   int64 // limit of a one-shot container in bytes; 0: 1 GiB
	PIDs     int64 // limit of its processes; 0: 256
	// CPUShares is its weight where containers contend; 0: the Engine's usual one.
	CPUShares int64

	// Journal, if not nil, is told the name of a container before it is
	// created; an error prevents that.
	Journal func(ctx context.Context, name string) error
}

// Runtime runs one-shot containers. It implements dumpers.Runtime and is safe
// for concurrent use.
type Runtime struct {
	client  *Client
	options RuntimeOptions
}

var _ dumpers.Runtime = (*Runtime)(nil)

// Runtime returns a Runtime on this Engine.
func (c *Client) Runtime(o RuntimeOptions) *Runtime {
	if o.Memory == 0 {
		o.Memory = 1 << 30
	}
	if o.PIDs == 0 {
		o.PIDs = 256
	}
	return &Runtime{client: c, options: o}
}

// Sweep removes all one-shot containers of this instance and returns how many
// there were. No dump of this instance may be under way.
func (r *Runtime) Sweep(ctx context.Context) (int, error) {
	if r.options.Instance == "" {
		return 0, errors.New("sweep containers: the instance has no id")
	}
	list, err := r.client.api.ContainerList(ctx, container.ListOptions{All: true, Filters: filters.NewArgs(
		filters.Arg("label", discovery.LabelInstance+"="+r.options.Instance),
		filters.Arg("label", discovery.LabelRole+"="+roleDump),
	)})
	if err != nil {
		return 0, callError("list containers", err)
	}
	for i, s := range list {
		if err := r.remove(ctx, s.ID); err != nil {
			return i, err
		}
	}
	return len(list), nil
}

// State implements dumpers.Runtime.
func (r *Runtime) State(ctx context.Context, id string) (discovery.State, error) {
	c, err := r.client.inspect(ctx, id)
	return c.State(), err
}

// maxSecretFile is the largest file that ReadFile returns, in bytes.
const maxSecretFile = 64 << 10

// ReadFile implements dumpers.Runtime. It runs cat in the container: the
// archive API shows the secrets of Swarm as empty files.
func (r *Runtime) ReadFile(ctx context.Context, id, path string) ([]byte, error) {
	op := "read " + path + " in container " + short(id)
	created, err := r.client.api.ContainerExecCreate(ctx, id, container.ExecOptions{
		Cmd: []string{"cat", "--", path}, AttachStdout: true, AttachStderr: true,
	})
	if err != nil {
		return nil, callError(op, err)
	}
	stream, err := r.client.api.ContainerExecAttach(ctx, created.ID, container.ExecAttachOptions{})
	if err != nil {
		return nil, callError(op, err)
	}
	defer stream.Close()
	// A hijacked connection doesn't end with the context.
	defer context.AfterFunc(ctx, stream.Close)()
	stdout, stderr := &limited{max: maxSecretFile}, &limited{max: 1 << 10}
	if _, err := stdcopy.StdCopy(stdout, stderr, stream.Reader); err != nil {
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return nil, callError(op, err)
	}
	info, err := r.client.api.ContainerExecInspect(ctx, created.ID)
	if err != nil {
		return nil, callError(op, err)
	}
	switch {
	case info.ExitCode == 126 || info.ExitCode == 127:
		return nil, &Error{Op: op, Err: errors.New("the container has no program cat")}
	case info.ExitCode != 0:
		return nil, callError(op, fmt.Errorf("exit status %d: %s", info.ExitCode, stderr.data))
	case stdout.over:
		return nil, callError(op, fmt.Errorf("it is larger than %d bytes", maxSecretFile))
	}
	return stdout.data, nil
}

// limited keeps the beginning of what is written.
type limited struct {
	data []byte
	max  int
	over bool
}

func (l *limited) Write(p []byte) (int, error) {
	keep := min(len(p), l.max-len(l.data))
	l.data = append(l.data, p[:keep]...)
	l.over = l.over || keep < len(p)
	return len(p), nil
}

// Run implements dumpers.Runtime.
func (r *Runtime) Run(ctx context.Context, job dumpers.Job, stdout, stderr io.Writer) (status int, err error) {
	one, err := r.create(ctx, job)
	if err != nil {
		return 0, err
	}
	defer func() {
		own, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanupTime)
		defer cancel()
		err = errors.Join(err, r.remove(own, one.id))
	}()
	if err := one.proveMount(ctx, job); err != nil {
		return 0, err
	}
	if err := one.putEnvironment(ctx, job.Env); err != nil {
		return 0, err
	}
	return one.run(ctx, stdout, stderr)
}

// remove removes a container with its anonymous volumes, running or not.
func (r *Runtime) remove(ctx context.Context, id string) error {
	err := r.client.api.ContainerRemove(ctx, id, container.RemoveOptions{Force: true, RemoveVolumes: true})
	if err == nil {
		return nil
	}
	if err = callError("remove container "+short(id), err); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
