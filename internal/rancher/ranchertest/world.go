package ranchertest

import (
	"fmt"
	"maps"
	"slices"
)

// World is what a server knows: one environment, or several.
type World struct {
	Services   []Service
	Containers []Container
	Stacks     []Stack
	Hosts      []Host
}

// Service is one of a stack. The zero values are those of a plain active one.
type Service struct {
	ID, Name, Stack string // Stack is an id
	Type            string // "service"
	State           string // "active"
	Account         string // the server's project
	Image           string // with "docker:" before it; empty: no launch configuration
	Env, Labels     map[string]any
	Sidekicks       []Sidekick
	Instances       []string
	System          bool
}

// Sidekick is a secondary launch configuration.
type Sidekick struct {
	Name, Image string
	Env, Labels map[string]any
}

// Container is an instance. Labels holds those of the user; the server adds
// its own from Of and Launch, unless Bare is set.
type Container struct {
	ID, Name    string
	Of          string // id of its service, if it has one
	Launch      string // name of a sidekick; empty: the primary one
	State       string // "running"
	Image       string
	IP, Host    string
	Docker      string // id on its Engine
	Network     string // "managed"
	NetworkOf   string // id of the container whose network it shares
	Starts      int
	Env, Labels map[string]any
	Bare        bool // as servers before 1.6 may answer: without ids of service and stack
}

// Stack is a stack. Without Docker and Rancher it can't be exported.
type Stack struct {
	ID, Name, Type  string
	Docker, Rancher string
	ExportStatus    int // what the action answers; 0: 200
}

// Host is a host of the environment.
type Host struct{ ID, Name, IP string }

type object = map[string]any

func or(s, standard string) string {
	if s == "" {
		return standard
	}
	return s
}

// resource makes what all objects of the API have.
func (s *Server) resource(kind, plural, id string, links []string) object {
	self := s.base() + "/" + plural + "/" + id
	l := object{"self": self}
	for _, link := range links {
		l[link] = self + "/" + link
	}
	return object{"id": id, "type": kind, "links": l, "actions": object{}, "removed": nil, "transitioning": "no"}
}

func (s *Server) services() (all []object) {
	members := map[string][]string{}
	for _, c := range s.world.Containers {
		if !c.Bare {
			members[c.Of] = append(members[c.Of], c.ID)
		}
	}
	for _, v := range s.world.Services {
		o := s.resource(or(v.Type, "service"), "services", v.ID, []string{"stack", "instances"})
		o["name"], o["state"], o["stackId"], o["accountId"] = v.Name, or(v.State, "active"), v.Stack, or(v.Account, s.project)
		o["system"], o["scale"], o["metadata"] = v.System, 1, nil
		o["instanceIds"] = append(slices.Clone(v.Instances), members[v.ID]...)
		o["launchConfig"] = nil
		if v.Image != "" {
			o["launchConfig"] = object{"type": "launchConfig", "imageUuid": v.Image, "environment": nilled(v.Env), "labels": nilled(v.Labels), "networkMode": "managed"}
		}
		secondary := []object{}
		for _, k := range v.Sidekicks {
			secondary = append(secondary, object{"name": k.Name, "imageUuid": k.Image, "environment": nilled(k.Env), "labels": nilled(k.Labels)})
		}
		o["secondaryLaunchConfigs"] = secondary
		all = append(all, o)
	}
	return all
}

func nilled(m map[string]any) any {
	if m == nil {
		return nil
	}
	return m
}

func (s *Server) containers() (all []object) {
	services, stacks := map[string]Service{}, map[string]string{}
	for _, v := range s.world.Services {
		services[v.ID] = v
	}
	for _, k := range s.world.Stacks {
		stacks[k.ID] = k.Name
	}
	for _, c := range s.world.Containers {
		o := s.resource("container", "containers", c.ID, []string{"hosts"})
		o["name"], o["state"], o["imageUuid"], o["hostId"] = or(c.Name, c.ID), or(c.State, "running"), c.Image, c.Host
		o["externalId"], o["networkMode"], o["startCount"] = c.Docker, or(c.Network, "managed"), c.Starts
		o["environment"], o["created"] = nilled(c.Env), "2017-07-14T02:40:00Z"
		o["primaryIpAddress"], o["networkContainerId"], o["serviceIds"], o["stackId"] = nil, nil, nil, nil
		if c.IP != "" {
			o["primaryIpAddress"] = c.IP
		}
		if c.NetworkOf != "" {
			o["networkContainerId"] = c.NetworkOf
		}
		o["labels"] = nilled(c.Labels)
		if v, ok := services[c.Of]; ok {
			o["labels"] = labels(c, stacks[v.Stack], v.Name)
			if !c.Bare {
				o["serviceIds"], o["stackId"] = []string{c.Of}, v.Stack
			}
		}
		all = append(all, o)
	}
	return all
}

// labels are the container's own and those that the server puts on it.
func labels(c Container, stack, service string) map[string]any {
	all := map[string]any{}
	maps.Copy(all, c.Labels)
	name := stack + "/" + service
	if c.Launch != "" {
		name += "/" + c.Launch
	}
	all["io.rancher.stack.name"], all["io.rancher.stack_service.name"] = stack, name
	all["io.rancher.service.launch.config"] = or(c.Launch, "io.rancher.service.primary.launch.config")
	return all
}

func (s *Server) stacks() (all []object) {
	for _, k := range s.world.Stacks {
		o := s.resource(or(k.Type, "stack"), "stacks", k.ID, []string{"services", "composeConfig"})
		o["name"], o["state"], o["system"] = k.Name, "active", false
		if k.Docker+k.Rancher != "" || k.ExportStatus != 0 {
			o["actions"] = object{"exportconfig": fmt.Sprintf("%s/stacks/%s/?action=exportconfig", s.base(), k.ID)}
		}
		all = append(all, o)
	}
	return all
}

func (s *Server) hosts() (all []object) {
	for _, h := range s.world.Hosts {
		o := s.resource("host", "hosts", h.ID, nil)
		o["hostname"], o["agentIpAddress"], o["state"] = h.Name, h.IP, "active"
		all = append(all, o)
	}
	return all
}
