// Package notify tells people, and dead man's switches, how runs end and what
// else is wrong. It is the only importer of shoutrrr.
package notify

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/nicholas-fedor/shoutrrr/pkg/router"
	"github.com/nicholas-fedor/shoutrrr/pkg/types"

	"github.com/purser-backup/purser/internal/bug"
	"github.com/purser-backup/purser/internal/secret"
)

// Options are what a Sender is made of.
type Options struct {
	URLs      []secret.String          // of shoutrrr
	Ping      secret.String            // empty: no dead man's switch
	Templates string                   // directory with title.tmpl and body.tmpl, which need not exist
	Scrub     func(text string) string // takes secrets out of what is sent
	Pauses    []time.Duration          // between the tries of one message; nil is the usual
}

// sendTimeout bounds one try with one service.
const sendTimeout = 15 * time.Second

// usualPauses make three tries, which may keep a run from ending for a while.
func usualPauses() []time.Duration { return []time.Duration{time.Second, 5 * time.Second} }

// Sender sends messages. It may be used by several goroutines.
type Sender struct {
	services  []service
	templates *templates
	scrub     func(string) string
	ping      secret.String
	pauses    []time.Duration
}

// service is one URL to send to.
type service struct {
	name string // for people, without anything secret
	url  secret.String
}

// Message is what is sent.
type Message struct {
	Title string `json:"title"`
	Body  string `json:"body"`
}

// Undelivered is a message that did not get through to a service.
type Undelivered struct {
	Service string // name of the service
	Err     error  // without anything secret
}

// Error is a fault in what the user configured.
type Error struct {
	err  error
	hint string
}

func (e *Error) Error() string { return e.err.Error() }
func (e *Error) Unwrap() error { return e.err }

// Hint says what to do about it.
func (e *Error) Hint() string { return e.hint }

// New checks the URLs and the templates without asking anybody. A fault is an
// *Error; several are joined. With faults, the Sender uses what is good.
func New(o Options) (*Sender, error) {
	s := &Sender{scrub: o.Scrub, ping: o.Ping, pauses: o.Pauses}
	if s.pauses == nil {
		s.pauses = usualPauses()
	}
	var faults []error
	for i, u := range o.URLs {
		scheme, _, _ := strings.Cut(u.Reveal(), ":")
		one := service{name: fmt.Sprintf("notification %d (%s)", i+1, scheme), url: u}
		if err := one.check(); err != nil {
			faults = append(faults, err)
			continue
		}
		s.services = append(s.services, one)
	}
	var err error
	if s.templates, err = loadTemplates(o.Templates); err != nil {
		faults = append(faults, err)
		s.templates = usualTemplates()
	}
	return s, errors.Join(faults...)
}

// Active reports whether there is anybody to send to.
func (s *Sender) Active() bool { return len(s.services) > 0 }

// check tells whether shoutrrr takes the URL.
func (t service) check() error {
	const hint = "see shoutrrr's list of services and their URLs: https://shoutrrr.nickfedor.com"
	scheme, _, _ := strings.Cut(t.url.Reveal(), "://")
	kind, _, _ := strings.Cut(scheme, "+")
	if kind == "logger" {
		return &Error{fmt.Errorf("%s: it reaches nobody", t.name), hint}
	}
	var r router.ServiceRouter
	if _, err := r.NewService(kind); err != nil {
		return &Error{fmt.Errorf("%s: no such service", t.name), hint}
	}
	if kind == "matrix" { // it would log in
		return nil
	}
	if _, err := router.New(nil, t.url.Reveal()); err != nil {
		return &Error{fmt.Errorf("%s: %w", t.name, t.clean(err)), hint}
	}
	return nil
}

// Send gives a message to every service, side by side, and tries again where
// that fails. What is left are the failures.
func (s *Sender) Send(ctx context.Context, m Message) []Undelivered {
	var wg sync.WaitGroup
	errs := make([]error, len(s.services))
	for i, t := range s.services {
		wg.Go(func() {
			errs[i] = bug.Guard(func() error {
				return again(ctx, s.pauses, func() error { return t.send(ctx, m) })
			})()
		})
	}
	wg.Wait()
	var failures []Undelivered
	for i, err := range errs {
		if err != nil {
			failures = append(failures, Undelivered{s.services[i].name, err})
		}
	}
	return failures
}

// SendTo tries once to give a message to the service of that name. One that is
// no longer configured is no error: there is nobody to tell.
func (s *Sender) SendTo(ctx context.Context, name string, m Message) error {
	for _, t := range s.services {
		if t.name == name {
			return t.send(ctx, m)
		}
	}
	return nil
}

func (t service) send(ctx context.Context, m Message) error {
	done := make(chan error, 1)
	go func() { done <- t.clean(bug.Guard(func() error { return t.deliver(m) })()) }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done(): // shoutrrr can't be cancelled, but has its own timeout
		return ctx.Err()
	}
}

// deliver makes one try. Not every service has a title: there it becomes the
// first line.
func (t service) deliver(m Message) error {
	r, err := router.New(nil, t.url.Reveal())
	if err != nil {
		return t.clean(err)
	}
	r.Timeout = sendTimeout
	params := types.Params{}
	params.SetTitle(m.Title)
	err = errors.Join(r.Send(m.Body, &params)...)
	if err != nil && strings.Contains(err.Error(), "not a valid config key") {
		err = errors.Join(r.Send(m.Title+"\n\n"+m.Body, &types.Params{})...)
	}
	return t.clean(err)
}

// clean makes an error that shows nothing of the URL but a host name or an
// address: any other part of it may be a token.
func (t service) clean(err error) error {
	if err == nil {
		return nil
	}
	return errors.New(cleaned(err.Error(), t.url.Reveal()))
}

func cleaned(text, rawURL string) string {
	text = hideURLs(text)
	for _, part := range urlParts(rawURL) {
		text = strings.ReplaceAll(text, part, "xxxxx")
	}
	return strings.Join(strings.Fields(text), " ")
}

// hideURLs replaces every URL in a text.
func hideURLs(text string) string {
	words := strings.Fields(text)
	for i, w := range words {
		if strings.Contains(w, "://") {
			words[i] = "[url]"
		}
	}
	return strings.Join(words, " ")
}

// urlParts are the pieces of a URL that must not be shown, the longest ones first.
func urlParts(raw string) []string {
	const shortest = 4 // shorter ones are in any text
	u, err := url.Parse(raw)
	if err != nil {
		return []string{raw}
	}
	var parts []string
	add := func(list ...string) {
		for _, p := range list {
			if plain, err := url.PathUnescape(p); err == nil && plain != p {
				parts = append(parts, plain)
			}
			parts = append(parts, p)
		}
	}
	if p, ok := u.User.Password(); ok {
		add(p)
	}
	if u.User != nil {
		add(u.User.Username())
	}
	if host := u.Hostname(); !strings.ContainsAny(host, ".:") && host != "localhost" {
		add(host)
	}
	add(strings.Split(u.EscapedPath(), "/")...)
	for _, values := range u.Query() {
		add(values...)
	}
	kept := parts[:0]
	for _, p := range parts {
		if len(p) >= shortest {
			kept = append(kept, p)
		}
	}
	sortByLength(kept)
	return kept
}
