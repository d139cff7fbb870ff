package rancher

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rancher/go-rancher/v2"
	"golang.org/x/sync/errgroup"

	"github.com/purser-backup/purser/discovery"
	"github.com/purser-backup/purser/internal/bug"
)

// The types of the API that are asked for.
const (
	kindService   = "service"
	kindContainer = "container"
	kindStack     = "stack"
	kindHost      = "host"
)

// Labels that Rancher puts on containers.
const (
	labelStack        = "io.rancher.stack.name"
	labelService      = "io.rancher.stack_service.name"
	labelLaunchConfig = "io.rancher.service.launch.config"
	labelStartOnce    = "io.rancher.container.start_once"

	primaryLaunchConfig = "io.rancher.service.primary.launch.config"
)

// IDPrefix begins the id of a container that only Rancher reports.
const IDPrefix = "rancher:"

// service is the part of the API's type that is used. Types of our own decode
// what they need, and nothing that a server may have spelt otherwise.
type service struct {
	client.Resource
	Name                   string         `json:"name"`
	State                  string         `json:"state"`
	StackID                string         `json:"stackId"`
	AccountID              string         `json:"accountId"`
	Removed                string         `json:"removed"`
	Scale                  int64          `json:"scale"`
	System                 bool           `json:"system"`
	InstanceIDs            []string       `json:"instanceIds"`
	LaunchConfig           *launchConfig  `json:"launchConfig"`
	SecondaryLaunchConfigs []launchConfig `json:"secondaryLaunchConfigs"`
}

// launchConfig is what a service's containers are made of. Secondary ones,
// the sidekicks, have a name.
type launchConfig struct {
	Name        string         `json:"name"`
	ImageUUID   string         `json:"imageUuid"`
	Environment map[string]any `json:"environment"`
	Labels      map[string]any `json:"labels"`
}

type container struct {
	client.Resource
	Name               string         `json:"name"`
	State              string         `json:"state"`
	HostID             string         `json:"hostId"`
	ExternalID         string         `json:"externalId"`
	PrimaryIPAddress   string         `json:"primaryIpAddress"`
	ImageUUID          string         `json:"imageUuid"`
	NetworkMode        string         `json:"networkMode"`
	NetworkContainerID string         `json:"networkContainerId"`
	Created            string         `json:"created"`
	StartCount         int64          `json:"startCount"`
	ServiceIDs         []string       `json:"serviceIds"`
	Environment        map[string]any `json:"environment"`
	Labels             map[string]any `json:"labels"`
}

type stack struct {
	client.Resource
	Name string `json:"name"`
}

type host struct {
	client.Resource
	Name           string `json:"name"`
	Hostname       string `json:"hostname"`
	AgentIPAddress string `json:"agentIpAddress"`
}

func (c container) valid() bool { return c.Id != "" }

var _ discovery.Source = (*Client)(nil)

// Services implements discovery.Source.
func (c *Client) Services(ctx context.Context) ([]discovery.Service, []discovery.Problem, error) {
	containers, missing, err := c.Containers(ctx)
	if err != nil {
		return nil, nil, err
	}
	services, problems := discovery.Group(containers)
	return services, append(problems, missing...), nil
}

// environment is all that discovery asks for, joined.
type environment struct {
	services   []service
	containers []container
	stacks     map[string]string // id to name
	hosts      map[string]host
}

// Containers returns the running containers of the environment's services,
// sidekicks included, and tells of active services of which none runs. Each
// container has Elsewhere set, also where it runs on the own Engine:
// discovery.Merge finds that out.
func (c *Client) Containers(ctx context.Context) ([]discovery.Container, []discovery.Problem, error) {
	env, err := c.environment(ctx)
	if err != nil {
		return nil, nil, err
	}
	if err := env.checkAccount(); err != nil {
		return nil, nil, err
	}
	var found []discovery.Container
	var missing []discovery.Problem
	members := env.members()
	for _, s := range env.services {
		if !s.listed() {
			continue
		}
		stackName := env.stacks[s.StackID]
		running := s.current(members[s.ID()])
		for _, m := range running {
			found = append(found, env.describe(s, stackName, m))
		}
		if len(running) == 0 && s.expected() {
			missing = append(missing, discovery.Problem{Subject: stackName + "/" + s.Name, Warning: true,
				Message: "the service is active, and Rancher reports no running container of it"})
		}
	}
	return found, missing, nil
}

func (c *Client) environment(ctx context.Context) (*environment, error) {
	env := &environment{stacks: map[string]string{}, hosts: map[string]host{}}
	var stacks []stack
	var hosts []host
	group, gctx := errgroup.WithContext(ctx)
	group.Go(bug.Guard(func() (err error) {
		env.services, err = list[service](gctx, c, kindService, nil)
		return err
	}))
	group.Go(bug.Guard(func() (err error) {
		env.containers, err = list[container](gctx, c, kindContainer, map[string]any{"state": "running"})
		return err
	}))
	group.Go(bug.Guard(func() (err error) {
		stacks, err = list[stack](gctx, c, kindStack, nil)
		return err
	}))
	group.Go(bug.Guard(func() (err error) {
		// Only for their names and addresses; a key may not see them.
		if c.api.Types[kindHost].Links[client.COLLECTION] != "" {
			hosts, err = list[host](gctx, c, kindHost, nil)
		}
		return err
	}))
	if err := group.Wait(); err != nil {
		return nil, err
	}
	for _, s := range stacks {
		env.stacks[s.Id] = s.Name
	}
	for _, h := range hosts {
		env.hosts[h.Id] = h
	}
	return env, nil
}

// checkAccount refuses a list over several environments: stacks of one name in
// two of them would be one.
func (e *environment) checkAccount() error {
	accounts := map[string]bool{}
	for _, s := range e.services {
		if s.AccountID != "" {
			accounts[s.AccountID] = true
		}
	}
	if len(accounts) < 2 {
		return nil
	}
	return &Error{Op: "list services", Err: fmt.Errorf("the key sees %d environments, whose stacks can't be told apart", len(accounts)), Advice: scopeAdvice}
}

// members are the containers of each service, by its id.
func (e *environment) members() map[string][]container {
	byInstance, byName := map[string]string{}, map[string]string{}
	for _, s := range e.services {
		for _, id := range s.InstanceIDs {
			byInstance[id] = s.ID()
		}
		byName[e.stacks[s.StackID]+"/"+s.Name] = s.ID()
	}
	members := map[string][]container{}
	for _, c := range e.containers {
		owner := byInstance[c.Id]
		if len(c.ServiceIDs) > 0 {
			owner = c.ServiceIDs[0]
		}
		// Before 1.6 neither side may name the other; the labels do.
		if owner == "" {
			name := strings.SplitN(text(c.Labels[labelService]), "/", 3)
			owner = byName[strings.Join(name[:min(2, len(name))], "/")]
		}
		if owner != "" {
			members[owner] = append(members[owner], c)
		}
	}
	return members
}

// ID is the service's id on the server.
func (s service) ID() string { return s.Resource.Id }

// listed reports whether the service is one of containers, and is meant to run.
// One that is being upgraded is; "upgraded" waits for the user's word only.
func (s service) listed() bool {
	if s.Type != kindService || s.Removed != "" {
		return false
	}
	switch s.State {
	case "registering", "inactive", "deactivating", "removing", "removed":
		return false
	}
	return true
}

// expected reports whether the service should have a running container.
func (s service) expected() bool {
	once := s.LaunchConfig != nil && text(s.LaunchConfig.Labels[labelStartOnce]) == "true"
	return s.State == "active" && s.Scale > 0 && !s.System && !once
}

// current leaves out the containers that an upgrade is about to replace, once
// one of their successors runs.
func (s service) current(running []container) []container {
	isNew := func(c container) bool { return c.ImageUUID == "" || c.ImageUUID == s.config(c).ImageUUID }
	renewed := map[string]bool{}
	for _, c := range running {
		if isNew(c) {
			renewed[c.launchConfig()] = true
		}
	}
	return slices.DeleteFunc(slices.Clone(running), func(c container) bool { return renewed[c.launchConfig()] && !isNew(c) })
}

// launchConfig is the name of what the container was made of, empty for the
// service's primary one.
func (c container) launchConfig() string {
	name := text(c.Labels[labelLaunchConfig])
	if name == primaryLaunchConfig {
		return ""
	}
	return name
}

// config is what the container was made of.
func (s service) config(c container) launchConfig {
	for _, l := range s.SecondaryLaunchConfigs {
		if name := c.launchConfig(); name != "" && l.Name == name {
			return l
		}
	}
	if s.LaunchConfig == nil {
		return launchConfig{}
	}
	return *s.LaunchConfig
}

// describe makes a plain value of a container. What the container itself says
// wins over what its service says.
func (e *environment) describe(s service, stackName string, c container) discovery.Container {
	config := s.config(c)
	labels, env := texts(config.Labels), texts(config.Environment)
	maps.Copy(labels, texts(c.Labels))
	maps.Copy(env, texts(c.Environment))
	labels[labelStack] = stackName
	labels[labelService] = stackName + "/" + s.Name
	if sidekick := c.launchConfig(); sidekick != "" {
		labels[labelService] += "/" + sidekick
	}
	created, err := time.Parse(time.RFC3339, c.Created)
	if err != nil {
		created = time.Time{} // of use only to order replicas
	}
	h := e.hosts[c.HostID]
	return discovery.Container{
		ID: IDPrefix + c.Id, Name: cmp.Or(c.Name, c.Id), Image: image(cmp.Or(c.ImageUUID, config.ImageUUID)),
		Labels: labels, Env: env, Running: true, Created: created, NetworkMode: c.NetworkMode,
		Elsewhere: &discovery.Elsewhere{EngineID: c.ExternalID, Host: cmp.Or(h.Hostname, h.Name, c.HostID), Address: e.address(c)},
	}
}

// address is where the container is reached from others of its environment.
func (e *environment) address(c container) string {
	switch {
	case c.PrimaryIPAddress != "":
		return c.PrimaryIPAddress
	case c.NetworkMode == "host":
		return e.hosts[c.HostID].AgentIPAddress
	case c.NetworkContainerID == "" || c.NetworkContainerID == c.Id:
		return ""
	}
	i := slices.IndexFunc(e.containers, func(o container) bool { return o.Id == c.NetworkContainerID })
	if i < 0 {
		return ""
	}
	return e.containers[i].PrimaryIPAddress
}

// image is the reference that Docker knows: Rancher puts its kind before it.
func image(uuid string) string { return strings.TrimPrefix(uuid, "docker:") }

func texts(values map[string]any) map[string]string {
	plain := make(map[string]string, len(values))
	for name, v := range values {
		plain[name] = text(v)
	}
	return plain
}

// text is a value as the user wrote it; JSON has numbers and booleans too.
func text(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case string:
		return v
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64)
	}
	return fmt.Sprint(v)
}

// State returns the present state of a container that Containers has listed;
// an error that wraps fs.ErrNotExist means that it is gone.
func (c *Client) State(ctx context.Context, id string) (discovery.State, error) {
	id = strings.TrimPrefix(id, IDPrefix)
	op := "look at container " + id
	collection := c.api.Types[kindContainer].Links[client.COLLECTION]
	found, err := get[container](ctx, c, op, collection+"/"+id)
	if err != nil {
		return discovery.State{}, err
	}
	return discovery.State{Running: found.State == "running", Restarting: found.State == "restarting", Starts: found.StartCount}, nil
}
