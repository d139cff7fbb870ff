package ranchertest_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/purser-backup/purser/internal/rancher/ranchertest"
)

// The stand-in refuses what the real server refuses, and answers as it does.
func TestServer(t *testing.T) {
	s := ranchertest.New(t, ranchertest.World{
		Stacks:     []ranchertest.Stack{{ID: "1st7", Name: "shop", Docker: "d", Rancher: "r"}, {ID: "1st8", Name: "other"}},
		Services:   []ranchertest.Service{{ID: "1s5", Name: "a", Stack: "1st7"}, {ID: "1s6", Name: "b", Stack: "1st7", State: "inactive"}},
		Containers: []ranchertest.Container{{ID: "1i1", Of: "1s5"}, {ID: "1i2", Of: "1s5", State: "stopped"}},
	})
	for _, c := range []struct {
		method, path, body, key string
		status                  int
		want                    string // in the answer
	}{
		{"GET", "/v2-beta", "", "", 401, `"code":"Unauthorized"`},
		{"GET", "/v2-beta/projects/1a9/services", "", "", 401, `"code":"Unauthorized"`}, // before it looks at the path
		{"GET", "/v2-beta/projects/1a9/services", "", "k", 403, `"code":"Forbidden"`},
		{"GET", "/v1/services", "", "k", 404, `"code":"NotFound"`},
		{"GET", "/v2-beta/nonsense", "", "k", 404, `"code":"NotFound"`},
		{"GET", "/v2-beta/services/1s9", "", "k", 404, `"code":"NotFound"`},
		{"GET", "/v2-beta/services/1s5", "", "k", 200, `"name":"a"`},
		{"GET", "/v2-beta/services?limit=1", "", "k", 200, `"partial":true`},
		{"GET", "/v2-beta/services?limit=-2", "", "k", 200, `"limit":3000`},
		{"GET", "/v2-beta/services?limit=9999", "", "k", 200, `"limit":3000`},
		{"GET", "/v2-beta/services", "", "k", 200, `"limit":100`},
		{"GET", "/v2-beta/services?limit=x", "", "k", 422, `"code":"InvalidFormat"`},
		{"GET", "/v2-beta/services?marker=m9", "", "k", 422, `"code":"InvalidFormat"`},
		{"GET", "/v2-beta/containers?state=stopped", "", "k", 200, `"id":"1i2"`},
		{"GET", "/v2-beta/services?include=instances", "", "k", 200, `"instances":[{`},
		{"GET", "/v2-beta/settings", "", "k", 200, `"data":[]`},
		{"PUT", "/v2-beta/services/1s5", "{}", "k", 405, `"code":"MethodNotAllowed"`},
		{"POST", "/v2-beta/services", "{}", "k", 405, `"code":"MethodNotAllowed"`},
		{"POST", "/v2-beta/stacks/1st7/?action=exportconfig", "null", "k", 200, `"dockerComposeConfig":"d"`},
		{"POST", "/v2-beta/stacks/1st7/?action=exportconfig", `{"serviceIds":["1s5"]}`, "k", 200, `"rancherComposeConfig":"r"`},
		{"POST", "/v2-beta/stacks/1st7/?action=exportconfig", "{", "k", 400, `"code":"InvalidFormat"`},
		{"POST", "/v2-beta/stacks/1st7/?action=remove", "", "k", 404, `"code":"NotFound"`},
		{"POST", "/v2-beta/stacks/1st8/?action=exportconfig", "", "k", 422, `"code":"ActionNotAvailable"`},
		{"GET", "/v2-beta/subscribe?eventNames=resource.change", "", "k", 400, `"code":"BadRequest"`},
		{"GET", "/v2-beta/subscribe", "", "k", 422, `"code":"MissingRequired"`},
		{"GET", "/v2-beta/subscribe?eventNames=resource.change", "", "", 401, `"code":"Unauthorized"`},
	} {
		r, err := http.NewRequestWithContext(t.Context(), c.method, s.URL+c.path, strings.NewReader(c.body))
		if err != nil {
			t.Fatal(err)
		}
		if c.key != "" {
			r.SetBasicAuth(ranchertest.AccessKey, ranchertest.SecretKey)
		}
		got, err := s.Client().Do(r)
		if err != nil {
			t.Fatal(err)
		}
		var body json.RawMessage
		if err := json.NewDecoder(got.Body).Decode(&body); err != nil {
			t.Errorf("%s %s: %v", c.method, c.path, err)
		}
		got.Body.Close()
		if got.StatusCode != c.status || !strings.Contains(string(body), c.want) {
			t.Errorf("%s %s: %d %s, want %d with %s", c.method, c.path, got.StatusCode, body, c.status, c.want)
		}
		if c.status == 401 && (got.Header.Get("WWW-Authenticate") == "" || got.Header.Get("X-API-Schemas") == "") {
			t.Errorf("%s %s: headers %v", c.method, c.path, got.Header)
		}
	}
}
