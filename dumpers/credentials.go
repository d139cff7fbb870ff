package dumpers

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/purser-backup/purser/discovery"
)

// spec renders the recipe, with the values of files read in.
func (d *Dumper) spec(ctx context.Context, s discovery.Service, r *Recipe) (Spec, error) {
	env, err := d.environment(ctx, s, r.names)
	if err != nil {
		return Spec{}, err
	}
	ip := serviceIP
	if e := s.Primary().Elsewhere; e != nil {
		ip = e.Address
	}
	spec, err := r.Render(s, Vars{IP: ip, TargetDir: targetDir, Env: env, Rand: d.options.Rand})
	var e *Error
	if errors.As(err, &e) && strings.Contains(e.Err.Error(), lookedFor) {
		e.Advice += "\n" + d.options.Secrets.where(s)
	}
	return spec, err
}

// environment is the service's own. For each name that the recipe uses, what
// the operator has bound to the service comes first, then the service's
// variable, then the content of the file in it that NAME_FILE or FILE__NAME
// names.
func (d *Dumper) environment(ctx context.Context, s discovery.Service, names []string) (map[string]Value, error) {
	c := s.Primary()
	env := Environment(c.Env)
	bound, err := d.options.Secrets.values(s, names)
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		if v, ok := bound[name]; ok {
			env[name] = v
			continue
		}
		file := secretFile(c, name)
		if c.Env[name] != "" || file == "" {
			continue
		}
		setting := name + "_FILE"
		if c.Env[setting] == "" {
			setting = "FILE__" + name
		}
		if c.Elsewhere != nil {
			return nil, &Error{Service: s.ID(), Op: "credentials",
				Err:    fmt.Errorf("%s names a file in container %s, which can't be read: it runs on host %s", setting, c.Name, c.Elsewhere.Host),
				Advice: "start purser on that host, give the service " + name + " itself, or give it to purser, see " + SecretsSetting}
		}
		data, err := d.options.Runtime.ReadFile(ctx, c.ID, file)
		if err != nil {
			err = fmt.Errorf("read %s of %s in container %s: %w", file, setting, c.Name, err)
		} else {
			var text string
			text, err = secretText(fmt.Sprintf("%s of %s in container %s", file, setting, c.Name), data)
			env[name] = Value{Text: text, Origin: "the file " + file + " in the service"}
		}
		if err != nil {
			return nil, &Error{Service: s.ID(), Op: "credentials", Err: err,
				Advice: "the file must be readable for the container's own user"}
		}
	}
	return env, nil
}
