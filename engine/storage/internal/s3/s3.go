// Package s3 keeps objects in a bucket of Amazon S3, or of any other server
// that speaks its protocol.
package s3

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"strings"
	"sync"

	"github.com/minio/minio-go/v7"

	"github.com/purser-backup/purser/engine/storage/driver"
	"github.com/purser-backup/purser/engine/storage/internal/network"
)

// Backend is a driver.Backend over a bucket, or over what begins with a prefix
// in it. The bucket must be there.
type Backend struct {
	core      minio.Core
	transport *network.Patient
	bucket    string
	prefix    string // empty, or ends in a slash
	part      int64
	put       minio.PutObjectOptions
	cold      bool // the storage class can't be read from at once
	anonymous func() bool
	buffers   sync.Pool
}

var _ driver.Backend = (*Backend)(nil)

// Get implements driver.Backend.
func (b *Backend) Get(ctx context.Context, name string) (io.ReadCloser, error) {
	key, err := b.key(ctx, name)
	if err != nil {
		return nil, err
	}
	body, _, _, err := b.core.GetObject(ctx, b.bucket, key, minio.GetObjectOptions{})
	if err != nil {
		return nil, b.explain(ctx, err)
	}
	return &reader{ctx, body}, nil
}

// Stat implements driver.Backend.
func (b *Backend) Stat(ctx context.Context, name string) (driver.Info, error) {
	key, err := b.key(ctx, name)
	if err != nil {
		return driver.Info{}, err
	}
	o, err := b.core.StatObject(ctx, b.bucket, key, minio.StatObjectOptions{})
	if err != nil {
		return driver.Info{}, b.explain(ctx, err)
	}
	return driver.Info{Name: name, Size: o.Size, ModTime: o.LastModified}, nil
}

// List implements driver.Backend.
func (b *Backend) List(ctx context.Context, prefix string) ([]driver.Info, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	var list []driver.Info
	for o := range b.core.ListObjectsIter(ctx, b.bucket, minio.ListObjectsOptions{Prefix: b.prefix + prefix}) {
		if o.Err != nil {
			return nil, b.explain(ctx, o.Err)
		}
		name, ok := strings.CutPrefix(o.Key, b.prefix)
		if !ok || driver.CheckName(name) != nil {
			continue // what is deeper comes as one name that ends in a slash
		}
		list = append(list, driver.Info{Name: name, Size: o.Size, ModTime: o.LastModified})
	}
	// A cancelled listing just ends.
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return list, nil
}

// Delete implements driver.Backend. In a bucket with versions the object is
// hidden, and its versions stay until the bucket's rules remove them.
func (b *Backend) Delete(ctx context.Context, name string) error {
	key, err := b.key(ctx, name)
	if err != nil {
		return err
	}
	err = b.explain(ctx, b.core.RemoveObject(ctx, b.bucket, key, minio.RemoveObjectOptions{}))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// Features implements driver.Backend.
func (b *Backend) Features() driver.Features {
	return driver.Features{ModTime: true, MaxSize: b.part * maxParts}
}

// Close implements driver.Backend.
func (b *Backend) Close() error {
	b.transport.CloseIdleConnections()
	return nil
}

func (b *Backend) key(ctx context.Context, name string) (string, error) {
	return b.prefix + name, driver.CheckCall(ctx, name)
}

// reader gives the context's error where the transport has one of its own.
type reader struct {
	ctx  context.Context // of the Get that this reader belongs to
	body io.ReadCloser
}

func (r *reader) Read(p []byte) (int, error) {
	n, err := r.body.Read(p)
	if err != nil && err != io.EOF {
		err = errors.Join(r.ctx.Err(), err)
	}
	return n, err
}

func (r *reader) Close() error { return r.body.Close() }
