package docker_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/purser-backup/purser/internal/docker"
	"github.com/purser-backup/purser/internal/docker/dockertest"
)

// A thousand containers take one list, one inspection each, and one of each
// image that is known by its id only. How long that takes is shown by the
// program itself, beside its other tests.
func TestThousandContainers(t *testing.T) {
	t.Parallel()
	const containers, gone, oneShots, images = 1000, 10, 10, 20
	crowd := dockertest.NewCrowd(t, containers, images)
	client, err := docker.Open(t.Context(), docker.Options{Host: crowd.Host})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if got := crowd.Asked(); len(got) != 1 || got["HEAD /_ping"] != 1 {
		t.Errorf("to connect, the Engine was asked %v", got)
	}
	services, problems, err := client.Services(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(services) != containers-gone-oneShots || len(problems) > 0 {
		t.Errorf("%d services, problems %v", len(services), problems)
	}
	for _, s := range services {
		if c := s.Primary(); strings.HasPrefix(c.Image, "sha256:") != (len(c.Tags) == 1) {
			t.Errorf("%s: image %s has the tags %q", s.ID(), c.Image, c.Tags)
		}
	}
	inspected, named := 0, 0
	asked := crowd.Asked()
	for call, n := range asked {
		switch {
		case n != 1:
			t.Errorf("%s: asked %d times", call, n)
		case call == "GET /containers/json":
		case strings.HasPrefix(call, "GET /containers/"):
			inspected++
		case strings.HasPrefix(call, "GET /images/"):
			named++
		default:
			t.Errorf("%s is not needed to list services", call)
		}
	}
	if asked["GET /containers/json"] != 1 || inspected != containers-oneShots || named != images {
		t.Errorf("%d lists, %d containers and %d images were asked for", asked["GET /containers/json"], inspected, named)
	}
}

// What a real Engine refuses, a crowd refuses with the same status.
func TestCrowdIsStrict(t *testing.T) {
	t.Parallel()
	crowd := dockertest.NewCrowd(t, 10, 1)
	unknown := strings.Repeat("0", 64)
	const refused = 0 // with 500 by older Engines, with 400 by newer ones
	for _, c := range []struct {
		method, path string
		status       int
	}{
		{"HEAD", "/_ping", 200},
		{"GET", "/_ping", 200},
		{"GET", "/v1.41/_ping", 200},
		{"GET", "/containers/json", 200},
		{"GET", "/v1.41/containers/json", 200},
		{"GET", "/v1.24/containers/json?all=1&limit=3", 200},
		{"GET", "/v1.99/containers/json", 400},
		{"GET", "/v1.2/containers/json", 400},
		{"GET", "/v1/containers/json", 400},
		{"GET", "/v1.41/containers/json?filters=" + url.QueryEscape(`{"nonsense":{"x":true}}`), 400},
		{"GET", "/v1.41/containers/json?filters=nonsense", refused},
		{"GET", "/v1.41/containers/" + unknown + "/json", 404},
		{"GET", "/v1.41/images/sha256:" + unknown + "/json", 404},
		{"GET", "/v1.41/container/json", 404},
		{"GET", "/v1.41/containers", 404},
		{"GET", "/nonsense", 404},
	} {
		for name, host := range map[string]string{"crowd": crowd.Host, "Engine": dockertest.Host(t)} {
			if got := status(t, host, c.method, c.path); got != c.status && (c.status != refused || got < 400) {
				t.Errorf("the %s answers %s %s with %d, want %d", name, c.method, c.path, got, c.status)
			}
		}
	}
	client, err := docker.Open(t.Context(), docker.Options{Host: crowd.Host, APIVersion: "1.99"})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if _, _, err := client.Services(t.Context()); err == nil || !strings.Contains(err.Error(), "1.99 is too new") {
		t.Errorf("a version that is too new: %v", err)
	}
}

func status(t *testing.T, host, method, path string) int {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, "http://docker"+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", strings.TrimPrefix(host, "unix://"))
	}}
	defer transport.CloseIdleConnections()
	response, err := transport.RoundTrip(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if _, err := io.Copy(io.Discard, response.Body); err != nil {
		t.Fatal(err)
	}
	return response.StatusCode
}
