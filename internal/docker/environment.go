package docker

import (
	"archive/tar"
	"bytes"
	"context"
	"fmt"
	"path"
	"strings"

	"github.com/docker/docker/api/types/container"

	"github.com/purser-backup/purser/dumpers"
)

// putEnvironment puts the variables into the container as a file that only
// its own user reads. In the container's configuration they would be seen by
// all who may inspect it, and stay in the Engine's files.
func (o *oneShot) putEnvironment(ctx context.Context, env []dumpers.Variable) error {
	var content strings.Builder
	for _, v := range env {
		fmt.Fprintf(&content, "export %s='%s'\n", v.Name, strings.ReplaceAll(v.Value.Reveal(), "'", `'\''`))
	}
	var archive bytes.Buffer
	w := tar.NewWriter(&archive)
	header := &tar.Header{Typeflag: tar.TypeReg, Name: path.Base(o.env), Mode: 0o600,
		Uid: o.uid, Gid: o.gid, Size: int64(content.Len())}
	if err := w.WriteHeader(header); err != nil {
		return fmt.Errorf("pack environment: %w", err)
	}
	if _, err := w.Write([]byte(content.String())); err != nil {
		return fmt.Errorf("pack environment: %w", err)
	}
	if err := w.Close(); err != nil {
		return fmt.Errorf("pack environment: %w", err)
	}
	err := o.client.api.CopyToContainer(ctx, o.id, path.Dir(o.env), &archive, container.CopyToContainerOptions{})
	if err != nil {
		return callError("put the environment into container "+short(o.id), err)
	}
	return nil
}
