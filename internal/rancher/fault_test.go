package rancher_test

import (
	"context"
	"crypto/tls"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/purser-backup/purser/internal/rancher"
	"github.com/purser-backup/purser/internal/rancher/ranchertest"
	"github.com/purser-backup/purser/internal/secret"
)

const page = "<html><body>nginx: PASSWORD=s3:cret code=Sneaky</body></html>"

// What fails for good is told at once; the text never holds what the server sent.
func TestServicesFail(t *testing.T) {
	for name, c := range map[string]struct {
		fault      ranchertest.Fault
		text, hint string
		asked      int
	}{
		"401":             {ranchertest.Fault{Status: 401}, "rancher: list services: the server answers 401 Unauthorized, Unauthorized", "BACKUP_RANCHER_API_KEY", 1},
		"403":             {ranchertest.Fault{Status: 403}, "403 Forbidden", "/v2-beta/projects/ID", 1},
		"404":             {ranchertest.Fault{Status: 404}, "404 Not Found", "Rancher 1.2 to 1.6", 1},
		"422":             {ranchertest.Fault{Status: 422}, "422 Unprocessable Entity", "", 1},
		"429":             {ranchertest.Fault{Status: 429}, "429 Too Many Requests", "log of the Rancher server", 3},
		"500":             {ranchertest.Fault{Status: 500}, "500 Internal Server Error", "log of the Rancher server", 3},
		"502 of a proxy":  {ranchertest.Fault{Status: 502, Body: page}, "the server answers 502 Bad Gateway", "", 3},
		"503":             {ranchertest.Fault{Status: 503}, "503", "", 3},
		"200 of a proxy":  {ranchertest.Fault{Status: 200, Body: page}, "the answer is none of Rancher's API", "check that the URL is that of the API", 1},
		"an empty object": {ranchertest.Fault{Status: 200, Body: "{}"}, "the answer is none of Rancher's API", "", 1},
		"an empty answer": {ranchertest.Fault{Status: 200, Body: " "}, "the answer is none of Rancher's API", "", 1},
		"another type":    {ranchertest.Fault{Status: 200, Body: `{"type":"service","id":"1s5"}`}, "the answer is none of Rancher's API", "", 1},
		"values of the wrong kind": {ranchertest.Fault{Status: 200, Body: `{"type":"collection","data":[{"name":{"s3:cret":1}}]}`},
			"the answer is none of Rancher's API", "", 1},
		"an answer that is cut": {ranchertest.Fault{Status: 200, Body: `{"type":"collection","data":[{"environment":{"A":"s3:cret"`},
			"the answer is none of Rancher's API", "", 1},
		"a list that is cut": {ranchertest.Fault{Status: 200, Body: `{"type":"collection","data":[],"pagination":{"partial":true,"next":null}}`},
			"ends the list in the middle", "", 1},
		"a redirect to nowhere": {ranchertest.Fault{Status: 302, Header: map[string]string{"Location": "/elsewhere"}, Body: "-"}, "404", "", 1},
	} {
		t.Run(name, func(t *testing.T) {
			s := ranchertest.New(t, small())
			client := open(t, s)
			c.fault.Match = "/services"
			s.Fail(c.fault)
			_, _, err := client.Services(t.Context())
			wantError(t, err, c.text, c.hint)
			if n := s.Asked("/services"); n != c.asked {
				t.Errorf("asked %d times", n)
			}
		})
	}
}

// What passes is survived without a word.
func TestServicesAfterAFailureThatPasses(t *testing.T) {
	for _, status := range []int{429, 500, 502, 503, 504} {
		s := ranchertest.New(t, small())
		client := open(t, s)
		s.Fail(ranchertest.Fault{Match: "/services", Times: 2, Status: status})
		if services, _, err := client.Services(t.Context()); err != nil || len(services) != 1 {
			t.Errorf("%d: %v, %v", status, services, err)
		}
	}
}

func TestSlowServer(t *testing.T) {
	s := ranchertest.New(t, small())
	o := options(s.API())
	o.Timeout = 200 * time.Millisecond
	client, err := rancher.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	s.Fail(ranchertest.Fault{Match: "/services", Delay: time.Minute})
	_, _, err = client.Services(t.Context())
	wantError(t, err, "no answer in time", "can be reached from here")
}

// A page that leads to itself would be asked for without end.
func TestPagesInACircle(t *testing.T) {
	s := ranchertest.New(t, small())
	client := open(t, s)
	next := s.API() + "/services?limit=100&marker=m0"
	s.Fail(ranchertest.Fault{Match: "/services", Status: 200,
		Body: `{"type":"collection","data":[],"pagination":{"partial":true,"next":"` + next + `"}}`})
	_, _, err := client.Services(t.Context())
	wantError(t, err, "the same page twice", "")
}

// The keys go to the server that the user named, and nowhere else.
func TestLinksThatLeadElsewhere(t *testing.T) {
	other := ranchertest.New(t, small())
	for name, origin := range map[string]string{
		"another host": "http://rancher.invalid:8080", "another port": other.URL, "relative": "",
	} {
		t.Run(name, func(t *testing.T) {
			s := ranchertest.New(t, small())
			client := open(t, s)
			s.Links(origin)
			_, err := rancher.Open(t.Context(), options(s.API()))
			wantError(t, err, "the server's links lead to", "X-Forwarded-Proto")
			s.Fail(ranchertest.Fault{Match: "/services", Status: 200,
				Body: `{"type":"collection","data":[],"pagination":{"next":"` + origin + `/v2-beta/services?marker=m1"}}`})
			_, _, err = client.Services(t.Context())
			wantError(t, err, "the server's links lead to", "X-Forwarded-Proto")
		})
	}
	if n := len(other.Requests()); n != 0 {
		t.Errorf("the other server was asked %d times", n)
	}
}

func TestOpen(t *testing.T) {
	s := ranchertest.New(t, small())
	for _, path := range []string{"", "/", "/v1", "/v1/", "/v1/projects/1a5", "/v1/projects/1a5/schemas", "/v2-beta", "/v2-beta/",
		"/v2-beta/schemas", "/v2-beta/projects/1a5", "/v2-beta/projects/1a5?x=1#y"} {
		client, err := rancher.Open(t.Context(), options(s.URL+path))
		if err != nil {
			t.Errorf("%q: %v", path, err)
			continue
		}
		if services, _, err := client.Services(t.Context()); err != nil || len(services) != 1 {
			t.Errorf("%q: %v, %v", path, services, err)
		}
	}
	address := strings.TrimPrefix(s.URL, "http://")
	for url, want := range map[string][2]string{
		address + "/v1":    {"no http or https URL", "http://rancher:8080/v2-beta"},
		"ftp://" + address: {"no http or https URL", ""},
		"":                 {"no http or https URL", ""},
		"http://a:s3:cret@" + address + "/v2-beta": {"holds a user or a password", "BACKUP_RANCHER_API_KEY"},
		"http://\x7f":                    {"no http or https URL", ""},
		s.URL + "/v2-beta/projects/1a9":  {"403 Forbidden", "/v2-beta/projects/ID"},
		s.URL + "/v3":                    {"404 Not Found", "Rancher 1.2 to 1.6"},
		"http://127.0.0.1:1/v2-beta":     {"connection refused", "BACKUP_RANCHER_API_URL"},
		"http://rancher.invalid/v2-beta": {"rancher.invalid", "BACKUP_RANCHER_API_URL"},
	} {
		_, err := rancher.Open(t.Context(), options(url))
		wantError(t, err, want[0], want[1])
	}
	wrong := options(s.API())
	wrong.SecretKey = secret.New("s3:cret")
	_, err := rancher.Open(t.Context(), wrong)
	wantError(t, err, "401", "BACKUP_RANCHER_API_KEY")
}

// A key may end while a run is under way.
func TestKeyRevokedMeanwhile(t *testing.T) {
	s := ranchertest.New(t, small())
	client := open(t, s)
	s.Revoke()
	_, _, err := client.Services(t.Context())
	wantError(t, err, "401", "end with the container")
}

// A server under a path of a proxy, with the version that Rancher gives to containers.
func TestServerBelowAPath(t *testing.T) {
	s := ranchertest.New(t, small())
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.StripPrefix("/rancher", s).ServeHTTP(w, r)
	}))
	defer proxy.Close()
	s.Links(proxy.URL + "/rancher")
	client, err := rancher.Open(t.Context(), options(proxy.URL+"/rancher/v1/projects/1a5"))
	if err != nil {
		t.Fatal(err)
	}
	if services, _, err := client.Services(t.Context()); err != nil || len(services) != 1 {
		t.Errorf("%v, %v", services, err)
	}
}

// childURL is set in the process that TestPrivateAuthority starts: the roots
// that a process trusts are read once.
const childURL = "PURSER_TEST_RANCHER_URL"

// A server whose certificate nobody knows is refused; with its authority in
// SSL_CERT_FILE it is trusted, also behind redirects from http.
func TestPrivateAuthority(t *testing.T) {
	if url := os.Getenv(childURL); url != "" {
		client, err := rancher.Open(t.Context(), options(url))
		if err != nil {
			t.Fatal(err)
		}
		if services, _, err := client.Services(t.Context()); err != nil || len(services) != 1 {
			t.Fatalf("%v, %v", services, err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		changed := make(chan struct{}, 1)
		ended := make(chan error, 1)
		go func() { ended <- client.Changes(ctx, changed) }()
		select {
		case <-changed:
		case err := <-ended:
			t.Fatalf("no subscription: %v", err)
		}
		cancel()
		return
	}
	s := ranchertest.NewTLS(t, small())
	_, err := rancher.Open(t.Context(), options(s.API()))
	wantError(t, err, "certificate", "SSL_CERT_FILE")
	authority := filepath.Join(t.TempDir(), "ca.pem")
	block := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
	if err := os.WriteFile(authority, block, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, status := range []int{301, 302, 307, 308} {
		plain := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, s.URL+r.URL.RequestURI(), status)
		}))
		defer plain.Close()
		for _, url := range []string{s.API(), plain.URL + "/v2-beta"} {
			child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestPrivateAuthority$")
			child.Env = append(os.Environ(), "SSL_CERT_FILE="+authority, childURL+"="+url)
			if out, err := child.CombinedOutput(); err != nil {
				t.Errorf("%d %s: %v\n%s", status, url, err, out)
			}
		}
	}
}

// A server that speaks https only by its proxy, and doesn't know that, would
// have the keys sent in the clear.
func TestLinksInTheClear(t *testing.T) {
	s := ranchertest.NewTLS(t, small())
	s.Links(strings.Replace(s.URL, "https", "http", 1))
	// The library takes the roots of this transport.
	transport := http.DefaultTransport.(*http.Transport)
	before := transport.TLSClientConfig
	transport.TLSClientConfig = &tls.Config{RootCAs: s.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs}
	defer func() { transport.TLSClientConfig = before }()
	_, err := rancher.Open(t.Context(), options(s.API()))
	wantError(t, err, "links lead to http://", "X-Forwarded-Proto")
}
