package docker

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"sync"
	"time"

	"github.com/docker/docker/api/types/container"
	"golang.org/x/sync/errgroup"

	"github.com/purser-backup/purser/discovery"
	"github.com/purser-backup/purser/internal/bug"
)

// inspectors is how many containers are inspected at once.
const inspectors = 8

// Containers returns the running containers, less the one-shots of any purser:
// one list, one inspection per container, and one per distinct image that has
// no name.
func (c *Client) Containers(ctx context.Context) ([]discovery.Container, error) {
	list, err := c.api.ContainerList(ctx, container.ListOptions{})
	if err != nil {
		return nil, callError("list containers", err)
	}
	all := make([]*discovery.Container, len(list))
	images := imageTags{client: c}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(inspectors)
	for i, summary := range list {
		if _, own := summary.Labels[discovery.LabelRole]; own {
			continue
		}
		group.Go(bug.Guard(func() error {
			found, err := c.inspect(ctx, summary.ID)
			// Gone since it was listed.
			if errors.Is(err, fs.ErrNotExist) {
				return nil
			}
			if err != nil {
				return err
			}
			if !named(found.Image) {
				if found.Tags, err = images.of(ctx, found.ImageID); err != nil {
					return err
				}
			}
			all[i] = &found
			return nil
		}))
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	var containers []discovery.Container
	for _, found := range all {
		if found != nil {
			containers = append(containers, *found)
		}
	}
	return containers, nil
}

// named reports whether a reference holds a name, and not only an id.
func named(reference string) bool {
	if reference == "" || strings.HasPrefix(reference, "sha256:") {
		return false
	}
	return len(reference) != 64 || strings.Trim(reference, "0123456789abcdef") != ""
}

// imageTags asks for each image once.
type imageTags struct {
	client *Client
	mu     sync.Mutex
	tags   map[string]func() ([]string, error)
}

func (t *imageTags) of(ctx context.Context, id string) ([]string, error) {
	t.mu.Lock()
	ask, ok := t.tags[id]
	if !ok {
		ask = sync.OnceValues(func() ([]string, error) { return t.client.tags(ctx, id) })
		if t.tags == nil {
			t.tags = map[string]func() ([]string, error){}
		}
		t.tags[id] = ask
	}
	t.mu.Unlock()
	return ask()
}

func (c *Client) tags(ctx context.Context, id string) ([]string, error) {
	info, err := c.api.ImageInspect(ctx, id)
	if err != nil {
		err = callError("inspect image "+id, err)
		if errors.Is(err, fs.ErrNotExist) {
			return nil, nil
		}
		return nil, err
	}
	return append(info.RepoTags, info.RepoDigests...), nil
}

// inspect returns one container, whatever its state.
func (c *Client) inspect(ctx context.Context, id string) (discovery.Container, error) {
	info, err := c.api.ContainerInspect(ctx, id)
	if err != nil {
		return discovery.Container{}, callError("inspect container "+short(id), err)
	}
	if info.ContainerJSONBase == nil || info.Config == nil || info.State == nil || info.HostConfig == nil {
		return discovery.Container{}, callError("inspect container "+short(id), errors.New("the answer is incomplete"))
	}
	found := discovery.Container{
		ID: info.ID, Name: strings.TrimPrefix(info.Name, "/"),
		Image: info.Config.Image, ImageID: info.Image,
		Labels: info.Config.Labels, Env: environment(info.Config.Env),
		Entrypoint: info.Config.Entrypoint, Cmd: info.Config.Cmd,
		Running: info.State.Running, Paused: info.State.Paused, Restarting: info.State.Restarting,
		NetworkMode: string(info.HostConfig.NetworkMode), Addresses: map[string]string{},
	}
	if found.Created, err = timestamp(info.Created); err != nil {
		return discovery.Container{}, callError("inspect container "+short(id), err)
	}
	if found.StartedAt, err = timestamp(info.State.StartedAt); err != nil {
		return discovery.Container{}, callError("inspect container "+short(id), err)
	}
	if info.NetworkSettings != nil {
		for name, endpoint := range info.NetworkSettings.Networks {
			if endpoint != nil {
				found.Addresses[name] = endpoint.IPAddress
			}
		}
	}
	for _, m := range info.Mounts {
		found.Mounts = append(found.Mounts, mountOf(m))
	}
	return found, nil
}

func mountOf(m container.MountPoint) discovery.Mount {
	return discovery.Mount{Type: string(m.Type), Name: m.Name, Source: m.Source, Destination: m.Destination, ReadOnly: !m.RW}
}

func environment(list []string) map[string]string {
	env := make(map[string]string, len(list))
	for _, item := range list {
		if name, value, ok := strings.Cut(item, "="); ok {
			env[name] = value
		}
	}
	return env
}

func timestamp(s string) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		return time.Time{}, fmt.Errorf("read time: %w", err)
	}
	return t, nil
}

func short(id string) string { return id[:min(12, len(id))] }
