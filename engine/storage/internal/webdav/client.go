package webdav

import (
	"bytes"
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"path"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/purser-backup/purser/engine/storage/driver"
)

// maxListing bounds the answer about a collection, of about 1 KiB for each
// object; more than that no repository has.
const maxListing = 1 << 30

// client speaks the part of WebDAV (RFC 4918) that is needed.
type client struct {
	http     *http.Client
	auth     auth
	replaces atomic.Bool // the server puts a file in the place of another at once
}

// entry is what a server tells of one resource.
type entry struct {
	name       string
	size       int64
	time       time.Time
	collection bool
}

// send makes a request, and makes it again once if the server wants to know who
// asks. body gives the content anew for each.
func (c *client) send(ctx context.Context, method string, u *url.URL, header http.Header, body func() (io.Reader, error), size int64) (*http.Response, error) {
	for try := 1; ; try++ {
		request, err := http.NewRequestWithContext(ctx, method, u.String(), nil)
		if err != nil {
			return nil, err
		}
		for name, values := range header {
			request.Header[name] = values
		}
		if body != nil && size > 0 {
			r, err := body()
			if err != nil {
				return nil, err
			}
			request.Body, request.ContentLength = io.NopCloser(r), size
		}
		c.auth.sign(request)
		response, err := c.http.Do(request)
		if err != nil {
			return nil, err
		}
		name := response.Header.Get("Server")
		c.replaces.Store(strings.HasPrefix(name, "Apache") || strings.HasPrefix(name, "nginx"))
		if response.StatusCode != http.StatusUnauthorized || try > 1 || !c.auth.challenge(request, response.Header) {
			return response, nil
		}
		if err := drain(response); err != nil {
			return nil, err
		}
	}
}

// drain reads the rest, so that the connection can be used again.
func drain(response *http.Response) error {
	_, err := io.Copy(io.Discard, io.LimitReader(response.Body, 64<<10))
	return errors.Join(err, response.Body.Close())
}

// do makes a request whose answer is its status.
func (c *client) do(ctx context.Context, method string, u *url.URL, header http.Header, body func() (io.Reader, error)) error {
	response, err := c.send(ctx, method, u, header, body, 0)
	if err != nil {
		return err
	}
	if err := drain(response); err != nil {
		return err
	}
	return check(response, u)
}

func (c *client) put(ctx context.Context, u *url.URL, body func() (io.Reader, error), size int64) error {
	response, err := c.send(ctx, http.MethodPut, u, http.Header{"Content-Type": {"application/octet-stream"}}, body, size)
	if err != nil {
		return err
	}
	if err := drain(response); err != nil {
		return err
	}
	return check(response, u)
}

func (c *client) get(ctx context.Context, u *url.URL) (io.ReadCloser, error) {
	response, err := c.send(ctx, http.MethodGet, u, nil, nil, 0)
	if err != nil {
		return nil, err
	}
	if err := check(response, u); err != nil {
		return nil, errors.Join(err, drain(response))
	}
	if response.StatusCode != http.StatusOK {
		return nil, errors.Join(driver.Permanent(fmt.Errorf("GET %s: %s", u.Redacted(), response.Status)), drain(response))
	}
	return response.Body, nil
}

// again makes a call a few times, within about a second, while its error is one
// that passes soon.
func again(ctx context.Context, passes func(error) bool, call func(context.Context) error) (err error) {
	for wait := 10 * time.Millisecond; wait < time.Second; wait *= 2 {
		if err = call(ctx); err == nil || !passes(err) {
			return err
		}
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-ctx.Done():
		}
		timer.Stop()
	}
	return err
}

// look asks about one resource.
func (c *client) look(ctx context.Context, u *url.URL) (entry, error) {
	entries, err := c.propfind(ctx, u, "0")
	if err != nil {
		return entry{}, err
	}
	if len(entries) != 1 {
		return entry{}, driver.Permanent(fmt.Errorf("PROPFIND %s: an answer about %d resources", u.Redacted(), len(entries)))
	}
	return entries[0], nil
}

// list asks about what a collection holds.
func (c *client) list(ctx context.Context, u *url.URL) ([]entry, error) {
	all, err := c.propfind(ctx, u, "1")
	var entries []entry
	for _, e := range all {
		if e.name != "" {
			entries = append(entries, e)
		}
	}
	return entries, err
}

const properties = `<?xml version="1.0" encoding="utf-8"?>
<propfind xmlns="DAV:"><prop><resourcetype/><getcontentlength/><getlastmodified/></prop></propfind>`

// propfind asks for properties. The collection itself has the name "".
func (c *client) propfind(ctx context.Context, u *url.URL, depth string) (entries []entry, err error) {
	header := http.Header{"Depth": {depth}, "Content-Type": {"application/xml; charset=utf-8"}}
	response, err := c.send(ctx, "PROPFIND", u, header, func() (io.Reader, error) { return strings.NewReader(properties), nil }, int64(len(properties)))
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, drain(response)) }()
	if err := check(response, u); err != nil {
		return nil, err
	}
	if response.StatusCode != http.StatusMultiStatus {
		return nil, &statusError{method: "PROPFIND", url: u.Redacted(), code: http.StatusMethodNotAllowed, status: response.Status + ", no answer of WebDAV"}
	}
	// One resource after the other: a listing is as large as the collection.
	decoder := xml.NewDecoder(io.LimitReader(response.Body, maxListing))
	for ended := false; ; {
		token, err := decoder.Token()
		if err == io.EOF && ended {
			return entries, nil
		}
		if err == io.EOF {
			err = errors.New("the server broke off its answer")
		}
		if err != nil {
			return nil, fmt.Errorf("PROPFIND %s: %w", u.Redacted(), err)
		}
		switch token := token.(type) {
		case xml.EndElement:
			ended = ended || token.Name.Local == "multistatus"
		case xml.CharData:
			// So say some that they could not go on, as when an object went meanwhile.
			if ended && len(bytes.TrimSpace(token)) > 0 {
				return nil, fmt.Errorf("PROPFIND %s: the server broke off its answer: %.100q", u.Redacted(), token)
			}
		}
		start, ok := token.(xml.StartElement)
		if !ok || start.Name != (xml.Name{Space: "DAV:", Local: "response"}) {
			continue
		}
		var r resource
		if err := decoder.DecodeElement(&r, &start); err != nil {
			return nil, fmt.Errorf("PROPFIND %s: %w", u.Redacted(), err)
		}
		e, err := r.entry(u)
		if err != nil {
			return nil, driver.Permanent(fmt.Errorf("PROPFIND %s: %w", u.Redacted(), err))
		}
		entries = append(entries, e)
	}
}

// resource is the answer about one of them.
type resource struct {
	Href  string `xml:"DAV: href"`
	Props []struct {
		Status string `xml:"DAV: status"`
		Prop   struct {
			Length   string `xml:"DAV: getcontentlength"`
			Modified string `xml:"DAV: getlastmodified"`
			Type     struct {
				Collection *struct{} `xml:"DAV: collection"`
			} `xml:"DAV: resourcetype"`
		} `xml:"DAV: prop"`
	} `xml:"DAV: propstat"`
}

func (r resource) entry(of *url.URL) (e entry, err error) {
	href, err := url.Parse(strings.TrimSpace(r.Href))
	if err != nil {
		return e, fmt.Errorf("href: %w", err)
	}
	if href.Path != of.Path && strings.TrimSuffix(href.Path, "/") != strings.TrimSuffix(of.Path, "/") {
		e.name = path.Base(href.Path)
	}
	for _, p := range r.Props {
		if !strings.Contains(p.Status, " 200") {
			continue
		}
		e.collection = e.collection || p.Prop.Type.Collection != nil
		if p.Prop.Length != "" {
			if e.size, err = strconv.ParseInt(p.Prop.Length, 10, 64); err != nil {
				return e, fmt.Errorf("length of %s: %w", e.name, err)
			}
		}
		if p.Prop.Modified != "" {
			if e.time, err = http.ParseTime(p.Prop.Modified); err != nil {
				return e, fmt.Errorf("time of %s: %w", e.name, err)
			}
		}
	}
	return e, nil
}

// check makes an error of an answer that is none of success.
func check(response *http.Response, u *url.URL) error {
	if response.StatusCode/100 == 2 {
		return nil
	}
	e := &statusError{method: response.Request.Method, url: u.Redacted(), code: response.StatusCode, status: response.Status}
	if to, err := response.Location(); err == nil {
		if to.Path == u.Path+"/" { // so servers name a collection
			e.code, e.status = http.StatusNotFound, "a collection, no object"
		} else {
			e.location = to.Redacted()
		}
	}
	return e
}
