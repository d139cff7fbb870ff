package docker

import (
	"context"
	"errors"
	"io"
	"strings"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/pkg/stdcopy"

	"github.com/purser-backup/purser/discovery"
	"github.com/purser-backup/purser/dumpers"
	"github.com/purser-backup/purser/internal/bug"
)

var _ dumpers.Servers = (*Runtime)(nil)

// Serve implements dumpers.Servers. The container has no network but its own
// loopback device, where the one-shots that join it reach the server.
func (r *Runtime) Serve(ctx context.Context, s dumpers.Server, output io.Writer, use func(context.Context, discovery.Container) error) error {
	random, err := r.client.random()
	if err != nil {
		return err
	}
	config := &container.Config{
		Image: s.Image, Env: s.Env, Cmd: s.Command, Labels: r.labels(s.Service),
		Healthcheck:  &container.HealthConfig{Test: []string{"NONE"}},
		AttachStdout: true, AttachStderr: true,
	}
	host := &container.HostConfig{
		NetworkMode:   "none",
		RestartPolicy: container.RestartPolicy{Name: container.RestartPolicyDisabled},
		LogConfig:     container.LogConfig{Type: "none"},
		SecurityOpt:   []string{"no-new-privileges:true"},
		Resources:     container.Resources{CPUShares: r.options.CPUShares},
	}
	env := "/.purser-" + random
	if len(s.Secrets) > 0 {
		if config.Entrypoint, err = r.wrapped(ctx, env, s); err != nil {
			return err
		}
		config.Cmd = nil
	}
	id, err := r.createNamed(ctx, "purser-"+random, config, host)
	if err != nil {
		return err
	}
	if len(s.Secrets) > 0 {
		if err := r.putSecrets(ctx, id, env, s.Secrets); err != nil {
			return errors.Join(err, r.discard(ctx, id))
		}
	}
	stream, err := r.client.api.ContainerAttach(ctx, id, container.AttachOptions{Stream: true, Stdout: true, Stderr: true})
	if err != nil {
		return errors.Join(callError("attach to container "+short(id), err), r.discard(ctx, id))
	}
	defer stream.Close()
	copied := make(chan error, 1)
	go func() {
		copied <- bug.Guard(func() error {
			// It is for messages only: what is lost of it is no failure.
			_, _ = stdcopy.StdCopy(output, output, stream.Reader)
			return nil
		})()
	}()
	err = bug.Guard(func() error { return r.use(ctx, id, s, use) })()
	// The Engine ends the stream of a container that is gone.
	removed := r.discard(ctx, id)
	if removed != nil {
		stream.Close()
	}
	return errors.Join(err, removed, <-copied)
}

// use starts a container and calls a function with it.
func (r *Runtime) use(ctx context.Context, id string, s dumpers.Server, use func(context.Context, discovery.Container) error) error {
	if err := r.client.api.ContainerStart(ctx, id, container.StartOptions{}); err != nil {
		op := "start a container of image " + s.Image
		if text := err.Error(); len(s.Secrets) > 0 && strings.Contains(text, `"sh"`) && strings.Contains(text, "not found") {
			return &Error{Op: op, Err: errors.New("the image has no shell"),
				Advice: "a shell hands the new server what files say of passwords; in the service's environment they need none"}
		}
		return callError(op, err)
	}
	found, err := r.client.inspect(ctx, id)
	if err != nil {
		return err
	}
	for _, v := range s.Secrets {
		found.Env[v.Name] = v.Value.Reveal()
	}
	return use(ctx, found)
}
