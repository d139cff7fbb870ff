package daemon

import (
	"context"
	"fmt"
	"net"
	"strconv"

	"github.com/purser-backup/purser/discovery"
	"github.com/purser-backup/purser/dumpers"
	"github.com/purser-backup/purser/internal/stackexport"
)

// Where what is Rancher's own goes below the source path, as with
// rancher-backup. No service can have the identity of its database: a stack's
// name begins with no dot.
const (
	rancherDir          = "rancher"
	rancherDatabaseDir  = "rancher/database"
	rancherDatabaseID   = ".rancher/database"
	rancherDatabaseKind = "rancher-database"
)

// exportStacks writes the definitions of Rancher's stacks. It fails only when
// the run is cancelled; what else goes wrong leaves the run incomplete.
func (r *run) exportStacks(ctx context.Context) error {
	if !r.cfg.ModuleStack || r.rancher == nil {
		return nil
	}
	if err := r.phase(PhaseExport); err != nil {
		return err
	}
	var done stackexport.Result
	client, err := r.rancher.open(ctx)
	if err == nil {
		done, err = stackexport.Export(ctx, r.cfg.SourcePath, rancherDir, client)
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		r.missing = append(r.missing, &incomplete{fmt.Errorf("export stacks: %w", err)})
	}
	for _, failed := range done.Failed {
		r.missing = append(r.missing, &incomplete{failed})
	}
	if err == nil {
		r.log.Info("stacks exported", "changed", done.Written, "unchanged", done.Unchanged, "failed", len(done.Failed), "not_exportable", len(done.Impossible))
	}
	if n := len(done.Impossible); n > 0 && done.Written+done.Unchanged+len(done.Failed) == 0 {
		text := fmt.Sprintf("none of %d stacks can be exported: Rancher lets this key only read", n)
		r.log.Warn(text, "hint", "take a key of the environment, or of an account that may change its stacks")
		r.record.Problems = append(r.record.Problems, text)
	}
	return r.phase(PhaseDiscover)
}

// rancherDatabase is Rancher's own database, dumped as a service is.
func (d *Daemon) rancherDatabase() Found {
	db := d.cfg.Rancher.DB
	port := strconv.Itoa(db.Port)
	server := discovery.Container{
		Name: db.Host, Running: true, Elsewhere: &discovery.Elsewhere{Host: db.Host, Address: db.Host},
		Env: map[string]string{
			"BACKUP_RANCHER_DB_PORT": port, "BACKUP_RANCHER_DB_USER": db.User,
			"BACKUP_RANCHER_DB_PASSWORD": db.Password.Reveal(), "BACKUP_RANCHER_DB_NAME": db.Name,
		},
	}
	m := dumpers.Match{Kind: rancherDatabaseKind, Certain: true, Reason: "BACKUP_RANCHER_DB_HOST is set"}
	m.Recipe, _ = d.catalog.ByKind(rancherDatabaseKind) // purser brings one
	f := found(discovery.Service{Stack: ".rancher", Name: "database", Dir: rancherDatabaseDir, Containers: []discovery.Container{server}}, m)
	f.Image = net.JoinHostPort(db.Host, port)
	return f
}
