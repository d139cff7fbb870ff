package dumpers

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"
	"strings"

	"github.com/purser-backup/purser/discovery"
	"github.com/purser-backup/purser/internal/secret"
)

// Drill proves that a dump of a service loads: it starts a new server of the
// service's image, with its environment and command, on no network and with none of
// its volumes, loads the dump into it, and removes it. The service itself is only
// read. fill is as of LoadOptions. An error of its own is an *Error.
func (d *Dumper) Drill(ctx context.Context, s discovery.Service, r *Recipe, fill func(dir string) error) (Loaded, error) {
	start := d.options.Now()
	loaded, err := d.drill(ctx, s, r, fill)
	loaded.Duration = d.options.Now().Sub(start)
	var e *Error
	if errors.As(err, &e) {
		e.Task = "drill of"
	}
	return loaded, err
}

func (d *Dumper) drill(ctx context.Context, s discovery.Service, r *Recipe, fill func(dir string) error) (loaded Loaded, err error) {
	if !r.declares("load") {
		return loaded, &Error{Service: s.ID(), Op: "read " + r.file, Err: errors.New("the recipe has no load"),
			Advice: "get the dump with `purser restore --path " + dumpPath(s) + " DEST` and load it with the database's own client"}
	}
	server, err := d.twin(ctx, s, r)
	if err != nil {
		return loaded, err
	}
	t := &trial{Trial: Trial{Recipe: r, Server: server}, dumper: d, service: s,
		advice: "the image is started with the service's environment and command, without its volumes and files"}
	err = t.serve(ctx, func(ctx context.Context, s discovery.Service, spec Spec) error {
		// As soon as it answers.
		if _, err := t.holds(ctx, s, spec); err != nil {
			return err
		}
		var err error
		loaded, err = d.load(ctx, s, r, LoadOptions{Fill: fill})
		advise(err, "what was refused, or is missing, is in the error: `purser load` of this dump would meet the same; an older one may load, with --time")
		return err
	})
	return loaded, err
}

// twin is a server as the service's. What files say of passwords, its own or
// those that the operator has bound, goes in as variables that nobody sees from
// outside: the files aren't there.
func (d *Dumper) twin(ctx context.Context, s discovery.Service, r *Recipe) (Server, error) {
	c := s.Primary()
	env, err := d.environment(ctx, s, r.names)
	if err != nil {
		return Server{}, err
	}
	server := Server{Service: s.ID(), Image: cmp.Or(c.ImageID, c.Image), Command: c.Cmd}
	for _, name := range slices.Sorted(maps.Keys(env)) {
		own, listed := c.Env[name]
		base, file := fileVariable(name)
		switch {
		case file && env[base].Text != "": // the variable itself is there
		case listed && own == env[name].Text:
			server.Env = append(server.Env, name+"="+own)
		default:
			server.Secrets = append(server.Secrets, Variable{Name: name, Value: secret.New(env[name].Text)})
		}
	}
	return server, nil
}

// fileVariable is the variable for which another one names a file.
func fileVariable(name string) (base string, ok bool) {
	if base, ok = strings.CutPrefix(name, "FILE__"); ok {
		return base, true
	}
	return strings.CutSuffix(name, "_FILE")
}
