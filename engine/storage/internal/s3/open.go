package s3

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
	"github.com/minio/minio-go/v7/pkg/encrypt"
	"github.com/minio/minio-go/v7/pkg/s3utils"

	"github.com/purser-backup/purser/engine/storage/driver"
	"github.com/purser-backup/purser/engine/storage/internal/network"
	"github.com/purser-backup/purser/internal/secret"
)

// Location is a place for objects.
type Location struct {
	Endpoint string // host[:port]; empty is Amazon's
	Plain    bool   // HTTP without TLS
	Bucket   string
	Prefix   string // folders, with or without slashes around
}

// Options say how to use it. The zero value is good where the machine has a role
// of its own, or a file of credentials in the usual place.
type Options struct {
	AccessKeyID     string
	SecretAccessKey secret.String
	SessionToken    secret.String
	// Without a key these name the file and the profile in it; empty are AWS's own.
	CredentialsFile, Profile string

	Region       string // empty: Amazon is asked, others are taken for us-east-1
	VirtualHost  bool   // the bucket is part of the host name, as always with Amazon
	StorageClass string
	Encrypt      bool   // SSE-S3
	EncryptKMS   bool   // SSE-KMS
	KMSKeyID     string // the KMS's own if empty
	PartSize     int64  // bytes, 0 is 8 MiB

	TLS    network.TLS
	Dialer network.Dialer
}

// credentialsTimeout is for a service of the machine itself, in the link-local
// network. On other machines nobody answers there.
const credentialsTimeout = 5 * time.Second

// Open makes a client of a place. Nothing is asked of the server yet.
func Open(ctx context.Context, l Location, o Options) (*Backend, error) {
	if err := s3utils.CheckValidBucketName(l.Bucket); err != nil {
		return nil, driver.Permanent(driver.WithHint(fmt.Errorf("bucket %q: %w", l.Bucket, err), "write the URL as s3://host/bucket/prefix or boto3+s3://bucket/prefix"))
	}
	if (o.AccessKeyID == "") != o.SecretAccessKey.IsZero() {
		return nil, driver.Permanent(driver.WithHint(errors.New("only one half of the credentials is set"), "set both AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"))
	}
	put, err := o.putOptions()
	if err != nil {
		return nil, err
	}
	plain, err := o.TLS.Transport(o.Dialer)
	if err != nil {
		return nil, err
	}
	transport := network.NewPatient(plain)
	creds := o.credentials()
	client, err := minio.New(l.endpoint(), &minio.Options{
		Creds: creds, Secure: !l.Plain, Transport: transport, Region: o.region(l), BucketLookup: o.lookup(), MaxRetries: 3,
	})
	if err != nil {
		return nil, driver.Permanent(driver.WithHint(fmt.Errorf("endpoint %q: %w", l.Endpoint, err), "write the endpoint as host or host:port"))
	}
	b := &Backend{
		core: minio.Core{Client: client}, transport: transport, bucket: l.Bucket, part: max(minPart, o.PartSize), put: put,
		cold: put.StorageClass == "GLACIER" || put.StorageClass == "DEEP_ARCHIVE",
	}
	if o.PartSize == 0 {
		b.part = defaultPart
	}
	b.anonymous = func() bool {
		v, err := creds.GetWithContext(nil)
		return err == nil && v.SignerType.IsAnonymous()
	}
	for _, folder := range strings.Split(l.Prefix, "/") {
		if folder != "" { // as with duplicity, slashes in a row are one
			b.prefix += folder + "/"
		}
	}
	return b, ctx.Err()
}

func (l Location) endpoint() string {
	if l.Endpoint == "" {
		return "s3.amazonaws.com"
	}
	return l.Endpoint
}

func (o Options) region(l Location) string {
	if o.Region == "" && l.Endpoint != "" && !strings.HasSuffix(l.Endpoint, ".amazonaws.com") {
		return "us-east-1" // else minio-go asks, and that takes a right of its own
	}
	return o.Region
}

func (o Options) lookup() minio.BucketLookupType {
	if o.VirtualHost {
		return minio.BucketLookupDNS
	}
	return minio.BucketLookupAuto
}

func (o Options) credentials() *credentials.Credentials {
	if o.AccessKeyID != "" {
		return credentials.NewStaticV4(o.AccessKeyID, o.SecretAccessKey.Reveal(), o.SessionToken.Reveal())
	}
	return credentials.NewChainCredentials([]credentials.Provider{
		&credentials.FileAWSCredentials{Filename: o.CredentialsFile, Profile: o.Profile},
		&credentials.IAM{Client: &http.Client{Timeout: credentialsTimeout}},
	})
}

func (o Options) putOptions() (minio.PutObjectOptions, error) {
	p := minio.PutObjectOptions{ContentType: "application/octet-stream", StorageClass: o.StorageClass}
	switch {
	case o.EncryptKMS:
		sse, err := encrypt.NewSSEKMS(o.KMSKeyID, nil)
		if err != nil {
			return p, driver.Permanent(fmt.Errorf("server-side encryption: %w", err))
		}
		p.ServerSideEncryption = sse
	case o.Encrypt:
		p.ServerSideEncryption = encrypt.NewSSE()
	}
	return p, nil
}
