package daemon

import (
	"context"
	"errors"
	"slices"

	"github.com/purser-backup/purser/discovery"
	"github.com/purser-backup/purser/internal/docker"
)

// scoped is an Engine less the containers that this purser does not look after.
type scoped struct {
	*docker.Client
	scope discovery.Scope
	own   discovery.Container
}

// Services implements discovery.Source.
func (s scoped) Services(ctx context.Context) ([]discovery.Service, []discovery.Problem, error) {
	containers, err := s.Containers(ctx)
	if err != nil {
		return nil, nil, err
	}
	containers = slices.DeleteFunc(containers, func(c discovery.Container) bool { return !s.scope.Contains(s.own, c) })
	services, problems := discovery.Group(containers)
	return services, problems, nil
}

// inScope narrows an Engine to the scope of this purser. Only the scope
// "project" asks where purser runs.
func (d *Daemon) inScope(ctx context.Context, client *docker.Client) (discovery.Source, error) {
	if !d.scope.Project {
		return scoped{Client: client, scope: d.scope}, nil
	}
	if err := d.checkSource(); err != nil {
		return nil, err
	}
	place, err := client.Locate(ctx, d.cfg.SourcePath)
	if err != nil {
		return nil, err
	}
	if !place.Self.HasStack() {
		return nil, withHint(errors.New("BACKUP_SCOPE is project, and purser runs in no container of a Compose project or stack"),
			"start purser as a service of the project, or set BACKUP_SCOPE to all or label=KEY=VALUE")
	}
	return scoped{Client: client, scope: d.scope, own: place.Self}, nil
}
