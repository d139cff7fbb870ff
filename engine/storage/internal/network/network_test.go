package network_test

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/purser-backup/purser/engine/storage/internal/network"
)

// connect gives both ends of a connection.
func connect(t *testing.T, d network.Dialer) (client, server net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	}()
	if client, err = d.Dial(t.Context(), "tcp", l.Addr().String()); err != nil {
		t.Fatal(err)
	}
	if server, err = l.Accept(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = client.Close()
		_ = server.Close()
	})
	return client, server
}

// A peer that is silent, or takes nothing, is left.
func TestStall(t *testing.T) {
	client, _ := connect(t, network.Dialer{Stall: 100 * time.Millisecond})
	if _, err := client.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("read: %v", err)
	}
	if _, err := client.Write(make([]byte, 64<<20)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("write: %v", err)
	}
}

// Who waits for an answer isn't cut off while the question is being sent, slow
// as it may be.
func TestSlowUpload(t *testing.T) {
	const rate, size = 100 << 10, 100 << 10
	client, server := connect(t, network.Dialer{Stall: 300 * time.Millisecond, Limit: network.NewLimit(rate)})
	var g errgroup.Group
	g.Go(func() error {
		if _, err := io.CopyN(io.Discard, server, size); err != nil {
			return err
		}
		_, err := server.Write([]byte("!"))
		return err
	})
	g.Go(func() error {
		_, err := io.ReadFull(client, make([]byte, 1))
		return err
	})
	began := time.Now()
	if _, err := client.Write(make([]byte, size)); err != nil {
		t.Error(err)
	}
	if took := time.Since(began); took < 800*time.Millisecond {
		t.Errorf("took %v at %d bytes per second", took, rate)
	}
	if err := g.Wait(); err != nil {
		t.Error(err)
	}
}

// Several connections and a paced reader keep to one rate together, within 5 %.
func TestLimit(t *testing.T) {
	const rate, size, senders = 4 << 20, 3 << 20, 3
	limit := network.NewLimit(rate)
	var g errgroup.Group
	began := time.Now()
	for range senders {
		client, server := connect(t, network.Dialer{Limit: limit})
		g.Go(func() error { _, err := io.CopyN(io.Discard, server, size); return err })
		g.Go(func() error { _, err := client.Write(make([]byte, size)); return err })
	}
	g.Go(func() error {
		_, err := io.Copy(io.Discard, limit.Pace(bytes.NewReader(make([]byte, size))))
		return err
	})
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	took := time.Since(began).Seconds()
	want := float64(size*(senders+1)) / rate
	if took < 0.95*want {
		t.Errorf("took %.2f s, want %.2f s", took, want)
	}
	t.Logf("%.1f %% of the rate", 100*want/took)
	if network.NewLimit(0) != nil {
		t.Error("0 is a limit")
	}
}

// A limit that changes is kept to from then on, up and down, and may go.
func TestChangingLimit(t *testing.T) {
	var rate atomic.Int64
	limit := network.NewChangingLimit(rate.Load)
	for _, c := range []struct {
		rate int64
		want time.Duration // for 512 KiB
	}{{0, 0}, {1 << 20, 500 * time.Millisecond}, {256 << 10, 2 * time.Second}, {0, 0}, {1 << 20, 500 * time.Millisecond}} {
		rate.Store(c.rate)
		began := time.Now()
		if _, err := io.Copy(io.Discard, limit.Pace(bytes.NewReader(make([]byte, 512<<10)))); err != nil {
			t.Fatal(err)
		}
		// The first piece goes at once, of 0.05 s.
		if took := time.Since(began); took < c.want*85/100 || limit.PerSecond() != c.rate {
			t.Errorf("%v at %d bytes per second, want %v", took, c.rate, c.want)
		}
	}
	if network.NewChangingLimit(nil) != nil {
		t.Error("nil is a limit")
	}
}
