package daemon

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/purser-backup/purser/engine"
	"github.com/purser-backup/purser/internal/api"
)

func (h *handler) healthz(context.Context) (int, []byte, error) {
	return http.StatusOK, []byte("alive\n"), nil
}

// readyz tells nothing but the verdict: it is for everybody.
func (h *handler) readyz(context.Context) (int, []byte, error) {
	if Health(h.cfg, h.now()) != nil {
		return encoded(http.StatusServiceUnavailable, api.Ready{})
	}
	return encoded(http.StatusOK, api.Ready{Ready: true})
}

func (h *handler) openAPI(context.Context) (int, []byte, error) {
	return http.StatusOK, api.OpenAPI, nil
}

func (h *handler) services(context.Context) (int, []byte, error) {
	status, err := ReadStatus(h.cfg, h.now())
	if err != nil {
		return 0, nil, err
	}
	list := api.Services{Services: []api.Service{}}
	for _, s := range status.Services {
		list.Services = append(list.Services, s.wire())
	}
	return encoded(http.StatusOK, list)
}

func (s *ServiceStatus) wire() api.Service {
	return api.Service{
		ID: s.ID, State: string(s.State), Recipe: s.Recipe, Image: s.Image, Action: string(s.Action), Reason: s.Reason,
		LastGood: s.LastGood, LastTried: s.LastTried, LastSet: s.LastSet, GoneSince: s.GoneSince, Bytes: s.Bytes, Error: s.Error,
	}
}

func (h *handler) runs(context.Context) (int, []byte, error) {
	list, err := ReadRuns(h.cfg)
	if err != nil {
		return 0, nil, err
	}
	return encoded(http.StatusOK, api.Runs{Runs: list})
}

func (h *handler) sets(ctx context.Context) (int, []byte, error) {
	sets := api.Sets{URL: h.URL(), AsOf: h.now(), Chains: []api.Chain{}, Incomplete: []api.Set{}, Orphans: []api.Set{}}
	for _, o := range h.opt.Profiles() {
		c, err := collect(ctx, o)
		if err != nil {
			return 0, nil, err
		}
		for _, chain := range c.Chains {
			sets.Chains = append(sets.Chains, api.Chain{Profile: o.Config.Profile, Sets: wireSets(chain.Sets)})
		}
		sets.Incomplete = append(sets.Incomplete, wireSets(c.Incomplete)...)
		sets.Orphans = append(sets.Orphans, wireSets(c.Orphans)...)
	}
	return encoded(http.StatusOK, sets)
}

func wireSets(sets []engine.Set) []api.Set {
	list := []api.Set{}
	for _, s := range sets {
		one := api.Set{Kind: "full", Time: s.Time, Volumes: s.Volumes, Bytes: s.Size, Encrypted: s.Encrypted}
		if !s.Full() {
			start := s.Start
			one.Kind, one.Start = "incremental", &start
		}
		list = append(list, one)
	}
	return list
}

func encoded(status int, v any) (int, []byte, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return 0, nil, fmt.Errorf("encode an answer: %w", err)
	}
	return status, append(b, '\n'), nil
}
