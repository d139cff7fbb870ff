package daemon

import (
	"context"
	"errors"
	"slices"

	"golang.org/x/sync/errgroup"

	"github.com/purser-backup/purser/discovery"
	"github.com/purser-backup/purser/internal/bug"
	"github.com/purser-backup/purser/internal/docker"
)

// lister is what finding services needs of an Engine.
type lister interface {
	Containers(ctx context.Context) ([]discovery.Container, error)
	Changes(ctx context.Context, changed chan<- struct{}) error
}

// scoped is an Engine, and what Rancher adds to it where it is asked, less the
// containers that this purser does not look after.
type scoped struct {
	lister
	scope   discovery.Scope
	own     discovery.Container
	rancher *rancherSource // nil: nobody is asked
}

// Services implements discovery.Source. A Rancher server that can't be asked is
// a problem that leaves the Engine's own services.
func (s scoped) Services(ctx context.Context) ([]discovery.Service, []discovery.Problem, error) {
	containers, err := s.Containers(ctx)
	if err != nil {
		return nil, nil, err
	}
	var missing []discovery.Problem
	if s.rancher != nil {
		reported, problems := s.rancher.containers(ctx)
		if err := ctx.Err(); err != nil {
			return nil, nil, err
		}
		containers, missing = discovery.Merge(containers, reported), problems
	}
	containers = slices.DeleteFunc(containers, func(c discovery.Container) bool { return !s.scope.Contains(s.own, c) })
	services, problems := discovery.Group(containers)
	for _, p := range missing {
		// A narrow scope may not hold the service that is missing, and the Engine
		// may know a container of it that runs.
		runs := slices.ContainsFunc(services, func(found discovery.Service) bool { return found.ID() == p.Subject })
		if p.Blind || s.scope == (discovery.Scope{}) && !runs {
			problems = append(problems, p)
		}
	}
	return services, problems, nil
}

// Changes implements discovery.Source.
func (s scoped) Changes(ctx context.Context, changed chan<- struct{}) error {
	if s.rancher == nil {
		return s.lister.Changes(ctx, changed)
	}
	g, gctx := errgroup.WithContext(ctx)
	g.Go(bug.Guard(func() error { return s.lister.Changes(gctx, changed) }))
	g.Go(bug.Guard(func() error { return s.rancher.follow(gctx, changed) }))
	return g.Wait()
}

// inScope narrows an Engine to the scope of this purser. Only the scope
// "project" asks where purser runs.
func (d *Daemon) inScope(ctx context.Context, client *docker.Client) (discovery.Source, error) {
	if !d.scope.Project {
		return scoped{lister: client, scope: d.scope, rancher: d.rancher}, nil
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
	return scoped{lister: client, scope: d.scope, own: place.Self, rancher: d.rancher}, nil
}
