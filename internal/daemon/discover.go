package daemon

import (
	"context"

	"github.com/purser-backup/purser/discovery"
	"github.com/purser-backup/purser/dumpers"
)

// Action is what a run does with a service.
type Action string

// The actions.
const (
	ActionDump  Action = "dump"
	ActionGuess Action = "guess" // dump, by a recipe that may be the wrong one
	ActionSkip  Action = "skip"  // the user wants no dump
	ActionNone  Action = "none"  // no recipe covers it
	ActionFail  Action = "fail"  // the user wants what isn't there
)

// Discovery is what runs on the Engine and what a run would do with it.
type Discovery struct {
	Services []Found   `json:"services"`
	Problems []Problem `json:"problems"`

	blind bool // services may run that could not be seen
}

// Found is one service.
type Found struct {
	ID         string   `json:"id"`
	Containers []string `json:"containers"` // their names
	Image      string   `json:"image"`
	Action     Action   `json:"action"`
	Recipe     string   `json:"recipe"` // kind, as "mysql"; empty if none
	Certain    bool     `json:"certain"`
	Reason     string   `json:"reason"`
	Warning    string   `json:"warning"`
	Schedule   string   `json:"schedule,omitempty"` // of its own; else it is dumped with every run
	Secrets    []string `json:"secrets,omitempty"`  // files that the operator has bound to it, and that its recipe takes

	service discovery.Service
	match   dumpers.Match
}

// Problem is something wrong with a container or a service.
type Problem struct {
	Subject string `json:"subject"`
	Message string `json:"message"`
	Hint    string `json:"hint"`
	Warning bool   `json:"warning"` // nothing that was asked for is left out because of it
}

// Discover lists the services on the Engine. It changes nothing.
func (d *Daemon) Discover(ctx context.Context) (Discovery, error) {
	docker, err := d.connect(ctx)
	if err != nil {
		return Discovery{}, err
	}
	defer func() {
		if err := docker.close(); err != nil {
			d.log.Warn("closing the connection to Docker failed", "error", err)
		}
	}()
	return d.discover(ctx, docker)
}

func (d *Daemon) discover(ctx context.Context, docker *dockerEngine) (Discovery, error) {
	if !d.cfg.ModuleDatabase && d.cfg.ModuleRancherDB {
		all := Discovery{Services: []Found{d.rancherDatabase()}, Problems: []Problem{}, blind: true}
		d.lookAtSecrets(&all)
		return all, nil
	}
	services, problems, err := docker.source.Services(ctx)
	if err != nil {
		return Discovery{}, err
	}
	all := Discovery{Services: []Found{}, Problems: []Problem{}}
	for _, p := range problems {
		all.Problems = append(all.Problems, Problem{p.Subject, p.Message, p.Remedy, p.Warning})
		all.blind = all.blind || p.Blind
	}
	for _, s := range services {
		f := found(s, d.catalog.Match(s))
		if f.Warning != "" {
			all.Problems = append(all.Problems, Problem{Subject: f.ID, Message: f.Warning, Warning: true})
		}
		all.Services = append(all.Services, f)
	}
	if d.cfg.ModuleRancherDB {
		all.Services = append(all.Services, d.rancherDatabase())
	}
	d.lookAtSecrets(&all)
	return all, nil
}

// lookAtSecrets adds what the operator has bound to the services.
func (d *Daemon) lookAtSecrets(all *Discovery) {
	var plans []dumpers.Plan
	for _, s := range all.Services {
		plans = append(plans, dumpers.Plan{Service: s.service, Recipe: s.match.Recipe})
	}
	used, remarks := dumpers.Secrets(d.cfg.ServiceSecrets).Look(plans, all.blind)
	for i, s := range all.Services {
		all.Services[i].Secrets = used[s.ID]
	}
	for _, r := range remarks {
		all.Problems = append(all.Problems, Problem{Subject: r.Path, Message: r.Message, Hint: r.Advice, Warning: true})
	}
}

func found(s discovery.Service, m dumpers.Match) Found {
	f := Found{
		ID: s.ID(), Containers: []string{}, Image: s.Primary().Image, Recipe: m.Kind, Certain: m.Certain,
		Reason: m.Reason, Warning: m.Warning, Schedule: s.Settings.Schedule, service: s, match: m,
	}
	for _, c := range s.Containers {
		f.Containers = append(f.Containers, c.Name)
	}
	switch {
	case m.Disabled:
		f.Action = ActionSkip
	case m.Err != nil:
		f.Action = ActionFail
	case m.Recipe == nil:
		f.Action = ActionNone
	case m.Certain:
		f.Action = ActionDump
	default:
		f.Action = ActionGuess
	}
	return f
}
