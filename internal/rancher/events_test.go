package rancher_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/purser-backup/purser/internal/rancher"
	"github.com/purser-backup/purser/internal/rancher/ranchertest"
)

const patience = 10 * time.Second

// follower follows the events of a server.
type follower struct {
	t       *testing.T
	changed chan struct{}
	ended   chan error
}

func follow(ctx context.Context, t *testing.T, c *rancher.Client) *follower {
	f := &follower{t: t, changed: make(chan struct{}, 1), ended: make(chan error, 1)}
	go func() { f.ended <- c.Changes(ctx, f.changed) }()
	return f
}

func (f *follower) signalled() {
	f.t.Helper()
	select {
	case <-f.changed:
	case err := <-f.ended:
		f.t.Fatalf("the subscription ended: %v", err)
	case <-time.After(patience):
		f.t.Fatal("no signal")
	}
}

func (f *follower) end() error {
	f.t.Helper()
	select {
	case err := <-f.ended:
		return err
	case <-time.After(patience):
		f.t.Fatal("the subscription goes on")
		return nil
	}
}

func subscribed(t *testing.T, s *ranchertest.Server) {
	t.Helper()
	for began := time.Now(); s.Subscribers() != 1; {
		if time.Since(began) > patience {
			t.Fatalf("%d subscribers", s.Subscribers())
		}
		time.Sleep(time.Millisecond)
	}
}

func TestChanges(t *testing.T) {
	s := ranchertest.New(t, small())
	ctx, cancel := context.WithCancel(t.Context())
	f := follow(ctx, t, open(t, s))
	f.signalled()
	subscribed(t, s)
	for _, kind := range []string{"service", "container", "instance", "stack", "host"} {
		s.Emit(kind, "1x1")
		f.signalled()
	}
	// Of what concerns no service nothing is to be heard: the next signal is
	// that of the service, and there is no other.
	s.Emit("volume", "1v1")
	s.Emit("service", "1s5")
	f.signalled()
	select {
	case <-f.changed:
		t.Error("two signals for one change")
	default:
	}
	cancel()
	if err := f.end(); !errors.Is(err, context.Canceled) {
		t.Errorf("ended with %v", err)
	}
	if n := s.Asked("eventNames=resource.change"); n != 1 {
		t.Errorf("%d subscriptions for changes", n)
	}
}

func TestChangesEnd(t *testing.T) {
	for name, c := range map[string]struct {
		end        func(*ranchertest.Server)
		text, hint string
	}{
		"logout": {(*ranchertest.Server).Logout, "the server logged the key out", "BACKUP_RANCHER_API_KEY"},
		"hangup": {(*ranchertest.Server).Hangup, "rancher: follow events", ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := ranchertest.New(t, small())
			f := follow(t.Context(), t, open(t, s))
			f.signalled()
			subscribed(t, s)
			c.end(s)
			wantError(t, f.end(), c.text, c.hint)
		})
	}
}

func TestChangesRefused(t *testing.T) {
	for name, c := range map[string]struct {
		fault      ranchertest.Fault
		text, hint string
	}{
		"401":            {ranchertest.Fault{Status: 401}, "401 Unauthorized", "BACKUP_RANCHER_API_KEY"},
		"404":            {ranchertest.Fault{Status: 404}, "404 Not Found", ""},
		"503 of a proxy": {ranchertest.Fault{Status: 503, Body: page}, "503 Service Unavailable", ""},
		"no websocket":   {ranchertest.Fault{Status: 200, Body: "{}"}, "200 OK", ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := ranchertest.New(t, small())
			client := open(t, s)
			c.fault.Match = "/subscribe"
			s.Fail(c.fault)
			wantError(t, client.Changes(t.Context(), make(chan struct{}, 1)), c.text, c.hint)
		})
	}
}

// The key of an account has no subscription of its own.
func TestChangesWithoutSubscription(t *testing.T) {
	s := ranchertest.New(t, small())
	s.Hide("subscribe")
	wantError(t, open(t, s).Changes(t.Context(), make(chan struct{}, 1)), "may not subscribe", "/v2-beta/projects/1a5")
	// What it may not see of hosts is no hindrance.
	s.Hide("host")
	if services, _, err := open(t, s).Services(t.Context()); err != nil || len(services) != 1 {
		t.Errorf("%v, %v", services, err)
	}
	s.Hide("service")
	_, err := rancher.Open(t.Context(), options(s.API()))
	wantError(t, err, "find its services: the server doesn't offer it", "Rancher 1.2 to 1.6")
}
