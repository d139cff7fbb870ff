package docker

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"

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

// Run implements dumpers.Runtime.
func (r *Runtime) Run(ctx context.Context, job dumpers.Job, stdout, stderr io.Writer) (status int, err error) {
	one, err := r.create(ctx, job)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, r.discard(ctx, one.id)) }()
	if err := one.proveMount(ctx, job); err != nil {
		return 0, err
	}
	if err := one.putEnvironment(ctx, job.Env); err != nil {
		return 0, err
	}
	return one.run(ctx, stdout, stderr)
}

// discard removes a container that has served its purpose, also when ctx has ended.
func (r *Runtime) discard(ctx context.Context, id string) error {
	own, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanupTime)
	defer cancel()
	return r.remove(own, id)
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
