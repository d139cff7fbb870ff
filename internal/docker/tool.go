package docker

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/mount"

	"github.com/purser-backup/purser/discovery"
	"github.com/purser-backup/purser/dumpers"
)

const (
	// roleTool marks containers of programs that a target needs.
	roleTool = "tool"
	// toolAge is when one that doesn't run any more is taken for a dead purser's.
	toolAge = time.Hour

	statusNoProgram = 125 // of the prelude; none of the programs has it
	maxToolFile     = 1 << 20
)

// Tool is a program to run in a one-shot container in purser's own network.
type Tool struct {
	Image   string
	Program string
	Args    []string           // hold no secret
	Env     []dumpers.Variable // never visible from outside
	Dir     string             // seen under the same path there; empty is none
	Files   []string           // copied there under the same paths; one that isn't there is left out
}

// RunTool runs a program and gives its exit status. An error means that it may
// not have run to its end. When ctx ends, the container is killed. Nothing of it
// is left after the return.
func (r *Runtime) RunTool(ctx context.Context, t Tool, stdout, stderr io.Writer) (status int, err error) {
	one, err := r.createTool(ctx, t)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, r.discard(ctx, one.id)) }()
	if t.Dir != "" {
		if err := one.proveMount(ctx, dumpers.Job{Dir: t.Dir, Target: t.Dir}); err != nil {
			return 0, err
		}
	}
	if err := one.putEnvironment(ctx, t.Env); err != nil {
		return 0, err
	}
	if err := one.putFiles(ctx, t.Files); err != nil {
		return 0, err
	}
	status, err = one.run(ctx, stdout, stderr)
	if err == nil && status == statusNoProgram {
		err = &Error{Op: "run " + t.Program + " in a container of image " + t.Image, Err: errors.New("the image has no such program"),
			Advice: "name an image with a shell and " + t.Program + " in it"}
	}
	return status, err
}

var shellName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

func (r *Runtime) createTool(ctx context.Context, t Tool) (*oneShot, error) {
	for _, v := range t.Env {
		if !shellName.MatchString(v.Name) {
			return nil, &Error{Op: "create a container of image " + t.Image, Err: fmt.Errorf("a shell can't have a variable named %s", v.Name),
				Advice: "use letters, digits and underscores in its name"}
		}
	}
	random, err := r.client.random()
	if err != nil {
		return nil, err
	}
	one := &oneShot{client: r.client, env: "/.purser-" + random}
	one.uid, one.gid = r.options.Place.owner()
	config, host := r.config(dumpers.Job{Image: t.Image}, one, "")
	host.Mounts = nil
	config.Entrypoint = []string{"sh", "-c", prelude(one.env) + "command -v \"$0\" >/dev/null 2>&1 || exit 125\nexec \"$0\" \"$@\"", t.Program}
	config.Cmd = t.Args
	config.Labels = map[string]string{discovery.LabelRole: roleTool, discovery.LabelInstance: r.options.Instance}
	if t.Dir != "" {
		source, err := r.options.Place.hostPath(t.Dir)
		if err != nil {
			return nil, err
		}
		host.Mounts = []mount.Mount{{Type: mount.TypeBind, Source: source, Target: t.Dir}}
	}
	name := "purser-tool-" + random
	created, err := r.client.api.ContainerCreate(ctx, config, host, nil, nil, name)
	if err = createError(t.Image, err); errors.Is(err, errNoImage) {
		if err := r.client.pull(ctx, t.Image); err != nil {
			return nil, err
		}
		created, err = r.client.api.ContainerCreate(ctx, config, host, nil, nil, name)
		err = createError(t.Image, err)
	}
	one.id = created.ID
	return one, err
}

// putFiles puts copies of files into the container, for its own user alone.
func (o *oneShot) putFiles(ctx context.Context, files []string) error {
	var archive bytes.Buffer
	w := tar.NewWriter(&archive)
	for _, file := range slices.Compact(slices.Sorted(slices.Values(files))) {
		content, err := readSmall(file)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return fmt.Errorf("share %s with a container: %w", file, err)
		}
		header := &tar.Header{Typeflag: tar.TypeReg, Name: strings.TrimPrefix(filepath.Clean(file), "/"), Mode: 0o600,
			Uid: o.uid, Gid: o.gid, Size: int64(len(content))}
		if err := w.WriteHeader(header); err != nil {
			return fmt.Errorf("pack %s: %w", file, err)
		}
		if _, err := w.Write(content); err != nil {
			return fmt.Errorf("pack %s: %w", file, err)
		}
	}
	if err := w.Close(); err != nil {
		return fmt.Errorf("pack files: %w", err)
	}
	if err := o.client.api.CopyToContainer(ctx, o.id, "/", &archive, container.CopyToContainerOptions{}); err != nil {
		return callError("put files into container "+short(o.id), err)
	}
	return nil
}

func readSmall(file string) ([]byte, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	content, err := io.ReadAll(io.LimitReader(f, maxToolFile+1))
	if err = errors.Join(err, f.Close()); err == nil && len(content) > maxToolFile {
		err = fmt.Errorf("it is larger than %d bytes", maxToolFile)
	}
	return content, err
}

// SweepTools removes containers of programs that a dead purser of this instance
// has left an hour ago or earlier. Those that still run end by themselves.
func (r *Runtime) SweepTools(ctx context.Context, now time.Time) error {
	list, err := r.client.api.ContainerList(ctx, container.ListOptions{All: true, Filters: filters.NewArgs(
		filters.Arg("label", discovery.LabelInstance+"="+r.options.Instance),
		filters.Arg("label", discovery.LabelRole+"="+roleTool),
		filters.Arg("status", "exited"), filters.Arg("status", "created"), filters.Arg("status", "dead"),
	)})
	if err != nil {
		return callError("list containers", err)
	}
	for _, c := range list {
		if now.Sub(time.Unix(c.Created, 0)) < toolAge {
			continue
		}
		if err := r.remove(ctx, c.ID); err != nil {
			return fmt.Errorf("remove container %s: %w", short(c.ID), err)
		}
	}
	return nil
}
