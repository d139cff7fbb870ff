package dockertest

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/api/types/network"
)

// Crowd is an Engine with more containers than a test can start. It has the
// part of the API that lists and inspects, refuses what a real Engine refuses,
// and counts what it is asked.
type Crowd struct {
	Host string // its address

	list    []byte            // the answer about all containers
	answers map[string][]byte // by path

	mu    sync.Mutex
	asked map[string]int
}

// The versions of the API that a Crowd speaks.
const crowdVersion, crowdMinimum = "1.41", "1.12"

// NewCrowd starts an Engine with so many containers, each a service of a
// Compose project of its own. One in four has one of so many images that are
// known by their ids only. One in a hundred is listed, and gone when it is
// inspected; another one is a purser's one-shot. The Engine ends with the test.
func NewCrowd(t testing.TB, containers, images int) *Crowd {
	t.Helper()
	c := &Crowd{answers: map[string][]byte{}, asked: map[string]int{}}
	list := make([]container.Summary, containers)
	for i := range list {
		reference, imageID := "acme/shop:1", digest("shop")
		if i%4 == 0 {
			name := fmt.Sprintf("acme/by-id-%d:1", i/4%images)
			imageID = digest(name)
			reference = imageID
			c.answers["/images/"+imageID+"/json"] = encode(t, image.InspectResponse{ID: imageID, RepoTags: []string{name}})
		}
		found := member(i, reference, imageID)
		if i%100 == 49 {
			found.Config.Labels = map[string]string{"io.purser.role": "dump"}
		}
		list[i] = container.Summary{ID: found.ID, Names: []string{found.Name}, Image: reference, ImageID: imageID,
			Labels: found.Config.Labels, State: "running"}
		if i%100 != 99 {
			c.answers["/containers/"+found.ID+"/json"] = encode(t, found)
		}
	}
	c.list = encode(t, list)
	c.serve(t)
	return c
}

func digest(s string) string { return fmt.Sprintf("sha256:%x", sha256.Sum256([]byte(s))) }

func encode(t testing.TB, v any) []byte {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// member is one container of a crowd.
func member(i int, reference, imageID string) container.InspectResponse {
	stack := fmt.Sprintf("stack-%d", i)
	return container.InspectResponse{
		ContainerJSONBase: &container.ContainerJSONBase{
			ID: strings.TrimPrefix(digest(stack), "sha256:"), Name: "/" + stack + "-web-1", Image: imageID, Created: "2026-05-20T10:00:00.123456789Z",
			State:      &container.State{Status: "running", Running: true, StartedAt: "2026-05-20T10:00:01Z"},
			HostConfig: &container.HostConfig{NetworkMode: "bridge"},
		},
		Config: &container.Config{Image: reference, Env: []string{"PATH=/usr/bin", "A=b"},
			Labels: map[string]string{"com.docker.compose.project": stack, "com.docker.compose.service": "web"}},
		NetworkSettings: &container.NetworkSettings{Networks: map[string]*network.EndpointSettings{"bridge": {IPAddress: "172.17.0.2"}}},
	}
}

func (c *Crowd) serve(t testing.TB) {
	t.Helper()
	// A Unix socket's path has 107 bytes at most.
	dir, err := os.MkdirTemp("", "crowd")
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("unix", filepath.Join(dir, "s"))
	if err != nil {
		t.Fatal(err)
	}
	c.Host = "unix://" + listener.Addr().String()
	server := &http.Server{Handler: c, ReadHeaderTimeout: time.Minute}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	t.Cleanup(func() {
		if err := errors.Join(server.Close(), os.RemoveAll(dir)); err != nil {
			t.Error(err)
		}
		if err := <-served; !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
	})
}

// Asked returns how often each call was made, as "GET /containers/json", and
// forgets it.
func (c *Crowd) Asked() map[string]int {
	c.mu.Lock()
	defer c.mu.Unlock()
	asked := c.asked
	c.asked = map[string]int{}
	return asked
}

var versioned = regexp.MustCompile(`^/v([0-9.]+)(/.*)$`)

// ServeHTTP answers one call.
func (c *Crowd) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path, version := r.URL.Path, crowdVersion
	if m := versioned.FindStringSubmatch(path); m != nil {
		version, path = m[1], m[2]
	}
	c.mu.Lock()
	c.asked[r.Method+" "+path]++
	c.mu.Unlock()
	w.Header().Set("Api-Version", crowdVersion)
	w.Header().Set("Ostype", "linux")
	w.Header().Set("Content-Type", "application/json")
	answer, known := c.answers[path]
	switch {
	case minor(version) > minor(crowdVersion):
		refuse(w, http.StatusBadRequest, "client version %s is too new. Maximum supported API version is %s", version, crowdVersion)
	case minor(version) < minor(crowdMinimum):
		refuse(w, http.StatusBadRequest, "client version %s is too old. Minimum supported API version is %s", version, crowdMinimum)
	case path == "/_ping" && (r.Method == http.MethodHead || r.Method == http.MethodGet):
	case path == "/containers/json" && r.Method == http.MethodGet:
		if reason := badFilter(r.URL.Query()); reason != "" {
			refuse(w, http.StatusBadRequest, "%s", reason)
			return
		}
		send(w, c.list)
	case known && r.Method == http.MethodGet:
		send(w, answer)
	case strings.HasPrefix(path, "/containers/"), strings.HasPrefix(path, "/images/"):
		refuse(w, http.StatusNotFound, "No such object: %s", path)
	default:
		refuse(w, http.StatusNotFound, "page not found")
	}
}

// minor is the second part of a version 1.N.
func minor(version string) int {
	n, err := strconv.Atoi(strings.TrimPrefix(version, "1."))
	if err != nil || !strings.HasPrefix(version, "1.") {
		return -1
	}
	return n
}

// send writes an answer. A client that is gone meanwhile is no fault of ours.
func send(w http.ResponseWriter, answer []byte) { _, _ = w.Write(answer) }

func refuse(w http.ResponseWriter, status int, format string, args ...any) {
	w.WriteHeader(status)
	send(w, fmt.Appendf(nil, `{"message":%q}`, fmt.Sprintf(format, args...)))
}

// badFilter says what is wrong with a list's filters. A crowd filters nothing,
// and says so rather than answer with too much.
func badFilter(query url.Values) string {
	text := query.Get("filters")
	if text == "" {
		return ""
	}
	var filters map[string]map[string]bool
	if err := json.Unmarshal([]byte(text), &filters); err != nil {
		return err.Error()
	}
	known := []string{"ancestor", "before", "exited", "expose", "health", "id", "is-task", "isolation", "label", "name",
		"network", "publish", "since", "status", "volume"}
	for name := range filters {
		if !slices.Contains(known, name) {
			return "Invalid filter '" + name + "'"
		}
		return "a crowd can't filter by " + name
	}
	return ""
}
