package dumpers

import (
	"context"
	"io"

	"github.com/purser-backup/purser/discovery"
	"github.com/purser-backup/purser/internal/secret"
)

// Runtime is what a dump needs of a container engine. Implementations are
// safe for concurrent use.
type Runtime interface {
	// Run runs the job in a container of its own and returns the exit status
	// of its script. An error means that the script may not have run to its
	// end. When ctx ends, the container is killed. Nothing of it is left
	// after the return, whatever the outcome.
	Run(ctx context.Context, job Job, stdout, stderr io.Writer) (status int, err error)

	// Exec runs the job's script in its Container itself, as that one's user,
	// and returns the exit status. Image, Dir and Target don't count. When ctx
	// ends, the script and what it started are killed.
	Exec(ctx context.Context, job Job, stdout, stderr io.Writer) (status int, err error)

	// ReadFile returns a small file as the container's own processes see it.
	ReadFile(ctx context.Context, container, path string) ([]byte, error)

	// State returns the present state of a container; an error that wraps
	// fs.ErrNotExist means that it is gone.
	State(ctx context.Context, container string) (discovery.State, error)
}

// Servers starts servers for a trial. Implementations are safe for concurrent
// use.
type Servers interface {
	// Serve starts a server in a new container, on no network, and calls use
	// with it, its Secrets in Env, once it is started, which doesn't mean that it answers. After
	// the return nothing is left of it, neither its data. What it prints goes
	// to output.
	Serve(ctx context.Context, s Server, output io.Writer, use func(context.Context, discovery.Container) error) error
}

// Server is a container to start for a trial.
type Server struct {
	Service string     // identity, for labels
	Image   string     // reference
	Env     []string   // NAME=VALUE
	Secrets []Variable // further variables, never visible from outside; they need a shell in the image
	Command []string   // empty: the image's own
}

// Job is one container to run.
type Job struct {
	Service   string     // identity, for labels and messages
	Container string     // id of the container whose network is shared; empty: purser's own network
	Image     string     // reference or id
	Script    string     // for the image's sh; holds no secret
	Env       []Variable // exported to Script; never visible from outside
	Dir       string     // existing directory, as this process sees it
	Target    string     // where Dir is mounted; also the working directory
}

// Variable is one environment variable of a job.
type Variable struct {
	Name  string
	Value secret.String
}
