// Package discovery turns containers into services, as plain values.
//
// A container is what an Engine or an orchestrator reports. A service is
// what a backup is kept for: its identity stays the same when containers
// are recreated, renamed by the orchestrator, or scaled. The package knows
// no recipe and no SDK; adapters such as internal/docker fill the values in.
package discovery

import (
	"maps"
	"slices"
	"strings"
	"time"
)

// Container is one running container as its Engine reports it. It is a plain
// value: nothing in it is looked up later.
type Container struct {
	ID      string   // full id
	Name    string   // without the leading slash
	Image   string   // reference that it was created with; may be an id or a digest
	ImageID string   // id of the image that it runs
	Tags    []string // references of that image, where Image itself names none

	Labels     map[string]string
	Env        map[string]string
	Entrypoint []string
	Cmd        []string

	Running    bool
	Paused     bool
	Restarting bool
	Created    time.Time
	StartedAt  time.Time

	NetworkMode string
	Addresses   map[string]string // network name to IP address
	Mounts      []Mount

	Elsewhere *Elsewhere // nil if the own Engine runs it
}

// Elsewhere is what is known of a server that the own Engine doesn't run: a
// container on another host, as an orchestrator reports it, or a server that
// is in no container at all.
type Elsewhere struct {
	EngineID string // its id on its own Engine, if it is known
	Host     string // name of the host, for messages
	Address  string // where the own containers reach it
}

// Mount is one mount of a container.
type Mount struct {
	Type        string // "bind", "volume", "tmpfs"
	Name        string // of the volume, if it has one
	Source      string // path on the Engine's host
	Destination string // path in the container
	ReadOnly    bool
}

// State says whether a container can be dumped now, and lets a later call
// notice a restart in between.
type State struct {
	Running    bool
	Paused     bool
	Restarting bool
	StartedAt  time.Time
	Starts     int64 // how often it was started, where the time is not known
}

// State returns the container's state at the time it was listed.
func (c Container) State() State {
	return State{Running: c.Running, Paused: c.Paused, Restarting: c.Restarting, StartedAt: c.StartedAt}
}

// sameConfig reports whether two containers may be replicas of one service.
// Names, ids and addresses differ between replicas; what they run doesn't.
func sameConfig(a, b Container) bool {
	// An Engine reports what image and agent have added, an orchestrator only
	// what the user wrote.
	if (a.Elsewhere == nil) != (b.Elsewhere == nil) {
		return sameImage(a, b) && maps.Equal(ownLabels(a), ownLabels(b))
	}
	return sameImage(a, b) &&
		maps.Equal(a.Env, b.Env) &&
		slices.Equal(a.Entrypoint, b.Entrypoint) &&
		slices.Equal(a.Cmd, b.Cmd) &&
		slices.Equal(destinations(a), destinations(b)) &&
		maps.Equal(ownLabels(a), ownLabels(b))
}

// sameImage compares ids where both are known: on several hosts one image
// may have been pulled under one reference, and a tag may have moved.
func sameImage(a, b Container) bool {
	if a.ImageID != "" && b.ImageID != "" {
		return a.ImageID == b.ImageID
	}
	return a.Image == b.Image
}

func destinations(c Container) []string {
	var d []string
	for _, m := range c.Mounts {
		d = append(d, m.Destination)
	}
	slices.Sort(d)
	return d
}

func ownLabels(c Container) map[string]string {
	own := map[string]string{}
	for k, v := range c.Labels {
		if strings.HasPrefix(k, labelPrefix) {
			own[k] = v
		}
	}
	return own
}
