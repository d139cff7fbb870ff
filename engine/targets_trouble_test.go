package engine_test

import (
	"context"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/purser-backup/purser/engine"
	"github.com/purser-backup/purser/engine/storage"
	"github.com/purser-backup/purser/engine/storage/driver"
	"github.com/purser-backup/purser/engine/storage/servertest"
	"github.com/purser-backup/purser/internal/hint"
)

// unlucky is the volume in whose middle something happens that happens once.
const unlucky = 3

// A trouble befalls a server, or the way to it, in the middle of a backup.
type trouble struct {
	// begin gives the port by which to reach the server, what happens when a volume
	// has been read to its half, and whether it has come about.
	begin func(t *testing.T, s *remoteSite) (port any, strike func(volume int), hit func() bool)
	mend  func(s *remoteSite, t *testing.T) // before the next run; nil if the backup gets over it by itself
	hints []string                          // one of which is given with the error
	web   bool                              // it is one of HTTP
}

func troubles() map[string]trouble {
	return map[string]trouble{
		"connections are reset":     {begin: resets},
		"a connection stalls":       {begin: stalls},
		"the server is busy":        {begin: busy, web: true},
		"the server is restarted":   {begin: once(func(s *remoteSite, t *testing.T) { s.Stop(); s.Restart(t) })},
		"the server is killed":      {begin: once(func(s *remoteSite, _ *testing.T) { s.Stop() }), mend: func(s *remoteSite, t *testing.T) { s.Restart(t) }, hints: []string{"that the server runs"}},
		"the login is taken away":   {begin: once((*remoteSite).lockOut), mend: func(s *remoteSite, t *testing.T) { s.login.Grant(t) }, hints: []string{"AWS_ACCESS_KEY_ID", "the key or the password", "FTP_PASSWORD"}},
		"the server's disk is full": {begin: once((*remoteSite).fill), mend: (*remoteSite).empty, hints: []string{"full", "space"}},
	}
}

// once is a trouble of the server itself.
func once(strike func(*remoteSite, *testing.T)) func(*testing.T, *remoteSite) (any, func(int), func() bool) {
	return func(t *testing.T, s *remoteSite) (any, func(int), func() bool) {
		hit := false
		return s.Port, func(volume int) {
			if volume == unlucky {
				hit = true
				strike(s, t)
			}
		}, func() bool { return hit }
	}
}

// resets ends a connection in each volume, always at another byte.
func resets(t *testing.T, s *remoteSite) (any, func(int), func() bool) {
	proxy, hits := servertest.NewProxy(t, s.Addr()), 0
	count := func() bool {
		if proxy.Hit() {
			hits++
		}
		return hits >= unlucky
	}
	step := int64(20_000)
	if s.two { // and sends the volumes elsewhere
		step = 15
	}
	return proxy.Port, func(volume int) {
		count()
		proxy.ResetAfter(int64(volume-1) * step)
	}, count
}

func stalls(t *testing.T, s *remoteSite) (any, func(int), func() bool) {
	proxy := servertest.NewProxy(t, s.Addr())
	return proxy.Port, func(volume int) {
		if volume == unlucky {
			proxy.StallAfter(10)
		}
	}, proxy.Hit
}

func busy(t *testing.T, s *remoteSite) (any, func(int), func() bool) {
	const times = 3
	front := servertest.NewFront(t, s.Addr())
	return front.Port, func(volume int) {
		if volume == unlucky {
			front.Answer(servertest.Times(times, servertest.Says(http.StatusServiceUnavailable, "")))
		}
	}, func() bool { return front.Hits() == times }
}

// lockOut takes the user's login away, and ends the connections that he has.
func (s *remoteSite) lockOut(t *testing.T) {
	s.login.Revoke(t)
	if s.once {
		s.Cut(t)
	}
}

func (s *remoteSite) empty(t *testing.T) {
	if err := os.Remove(s.ballast()); err != nil {
		t.Fatal(err)
	}
}

// midway is a target that something happens to when half of a volume has been
// read. It notes the volumes that it has taken.
type midway struct {
	driver.Backend
	strike  func(volume int)
	volumes int
	taken   []string
	stored  []string // all that were begun
}

func (m *midway) Put(ctx context.Context, name string, r io.ReadSeeker, size int64) error {
	if !strings.Contains(name, ".vol") {
		return m.Backend.Put(ctx, name, r, size)
	}
	m.volumes++
	m.stored = append(m.stored, name)
	err := m.Backend.Put(ctx, name, &half{ReadSeeker: r, left: size / 2, strike: func() { m.strike(m.volumes) }}, size)
	if err == nil {
		m.taken = append(m.taken, name)
	}
	return err
}

// half calls strike once, when half has been read.
type half struct {
	io.ReadSeeker
	left   int64
	strike func()
}

func (h *half) Read(p []byte) (int, error) {
	if h.left <= 0 && h.strike != nil {
		h.strike()
		h.strike = nil
	}
	n, err := h.ReadSeeker.Read(p[:min(len(p), 32<<10)])
	h.left -= int64(n)
	return n, err
}

// A backup gets over what passes. What stays is told of once, with what to do; the
// state before is there as it was, the next run goes on behind the volumes
// that the server has, and then the newest is there, too.
func TestTroubles(t *testing.T) {
	t.Parallel()
	for name, start := range remoteSites() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := start(t)
			s.mount(t)
			for name, c := range troubles() {
				if c.web && !s.web {
					continue
				}
				t.Run(name, func(t *testing.T) { s.goThrough(t, c) })
			}
		})
	}
}

func (s *remoteSite) goThrough(t *testing.T, c trouble) {
	f := &fixture{t: t, dir: filepath.Join(t.TempDir(), "src"), rand: newRand()}
	site := siteIn(t, t.TempDir(), passphrase, f.dir)
	site.opt.Volumes = 1
	folder := filepath.Base(t.Name())
	run := func(port any, strike func(int)) (*midway, error) {
		m := &midway{Backend: s.open(t, folder, port), strike: strike}
		_, err := site.tryBackup(t.Context(), site.openStore(storage.New(m, s.url, storage.Options{Retries: -1})), f.dir)
		return m, err
	}
	wantRestored := func(want map[string]node) {
		t.Helper()
		dest := filepath.Join(t.TempDir(), "restored")
		_, err := site.openStore(storage.New(s.open(t, folder, s.Port), s.url, storage.Options{Retries: -1})).Restore(t.Context(), dest, engine.RestoreOptions{})
		f.check(err)
		sameTree(t, "restored", want, snapshot(t, dest, exact))
	}
	calm := func(int) {}

	f.write("first", 1000)
	_, err := run(s.Port, calm)
	f.check(err)
	before := snapshot(t, f.dir, exact)
	f.write("big", 1_400_000)
	site.now = at(1)
	port, strike, hit := c.begin(t, s)
	first, err := run(port, strike)
	if !hit() {
		t.Fatalf("nothing happened: %v", err)
	}
	if c.mend == nil {
		f.check(err)
	} else {
		wantHint(t, err, c.hints)
		c.mend(s, t)
		wantRestored(before)
		site.now = at(2)
		second, err := run(s.Port, calm)
		f.check(err)
		// One after the other: so the set goes on with the volume that failed.
		if len(first.taken) != unlucky-1 || len(second.stored) == 0 || second.stored[0] != first.stored[unlucky-1] {
			t.Errorf("%q were stored of %q, and then %q", first.taken, first.stored, second.stored)
		}
	}
	site.loseState()
	wantRestored(snapshot(t, f.dir, exact))
}

func wantHint(t *testing.T, err error, hints []string) {
	t.Helper()
	advice := hint.Text(err)
	if !slices.ContainsFunc(hints, func(text string) bool { return strings.Contains(advice, text) }) {
		t.Errorf("got %v, hint %q, want one of %q", err, advice, hints)
	}
}
