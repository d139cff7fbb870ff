package main_test

import (
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/purser-backup/purser/internal/rancher/ranchertest"
)

// ranch is a Rancher environment: the test Engine is one host of it, and what
// purser doesn't see there runs on another.
type ranch struct {
	near, sidekick, far, own *database
	world                    ranchertest.World
	scope                    string
}

const stackPassword = "pa55word-in-a-stack"

// newRanch starts the services. Those of this host bear Rancher's labels and
// that of the scope; the others are on the same Engine, out of the scope, and
// only the API tells of them.
func newRanch(w *world) *ranch {
	w.t.Helper()
	r := &ranch{scope: "ranch=" + w.stack}
	r.near = &database{w: w, service: "near", system: "mysql", name: w.rancherContainer("near", "mariadb:11", "near",
		"--label", r.scope, "-e", "MARIADB_ROOT_PASSWORD="+passphrase, "-e", "MARIADB_DATABASE=shop")}
	r.sidekick = &database{w: w, service: "near.ledger", system: "postgres", name: w.rancherContainer("ledger", "postgres:17", "near/ledger",
		"--label", r.scope, "--label", "io.rancher.service.launch.config=ledger", "-e", "POSTGRES_PASSWORD="+passphrase, "-e", "POSTGRES_DB=shop")}
	r.far = w.mariadb("far", "mariadb:11")
	r.own = w.mariadb("own", "mariadb:10.11")
	for _, db := range []*database{r.near, r.sidekick, r.far, r.own} {
		db.connected()
		db.fill()
		db.query("update goods set name = '" + db.service + "' where id = 3;")
	}
	env := map[string]any{"MARIADB_ROOT_PASSWORD": passphrase, "MARIADB_DATABASE": "shop"}
	ledger := map[string]any{"POSTGRES_PASSWORD": passphrase, "POSTGRES_DB": "shop"}
	labels := map[string]any{"ranch": w.stack}
	r.world = ranchertest.World{
		Hosts: []ranchertest.Host{{ID: "1h1", Name: "host1"}, {ID: "1h2", Name: "host2"}},
		Stacks: []ranchertest.Stack{{ID: "1st7", Name: w.stack, Docker: "version: '2'\r\nservices:\r\n  near:\r\n    environment:\r\n      P: " + stackPassword + "\r\n",
			Rancher: "version: '2'\r\n"}, {ID: "1st8", Name: "kubernetes", Type: "kubernetesStack"}},
		Services: []ranchertest.Service{
			{ID: "1s5", Name: "near", Stack: "1st7", Image: "docker:mariadb:11", Env: env, Labels: labels,
				Sidekicks: []ranchertest.Sidekick{{Name: "ledger", Image: "docker:postgres:17", Env: ledger, Labels: labels}}},
			{ID: "1s6", Name: "far", Stack: "1st7", Image: "docker:mariadb:11", Env: env, Labels: labels},
		},
		Containers: []ranchertest.Container{
			{ID: "1i10", Of: "1s5", Image: "docker:mariadb:11", Docker: w.id(r.near), IP: "10.42.0.5", Host: "1h1", Env: env, Labels: labels},
			{ID: "1i11", Of: "1s5", Launch: "ledger", Image: "docker:postgres:17", Docker: w.id(r.sidekick), IP: "10.42.0.5", Host: "1h1", Env: ledger, Labels: labels},
			{ID: "1i12", Of: "1s6", Image: "docker:mariadb:11", Docker: strings.Repeat("0f", 32), IP: w.address(r.far), Host: "1h2", Env: env, Labels: labels},
		},
	}
	return r
}

// rancherContainer starts a container as Rancher's agent would.
func (w *world) rancherContainer(name, image, service string, options ...string) string {
	w.t.Helper()
	name = "r-" + w.stack + "-" + name + "-1-0f0f0f0f"
	args := []string{"run", "-d", "--pull", "never", "--name", name, "--label", "purser-test=" + w.stack,
		"--label", "io.rancher.stack.name=" + w.stack, "--label", "io.rancher.stack_service.name=" + w.stack + "/" + service}
	w.docker(append(append(args, options...), image)...)
	return name
}

func (w *world) id(db *database) string { return w.docker("inspect", "--format", "{{.Id}}", db.name) }

func (w *world) address(db *database) string {
	return w.docker("inspect", "--format", "{{.NetworkSettings.Networks.bridge.IPAddress}}", db.name)
}

// listen opens a port that containers beside this one reach.
func (w *world) listen(db *database) net.Listener {
	w.t.Helper()
	gateway := w.docker("inspect", "--format", "{{.NetworkSettings.Networks.bridge.Gateway}}", db.name)
	type result struct {
		listener net.Listener
		err      error
	}
	opened := make(chan result, 1)
	go func() {
		// The thread stays in the other namespace, and ends with the function.
		runtime.LockOSThread()
		var r result
		netns, err := os.Open("/run/netns/" + need(w.t, "PURSER_TEST_NETNS"))
		if r.err = err; err == nil {
			if r.err = unix.Setns(int(netns.Fd()), unix.CLONE_NEWNET); r.err == nil {
				r.listener, r.err = net.Listen("tcp", net.JoinHostPort(gateway, "0"))
			}
			netns.Close()
		}
		opened <- r
	}()
	r := <-opened
	if r.err != nil {
		w.t.Fatal(r.err)
	}
	return r.listener
}

// A whole run in a Rancher environment: dumps of services here and elsewhere
// and of a sidekick, the definitions of stacks, Rancher's own database, an
// encrypted set; restored by purser and by duplicity, and loaded again. No
// secret is logged at any level.
func TestRancher(t *testing.T) {
	w := newWorld(t)
	r := newRanch(w)
	for _, place := range []string{"named volume", "host process"} {
		t.Run(place, func(t *testing.T) {
			w := &world{t: t, stack: w.stack, socket: w.socket, image: w.image}
			var server *ranchertest.Server
			if place == "host process" {
				server = ranchertest.New(t, r.world)
			} else {
				server = ranchertest.NewOn(t, w.listen(r.far), r.world)
			}
			p := w.purser(place).with("BACKUP_SCOPE=label="+r.scope,
				"CATTLE_URL="+server.URL+"/v1", "CATTLE_ACCESS_KEY="+ranchertest.AccessKey, "CATTLE_SECRET_KEY="+ranchertest.SecretKey,
				"BACKUP_RANCHER_db_host="+w.address(r.own), "BACKUP_RANCHER_db_user=root", "BACKUP_RANCHER_db_password="+passphrase, "BACKUP_RANCHER_db_name=shop")
			rancherJob(t, r, p)
			wantDebugRefused(t, p, server)
		})
	}
}

func rancherJob(t *testing.T, r *ranch, p *purser) {
	t.Helper()
	run := p.must("run", "--log-level", "debug")
	for _, secret := range []string{passphrase, stackPassword, ranchertest.SecretKey} {
		if strings.Contains(run.stdout+run.stderr, secret) {
			t.Errorf("%q is logged:\n%s", secret, run)
		}
	}
	p.wantChain(0)
	p.wantNothingLeft()
	restored := p.fresh().restored()
	wantSame(t, "purser's restore", snapshot(t, p.source), snapshot(t, restored))
	wantSame(t, "duplicity's restore", snapshot(t, p.source), snapshot(t, p.duplicity()))
	loaded := []*database{r.near, r.sidekick, r.far}
	if p.host { // what is the same for both places is loaded once
		loaded = loaded[2:]
	}
	for _, db := range loaded {
		if db.loaded(t, restored) != db.goods() {
			t.Errorf("the rows of %s that were loaded differ from the server's", db.service)
		}
	}
	if got := string(readFile(t, filepath.Join(restored, "rancher", p.w.stack, "docker-compose.yml"))); got != r.world.Stacks[0].Docker {
		t.Errorf("the stack's definition: %q", got)
	}
	again := p.w.mariadb("again-"+random(t), "mariadb:11", "--label", "backup.disable=true")
	again.query(string(readFile(t, filepath.Join(restored, "rancher/database/shop.dump"))))
	if again.discard() != r.own.goods() {
		t.Error("the rows of Rancher's own database that were loaded differ from the server's")
	}
}

// The library's debug switch would print every answer, with the passwords in it.
func wantDebugRefused(t *testing.T, p *purser, server *ranchertest.Server) {
	t.Helper()
	asked := len(server.Requests())
	r := p.with("RANCHER_CLIENT_DEBUG=true").run("run")
	if r.code != 2 || !strings.Contains(r.stderr, "error: RANCHER_CLIENT_DEBUG") || !strings.Contains(r.stderr, "hint: unset it") {
		t.Errorf("%s", r)
	}
	if n := len(server.Requests()) - asked; n != 0 {
		t.Errorf("the server was asked %d times", n)
	}
}
