package daemon

import (
	"context"
	"log/slog"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/purser-backup/purser/discovery"
	"github.com/purser-backup/purser/dumpers"
	"github.com/purser-backup/purser/internal/bug"
	"github.com/purser-backup/purser/internal/config"
	"github.com/purser-backup/purser/internal/hint"
	"github.com/purser-backup/purser/internal/rancher"
)

// rancherPoll is how often services are listed again though no event came: a
// subscription may lose one.
const rancherPoll = 10 * time.Minute

// rancherSource asks the Rancher server of the configuration. It is safe for
// concurrent use.
type rancherSource struct {
	options rancher.Options
	log     *slog.Logger
	poll    time.Duration

	mu     sync.Mutex
	client *rancher.Client // nil until the server has answered for the first time
}

// newRancherSource returns nil where no server is configured.
func newRancherSource(cfg *config.Config, log *slog.Logger) *rancherSource {
	r := cfg.Rancher
	if !r.Known() {
		return nil
	}
	return &rancherSource{options: rancher.Options{URL: r.URL, AccessKey: r.AccessKey, SecretKey: r.SecretKey}, log: log, poll: rancherPoll}
}

// open returns the client, which outlives failures of the server.
func (s *rancherSource) open(ctx context.Context) (*rancher.Client, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.client != nil {
		return s.client, nil
	}
	client, err := rancher.Open(ctx, s.options)
	if err != nil {
		return nil, err
	}
	s.client = client
	return client, nil
}

// containers returns what the server reports, or a problem in its stead.
func (s *rancherSource) containers(ctx context.Context) ([]discovery.Container, []discovery.Problem) {
	client, err := s.open(ctx)
	if err == nil {
		var found []discovery.Container
		var problems []discovery.Problem
		if found, problems, err = client.Containers(ctx); err == nil {
			return found, problems
		}
	}
	text := strings.TrimPrefix(err.Error(), "rancher: ") + "; only what Docker shows is known"
	return nil, []discovery.Problem{{Subject: "rancher", Message: text, Remedy: hint.Text(err), Blind: true}}
}

// follow signals each change until ctx ends. While events can't be had, it
// signals every now and then instead, so that services are listed all the same.
func (s *rancherSource) follow(ctx context.Context, changed chan<- struct{}) error {
	pause, told := reconnectFirst, false
	for {
		heard, err := s.subscribe(ctx, changed)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if heard {
			pause, told = reconnectFirst, false
		} else if !told {
			s.log.Warn("Rancher's events can't be followed, its services are listed every minute instead", "error", err)
			told = true
		}
		if !sleep(ctx, pause) {
			return ctx.Err()
		}
		pause = min(2*pause, reconnectMax)
		signal(changed)
	}
}

// subscribe follows one subscription, and reports whether there was one.
func (s *rancherSource) subscribe(ctx context.Context, changed chan<- struct{}) (heard bool, err error) {
	events := make(chan struct{}, 1)
	g, gctx := errgroup.WithContext(ctx)
	g.Go(bug.Guard(func() error {
		client, err := s.open(gctx)
		if err != nil {
			return err
		}
		return client.Changes(gctx, events)
	}))
	g.Go(bug.Guard(func() error {
		ticker := time.NewTicker(s.poll)
		defer ticker.Stop()
		for {
			select {
			case <-events:
				if !heard {
					s.log.Info("following Rancher's events")
				}
				heard = true
				signal(changed)
			case <-ticker.C:
				signal(changed)
			case <-gctx.Done():
				return gctx.Err()
			}
		}
	}))
	err = g.Wait()
	return heard, err
}

// signal tells of a change; one that has not been looked at yet is enough.
func signal(changed chan<- struct{}) {
	select {
	case changed <- struct{}{}:
	default:
	}
}

// withRancher lets a runtime look at containers that only Rancher reports.
type withRancher struct {
	dumpers.Runtime
	rancher *rancherSource
}

// State implements dumpers.Runtime.
func (r withRancher) State(ctx context.Context, id string) (discovery.State, error) {
	if !strings.HasPrefix(id, rancher.IDPrefix) {
		return r.Runtime.State(ctx, id)
	}
	client, err := r.rancher.open(ctx)
	if err != nil {
		return discovery.State{}, err
	}
	return client.State(ctx, id)
}
