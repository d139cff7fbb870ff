package docker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/pkg/stdcopy"

	"github.com/purser-backup/purser/dumpers"
)

// exec runs a command in a running container and returns its exit status.
func (r *Runtime) exec(ctx context.Context, id string, o container.ExecOptions, stdout, stderr io.Writer) (int, error) {
	o.AttachStdout, o.AttachStderr = true, true
	created, err := r.client.api.ContainerExecCreate(ctx, id, o)
	if err != nil {
		return 0, err
	}
	stream, err := r.client.api.ContainerExecAttach(ctx, created.ID, container.ExecAttachOptions{})
	if err != nil {
		return 0, err
	}
	defer stream.Close()
	// A hijacked connection doesn't end with the context.
	defer context.AfterFunc(ctx, stream.Close)()
	if _, err := stdcopy.StdCopy(stdout, stderr, stream.Reader); err != nil {
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return 0, err
	}
	if ctx.Err() != nil {
		return 0, context.Cause(ctx)
	}
	return r.exitStatus(ctx, created.ID)
}

// exitStatus returns the status of an exec whose output has ended. The Engine
// may know it a moment later.
func (r *Runtime) exitStatus(ctx context.Context, id string) (int, error) {
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for {
		info, err := r.client.api.ContainerExecInspect(ctx, id)
		if err != nil || !info.Running {
			return info.ExitCode, err
		}
		select {
		case <-ctx.Done():
			return 0, context.Cause(ctx)
		case <-ticker.C:
		}
	}
}

// alive ends the script's processes when its standard input ends: the Engine
// has no call that ends an exec. Each exec has a session of its own.
const alive = "exec 3<&0 </dev/null\n" +
	"( while read -r _; do :; done <&3; kill -KILL 0 ) >/dev/null 2>&1 &\n" +
	"exec 3<&-\n"

// Exec implements dumpers.Runtime. The variables are the container's own
// values, or what the operator has bound to it. No inspection shows those of an
// exec, and the Engine forgets them at its end.
func (r *Runtime) Exec(ctx context.Context, job dumpers.Job, stdout, stderr io.Writer) (int, error) {
	op := "run a script in container " + short(job.Container)
	o := container.ExecOptions{Cmd: []string{"sh", "-c", alive + job.Script}, AttachStdin: true}
	for _, v := range job.Env {
		o.Env = append(o.Env, v.Name+"="+v.Value.Reveal())
	}
	status, err := r.exec(ctx, job.Container, o, stdout, stderr)
	switch {
	case ctx.Err() != nil:
		return 0, context.Cause(ctx)
	case err != nil:
		return 0, callError(op, err)
	}
	return status, nil
}

// maxSecretFile is the largest file that ReadFile returns, in bytes.
const maxSecretFile = 64 << 10

// ReadFile implements dumpers.Runtime. It runs cat in the container: the
// archive API shows the secrets of Swarm as empty files.
func (r *Runtime) ReadFile(ctx context.Context, id, path string) ([]byte, error) {
	op := "read " + path + " in container " + short(id)
	stdout, stderr := &limited{max: maxSecretFile}, &limited{max: 1 << 10}
	status, err := r.exec(ctx, id, container.ExecOptions{Cmd: []string{"cat", "--", path}}, stdout, stderr)
	if err != nil {
		return nil, callError(op, err)
	}
	switch {
	case status == 126 || status == 127:
		return nil, &Error{Op: op, Err: errors.New("the container has no program cat")}
	case status != 0:
		return nil, callError(op, fmt.Errorf("exit status %d: %s", status, stderr.data))
	case stdout.over:
		return nil, callError(op, fmt.Errorf("it is larger than %d bytes", maxSecretFile))
	}
	return stdout.data, nil
}

// limited keeps the beginning of what is written.
type limited struct {
	data []byte
	max  int
	over bool
}

func (l *limited) Write(p []byte) (int, error) {
	keep := min(len(p), l.max-len(l.data))
	l.data = append(l.data, p[:keep]...)
	l.over = l.over || keep < len(p)
	return len(p), nil
}
