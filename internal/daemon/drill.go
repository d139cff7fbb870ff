package daemon

import (
	"context"
	"time"
)

// Drill is a backup of a service that was proved to load.
type Drill struct {
	Service string    `json:"service"`
	Image   string    `json:"image"`
	Time    time.Time `json:"time"` // of the backup
	Started time.Time `json:"started"`
	Ended   time.Time `json:"ended"`
	Files   int       `json:"files"`
	Bytes   int64     `json:"bytes"`
	Summary []string  `json:"summary"` // what the recipe says that it has loaded
}

// Drill takes the dump of a service out of the newest backup at or before a
// time, zero for the newest of all, and loads it into a new server of the
// service's image, which is removed then. It keeps out runs meanwhile.
func (d *Daemon) Drill(ctx context.Context, service string, at time.Time) (Drill, error) {
	r, err := d.begin(commandDrill, RunOptions{Trigger: ByCommand})
	if err != nil {
		return Drill{}, err
	}
	defer r.lock.unlock()
	drill, err := r.drill(ctx, service, at)
	return drill, join(append(r.missing, err, r.close())...)
}

func (r *run) drill(ctx context.Context, service string, at time.Time) (Drill, error) {
	drill := Drill{Service: service, Started: r.now(), Summary: []string{}}
	docker, err := r.connect(ctx)
	if err != nil {
		return drill, err
	}
	defer r.closing("the connection to Docker", docker.close)
	dumper, err := r.prepare(ctx, docker)
	if err != nil {
		return drill, err
	}
	defer r.closing("the source path", dumper.Close)
	all, err := r.discover(ctx, docker)
	if err != nil {
		return drill, err
	}
	found, err := pick(all, []string{service})
	if err != nil {
		return drill, err
	}
	if found[0].match.Err != nil {
		return drill, found[0].match.Err
	}
	if err := r.phase(PhaseLoad); err != nil {
		return drill, err
	}
	drill.Image = found[0].service.Primary().Image
	r.log.Info("drill: starting a new server", "service", service, "image", drill.Image)
	loaded, err := dumper.Drill(ctx, found[0].service, found[0].match.Recipe, func(dir string) (err error) {
		drill.Time, err = r.restoreDump(ctx, dir, LoadOptions{Service: service, Time: at})
		return err
	})
	drill.Ended, drill.Files, drill.Bytes = r.now(), loaded.Files, loaded.Bytes
	drill.Summary = append(drill.Summary, loaded.Summary...)
	return drill, err
}
