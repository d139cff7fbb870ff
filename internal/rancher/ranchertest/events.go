package ranchertest

import (
	"net/http"
	"sync"
	"time"

	"github.com/gorilla/websocket"
)

// subscriber is one open websocket. Its connection is written to by one
// goroutine at a time.
type subscriber struct {
	mu   sync.Mutex
	conn *websocket.Conn
}

func (c *subscriber) send(frame object) {
	c.mu.Lock()
	defer c.mu.Unlock()
	// A client that has gone is noticed by its reader.
	_ = c.conn.WriteJSON(frame)
}

// subscribe answers with a websocket, or refuses as the real server does.
func (s *Server) subscribe(w http.ResponseWriter, r *http.Request) {
	if r.URL.Query().Get("eventNames") == "" {
		refuse(w, http.StatusUnprocessableEntity, "MissingRequired")
		return
	}
	if !websocket.IsWebSocketUpgrade(r) {
		refuse(w, http.StatusBadRequest, "BadRequest")
		return
	}
	conn, err := (&websocket.Upgrader{}).Upgrade(w, r, nil)
	if err != nil {
		return // the upgrader has answered
	}
	defer conn.Close()
	sub := &subscriber{conn: conn}
	sub.send(object{"name": "ping", "resourceType": nil, "time": time.Now().UnixMilli()})
	s.mu.Lock()
	s.subs[sub] = true
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.subs, sub)
	}()
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		for {
			if _, _, err := conn.NextReader(); err != nil {
				return
			}
		}
	}()
	ticker := time.NewTicker(5 * time.Second)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			sub.send(object{"name": "ping"})
		case <-gone:
			return
		case <-s.stop:
			return
		}
	}
}

func (s *Server) subscribed() []*subscriber {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []*subscriber
	for sub := range s.subs {
		all = append(all, sub)
	}
	return all
}

// Subscribers counts the open subscriptions.
func (s *Server) Subscribers() int { return len(s.subscribed()) }

// Emit tells all subscribers that a resource has changed.
func (s *Server) Emit(kind, id string) {
	for _, sub := range s.subscribed() {
		sub.send(object{"name": "resource.change", "resourceType": kind, "resourceId": id,
			"data": object{"resource": object{"id": id, "type": kind, "environment": object{"PASSWORD": SecretInEvents}}}})
	}
}

// SecretInEvents is in each event, as the passwords of services are.
const SecretInEvents = "pa55word-in-an-event"

// Logout tells all subscribers that their key has been logged out.
func (s *Server) Logout() {
	for _, sub := range s.subscribed() {
		sub.send(object{"name": "logout"})
	}
}

// Hangup ends all subscriptions in the middle.
func (s *Server) Hangup() {
	for _, sub := range s.subscribed() {
		_ = sub.conn.Close()
	}
}
