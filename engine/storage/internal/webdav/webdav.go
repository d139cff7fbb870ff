// Package webdav keeps objects in a collection of a WebDAV server.
package webdav

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/purser-backup/purser/engine/storage/driver"
	"github.com/purser-backup/purser/engine/storage/internal/network"
	"github.com/purser-backup/purser/internal/secret"
)

const discardTimeout = 10 * time.Second

// Location is a collection of a server.
type Location struct {
	User     string
	Password secret.String
	Host     string
	Port     int // 0: that of the protocol
	Path     string
	Plain    bool // HTTP without TLS
	Dialer   network.Dialer
}

// Backend is a driver.Backend over a collection. It makes the collection at the
// first Put, which also removes what uploads that died two days ago or earlier
// have left.
type Backend struct {
	client client
	dir    *url.URL // ends in a slash
	now    func() time.Time
	made   atomic.Bool // the collection
	sweep  sync.Once
}

var _ driver.Backend = (*Backend)(nil)

// Open makes a client of a collection. Nothing is asked of the server yet. now
// is the clock by which leftovers are old.
func Open(ctx context.Context, l Location, t network.TLS, now func() time.Time) (*Backend, error) {
	if l.Host == "" {
		return nil, driver.Permanent(driver.WithHint(errors.New("the URL has no host"), "write webdavs://user@host/folder"))
	}
	transport, err := t.Transport(l.Dialer)
	if err != nil {
		return nil, err
	}
	u := &url.URL{Scheme: "https", Host: l.Host, Path: "/"}
	if l.Plain {
		u.Scheme = "http"
	}
	if strings.Contains(l.Host, ":") {
		u.Host = "[" + l.Host + "]"
	}
	if l.Port != 0 {
		u.Host += ":" + strconv.Itoa(l.Port)
	}
	for _, folder := range strings.Split(l.Path, "/") {
		if folder != "" { // as with duplicity, slashes in a row are one
			u.Path += folder + "/"
		}
	}
	return &Backend{dir: u, now: now, client: client{
		http: &http.Client{Transport: network.NewPatient(transport), CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }},
		auth: auth{user: l.User, password: l.Password},
	}}, ctx.Err()
}

// at is the URL of an object.
func (b *Backend) at(name string) *url.URL {
	u := *b.dir
	u.Path += name
	return &u
}

// Put implements driver.Backend.
func (b *Backend) Put(ctx context.Context, name string, r io.ReadSeeker, size int64) error {
	if err := driver.CheckCall(ctx, name); err != nil {
		return err
	}
	if _, err := driver.Body(ctx, r, size); err != nil {
		return err
	}
	if err := b.makeCollection(ctx); err != nil {
		return b.explain(err)
	}
	b.sweep.Do(func() { b.removeAbandoned(ctx) })
	err := b.upload(ctx, name, func() (io.Reader, error) { return driver.Body(ctx, r, size) }, size)
	if err != nil {
		b.made.Store(false) // somebody may have removed it
	}
	if err != nil && ctx.Err() != nil {
		return ctx.Err() // what a server says of half a body is of no interest
	}
	return b.explain(err)
}

// upload makes an object under another name and moves it then, since not all
// servers wait for the whole. One that is there is overwritten in place on those
// that can replace a file at once: they do it here, and not when moving. On
// others it is gone for a moment.
func (b *Backend) upload(ctx context.Context, name string, body func() (io.Reader, error), size int64) error {
	_, err := b.client.look(ctx, b.at(name))
	there := err == nil
	if there && b.client.replaces.Load() {
		return b.client.put(ctx, b.at(name), body, size)
	}
	if !there && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	temp := b.at(driver.TempPrefix + rand.Text())
	err = b.client.put(ctx, temp, body, size)
	if err == nil {
		err = b.rename(ctx, temp, b.at(name), size, there)
	}
	if err == nil {
		return nil
	}
	b.discard(ctx, temp)
	var answer *statusError
	if errors.As(err, &answer) && answer.code == http.StatusPreconditionFailed {
		return b.client.put(ctx, b.at(name), body, size) // another client was faster
	}
	return err
}

func (b *Backend) rename(ctx context.Context, from, to *url.URL, size int64, over bool) error {
	e, err := b.client.look(ctx, from)
	if err == nil && e.size != size {
		err = fmt.Errorf("server holds %d bytes of %d", e.size, size)
	}
	if err != nil {
		return err
	}
	header := http.Header{"Destination": {to.String()}, "Overwrite": {map[bool]string{true: "T", false: "F"}[over]}}
	return again(ctx, isLocked, func(ctx context.Context) error {
		err := b.client.do(ctx, "MOVE", from, header, nil)
		var answer *statusError
		if errors.As(err, &answer) && (answer.code == http.StatusBadGateway || answer.code == http.StatusBadRequest) {
			// Behind a proxy a server may take the whole URL for another server's.
			header.Set("Destination", to.EscapedPath())
			err = b.client.do(ctx, "MOVE", from, header, nil)
		}
		return err
	})
}

// isLocked says that a call was made on what another one is at work on.
func isLocked(err error) bool {
	var answer *statusError
	return errors.As(err, &answer) && answer.code == http.StatusLocked
}

// makeCollection makes the collection and those above it, where they are not.
func (b *Backend) makeCollection(ctx context.Context) error {
	if b.made.Load() {
		return nil
	}
	_, err := b.client.look(ctx, b.dir)
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
		for i, r := range b.dir.Path {
			if r != '/' || i == 0 {
				continue
			}
			u := *b.dir
			u.Path = b.dir.Path[:i+1]
			// It fails for those that are there, or above what this user sees.
			err = b.client.do(ctx, "MKCOL", &u, nil, nil)
		}
		if _, look := b.client.look(ctx, b.dir); look == nil {
			err = nil // this one or another client's has made it
		}
	}
	if err == nil {
		b.made.Store(true)
	}
	return err
}

// discard takes an unfinished upload back, also when its context is done. The
// server may learn late that the upload has ended, and show it only then, so a
// few tries are made. What is left stays hidden, and goes after two days.
func (b *Backend) discard(ctx context.Context, temp *url.URL) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), discardTimeout)
	defer cancel()
	late := func(err error) bool { return errors.Is(err, fs.ErrNotExist) || isLocked(err) }
	_ = again(ctx, late, func(ctx context.Context) error { return b.client.do(ctx, http.MethodDelete, temp, nil, nil) })
}

// removeAbandoned is a courtesy: its failures are no reason to fail a Put.
func (b *Backend) removeAbandoned(ctx context.Context) {
	entries, err := b.client.list(ctx, b.dir)
	if err != nil {
		return
	}
	for _, e := range entries {
		if strings.HasPrefix(e.name, driver.TempPrefix) && !e.collection && !e.time.IsZero() && b.now().Sub(e.time) > driver.AbandonedAfter {
			_ = b.client.do(ctx, http.MethodDelete, b.at(e.name), nil, nil)
		}
	}
}

// Get implements driver.Backend.
func (b *Backend) Get(ctx context.Context, name string) (io.ReadCloser, error) {
	if err := driver.CheckCall(ctx, name); err != nil {
		return nil, err
	}
	body, err := b.client.get(ctx, b.at(name))
	if err != nil {
		return nil, b.explain(err)
	}
	return body, nil
}

// Stat implements driver.Backend.
func (b *Backend) Stat(ctx context.Context, name string) (driver.Info, error) {
	if err := driver.CheckCall(ctx, name); err != nil {
		return driver.Info{}, err
	}
	e, err := b.client.look(ctx, b.at(name))
	if err == nil && e.collection {
		err = &statusError{code: http.StatusNotFound, status: "a collection, no object", url: b.at(name).Redacted()}
	}
	if err != nil {
		return driver.Info{}, b.explain(err)
	}
	return driver.Info{Name: name, Size: e.size, ModTime: e.time}, nil
}

// List implements driver.Backend.
func (b *Backend) List(ctx context.Context, prefix string) ([]driver.Info, error) {
	entries, err := b.client.list(ctx, b.dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, b.explain(err)
	}
	var list []driver.Info
	for _, e := range entries {
		if !e.collection && strings.HasPrefix(e.name, prefix) && driver.CheckName(e.name) == nil {
			list = append(list, driver.Info{Name: e.name, Size: e.size, ModTime: e.time})
		}
	}
	return list, nil
}

// Delete implements driver.Backend.
func (b *Backend) Delete(ctx context.Context, name string) error {
	// A collection of that name would go with all that is in it.
	_, err := b.Stat(ctx, name)
	if err == nil {
		err = b.explain(b.client.do(ctx, http.MethodDelete, b.at(name), nil, nil))
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// Features implements driver.Backend.
func (b *Backend) Features() driver.Features { return driver.Features{ModTime: true} }

// Close implements driver.Backend.
func (b *Backend) Close() error {
	b.client.http.CloseIdleConnections()
	return nil
}
