package storage_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"testing"

	"github.com/purser-backup/purser/engine/storage"
	"github.com/purser-backup/purser/engine/storage/servertest"
)

// A connection that is reset at any byte costs a retry and nothing more: every
// object is whole, before and after.
func TestResets(t *testing.T) {
	for name, c := range faultSites(t) {
		t.Run(name, func(t *testing.T) {
			proxy := servertest.NewProxy(t, c.server.Addr())
			s := c.open(t, proxy.Port, nil)
			const seed = 7
			random := rand.New(rand.NewPCG(seed, seed))
			hits := 0
			for i := range 12 {
				name, data := fmt.Sprintf("object%d", i%3), bytes.Repeat([]byte{byte(i)}, 100+i*40000)
				proxy.ResetAfter(random.Int64N(int64(len(data)) + 2000))
				if err := s.Put(t.Context(), name, bytes.NewReader(data), int64(len(data))); err != nil {
					t.Fatalf("put %d: %v", i, err)
				}
				proxy.ResetAfter(random.Int64N(100))
				if got, err := read(t.Context(), s, name); err != nil || !bytes.Equal(got, data) {
					t.Fatalf("get %d: %d bytes of %d, %v", i, len(got), len(data), err)
				}
				if proxy.Hit() {
					hits++
				}
			}
			if hits < 3 {
				t.Errorf("only %d reads were disturbed", hits)
			}
			if list, err := s.List(t.Context(), ""); err != nil || len(list) != 3 {
				t.Errorf("list: %v, %v", list, err)
			}
		})
	}
}

// read reads in large pieces, as a restore does.
func read(ctx context.Context, s *storage.Store, name string) (p []byte, err error) {
	r, err := s.Get(ctx, name)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	return io.ReadAll(r)
}
