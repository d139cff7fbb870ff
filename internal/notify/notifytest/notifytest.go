// Package notifytest has servers that notifications are sent to in tests: one
// that takes mail by SMTP, and one that takes HTTP requests.
package notifytest

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/mail"
	"strings"
	"sync"
	"testing"
)

// Mail is what the SMTP server took.
type Mail struct {
	From, Subject, Body string
	To                  []string
}

// SMTP is a mail server on loopback.
type SMTP struct {
	Addr string

	mu    sync.Mutex
	mails []Mail
}

// NewSMTP starts a server that ends with the test.
func NewSMTP(t testing.TB) *SMTP {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &SMTP{Addr: l.Addr().String()}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return // closed
			}
			wg.Go(func() {
				defer c.Close()
				if err := s.talk(c); err != nil {
					t.Errorf("SMTP: %v", err)
				}
			})
		}
	})
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Errorf("close the SMTP server: %v", err)
		}
		wg.Wait()
	})
	return s
}

// talk is one session, as RFC 5321 has it, without extensions.
func (s *SMTP) talk(c net.Conn) error {
	in := bufio.NewReader(c)
	say := func(line string) error {
		_, err := fmt.Fprintf(c, "%s\r\n", line)
		return err
	}
	if err := say("220 test ESMTP"); err != nil {
		return err
	}
	var m Mail
	for {
		line, err := in.ReadString('\n')
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		line = strings.TrimRight(line, "\r\n")
		verb, rest, _ := strings.Cut(line, ":")
		answer := "250 ok"
		switch upper := strings.ToUpper(verb); {
		case upper == "MAIL FROM":
			m = Mail{From: address(rest)}
		case upper == "RCPT TO":
			m.To = append(m.To, address(rest))
		case upper == "DATA":
			if err := say("354 go on"); err != nil {
				return err
			}
			if err := s.take(in, m); err != nil {
				return err
			}
		case upper == "QUIT":
			return say("221 bye")
		case strings.HasPrefix(upper, "EHLO"), strings.HasPrefix(upper, "HELO"), upper == "RSET", upper == "NOOP":
		default:
			answer = "502 unknown"
		}
		if err := say(answer); err != nil {
			return err
		}
	}
}

// address takes one out of "<a@b.org> SIZE=1".
func address(s string) string {
	_, s, _ = strings.Cut(s, "<")
	s, _, _ = strings.Cut(s, ">")
	return s
}

func (s *SMTP) take(in *bufio.Reader, m Mail) error {
	var text strings.Builder
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return err
		}
		if line == ".\r\n" {
			break
		}
		text.WriteString(strings.TrimPrefix(line, "."))
	}
	parsed, err := mail.ReadMessage(strings.NewReader(text.String()))
	if err != nil {
		return err
	}
	body, err := io.ReadAll(parsed.Body)
	if err != nil {
		return err
	}
	m.Subject, m.Body = parsed.Header.Get("Subject"), string(body)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mails = append(s.mails, m)
	return nil
}

// Take gives the mails that have come since the last call.
func (s *SMTP) Take() []Mail {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := s.mails
	s.mails = nil
	return list
}

// Count tells how many mails have come since the last Take.
func (s *SMTP) Count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.mails)
}

// URL is the one that shoutrrr needs to send mail here.
func (s *SMTP) URL() string {
	return "smtp://" + s.Addr + "/?from=purser@example.org&to=admin@example.org&usestarttls=no&encryption=none&auth=none"
}

// Request is what the HTTP server took.
type Request struct{ Path, Body string }

// HTTP is a web server on loopback.
type HTTP struct {
	Base string // URL without a path

	mu       sync.Mutex
	status   int
	requests []Request
}

// NewHTTP starts a server that ends with the test.
func NewHTTP(t testing.TB) *HTTP {
	t.Helper()
	h := &HTTP{status: http.StatusOK}
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	h.Base = server.URL
	return h
}

// ServeHTTP takes a request.
func (h *HTTP) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	h.mu.Lock()
	defer h.mu.Unlock()
	if err != nil || h.status != http.StatusOK {
		w.WriteHeader(max(h.status, http.StatusBadRequest))
		return
	}
	h.requests = append(h.requests, Request{r.URL.RequestURI(), string(body)})
}

// Answer sets the status of all answers from now on. What is answered with
// another one than 200 is not taken.
func (h *HTTP) Answer(status int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.status = status
}

// Take gives the requests that have come since the last call.
func (h *HTTP) Take() []Request {
	h.mu.Lock()
	defer h.mu.Unlock()
	list := h.requests
	h.requests = nil
	return list
}

// Count tells how many requests have come since the last Take.
func (h *HTTP) Count() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.requests)
}
