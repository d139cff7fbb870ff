package storage_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/purser-backup/purser/engine/storage"
	"github.com/purser-backup/purser/engine/storage/servertest"
	"github.com/purser-backup/purser/internal/secret"
)

// A connection that is reset at any byte costs a retry and nothing more: every
// object is whole, before and after.
func TestResets(t *testing.T) {
	s3, _ := newBucket(t)
	ssh, ftp, dav := servertest.SSHD(t), servertest.ProFTPD(t, nil, false), servertest.Apache(t, nil, false)
	for name, c := range map[string]struct {
		server string
		url    string // with the proxy's port for PORT
		change func(*storage.Options)
	}{
		"s3": {s3.Addr(), "s3://127.0.0.1:PORT/backups/x", func(o *storage.Options) { o.S3, o.S3Plain = s3Options("").S3, true }},
		"sftp": {ssh.Addr(), "sftp://" + ssh.User + "@127.0.0.1:PORT/" + ssh.Dir, func(o *storage.Options) {
			o.SSH = storage.SSH{IdentityFiles: []string{ssh.KeyFile}, HostKeys: storage.HostKeyAny}
		}},
		"ftp":    {ftp.Addr(), "ftp://" + ftp.User + "@127.0.0.1:PORT/x", func(o *storage.Options) { o.Password = secret.New(ftp.Password) }},
		"webdav": {dav.Addr(), "webdav://" + url.PathEscape(dav.User) + "@127.0.0.1:PORT/x", func(o *storage.Options) { o.Password = secret.New(dav.Password) }},
	} {
		t.Run(name, func(t *testing.T) {
			proxy := servertest.NewProxy(t, c.server)
			o := storage.Options{Retries: 5, Sleep: func(ctx context.Context, _ time.Duration) error { return ctx.Err() }}
			c.change(&o)
			s, err := storage.Open(t.Context(), strings.Replace(c.url, "PORT", fmt.Sprint(proxy.Port), 1), o)
			if err != nil {
				t.Fatal(err)
			}
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
			if err := s.Close(); err != nil {
				t.Error(err)
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
