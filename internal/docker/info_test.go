package docker_test

import (
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/purser-backup/purser/dumpers"
	"github.com/purser-backup/purser/internal/docker"
)

func TestEngineIsDescribed(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	info, err := b.API.Info(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want := docker.Engine{ID: info.ID, Name: info.Name, Version: info.ServerVersion, APIVersion: b.API.ClientVersion()}
	got, err := b.client.Engine(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the test Engine (-want +got):\n%s", diff)
	}
}

// What the Engines that the tests don't start answer, less what isn't read.
func TestDescriptions(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, answer string
		want         docker.Engine
	}{
		{"Docker", `{"ID":"ABCD:EFGH","Name":"vm","ServerVersion":"20.10.24","DockerRootDir":"/var/lib/docker",
			"SecurityOptions":["name=seccomp,profile=default"]}`, docker.Engine{ID: "ABCD:EFGH", Name: "vm", Version: "20.10.24"}},
		{"rootless Docker", `{"ID":"ABCD:EFGH","Name":"vm","ServerVersion":"20.10.24","DockerRootDir":"/home/a/.local/share/docker",
			"SecurityOptions":["name=seccomp,profile=default","name=rootless"]}`, docker.Engine{ID: "ABCD:EFGH", Name: "vm", Version: "20.10.24", Rootless: true}},
		{"Podman", `{"ID":"7fd0bf21-1a3e-4ad6-9d80-e41d23a3a9c5","Name":"vm","ServerVersion":"4.3.1","DockerRootDir":"/var/lib/containers/storage",
			"SecurityOptions":["name=seccomp,profile=default"],"BuildahVersion":"1.28.2","Rootless":false}`,
			docker.Engine{ID: "podman:vm:/var/lib/containers/storage", Name: "vm", Version: "4.3.1"}},
		{"rootless Podman", `{"ID":"0d9b0a4e-8e0c-4d0b-8a52-6a0d6f4ed36e","Name":"vm","ServerVersion":"4.3.1","DockerRootDir":"/home/a/.local/share/containers/storage",
			"SecurityOptions":["name=seccomp,profile=default"],"BuildahVersion":"1.28.2","Rootless":true}`,
			docker.Engine{ID: "podman:vm:/home/a/.local/share/containers/storage", Name: "vm", Version: "4.3.1", Rootless: true}},
	} {
		for _, secure := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, TLS %t", c.name, secure), func(t *testing.T) {
				t.Parallel()
				c.want.APIVersion = "1.41"
				got, err := describing(t, secure, http.StatusOK, c.answer).Engine(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(c.want, got); diff != "" {
					t.Errorf("(-want +got):\n%s", diff)
				}
			})
		}
	}
	_, err := describing(t, false, http.StatusForbidden, "no").Engine(t.Context())
	if err == nil || !strings.Contains(hint(err), "the README lists the calls") {
		t.Errorf("refused: error %v, hint %q", err, hint(err))
	}
	_, err = describing(t, false, http.StatusOK, "<html>").Engine(t.Context())
	if err == nil || !strings.Contains(err.Error(), "ask for its description: read the answer") {
		t.Errorf("no JSON: error %v", err)
	}
}

// Root's purser on a rootless Engine: its user may not enter root's directory.
func TestSourceThatTheEngineMayNotEnter(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	c := answering(t, false, "POST /v1.41/containers/create", http.StatusBadRequest,
		fmt.Sprintf(`{"message":"invalid mount config for type \"bind\": stat %s: permission denied"}`, dir))
	job := dumpers.Job{Service: "_/x", Container: "x", Image: "busybox", Script: "true", Dir: dir, Target: "/purser"}
	_, err := c.Runtime(docker.RuntimeOptions{Instance: "x", Place: docker.Place{Source: dir}}).Run(t.Context(), job, io.Discard, io.Discard)
	if err == nil || !strings.Contains(err.Error(), "permission denied") || !strings.Contains(hint(err), "run purser as that user") {
		t.Errorf("error %v, hint %q", err, hint(err))
	}
}

// describing is a client of an Engine that answers nothing but who it is.
func describing(t *testing.T, secure bool, status int, answer string) *docker.Client {
	t.Helper()
	return answering(t, secure, "GET /v1.41/info", status, answer)
}

// answering is a client of an Engine that gives one answer to one call.
func answering(t *testing.T, secure bool, call string, status int, answer string) *docker.Client {
	t.Helper()
	handler := http.NewServeMux()
	handler.HandleFunc("HEAD /_ping", func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Api-Version", "1.41") })
	handler.HandleFunc(call, func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		if _, err := w.Write([]byte(answer)); err != nil {
			t.Error(err)
		}
	})
	server := httptest.NewUnstartedServer(handler)
	options := docker.Options{}
	if secure {
		server.StartTLS()
		options = docker.Options{TLSVerify: true, CertPath: certificates(t, server)}
	} else {
		server.Start()
	}
	options.Host = "tcp://" + server.Listener.Addr().String()
	c, err := docker.Open(t.Context(), options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
		server.Close()
	})
	return c
}

// certificates writes those that a client of the server needs, as Docker names
// them; the client shows the server's own.
func certificates(t *testing.T, server *httptest.Server) string {
	t.Helper()
	key, err := x509.MarshalPKCS8PrivateKey(server.TLS.Certificates[0].PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	certificate := &pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}
	for name, block := range map[string]*pem.Block{
		"ca.pem": certificate, "cert.pem": certificate, "key.pem": {Type: "PRIVATE KEY", Bytes: key},
	} {
		if err := os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}
