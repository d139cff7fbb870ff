// Package rancher adapts the API of Rancher 1.2 to 1.6, version v2-beta: it
// lists an environment's containers as discovery values, follows its events,
// and exports its stacks.
//
// The client library knows no context and puts whole answers, with the
// passwords in them, into its errors. Neither leaves this package: a call
// returns when its context ends, and an error says no more than the status.
package rancher

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/rancher/go-rancher/v2"

	"github.com/purser-backup/purser/internal/bug"
	"github.com/purser-backup/purser/internal/secret"
)

// Options say how the API is reached. URL and both keys are required.
type Options struct {
	// URL is that of the API or of one of its environments, as
	// http://rancher:8080/v2-beta/projects/1a5. One of version 1, as Rancher
	// gives it to containers, and one without a path do too.
	URL        string
	AccessKey  string
	SecretKey  secret.String
	Timeout    time.Duration // of one request; 0: 60 s
	RetryDelay time.Duration // before the first retry, more before later ones; 0: 1 s
}

// Client speaks to one Rancher server. It is safe for concurrent use, keeps no
// connection that would have to be closed, and outlives failures of the server.
type Client struct {
	api   *client.RancherBaseClientImpl
	base  *url.URL
	delay time.Duration
}

// attempts is how often a request is made before its failure counts.
const attempts = 3

// Open asks the server what it offers. An error is an *Error with a hint.
func Open(ctx context.Context, o Options) (*Client, error) {
	base, err := baseURL(o.URL)
	if err != nil {
		return nil, err
	}
	if o.Timeout == 0 {
		o.Timeout = time.Minute
	}
	if o.RetryDelay == 0 {
		o.RetryDelay = time.Second
	}
	c := &Client{base: base, delay: o.RetryDelay, api: &client.RancherBaseClientImpl{
		Opts:  &client.ClientOpts{Url: base.String(), AccessKey: o.AccessKey, SecretKey: o.SecretKey.Reveal(), Timeout: o.Timeout},
		Types: map[string]client.Schema{},
	}}
	// The library's own constructor asks twice, and follows the server's word
	// about where the schemas are before anybody can look at it.
	schemas, err := get[collection[client.Schema]](ctx, c, "ask what it offers", base.JoinPath("schemas").String())
	if err != nil {
		return nil, err
	}
	for _, s := range schemas.Data {
		c.api.Types[s.Id] = s
	}
	for _, kind := range []string{kindService, kindContainer, kindStack} {
		if err := c.checkLink("find its "+kind+"s", c.api.Types[kind].Links[client.COLLECTION]); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// baseURL is the address of version v2-beta.
func baseURL(text string) (*url.URL, error) {
	e := &Error{Op: "read its URL", Advice: "write it as http://rancher:8080/v2-beta/projects/1a5"}
	normal, err := client.NormalizeUrl(text)
	if err != nil {
		normal = ""
	}
	u, err := url.Parse(normal)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https":
		e.Err = errors.New("it is no http or https URL")
		return nil, e
	case u.User != nil:
		e.Err, e.Advice = errors.New("it holds a user or a password"), "give the keys in BACKUP_RANCHER_API_KEY and BACKUP_RANCHER_API_SECRET"
		return nil, e
	}
	u.RawQuery, u.Fragment = "", ""
	// The library knows version 1 at the root only.
	path := strings.TrimSuffix(strings.TrimRight(u.Path, "/"), "/schemas") + "/"
	u.Path = strings.TrimRight(strings.Replace(path, "/v1/", "/v2-beta/", 1), "/")
	return u, nil
}

// checkLink refuses an address that the server gave and that the keys must not
// be sent to: on another host, or in the clear where they were to be encrypted.
func (c *Client) checkLink(op, link string) error {
	if link == "" {
		return &Error{Op: op, Err: errors.New("the server doesn't offer it"), Advice: versionAdvice}
	}
	u, err := url.Parse(link)
	if err == nil && strings.EqualFold(u.Hostname(), c.base.Hostname()) && u.User == nil {
		upgrade := c.base.Scheme == "http" && u.Scheme == "https"
		if upgrade || u.Scheme == c.base.Scheme && port(u) == port(c.base) {
			return nil
		}
	}
	shown := "nowhere"
	if err == nil && u.Host != "" {
		shown = u.Scheme + "://" + u.Host
	}
	return &Error{Op: op, Err: fmt.Errorf("the server's links lead to %s instead of %s://%s", shown, c.base.Scheme, c.base.Host),
		Advice: "give the address by which the server knows itself, or let the proxy before it pass on Host, X-Forwarded-Proto and X-Forwarded-Port"}
}

func port(u *url.URL) string {
	switch {
	case u.Port() != "":
		return u.Port()
	case u.Scheme == "https":
		return "443"
	}
	return "80"
}

// collection is one page of a list.
type collection[T any] struct {
	client.Collection
	Data []T `json:"data"`
}

func (p collection[T]) valid() bool { return p.Type == "collection" }

// list returns the whole of a list, each page asked for once.
func list[T any](ctx context.Context, c *Client, kind string, filters map[string]any) ([]T, error) {
	op := "list " + kind + "s"
	page, err := ask(ctx, c, op, func(into *collection[T]) error {
		return c.api.List(kind, &client.ListOpts{Filters: filters}, into)
	})
	var all []T
	seen := map[string]bool{}
	for err == nil {
		all = append(all, page.Data...)
		if page.Pagination == nil || page.Pagination.Next == "" {
			if page.Pagination != nil && page.Pagination.Partial {
				return nil, &Error{Op: op, Err: errors.New("the server ends the list in the middle")}
			}
			return all, nil
		}
		next := page.Pagination.Next
		if err := c.checkLink(op, next); err != nil {
			return nil, err
		}
		if seen[next] {
			return nil, &Error{Op: op, Err: errors.New("the server gives the same page twice")}
		}
		seen[next] = true
		page, err = get[collection[T]](ctx, c, op, next)
	}
	return nil, err
}

// answer is what the API can answer with. An answer of another kind, such as
// the empty object of a broken proxy, must not be read as an empty list.
type answer interface{ valid() bool }

// get asks for an address.
func get[T answer](ctx context.Context, c *Client, op, address string) (T, error) {
	const link = "link"
	return ask(ctx, c, op, func(into *T) error {
		return c.api.GetLink(client.Resource{Links: map[string]string{link: address}}, link, into)
	})
}

// ask makes a call, and again after a failure that may pass.
func ask[T answer](ctx context.Context, c *Client, op string, call func(into *T) error) (T, error) {
	for try := 1; ; try++ {
		got, err := once(ctx, call)
		if err == nil && !got.valid() {
			err = errNoAnswer
		}
		if err == nil {
			return got, nil
		}
		if ctx.Err() != nil {
			return got, &Error{Op: op, Err: context.Cause(ctx)}
		}
		failed := c.failure(op, err)
		if !failed.passing || try == attempts {
			return got, failed
		}
		timer := time.NewTimer(time.Duration(try) * c.delay)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return got, &Error{Op: op, Err: context.Cause(ctx)}
		}
	}
}

// once makes a call of the library, which has no context: the call ends by its
// own timeout, and nobody waits for it any longer once ctx has ended.
func once[T any](ctx context.Context, call func(into *T) error) (T, error) {
	type result struct {
		value T
		err   error
	}
	done := make(chan result, 1)
	go func() {
		var r result
		r.err = bug.Guard(func() error { return call(&r.value) })()
		done <- r
	}()
	select {
	case r := <-done:
		return r.value, r.err
	case <-ctx.Done():
		var none T
		return none, context.Cause(ctx)
	}
}
