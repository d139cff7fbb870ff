// Package ranchertest is a strict stand-in for a Rancher 1.6 server: it
// answers the calls of a backup as the real one does, and refuses what the
// real one would refuse. It can fail on demand.
package ranchertest

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// The keys that a new server takes, and the project that they are of.
const (
	AccessKey = "4B1F2E3D4C5B6A798877"
	SecretKey = "tTh4nk5F0rAllTheF1sh-secret-key-of-the-api"
	Project   = "1a5"
)

// Server is a Rancher server. Its methods may be called at any time.
type Server struct {
	*httptest.Server
	project string

	mu       sync.Mutex
	world    World
	built    map[string][]object // lists that were asked for before
	revoked  bool
	origin   string   // of the links that it gives; empty: its own
	pageSize int      // without a limit in the request
	hidden   []string // types that the key may not see
	faults   []*Fault
	requests []string
	subs     map[*subscriber]bool
	stop     chan struct{}
}

// Fault is a failure of the requests whose line "GET /path" contains Match.
type Fault struct {
	Match string
	Times int           // how many requests fail; 0: all
	Delay time.Duration // before the answer
	// Status and Body are the answer; without a status the request is answered
	// as usual after the delay. An empty Body is an error of the API.
	Status int
	Body   string
	Header map[string]string
}

// New starts a server that ends with the test.
func New(t testing.TB, w World) *Server {
	t.Helper()
	s := unstarted(w)
	s.Server = httptest.NewUnstartedServer(s) // its address is known before the first request
	s.Start()
	s.endWith(t)
	return s
}

// NewTLS starts a server whose certificate is signed by no authority that
// anybody knows.
func NewTLS(t testing.TB, w World) *Server {
	t.Helper()
	s := unstarted(w)
	s.Server = httptest.NewUnstartedServer(s)
	s.StartTLS()
	s.endWith(t)
	return s
}

// NewOn starts a server on a listener.
func NewOn(t testing.TB, l net.Listener, w World) *Server {
	t.Helper()
	s := unstarted(w)
	s.Server = &httptest.Server{Listener: l, Config: &http.Server{Handler: s, ReadHeaderTimeout: time.Minute}}
	s.Start()
	s.endWith(t)
	return s
}

func unstarted(w World) *Server {
	return &Server{project: Project, world: w, pageSize: 100, subs: map[*subscriber]bool{}, stop: make(chan struct{})}
}

func (s *Server) endWith(t testing.TB) {
	t.Cleanup(func() {
		close(s.stop)
		s.Hangup()
		s.CloseClientConnections()
		s.Close()
	})
}

// API is the address of the server's environment.
func (s *Server) API() string { return s.URL + "/v2-beta/projects/" + s.project }

// Set replaces what the server knows. Nobody is told.
func (s *Server) Set(w World) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.world, s.built = w, nil
}

// Revoke makes the keys invalid.
func (s *Server) Revoke() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.revoked = true
}

// Links lets the server give links to another origin, such as
// "http://other:8080" or "" for relative ones.
func (s *Server) Links(origin string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.origin, s.built = or(origin, "relative"), nil
}

// Hide takes a type, as "host", from what the key may see.
func (s *Server) Hide(kind string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hidden = append(s.hidden, kind)
}

// Fail lets requests fail. Heal ends all such.
func (s *Server) Fail(f Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = append(s.faults, &f)
}

// Heal ends all failures.
func (s *Server) Heal() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = nil
}

// Requests are the lines of all requests, as "GET /v2-beta/services?limit=2".
func (s *Server) Requests() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.requests)
}

// Asked counts the requests whose line contains part.
func (s *Server) Asked(part string) (n int) {
	for _, r := range s.Requests() {
		if strings.Contains(r, part) {
			n++
		}
	}
	return n
}

// base is the address in links.
func (s *Server) base() string {
	origin := or(s.origin, s.URL)
	if origin == "relative" {
		origin = ""
	}
	return origin + "/v2-beta/projects/" + s.project
}

// fault notes a request and returns the failure that is due.
func (s *Server) fault(r *http.Request) *Fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	line := r.Method + " " + r.URL.RequestURI()
	s.requests = append(s.requests, line)
	for i, f := range s.faults {
		if !strings.Contains(line, f.Match) {
			continue
		}
		if f.Times == 1 {
			s.faults = slices.Delete(s.faults, i, i+1)
		} else if f.Times > 1 {
			f.Times--
		}
		due := *f
		return &due
	}
	return nil
}

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if f := s.fault(r); f != nil {
		if f.Delay > 0 {
			select {
			case <-time.After(f.Delay):
			case <-r.Context().Done():
				return
			case <-s.stop:
				return
			}
		}
		if f.Status != 0 {
			for name, value := range f.Header {
				w.Header().Set(name, value)
			}
			if f.Body == "" {
				refuse(w, f.Status, strings.ReplaceAll(http.StatusText(f.Status), " ", ""))
				return
			}
			w.WriteHeader(f.Status)
			_, _ = io.WriteString(w, f.Body)
			return
		}
	}
	if strings.HasSuffix(strings.TrimRight(r.URL.Path, "/"), "/subscribe") && s.authorized(w, r) {
		s.subscribe(w, r)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.revokedOrWrong(r) {
		s.unauthorized(w)
		return
	}
	s.route(w, r)
}

func (s *Server) authorized(w http.ResponseWriter, r *http.Request) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.revokedOrWrong(r) {
		s.unauthorized(w)
		return false
	}
	return true
}

func (s *Server) revokedOrWrong(r *http.Request) bool {
	user, password, ok := r.BasicAuth()
	return s.revoked || !ok || user != AccessKey || password != SecretKey
}

func (s *Server) unauthorized(w http.ResponseWriter) {
	w.Header().Set("WWW-Authenticate", `Basic realm="Enter API access key and secret key as username and password"`)
	w.Header().Set("X-API-Schemas", s.base()+"/schemas")
	refuse(w, http.StatusUnauthorized, "Unauthorized")
}

// refuse answers with an error of the API.
func refuse(w http.ResponseWriter, status int, code string) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	answer(w, object{"id": "e5a3c0de", "type": "error", "links": object{}, "actions": object{}, "status": status,
		"code": code, "message": code, "detail": nil, "baseType": "error"})
}

func answer(w http.ResponseWriter, o object) {
	if err := json.NewEncoder(w).Encode(o); err != nil {
		return // the client has gone
	}
}

// route finds what is asked for below /v2-beta or one of its projects.
func (s *Server) route(w http.ResponseWriter, r *http.Request) {
	path := strings.TrimRight(r.URL.Path, "/")
	rest, ok := strings.CutPrefix(path, "/v2-beta")
	if !ok || rest != "" && rest[0] != '/' {
		refuse(w, http.StatusNotFound, "NotFound")
		return
	}
	if below, project := strings.CutPrefix(rest, "/projects/"); project {
		id, tail, _ := strings.Cut(below, "/")
		if id != s.project {
			refuse(w, http.StatusForbidden, "Forbidden")
			return
		}
		rest = "/" + tail
	}
	parts := strings.Split(strings.Trim(rest, "/"), "/")
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.Header().Set("X-API-Schemas", s.base()+"/schemas")
	if r.Method == http.MethodPost {
		s.act(w, r, parts)
		return
	}
	if r.Method != http.MethodGet {
		refuse(w, http.StatusMethodNotAllowed, "MethodNotAllowed")
		return
	}
	switch {
	case parts[0] == "":
		answer(w, object{"id": "v2-beta", "type": "apiVersion", "links": object{"services": s.base() + "/services"}})
	case parts[0] == "schemas" && len(parts) == 1:
		answer(w, s.schemas())
	case len(parts) == 1:
		s.list(w, r, parts[0])
	case len(parts) == 2:
		s.one(w, parts[0], parts[1])
	default:
		refuse(w, http.StatusNotFound, "NotFound")
	}
}

func (s *Server) schemas() object {
	schemas := []object{}
	for id, plural := range map[string]string{"service": "services", "stack": "stacks", "container": "containers",
		"instance": "instances", "host": "hosts", "setting": "settings", "project": "projects", "subscribe": "subscribe"} {
		if slices.Contains(s.hidden, id) {
			continue
		}
		schemas = append(schemas, object{"id": id, "type": "schema", "pluralName": plural,
			"links":             object{"self": s.base() + "/schemas/" + id, "collection": s.base() + "/" + plural},
			"collectionMethods": []string{"GET"}, "resourceMethods": []string{"GET"}, "includeableLinks": []string{"instances", "stack"}})
	}
	return object{"type": "collection", "resourceType": "schema", "data": schemas}
}

func (s *Server) objects(plural string) ([]object, bool) {
	if all, ok := s.built[plural]; ok {
		return all, true
	}
	var all []object
	switch plural {
	case "services":
		all = s.services()
	case "containers", "instances":
		all = s.containers()
	case "stacks":
		all = s.stacks()
	case "hosts":
		all = s.hosts()
	case "settings", "projects":
	default:
		return nil, false
	}
	if s.built == nil {
		s.built = map[string][]object{}
	}
	s.built[plural] = all
	return all, true
}

const maxLimit = 3000

// list answers one page. A field that is named in the query filters.
func (s *Server) list(w http.ResponseWriter, r *http.Request, plural string) {
	all, ok := s.objects(plural)
	if !ok || slices.Contains(s.hidden, strings.TrimSuffix(plural, "s")) {
		refuse(w, http.StatusNotFound, "NotFound")
		return
	}
	query := r.URL.Query()
	limit := s.pageSize
	if text := query.Get("limit"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil {
			refuse(w, http.StatusUnprocessableEntity, "InvalidFormat")
			return
		}
		if limit = n; n <= 0 || n > maxLimit {
			limit = maxLimit
		}
	}
	for name, values := range query {
		if name == "limit" || name == "marker" || name == "include" || name == "sort" {
			continue
		}
		all = slices.DeleteFunc(slices.Clone(all), func(o object) bool { return fmt.Sprint(o[name]) != values[0] })
	}
	from := 0
	if marker := query.Get("marker"); marker != "" {
		n, err := strconv.Atoi(strings.TrimPrefix(marker, "m"))
		if err != nil || n < 0 || n > len(all) {
			refuse(w, http.StatusUnprocessableEntity, "InvalidFormat")
			return
		}
		from = n
	}
	to := min(from+limit, len(all))
	var next any
	if to < len(all) {
		query.Set("limit", strconv.Itoa(limit))
		query.Set("marker", "m"+strconv.Itoa(to))
		next = s.base() + "/" + plural + "?" + query.Encode()
	}
	data := s.include(all[from:to], query["include"])
	answer(w, object{"type": "collection", "resourceType": strings.TrimSuffix(plural, "s"), "links": object{"self": s.base() + "/" + plural},
		"sort": nil, "filters": object{"name": nil}, "createTypes": object{}, "data": append([]object{}, data...),
		"pagination": object{"first": nil, "previous": nil, "next": next, "limit": limit, "total": nil, "partial": next != nil}})
}

// include puts the first of the links that are asked for into each object, as
// the real server does, which ignores the others.
func (s *Server) include(data []object, links []string) []object {
	if len(links) == 0 || !strings.EqualFold(links[0], "instances") {
		return data
	}
	containers, _ := s.objects("containers")
	whole := make([]object, 0, len(data))
	for _, o := range data {
		ids, _ := o["instanceIds"].([]string)
		members := []object{}
		for _, c := range containers {
			if id, _ := c["id"].(string); slices.Contains(ids, id) {
				members = append(members, c)
			}
		}
		o = maps.Clone(o)
		o["instances"] = members
		whole = append(whole, o)
	}
	return whole
}

func (s *Server) one(w http.ResponseWriter, plural, id string) {
	all, _ := s.objects(plural)
	for _, o := range all {
		if o["id"] == id {
			answer(w, o)
			return
		}
	}
	refuse(w, http.StatusNotFound, "NotFound")
}

// act carries out the one action that a backup needs.
func (s *Server) act(w http.ResponseWriter, r *http.Request, parts []string) {
	body, err := io.ReadAll(io.LimitReader(r.Body, 1<<20))
	var input *struct {
		ServiceIDs []string `json:"serviceIds"`
	}
	if err != nil || len(body) > 0 && json.Unmarshal(body, &input) != nil {
		refuse(w, http.StatusBadRequest, "InvalidFormat")
		return
	}
	if len(parts) != 2 || parts[0] != "stacks" {
		refuse(w, http.StatusMethodNotAllowed, "MethodNotAllowed")
		return
	}
	i := slices.IndexFunc(s.world.Stacks, func(k Stack) bool { return k.ID == parts[1] })
	if i < 0 || r.URL.Query().Get("action") != "exportconfig" {
		refuse(w, http.StatusNotFound, "NotFound")
		return
	}
	k := s.world.Stacks[i]
	switch {
	case k.ExportStatus != 0:
		refuse(w, k.ExportStatus, "ServerError")
	case k.Docker+k.Rancher == "":
		refuse(w, http.StatusUnprocessableEntity, "ActionNotAvailable")
	default:
		answer(w, object{"id": nil, "type": "composeConfig", "links": object{}, "actions": object{},
			"dockerComposeConfig": k.Docker, "rancherComposeConfig": k.Rancher})
	}
}
