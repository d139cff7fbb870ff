package docker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/api/types/mount"
	"github.com/docker/docker/pkg/stdcopy"

	"github.com/purser-backup/purser/discovery"
	"github.com/purser-backup/purser/dumpers"
	"github.com/purser-backup/purser/internal/bug"
)

// oneShot is a created container that runs once.
type oneShot struct {
	client *Client
	id     string
	env    string // path of its environment file
	uid    int    // as whom it runs
	gid    int
}

// create creates the container of a job, without starting it.
func (r *Runtime) create(ctx context.Context, job dumpers.Job) (*oneShot, error) {
	source, err := r.options.Place.hostPath(job.Dir)
	if err != nil {
		return nil, err
	}
	random, err := r.client.random()
	if err != nil {
		return nil, err
	}
	one := &oneShot{client: r.client, env: "/.purser-" + random}
	one.uid, one.gid = r.options.Place.owner()
	config, host := r.config(job, one, source)
	one.id, err = r.createNamed(ctx, "purser-"+random, config, host)
	return one, err
}

// createNamed journals and creates a container, and returns its id. An image
// that isn't there is fetched.
func (r *Runtime) createNamed(ctx context.Context, name string, config *container.Config, host *container.HostConfig) (string, error) {
	if r.options.Journal != nil {
		if err := r.options.Journal(ctx, name); err != nil {
			return "", fmt.Errorf("journal container %s: %w", name, err)
		}
	}
	created, err := r.client.api.ContainerCreate(ctx, config, host, nil, nil, name)
	if err = createError(config.Image, err); errors.Is(err, errNoImage) {
		if err := r.client.pull(ctx, config.Image); err != nil {
			return "", err
		}
		created, err = r.client.api.ContainerCreate(ctx, config, host, nil, nil, name)
		err = createError(config.Image, err)
	}
	return created.ID, err
}

// config is the whole of what a one-shot container may and may not.
func (r *Runtime) config(job dumpers.Job, one *oneShot, source string) (*container.Config, *container.HostConfig) {
	return &container.Config{
			Image: job.Image,
			// An image's own entrypoint may start a second server.
			Entrypoint:   []string{"sh", "-c"},
			Cmd:          []string{prelude(one.env) + job.Script},
			User:         strconv.Itoa(one.uid) + ":" + strconv.Itoa(one.gid),
			WorkingDir:   job.Target,
			Labels:       r.labels(job.Service),
			Healthcheck:  &container.HealthConfig{Test: []string{"NONE"}},
			AttachStdout: true,
			AttachStderr: true,
		}, &container.HostConfig{
			NetworkMode:   r.network(job),
			RestartPolicy: container.RestartPolicy{Name: container.RestartPolicyDisabled},
			// The Engine must not keep a second copy of what is printed.
			LogConfig:   container.LogConfig{Type: "none"},
			CapDrop:     []string{"ALL"},
			SecurityOpt: []string{"no-new-privileges:true"},
			Mounts:      []mount.Mount{{Type: mount.TypeBind, Source: source, Target: job.Target}},
			Resources:   container.Resources{Memory: r.options.Memory, PidsLimit: &r.options.PIDs, CPUShares: r.options.CPUShares},
		}
}

// labels mark what the instance has made, for which service.
func (r *Runtime) labels(service string) map[string]string {
	return map[string]string{discovery.LabelRole: roleDump, discovery.LabelInstance: r.options.Instance, "io.purser.service": service}
}

// network is that of the service. One that runs elsewhere is reached as purser
// reaches it: from its container's network, which Rancher manages, or from the
// host's.
func (r *Runtime) network(job dumpers.Job) container.NetworkMode {
	switch {
	case job.Container != "":
		return container.NetworkMode("container:" + job.Container)
	case r.options.Place.InContainer():
		return container.NetworkMode("container:" + r.options.Place.Self.ID)
	}
	return "host"
}

// prelude reads the environment from its file and forgets the file. The root
// file system stays writable: the archive API puts no file into a read-only
// one.
func prelude(env string) string {
	return "umask 077\nexport HOME=/tmp\n. " + env + " || exit 125\nrm -f " + env + " 2>/dev/null\n"
}

var errNoImage = errors.New("the image isn't there")

func createError(image string, err error) error {
	if err == nil {
		return nil
	}
	op := "create a container of image " + image
	wrapped := callError(op, err)
	switch text := strings.ToLower(err.Error()); {
	case errors.Is(wrapped, fs.ErrNotExist) && strings.Contains(text, "image"):
		return &Error{Op: op, Err: fmt.Errorf("%w: %w", errNoImage, err)}
	case strings.Contains(text, "bind source path does not exist"):
		return &Error{Op: op, Err: err, Advice: "the Engine doesn't see purser's source directory; run purser on the Engine's own host, or in one of its containers"}
	case strings.Contains(text, "stat") && strings.Contains(text, "permission denied"):
		return &Error{Op: op, Err: err, Advice: "the Engine runs as a user who may not enter purser's source directory, as a rootless one does; run purser as that user, or in one of the Engine's containers"}
	}
	return wrapped
}

// pull fetches an image that a recipe names.
func (c *Client) pull(ctx context.Context, reference string) error {
	e := &Error{Op: "pull image " + reference, Advice: "check the image's name in the recipe or the setting, or pull it by hand"}
	if !named(reference) {
		e.Err = errNoImage
		e.Advice = "the service's image was removed; the service must be recreated from one that is there"
		return e
	}
	body, err := c.api.ImagePull(ctx, reference, image.PullOptions{})
	if err != nil {
		e.Err = err
		return e
	}
	defer body.Close()
	for decoder := json.NewDecoder(body); ; {
		var message struct{ Error string }
		if err := decoder.Decode(&message); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			e.Err = err
			return e
		}
		if message.Error != "" {
			e.Err = errors.New(message.Error)
			return e
		}
	}
}

// proveMount makes sure that the container writes where purser reads: a file
// put into the directory on this side must be there on the other.
func (o *oneShot) proveMount(ctx context.Context, job dumpers.Job) error {
	marker, err := o.client.mark(job.Dir)
	if err != nil {
		return fmt.Errorf("mark staging directory: %w", err)
	}
	_, err = o.client.api.ContainerStatPath(ctx, o.id, path.Join(job.Target, filepath.Base(marker)))
	if err != nil {
		err = callError("look for a marker in the staging directory through container "+short(o.id), err)
		if errors.Is(err, fs.ErrNotExist) {
			err = &Error{Op: "share " + job.Dir + " with a one-shot container", Err: errors.New("the Engine mounts another directory there"),
				Advice: "the Engine doesn't see purser's source directory; run purser on the Engine's own host, or in one of its containers"}
		}
	}
	return errors.Join(err, os.Remove(marker))
}

// run starts the container and waits for its end.
func (o *oneShot) run(ctx context.Context, stdout, stderr io.Writer) (int, error) {
	stream, err := o.client.api.ContainerAttach(ctx, o.id, container.AttachOptions{Stream: true, Stdout: true, Stderr: true})
	if err != nil {
		return 0, callError("attach to container "+short(o.id), err)
	}
	defer stream.Close()
	// A hijacked connection doesn't end with the context.
	defer context.AfterFunc(ctx, stream.Close)()
	exited, failed := o.client.api.ContainerWait(ctx, o.id, container.WaitConditionNextExit)
	copied := make(chan error, 1)
	go func() {
		copied <- bug.Guard(func() error {
			_, err := stdcopy.StdCopy(stdout, stderr, stream.Reader)
			return err
		})()
	}()
	err = o.start(ctx)
	if err != nil {
		stream.Close()
		<-copied
		return 0, err
	}
	status := 0
	select {
	case err = <-failed:
	case end := <-exited:
		status = int(end.StatusCode)
		if end.Error != nil {
			err = errors.New(end.Error.Message)
		}
	}
	if err != nil {
		stream.Close()
	}
	// The Engine ends the stream after the last output.
	if e := <-copied; err == nil && e != nil {
		err = e
	}
	if ctx.Err() != nil {
		return 0, context.Cause(ctx)
	}
	if err != nil {
		return 0, callError("wait for container "+short(o.id), err)
	}
	return status, o.killed(ctx, status)
}

func (o *oneShot) start(ctx context.Context) error {
	err := o.client.api.ContainerStart(ctx, o.id, container.StartOptions{})
	if err == nil {
		return nil
	}
	op := "start container " + short(o.id)
	if text := err.Error(); strings.Contains(text, `"sh"`) && strings.Contains(text, "not found") {
		return &Error{Op: op, Err: errors.New("the image has no shell"),
			Advice: "a recipe of your own can name another image, with a shell and the client in it"}
	}
	return callError(op, err)
}

// killed explains a status of 137.
func (o *oneShot) killed(ctx context.Context, status int) error {
	if status != 137 {
		return nil
	}
	outOfMemory, err := o.outOfMemory(ctx)
	if err != nil {
		return callError("inspect container "+short(o.id), err)
	}
	if outOfMemory {
		return &Error{Op: "run container " + short(o.id), Err: errors.New("killed at its memory limit"),
			Advice: "the client needs more memory than a one-shot container may take"}
	}
	return &Error{Op: "run container " + short(o.id), Err: errors.New("killed, exit status 137"),
		Advice: "somebody or, for want of memory, the kernel has killed it: see the kernel's log; the next run tries again"}
}

// oomTime is how long after the end of a container the Engine may learn that
// memory was the reason.
const oomTime = 2 * time.Second

// outOfMemory reports whether the container was killed at its memory limit. The
// Engine hears of that apart from the end, and sometimes later.
func (o *oneShot) outOfMemory(ctx context.Context) (bool, error) {
	limit := time.NewTimer(oomTime)
	defer limit.Stop()
	ticker := time.NewTicker(50 * time.Millisecond)
	defer ticker.Stop()
	for {
		info, err := o.client.api.ContainerInspect(ctx, o.id)
		if err != nil || info.ContainerJSONBase != nil && info.State != nil && info.State.OOMKilled {
			return err == nil, err
		}
		select {
		case <-ticker.C:
		case <-limit.C:
			return false, nil
		case <-ctx.Done():
			return false, context.Cause(ctx)
		}
	}
}
