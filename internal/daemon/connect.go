package daemon

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/purser-backup/purser/discovery"
	"github.com/purser-backup/purser/dumpers"
	"github.com/purser-backup/purser/internal/docker"
)

// dockerEngine is what a run needs of the Engine.
type dockerEngine struct {
	source discovery.Source
	// runtime finds out where purser runs, and prepares dumps from there.
	// created is told the name of a container before it exists.
	runtime func(ctx context.Context, created func(context.Context, string) error) (dumpRuntime, error)
	close   func() error
}

// dumpRuntime makes dumps for one instance.
type dumpRuntime struct {
	dumpers.Runtime
	servers  dumpers.Servers
	instance string
	// sweep removes what a dead run of the instance has left on the Engine,
	// and says how much that was.
	sweep func(context.Context) (int, error)
}

// connectDocker connects to the Engine that the configuration names.
func (d *Daemon) connectDocker(ctx context.Context) (*dockerEngine, error) {
	client, err := d.openDocker(ctx)
	if err != nil {
		return nil, err
	}
	runtime := func(ctx context.Context, created func(context.Context, string) error) (dumpRuntime, error) {
		return d.dockerRuntime(ctx, client, created)
	}
	source, err := d.inScope(ctx, client)
	if err != nil {
		return nil, join(err, client.Close())
	}
	return &dockerEngine{source: source, runtime: runtime, close: client.Close}, nil
}

func (d *Daemon) openDocker(ctx context.Context) (*docker.Client, error) {
	return docker.Open(ctx, docker.Options{
		Host: d.cfg.Docker.Host, CertPath: d.cfg.Docker.CertPath,
		TLSVerify: d.cfg.Docker.TLSVerify != "", APIVersion: d.cfg.Docker.APIVersion, Rand: d.opt.Rand,
	})
}

func (d *Daemon) dockerRuntime(ctx context.Context, client *docker.Client, created func(context.Context, string) error) (dumpRuntime, error) {
	if err := d.checkSource(); err != nil {
		return dumpRuntime{}, err
	}
	place, err := client.Locate(ctx, d.cfg.SourcePath)
	if err != nil {
		return dumpRuntime{}, err
	}
	instance, err := d.instance(ctx, client, place)
	if err != nil {
		return dumpRuntime{}, err
	}
	runtime := client.Runtime(docker.RuntimeOptions{Instance: instance, Place: place, CPUShares: sharesOf(d.cfg.CPUClass), Journal: created})
	return dumpRuntime{Runtime: d.lookedAt(runtime), servers: runtime, instance: instance, sweep: runtime.Sweep}, nil
}

// lookedAt adds what Rancher knows of containers, where it is asked.
func (d *Daemon) lookedAt(runtime dumpers.Runtime) dumpers.Runtime {
	if d.rancher == nil {
		return runtime
	}
	return withRancher{runtime, d.rancher}
}

// checkSource explains the most common fault of a first start.
func (d *Daemon) checkSource() error {
	info, err := os.Stat(d.cfg.SourcePath)
	if err == nil && !info.IsDir() {
		err = errors.New("it is not a directory")
	}
	if err != nil {
		return withHint(fmt.Errorf("open source %s: %w", d.cfg.SourcePath, err),
			"mount a volume there, or set BACKUP_DUPLICITY_SOURCE_PATH or --source to a directory that exists")
	}
	return nil
}

// instance is the id that everything purser creates on the Engine bears. It
// stays the same when purser's container is made anew, and differs between two
// pursers on one Engine.
func (d *Daemon) instance(ctx context.Context, client *docker.Client, place docker.Place) (string, error) {
	if d.cfg.Instance != "" {
		return d.cfg.Instance, nil
	}
	engine, err := client.Engine(ctx)
	if err != nil {
		return "", err
	}
	own := ""
	if place.InContainer() {
		own = ownName(place.Self)
	} else if own, err = os.Hostname(); err != nil {
		return "", fmt.Errorf("ask for the host name: %w", err)
	}
	return strings.Join([]string{engine.ID, own}, "/"), nil
}

// ownName is the identity that purser's own container would have as a service.
// A container of "docker compose run" has its service's: the two share the
// volumes of the service, and so the lock that keeps them apart; under a name
// of its own, what it leaves when it is killed would never be swept.
func ownName(self discovery.Container) string {
	if id, err := self.Identity(); err == nil {
		return id
	}
	return self.Name
}

// withoutDocker adds to an Engine that can't be reached what a user may want
// instead.
func withoutDocker(err error) error {
	hint := "where nothing is to be dumped, set BACKUP_MODULE_DATABASE=false"
	var inner interface{ Hint() string }
	if errors.As(err, &inner) && inner.Hint() != "" {
		hint = inner.Hint() + "\n" + hint
	}
	return withHint(err, "%s", hint)
}
