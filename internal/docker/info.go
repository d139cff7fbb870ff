package docker

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"

	"github.com/docker/docker/client"
)

// Engine describes the Engine itself.
type Engine struct {
	ID         string // stays the same as long as its data does
	Name       string // of its host
	Version    string
	APIVersion string // that is spoken with it
	Rootless   bool   // it runs as a plain user, who is root in its containers
}

// info is what is read of the Engine's description. The SDK's type lacks the
// fields that Podman adds.
type info struct {
	ID              string
	Name            string
	ServerVersion   string
	DockerRootDir   string
	SecurityOptions []string
	BuildahVersion  string // Podman's alone
	Rootless        bool   // Podman's alone
}

// Engine asks the Engine for its description.
func (c *Client) Engine(ctx context.Context) (Engine, error) {
	var got info
	if err := c.get(ctx, "/info", &got); err != nil {
		return Engine{}, callError("ask for its description", err)
	}
	e := Engine{ID: got.ID, Name: got.Name, Version: got.ServerVersion, APIVersion: c.api.ClientVersion(),
		Rootless: got.Rootless || slices.Contains(got.SecurityOptions, "name=rootless")}
	if got.BuildahVersion != "" {
		// Podman makes up another id for each answer.
		e.ID = "podman:" + got.Name + ":" + got.DockerRootDir
	}
	return e, nil
}

// get decodes the answer to a call that the SDK can't make in full.
func (c *Client) get(ctx context.Context, path string, answer any) error {
	host, err := client.ParseHostURL(c.host)
	if err != nil {
		return err
	}
	u := url.URL{Scheme: "http", Host: client.DummyHost, Path: "/v" + c.api.ClientVersion() + path}
	if host.Scheme == "tcp" || host.Scheme == "http" || host.Scheme == "https" {
		u.Host, u.Path = host.Host, host.Path+u.Path
	}
	if c.tls {
		u.Scheme = "https"
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return err
	}
	response, err := c.api.HTTPClient().Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("the answer is %s", response.Status)
	}
	if err := json.NewDecoder(response.Body).Decode(answer); err != nil {
		return fmt.Errorf("read the answer: %w", err)
	}
	return nil
}
