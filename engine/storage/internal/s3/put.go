package s3

import (
	"bytes"
	"context"
	"crypto/md5" // the checksum that every server of S3 knows
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/minio/minio-go/v7"

	"github.com/purser-backup/purser/engine/storage/driver"
)

const (
	defaultPart  = 8 << 20
	minPart      = 5 << 20 // S3's own limits
	maxParts     = 10000
	abortTimeout = 10 * time.Second
)

// Put implements driver.Backend. What is larger than a part is sent in parts,
// one behind the other; several Puts may run at once. The server checks each
// part against its checksum.
func (b *Backend) Put(ctx context.Context, name string, r io.ReadSeeker, size int64) error {
	key, err := b.key(ctx, name)
	if err != nil {
		return err
	}
	body, err := driver.Body(ctx, r, size)
	if err != nil {
		return err
	}
	buf, _ := b.buffers.Get().(*bytes.Buffer)
	if buf == nil {
		buf = new(bytes.Buffer)
	}
	defer b.buffers.Put(buf)
	opts := b.options(name)
	if size > b.part {
		return b.putParts(ctx, key, body, size, buf, opts)
	}
	p, err := b.fill(buf, body, size)
	if err != nil {
		return err
	}
	_, err = b.core.PutObject(ctx, b.bucket, key, bytes.NewReader(p), size, md5Of(p), b.sha256Of(p), opts)
	return b.explain(ctx, err)
}

// options keeps what every run reads out of a class that must be thawed first.
func (b *Backend) options(name string) minio.PutObjectOptions {
	o := b.put
	if b.cold && !strings.Contains(name, ".difftar") {
		o.StorageClass = ""
	}
	return o
}

func (b *Backend) putParts(ctx context.Context, key string, body io.Reader, size int64, buf *bytes.Buffer, opts minio.PutObjectOptions) (err error) {
	id, err := b.core.NewMultipartUpload(ctx, b.bucket, key, opts)
	if err != nil {
		return b.explain(ctx, err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, b.abort(ctx, key, id))
		}
	}()
	var parts []minio.CompletePart
	for left := size; left > 0; left -= min(left, b.part) {
		p, err := b.fill(buf, body, min(left, b.part))
		if err != nil {
			return err
		}
		number := len(parts) + 1
		part, err := b.core.PutObjectPart(ctx, b.bucket, key, id, number, bytes.NewReader(p), int64(len(p)), minio.PutObjectPartOptions{
			Md5Base64: md5Of(p), Sha256Hex: b.sha256Of(p), SSE: opts.ServerSideEncryption,
		})
		if err != nil {
			return fmt.Errorf("part %d: %w", number, b.explain(ctx, err))
		}
		parts = append(parts, minio.CompletePart{PartNumber: number, ETag: part.ETag})
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	_, err = b.core.CompleteMultipartUpload(ctx, b.bucket, key, id, parts, opts)
	return b.explain(ctx, err)
}

// abort takes the upload back, also when its context is done: else its parts
// would be stored, and paid for, for ever.
func (b *Backend) abort(ctx context.Context, key, id string) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), abortTimeout)
	defer cancel()
	if err := b.core.AbortMultipartUpload(ctx, b.bucket, key, id); err != nil && minio.ToErrorResponse(err).Code != minio.NoSuchUpload {
		return fmt.Errorf("take back the unfinished upload: %w", err)
	}
	return nil
}

func (b *Backend) fill(buf *bytes.Buffer, body io.Reader, size int64) ([]byte, error) {
	buf.Reset()
	buf.Grow(int(size) + bytes.MinRead)
	if _, err := io.CopyN(buf, body, size); err != nil {
		return nil, err
	}
	return buf.Bytes(), nil
}

func md5Of(p []byte) string {
	sum := md5.Sum(p)
	return base64.StdEncoding.EncodeToString(sum[:])
}

// sha256Of goes into the signature. Over TLS that is not needed.
func (b *Backend) sha256Of(p []byte) string {
	if b.core.EndpointURL().Scheme == "https" {
		return ""
	}
	sum := sha256.Sum256(p)
	return hex.EncodeToString(sum[:])
}
