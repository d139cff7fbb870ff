package dumpers

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"

	"github.com/purser-backup/purser/discovery"
)

// dumpReplicas runs the commands in each container of the service, one after
// the other. All must be there: a replica that is left out is data that is
// left out.
func (d *Dumper) dumpReplicas(ctx context.Context, s discovery.Service, spec Spec, stage *stage, said *complaints) error {
	if err := d.missingReplicas(s); err != nil {
		return err
	}
	for _, c := range s.Containers {
		if c.Elsewhere != nil {
			return &Error{Service: s.ID(), Op: "service", Err: fmt.Errorf("container %s runs on host %s, where no command can be run", c.Name, c.Elsewhere.Host),
				Advice: "start purser on that host"}
		}
		replica := s
		replica.Containers = []discovery.Container{c}
		before, err := d.ready(ctx, replica)
		if err != nil {
			return err
		}
		err = d.dumpReplica(ctx, replica, spec, stage, said)
		if changed := d.unchanged(ctx, replica, before); changed != nil {
			return changed
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// missingReplicas refuses a dump without a container that the last one has:
// one that is down isn't listed among the service's.
func (d *Dumper) missingReplicas(s discovery.Service) error {
	last, err := fs.ReadDir(d.tree.root.FS(), dumpPath(s))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return d.diskError(s, "look at the last dump", err)
	}
	for _, e := range last {
		there := slices.ContainsFunc(s.Containers, func(c discovery.Container) bool { return c.Name == e.Name() })
		if e.IsDir() && !there {
			return &Error{Service: s.ID(), Op: "service", Err: fmt.Errorf("container %s, which the last dump has, is not running", e.Name()),
				Advice: "see docker logs " + e.Name() + "\nif it is gone for good, remove " + filepath.Join(d.tree.path, dumpPath(s), e.Name())}
		}
	}
	return nil
}

func (d *Dumper) dumpReplica(ctx context.Context, s discovery.Service, spec Spec, stage *stage, said *complaints) error {
	c := s.Primary()
	f, err := stage.create(c.Name, spec.Output)
	if err != nil {
		return d.diskError(s, "stage", err)
	}
	job := Job{Service: s.ID(), Container: c.ID, Script: spec.Script, Env: spec.Env}
	stderr := &tail{}
	err = d.supervise(ctx, s, spec, stderr, func(ctx context.Context, finished <-chan struct{}) error {
		return watch(ctx, finished, d.idle(s), func() int64 { return stderr.total() + stage.size() })
	}, func(ctx context.Context) (int, error) {
		return d.options.Runtime.Exec(ctx, job, f, io.MultiWriter(stderr, said))
	})
	closed := f.Close()
	var e *Error
	if errors.As(err, &e) {
		e.Err = fmt.Errorf("in container %s: %w", c.Name, e.Err)
		return e
	}
	if closed != nil {
		return d.diskError(s, "stage", closed)
	}
	return err
}

// create makes a new file of the dump, in a directory of it.
func (st *stage) create(dir, name string) (*os.File, error) {
	dir = path.Join(st.dir, newName, path.Base(dir))
	if err := st.tree.root.Mkdir(dir, 0o700); err != nil {
		return nil, err
	}
	return st.tree.root.OpenFile(path.Join(dir, name), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
}
