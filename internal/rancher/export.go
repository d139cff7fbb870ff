package rancher

import (
	"context"
	"errors"
	"slices"

	"github.com/rancher/go-rancher/v2"

	"github.com/purser-backup/purser/internal/stackexport"
)

// actionExport is the action of a stack that returns its definition.
const actionExport = "exportconfig"

var _ stackexport.Source = (*Client)(nil)

// Stacks implements stackexport.Source. Kinds of stacks that have no
// definition to export, and all stacks where the key may only read, come
// without one.
func (c *Client) Stacks(ctx context.Context) ([]stackexport.Stack, error) {
	found, err := list[stack](ctx, c, kindStack, nil)
	if err != nil {
		return nil, err
	}
	stacks := make([]stackexport.Stack, 0, len(found))
	for _, s := range found {
		next := stackexport.Stack{Name: s.Name}
		if s.Actions[actionExport] != "" {
			next.Files = func(ctx context.Context) ([]stackexport.File, error) { return c.export(ctx, s) }
		}
		stacks = append(stacks, next)
	}
	slices.SortFunc(stacks, stackexport.ByName)
	return stacks, nil
}

// composeConfig is the definition of a stack as the server answers it.
type composeConfig client.ComposeConfig

func (c composeConfig) valid() bool { return c.Type == "composeConfig" }

// export asks for the two files of a stack, which are kept byte for byte.
func (c *Client) export(ctx context.Context, s stack) ([]stackexport.File, error) {
	const op = "ask for its definition"
	if err := c.checkLink(op, s.Actions[actionExport]); err != nil {
		return nil, err
	}
	config, err := ask(ctx, c, op, func(into *composeConfig) error {
		return c.api.Action(kindStack, actionExport, &s.Resource, nil, into)
	})
	if err != nil {
		return nil, err
	}
	// Even of an empty stack both have a line.
	if config.DockerComposeConfig == "" || config.RancherComposeConfig == "" {
		return nil, &Error{Op: op, Err: errors.New("the server sends an empty definition"), Advice: "see the log of the Rancher server"}
	}
	return []stackexport.File{
		{Name: "docker-compose.yml", Content: []byte(config.DockerComposeConfig)},
		{Name: "rancher-compose.yml", Content: []byte(config.RancherComposeConfig)},
	}, nil
}
