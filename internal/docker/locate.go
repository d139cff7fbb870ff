package docker

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/docker/docker/api/types/container"

	"github.com/purser-backup/purser/discovery"
)

// Place is where this process runs, as seen by the Engine: in one of its
// containers, or on its host. It translates paths.
type Place struct {
	Self   discovery.Container // the own container; zero outside of one
	Source string              // the source directory, without symbolic links
	// Rootless: the Engine runs as a plain user, who is root in its containers.
	// Only a plain user's process on the host asks for it: others keep their
	// number.
	Rootless bool
}

// InContainer reports whether the process runs in a container of the Engine.
func (p Place) InContainer() bool { return p.Self.ID != "" }

// Mounted reports whether the source directory is on a mount, or on the host:
// only then can it be shared with a one-shot container.
func (p Place) Mounted() bool {
	_, err := p.hostPath(p.Source)
	return err == nil
}

// Locate finds out where this process runs: a random file in the source
// directory is looked for through the Engine, in containers that could be the
// own one. None sees it: a process on the host. Where several containers
// share the directory, the one that names itself like this process is taken;
// either way its mount leads to the right files.
func (c *Client) Locate(ctx context.Context, source string) (Place, error) {
	place := Place{}
	resolved, err := filepath.EvalSymlinks(source)
	if err != nil {
		return place, &Error{Op: "find the source directory", Err: err, Advice: "create it, or mount a volume or a directory of the host there"}
	}
	if place.Source, err = filepath.Abs(resolved); err != nil {
		return place, fmt.Errorf("find the source directory: %w", err)
	}
	marker, err := c.mark(filepath.Join(place.Source, ".purser"))
	if err != nil {
		return place, &Error{Op: "mark the source directory " + source, Err: err,
			Advice: source + " must be writable for purser's user"}
	}
	id, err := c.witness(ctx, place.Source, marker)
	if err = errors.Join(err, os.Remove(marker)); err != nil {
		return place, err
	}
	switch {
	case id != "":
		place.Self, err = c.inspect(ctx, id)
	case os.Getuid() != 0:
		var engine Engine
		engine, err = c.Engine(ctx)
		place.Rootless = engine.Rootless
	}
	return place, err
}

// owner is the account, as containers number it, to which this process belongs.
func (p Place) owner() (uid, gid int) {
	if p.Rootless {
		return 0, 0
	}
	return os.Getuid(), os.Getgid()
}

// mark creates an empty file with a random name.
func (c *Client) mark(dir string) (string, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", err
	}
	name, err := c.random()
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "marker-"+name)
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return "", err
	}
	return path, f.Close()
}

func (c *Client) random() (string, error) {
	var b [8]byte
	if _, err := io.ReadFull(c.rand, b[:]); err != nil {
		return "", fmt.Errorf("draw name: %w", err)
	}
	return hex.EncodeToString(b[:]), nil
}

// witness returns the container in which the Engine sees the marker, or "".
func (c *Client) witness(ctx context.Context, source, marker string) (string, error) {
	candidates, err := c.candidates(ctx, source)
	if err != nil {
		return "", err
	}
	for _, id := range candidates {
		_, err := c.api.ContainerStatPath(ctx, id, marker)
		if err == nil {
			return id, nil
		}
		if err = callError("look for the marker in container "+short(id), err); !errors.Is(err, fs.ErrNotExist) {
			return "", err
		}
	}
	return "", nil
}

// candidates returns the ids of containers that could be the own one: first
// those that this process takes for itself, then those with a mount over the
// source directory.
func (c *Client) candidates(ctx context.Context, source string) ([]string, error) {
	names, err := ownNames()
	if err != nil {
		return nil, err
	}
	var ids []string
	for _, name := range names {
		// The list shows a container only some time after its process began.
		own, err := c.inspect(ctx, name)
		if err == nil && strings.HasPrefix(own.ID, name) {
			ids = append(ids, own.ID)
		} else if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
	}
	list, err := c.api.ContainerList(ctx, container.ListOptions{})
	if err != nil {
		return nil, callError("list containers", err)
	}
	for _, s := range list {
		covers := slices.ContainsFunc(s.Mounts, func(m container.MountPoint) bool { return within(m.Destination, source) })
		if covers && !slices.Contains(ids, s.ID) {
			ids = append(ids, s.ID)
		}
	}
	return ids, nil
}

// ownMount is how the Engine's files for a container show in its mounts.
var ownMount = regexp.MustCompile(`/([0-9a-f]{64})/(?:hostname|hosts|resolv\.conf) /etc/(?:hostname|hosts|resolv\.conf) `)

// ownNames returns what may be the id of the own container, or its start.
func ownNames() ([]string, error) {
	hostname, err := os.Hostname()
	if err != nil {
		return nil, fmt.Errorf("read host name: %w", err)
	}
	names := []string{hostname}
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if errors.Is(err, fs.ErrNotExist) {
		return names, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read own mounts: %w", err)
	}
	if m := ownMount.FindSubmatch(mounts); m != nil {
		names = append([]string{string(m[1])}, names...)
	}
	return names, nil
}

// within reports whether path is dir or lies below it.
func within(dir, path string) bool {
	dir = filepath.Clean(dir)
	return dir == path || dir == "/" || strings.HasPrefix(path, dir+"/")
}

// hostPath translates a path of this process into one of the Engine's host.
func (p Place) hostPath(path string) (string, error) {
	if !p.InContainer() {
		return path, nil
	}
	var best *discovery.Mount
	for i, m := range p.Self.Mounts {
		if within(m.Destination, path) && (best == nil || len(m.Destination) > len(best.Destination)) {
			best = &p.Self.Mounts[i]
		}
	}
	e := &Error{Op: "share " + path + " with a one-shot container",
		Advice: "mount a volume or a directory of the host at " + p.Source + ", as -v backup:" + p.Source}
	switch {
	case best == nil:
		e.Err = fmt.Errorf("it is on no mount of purser's container %s", p.Self.Name)
	case best.Source == "" || best.Type == "tmpfs":
		e.Err = fmt.Errorf("its mount is a %s, which can't be shared", best.Type)
	case best.ReadOnly:
		e.Err = errors.New("its mount is read-only")
	default:
		below, err := filepath.Rel(best.Destination, path)
		if err != nil {
			e.Err = err
			return "", e
		}
		return filepath.Join(best.Source, below), nil
	}
	return "", e
}
