package docker

import (
	"context"
	"errors"
	"io"

	"github.com/docker/docker/api/types/events"
	"github.com/docker/docker/api/types/filters"

	"github.com/purser-backup/purser/discovery"
)

var _ discovery.Source = (*Client)(nil)

// Services implements discovery.Source.
func (c *Client) Services(ctx context.Context) ([]discovery.Service, []discovery.Problem, error) {
	containers, err := c.Containers(ctx)
	if err != nil {
		return nil, nil, err
	}
	services, problems := discovery.Group(containers)
	return services, problems, nil
}

// Changes implements discovery.Source.
func (c *Client) Changes(ctx context.Context, changed chan<- struct{}) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	// Only these: a health check is an exec event every few seconds.
	filter := filters.NewArgs(filters.Arg("type", string(events.ContainerEventType)))
	for _, action := range []events.Action{events.ActionStart, events.ActionDie, events.ActionDestroy,
		events.ActionRename, events.ActionUpdate, events.ActionPause, events.ActionUnPause} {
		filter.Add("event", string(action))
	}
	// The call returns once the Engine has answered it.
	messages, failed := c.api.Events(ctx, events.ListOptions{Filters: filter})
	select {
	case err := <-failed:
		return eventError(ctx, err)
	default:
		signal(changed)
	}
	for {
		select {
		case m := <-messages:
			if _, own := m.Actor.Attributes[discovery.LabelRole]; !own {
				signal(changed)
			}
		case err := <-failed:
			return eventError(ctx, err)
		}
	}
}

func signal(changed chan<- struct{}) {
	select {
	case changed <- struct{}{}:
	default:
	}
}

func eventError(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err == nil || errors.Is(err, io.EOF) {
		err = errors.New("the Engine ended the stream")
	}
	return callError("read events", err)
}
