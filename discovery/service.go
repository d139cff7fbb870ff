package discovery

import (
	"cmp"
	"errors"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// NoStack is the stack of a container that no orchestrator made.
const NoStack = "_"

// Service is one or more equal containers under one identity. Stack and Name
// are each one safe path component.
type Service struct {
	Stack      string
	Name       string
	Settings   Settings
	Containers []Container // at least one, the oldest first
	Dir        string      // where its dump lies below the source path; empty: dump/STACK/NAME
}

// ID returns the identity, "STACK/NAME". It is the same after the containers
// were recreated or scaled.
func (s Service) ID() string { return s.Stack + "/" + s.Name }

// Primary returns the container to dump from: of those that run and aren't
// paused the oldest on the own Engine, or else the oldest elsewhere; if there
// is none, the oldest of all.
func (s Service) Primary() Container {
	ready := func(c Container) bool { return c.Running && !c.Paused && !c.Restarting }
	near := func(c Container) bool { return ready(c) && c.Elsewhere == nil }
	for _, fits := range []func(Container) bool{near, ready} {
		if i := slices.IndexFunc(s.Containers, fits); i >= 0 {
			return s.Containers[i]
		}
	}
	return s.Containers[0]
}

// Problem is something about one container or service that the user should
// know. It is an error value with a hint.
type Problem struct {
	Subject string // the service's identity, or the container's name where it has none
	Message string
	Remedy  string // what to do, may be empty
	Warning bool   // true: nothing that was asked for is left out because of it
	Blind   bool   // true: services may run that could not be seen
}

func (p Problem) Error() string { return p.Subject + ": " + p.Message }

// Hint says what the user can do about the problem.
func (p Problem) Hint() string { return p.Remedy }

// fault is a problem that doesn't know yet whose it is.
type fault struct {
	message, remedy string
	serious         bool // more than a warning
}

// Group makes services of containers. A container that can't be grouped is
// left out and reported; so is each service whose containers differ in image
// or configuration, because a dump of either could replace one of the other.
// The results are sorted by identity. Group doesn't change its argument.
func Group(containers []Container) ([]Service, []Problem) {
	var services []Service
	var problems []Problem
	index := map[string]int{}
	for _, c := range oldestFirst(containers) {
		if ignored(c) {
			continue
		}
		stack, name, err := identity(c)
		if err != nil {
			problems = append(problems, Problem{Subject: c.Name, Message: err.Error(),
				Remedy: "give the container a plain name, or set the label " + LabelID})
			continue
		}
		id := stack + "/" + name
		if i, ok := index[id]; ok {
			services[i].Containers = append(services[i].Containers, c)
			continue
		}
		index[id] = len(services)
		services = append(services, Service{Stack: stack, Name: name, Containers: []Container{c}})
	}
	kept := services[:0]
	for _, s := range services {
		if p, conflict := conflicting(s); conflict {
			problems = append(problems, p)
			continue
		}
		var faults []fault
		s.Settings, faults = decode(s.Containers[0].Labels)
		for _, f := range faults {
			problems = append(problems, Problem{Subject: s.ID(), Message: f.message, Remedy: f.remedy, Warning: !f.serious})
		}
		kept = append(kept, s)
	}
	slices.SortFunc(kept, func(a, b Service) int { return cmp.Compare(a.ID(), b.ID()) })
	slices.SortStableFunc(problems, func(a, b Problem) int { return cmp.Compare(a.Subject, b.Subject) })
	return kept, problems
}

// ignored reports containers that are never services: purser's own, and the
// one-off commands of Compose.
func ignored(c Container) bool {
	if _, ok := c.Labels[LabelRole]; ok {
		return true
	}
	return strings.EqualFold(c.Labels[composeOneOff], "true")
}

// Identity returns the identity, "STACK/NAME", that the container has or would
// have as a service: that of a one-off command of Compose is its service's.
func (c Container) Identity() (string, error) {
	stack, name, err := identity(c)
	if err != nil {
		return "", err
	}
	return stack + "/" + name, nil
}

// identity derives stack and service name from labels, or from the
// container's own name.
func identity(c Container) (stack, name string, err error) {
	if id, ok := c.Labels[LabelID]; ok {
		return explicit(id)
	}
	for _, o := range orchestrators {
		stack, name = c.Labels[o.stack], c.Labels[o.service]
		if name == "" {
			continue
		}
		if stack == "" {
			stack = NoStack
		}
		// Swarm repeats the stack in the service's name.
		if o.service == "com.docker.swarm.service.name" {
			name = strings.TrimPrefix(name, stack+"_")
		}
		// Rancher names a service "stack/service", and a sidekick of it
		// "stack/service/sidekick". Its own names have no dot.
		if o.service == "io.rancher.stack_service.name" {
			if own, ok := strings.CutPrefix(name, stack+"/"); ok {
				name = strings.Replace(own, "/", ".", 1)
			}
		}
		return stack, name, cmp.Or(safe("stack", stack), safe("service", name))
	}
	return NoStack, c.Name, safe("container", c.Name)
}

// explicit reads the label backup.id: NAME or STACK/NAME.
func explicit(id string) (stack, name string, err error) {
	stack, name, both := strings.Cut(id, "/")
	if !both {
		stack, name = NoStack, id
	}
	if e := cmp.Or(safe("stack", stack), safe("service", name)); e != nil {
		return "", "", errors.New("label " + LabelID + ": " + e.Error())
	}
	return stack, name, nil
}

// safe refuses what isn't one plain path component. The result is used as a
// directory's name below the source path, so a label must not leave it.
func safe(what, s string) error {
	var reason string
	switch {
	case s == "":
		reason = "is empty"
	case len(s) > 200:
		reason = "is longer than 200 bytes"
	case strings.HasPrefix(s, "."):
		reason = "starts with a dot"
	case strings.ContainsAny(s, `/\`):
		reason = "contains a slash"
	case !utf8.ValidString(s):
		reason = "is not valid UTF-8"
	case strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }):
		reason = "contains a control character"
	default:
		return nil
	}
	return errors.New(what + " name " + quote(s) + " " + reason)
}

// conflicting compares all containers of a service with the oldest one.
func conflicting(s Service) (Problem, bool) {
	first := s.Containers[0]
	for _, c := range s.Containers[1:] {
		if sameConfig(first, c) {
			continue
		}
		what := "configuration"
		if !sameImage(first, c) {
			what = "image"
		}
		return Problem{
			Subject: s.ID(),
			Message: "containers " + first.Name + " and " + c.Name + " claim this identity with different " + what + "; neither is dumped",
			Remedy:  "give one of them a label " + LabelID + " of its own",
		}, true
	}
	return Problem{}, false
}

func oldestFirst(containers []Container) []Container {
	sorted := slices.Clone(containers)
	slices.SortFunc(sorted, func(a, b Container) int {
		return cmp.Or(a.Created.Compare(b.Created), cmp.Compare(a.ID, b.ID))
	})
	return sorted
}

func quote(s string) string { return strconv.Quote(s) }
