package docker

import (
	"archive/tar"
	"bytes"
	"context"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/docker/docker/api/types/container"

	"github.com/purser-backup/purser/dumpers"
)

// putEnvironment puts the variables into the container as a file that only
// its own user reads. In the container's configuration they would be seen by
// all who may inspect it, and stay in the Engine's files.
func (o *oneShot) putEnvironment(ctx context.Context, env []dumpers.Variable) error {
	return o.client.putEnvironment(ctx, o.id, &tar.Header{Name: o.env, Mode: 0o600, Uid: o.uid, Gid: o.gid}, env)
}

// putEnvironment puts the variables into a container as the file of a header.
func (c *Client) putEnvironment(ctx context.Context, id string, header *tar.Header, env []dumpers.Variable) error {
	var content strings.Builder
	for _, v := range env {
		fmt.Fprintf(&content, "export %s='%s'\n", v.Name, strings.ReplaceAll(v.Value.Reveal(), "'", `'\''`))
	}
	dir := path.Dir(header.Name)
	header.Typeflag, header.Name, header.Size = tar.TypeReg, path.Base(header.Name), int64(content.Len())
	var archive bytes.Buffer
	w := tar.NewWriter(&archive)
	if err := w.WriteHeader(header); err != nil {
		return fmt.Errorf("pack environment: %w", err)
	}
	if _, err := w.Write([]byte(content.String())); err != nil {
		return fmt.Errorf("pack environment: %w", err)
	}
	if err := w.Close(); err != nil {
		return fmt.Errorf("pack environment: %w", err)
	}
	if err := c.api.CopyToContainer(ctx, id, dir, &archive, container.CopyToContainerOptions{}); err != nil {
		return callError("put the environment into container "+short(id), err)
	}
	return nil
}

// wrapped is a server's command, by its image, that begins with reading the
// environment from a file. Shells drop variables with names such as
// discovery.type: they are given once more.
func (r *Runtime) wrapped(ctx context.Context, env string, s dumpers.Server) ([]string, error) {
	image, err := r.client.api.ImageInspect(ctx, s.Image)
	if err != nil {
		return nil, callError("inspect image "+s.Image, err)
	}
	own := s.Command
	if image.Config != nil {
		if len(own) == 0 {
			own = image.Config.Cmd
		}
		own = slices.Concat(image.Config.Entrypoint, own)
	}
	command := []string{"sh", "-c", ". " + env + " || exit 125\nrm -f " + env + ` 2>/dev/null; exec "$@"`, "purser"}
	odd := slices.DeleteFunc(slices.Clone(s.Env), func(line string) bool { return plainVariable.MatchString(line) })
	if len(odd) > 0 {
		command = append(append(command, "env"), odd...)
	}
	return append(command, own...), nil
}

var plainVariable = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*=`)

// putSecrets puts the variables of a server into its container, which is yet to
// start: for its user alone, or for all of its users where that one's number
// isn't known.
func (r *Runtime) putSecrets(ctx context.Context, id, env string, secrets []dumpers.Variable) error {
	info, err := r.client.api.ContainerInspect(ctx, id)
	if err != nil {
		return callError("inspect container "+short(id), err)
	}
	header := &tar.Header{Name: env, Mode: 0o600}
	if info.Config != nil {
		user, _, _ := strings.Cut(info.Config.User, ":")
		if header.Uid, err = strconv.Atoi(user); err != nil && user != "" && user != "root" {
			header.Mode = 0o444
		}
	}
	return r.client.putEnvironment(ctx, id, header, secrets)
}
