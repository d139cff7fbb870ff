package rancher_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/purser-backup/purser/discovery"
	"github.com/purser-backup/purser/internal/rancher"
	"github.com/purser-backup/purser/internal/rancher/ranchertest"
	"github.com/purser-backup/purser/internal/secret"
)

type world = ranchertest.World

type values = map[string]any

func open(t *testing.T, s *ranchertest.Server) *rancher.Client {
	t.Helper()
	c, err := rancher.Open(t.Context(), options(s.API()))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func options(url string) rancher.Options {
	return rancher.Options{URL: url, AccessKey: ranchertest.AccessKey, SecretKey: secret.New(ranchertest.SecretKey),
		Timeout: 20 * time.Second, RetryDelay: time.Millisecond}
}

// found lists services as "stack/name image address env", and problems.
func found(t *testing.T, w world) []string {
	t.Helper()
	services, problems, err := open(t, ranchertest.New(t, w)).Services(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, s := range services {
		c := s.Primary()
		line := fmt.Sprintf("%s %s %s@%s %d", s.ID(), c.Image, c.Elsewhere.Address, c.Elsewhere.Host, len(s.Containers))
		for _, name := range []string{"A", "B"} {
			if v, ok := c.Env[name]; ok {
				line += fmt.Sprintf(" %s=%s", name, v)
			}
		}
		if s.Settings.Type != "" || s.Settings.Disabled {
			line += fmt.Sprintf(" type=%s disabled=%t", s.Settings.Type, s.Settings.Disabled)
		}
		all = append(all, line)
	}
	for _, p := range problems {
		all = append(all, fmt.Sprintf("problem warning=%t %s", p.Warning, p.Error()))
	}
	return all
}

// small is one stack with one service of one container.
func small() world {
	return world{
		Stacks:   []ranchertest.Stack{{ID: "1st7", Name: "shop"}},
		Hosts:    []ranchertest.Host{{ID: "1h1", Name: "host1", IP: "192.0.2.1"}, {ID: "1h2", Name: "host2", IP: "192.0.2.2"}},
		Services: []ranchertest.Service{{ID: "1s5", Name: "db", Stack: "1st7", Image: "docker:mysql:5.7", Env: values{"A": "s3:cret"}, Labels: values{"backup.type": "mysql"}}},
		Containers: []ranchertest.Container{{ID: "1i10", Of: "1s5", Image: "docker:mysql:5.7", IP: "10.42.1.2", Host: "1h2",
			Docker: "0123", Env: values{"A": "s3:cret"}, Labels: values{"backup.type": "mysql"}}},
	}
}

func TestServices(t *testing.T) {
	const plain = "shop/db mysql:5.7 10.42.1.2@host2 1 A=s3:cret type=mysql disabled=false"
	for name, c := range map[string]struct {
		change func(*world)
		want   []string
	}{
		"plain": {func(*world) {}, []string{plain}},
		"other types of services": {func(w *world) {
			for i, kind := range []string{"loadBalancerService", "externalService", "dnsService", "kubernetesService", "composeService",
				"storageDriverService", "networkDriverService"} {
				id := fmt.Sprintf("1s%d", 20+i)
				w.Services = append(w.Services, ranchertest.Service{ID: id, Name: kind, Type: kind, Stack: "1st7"})
				w.Containers = append(w.Containers, ranchertest.Container{ID: "1i" + id, Of: id, Image: "docker:mysql:5.7", IP: "10.42.1.3"})
			}
		}, []string{plain}},
		"no launch configuration":                      {func(w *world) { w.Services[0].Image = "" }, []string{plain}},
		"labels and environment null on the container": {func(w *world) { w.Containers[0].Labels, w.Containers[0].Env = nil, nil }, []string{plain}},
		"labels and environment null everywhere": {func(w *world) {
			w.Containers[0].Labels, w.Containers[0].Env, w.Services[0].Labels, w.Services[0].Env = nil, nil, nil, nil
		}, []string{"shop/db mysql:5.7 10.42.1.2@host2 1"}},
		"numbers, booleans and nulls as values": {func(w *world) {
			w.Containers[0].Env = values{"A": 10000000, "B": nil}
			w.Containers[0].Labels = values{"backup.disable": true}
		}, []string{"shop/db mysql:5.7 10.42.1.2@host2 1 A=10000000 B= type=mysql disabled=true"}},
		"disabled": {func(w *world) { w.Containers[0].Labels["backup.disable"] = "true" },
			[]string{"shop/db mysql:5.7 10.42.1.2@host2 1 A=s3:cret type=mysql disabled=true"}},
		"no running instance": {func(w *world) { w.Containers[0].State = "stopped" },
			[]string{"problem warning=true shop/db: the service is active, and Rancher reports no running container of it"}},
		"a service that has run once": {func(w *world) {
			w.Containers[0].State, w.Services[0].Labels = "stopped", values{"io.rancher.container.start_once": "true"}
		}, nil},
		"a sidekick before the primary container": {func(w *world) {
			w.Services[0].Sidekicks = []ranchertest.Sidekick{{Name: "cache", Image: "docker:redis:4", Env: values{"B": "2"}}}
			w.Containers = append([]ranchertest.Container{{ID: "1i9", Of: "1s5", Launch: "cache", Image: "docker:redis:4", Network: "container",
				NetworkOf: "1i10", Host: "1h2"}}, w.Containers...)
		}, []string{plain, "shop/db.cache redis:4 10.42.1.2@host2 1 B=2"}},
		"several replicas": {func(w *world) {
			more := w.Containers[0]
			more.ID, more.IP, more.Host = "1i11", "10.42.1.3", "1h1"
			w.Containers = append(w.Containers, more)
		}, []string{"shop/db mysql:5.7 10.42.1.2@host2 2 A=s3:cret type=mysql disabled=false"}},
		"upgraded, before the user has finished it": {func(w *world) { w.Services[0].State = "upgraded" }, []string{plain}},
		"being upgraded, the new one runs beside the old one": {func(w *world) {
			w.Services[0].State, w.Services[0].Image = "upgrading", "docker:mysql:8"
			more := w.Containers[0]
			more.ID, more.IP, more.Image = "1i11", "10.42.1.3", "docker:mysql:8"
			w.Containers = append(w.Containers, more)
		}, []string{"shop/db mysql:8 10.42.1.3@host2 1 A=s3:cret type=mysql disabled=false"}},
		"being upgraded, the new one does not run yet": {func(w *world) {
			w.Services[0].State, w.Services[0].Image = "upgrading", "docker:mysql:8"
		}, []string{plain}},
		"inactive":                              {func(w *world) { w.Services[0].State = "inactive" }, nil},
		"stopping":                              {func(w *world) { w.Services[0].State = "deactivating" }, nil},
		"removed":                               {func(w *world) { w.Services[0].State = "removed" }, nil},
		"restarting":                            {func(w *world) { w.Services[0].State = "restarting" }, []string{plain}},
		"in an error, while its container runs": {func(w *world) { w.Services[0].State = "error" }, []string{plain}},
		"on the host's network": {func(w *world) { w.Containers[0].Network, w.Containers[0].IP = "host", "" },
			[]string{"shop/db mysql:5.7 192.0.2.2@host2 1 A=s3:cret type=mysql disabled=false"}},
		"a registry with a port": {func(w *world) {
			w.Services[0].Image, w.Containers[0].Image = "docker:registry:5000/team/mysql:9.6", "docker:registry:5000/team/mysql:9.6"
		}, []string{"shop/db registry:5000/team/mysql:9.6 10.42.1.2@host2 1 A=s3:cret type=mysql disabled=false"}},
		"a digest": {func(w *world) {
			w.Services[0].Image, w.Containers[0].Image = "docker:docker/mysql@sha256:0a", "docker:docker/mysql@sha256:0a"
		}, []string{"shop/db docker/mysql@sha256:0a 10.42.1.2@host2 1 A=s3:cret type=mysql disabled=false"}},
		"containers that don't name their service": {func(w *world) { w.Containers[0].Bare = true }, []string{plain}},
		"a service that doesn't run for a system stack": {func(w *world) {
			w.Services[0].System, w.Containers[0].State = true, "stopped"
		}, nil},
		"a container without a service": {func(w *world) {
			w.Containers = append(w.Containers, ranchertest.Container{ID: "1i77", Image: "docker:mysql:5.7", IP: "10.42.1.9"})
		}, []string{plain}},
		"nothing at all": {func(w *world) { *w = world{} }, nil},
	} {
		t.Run(name, func(t *testing.T) {
			w := small()
			c.change(&w)
			if d := cmp.Diff(c.want, found(t, w)); d != "" {
				t.Errorf("-want +got:\n%s", d)
			}
		})
	}
}

// A large environment is read page by page, each page once, in a few seconds.
func TestManyServices(t *testing.T) {
	const services = 2500
	w := world{Stacks: []ranchertest.Stack{{ID: "1st7", Name: "shop"}}}
	for i := range services {
		id := fmt.Sprintf("1s%d", i)
		w.Services = append(w.Services, ranchertest.Service{ID: id, Name: fmt.Sprintf("db%04d", i), Stack: "1st7", Image: "docker:mysql:5.7"})
		w.Containers = append(w.Containers, ranchertest.Container{ID: fmt.Sprintf("1i%d", i), Of: id, Image: "docker:mysql:5.7", IP: "10.42.1.2"})
	}
	s := ranchertest.New(t, w)
	c := open(t, s)
	start := time.Now()
	got, problems, err := c.Services(t.Context())
	took := time.Since(start)
	if err != nil || len(got) != services || len(problems) != 0 {
		t.Fatalf("%d services, problems %v, %v", len(got), problems, err)
	}
	if got[2499].ID() != "shop/db2499" {
		t.Errorf("the last is %s", got[2499].ID())
	}
	requests := s.Requests()
	if n := s.Asked("/services"); n != 25 {
		t.Errorf("services: %d pages", n)
	}
	slices.Sort(requests)
	if once := slices.Compact(slices.Clone(requests)); len(once) != len(requests) {
		t.Errorf("%d requests, %d of them different", len(requests), len(once))
	}
	t.Logf("%d services over %d requests in %s", len(got), len(requests), took)
	if took > 5*time.Second {
		t.Errorf("took %s", took)
	}
}

// A key over several environments can't be used: two stacks of one name would be one.
func TestSeveralEnvironments(t *testing.T) {
	w := small()
	w.Services = append(w.Services, ranchertest.Service{ID: "1s6", Name: "db", Stack: "1st8", Account: "1a7", Image: "docker:mysql:5.7"})
	_, _, err := open(t, ranchertest.New(t, w)).Services(t.Context())
	wantError(t, err, "the key sees 2 environments", "/v2-beta/projects/ID")
}

func TestState(t *testing.T) {
	w := small()
	w.Containers[0].Starts = 3
	s := ranchertest.New(t, w)
	c := open(t, s)
	containers, _, err := c.Containers(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	id := containers[0].ID
	got, err := c.State(t.Context(), id)
	if want := (discovery.State{Running: true, Starts: 3}); err != nil || got != want {
		t.Errorf("%+v, %v", got, err)
	}
	w.Containers[0].State = "stopped"
	s.Set(w)
	if got, err = c.State(t.Context(), id); err != nil || got.Running {
		t.Errorf("stopped: %+v, %v", got, err)
	}
	s.Set(world{})
	if _, err = c.State(t.Context(), id); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("gone: %v", err)
	}
}

// wantError checks an error, its hint, and that neither holds a secret.
func wantError(t *testing.T, err error, text, hint string) {
	t.Helper()
	var e *rancher.Error
	if !errors.As(err, &e) {
		t.Fatalf("got %v", err)
	}
	if !strings.Contains(e.Error(), text) || !strings.Contains(e.Hint(), hint) {
		t.Errorf("got %q with the hint %q, want %q with %q", e.Error(), e.Hint(), text, hint)
	}
	for _, s := range []string{ranchertest.SecretKey, "s3:cret", ranchertest.SecretInEvents} {
		if strings.Contains(e.Error()+e.Hint(), s) {
			t.Errorf("a secret shows: %v", e)
		}
	}
}

// A call ends with its context, although the library's own goes on.
func TestCancelled(t *testing.T) {
	s := ranchertest.New(t, small())
	c := open(t, s)
	s.Fail(ranchertest.Fault{Match: "/services", Delay: time.Minute})
	ctx, cancel := context.WithCancel(t.Context())
	asked := make(chan error, 1)
	go func() {
		_, _, err := c.Services(ctx)
		asked <- err
	}()
	for s.Asked("/services") == 0 {
		select {
		case err := <-asked:
			t.Fatalf("ended early: %v", err)
		case <-time.After(time.Millisecond):
		}
	}
	cancel()
	select {
	case err := <-asked:
		if !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
	case <-time.After(10 * time.Second):
		t.Error("it goes on after the cancellation")
	}
}
