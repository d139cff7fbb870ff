package daemon

import (
	"context"
	"time"

	"github.com/purser-backup/purser/dumpers"
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
	drill, err := r.drill(ctx, LoadOptions{Service: service, Time: at})
	return drill, join(append(r.missing, err, r.close())...)
}

func (r *run) drill(ctx context.Context, o LoadOptions) (Drill, error) {
	drill := Drill{Service: o.Service, Started: r.now(), Summary: []string{}}
	err := r.withService(ctx, o, func(dumper *dumpers.Dumper, model Found) error {
		drill.Image = model.service.Primary().Image
		r.log.Info("drill: starting a new server", "service", o.Service, "image", drill.Image)
		loaded, err := dumper.Drill(ctx, model.service, model.match.Recipe, func(dir string) (err error) {
			drill.Time, err = r.restoreDump(ctx, dir, o)
			return err
		})
		drill.Ended, drill.Files, drill.Bytes = r.now(), loaded.Files, loaded.Bytes
		drill.Summary = append(drill.Summary, loaded.Summary...)
		return err
	})
	return drill, err
}
