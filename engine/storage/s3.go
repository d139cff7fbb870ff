package storage

import (
	"context"
	"net/url"
	"strings"

	"github.com/purser-backup/purser/engine/storage/driver"
	"github.com/purser-backup/purser/engine/storage/internal/s3"
)

// openS3 opens s3://, which has two readings: host/bucket/prefix up to
// duplicity 1.2, bucket/prefix since 2.0. An endpoint that is set, or a first part
// that can't be a server elsewhere, tells the second.
func openS3(ctx context.Context, rest string, o Options) (driver.Backend, error) {
	first, path, _ := strings.Cut(strings.TrimLeft(rest, "/"), "/")
	if o.S3Endpoint != "" || !strings.ContainsAny(first, ".:@") {
		return openS3Bucket(ctx, rest, o)
	}
	bucket, prefix, _ := strings.Cut(strings.TrimLeft(path, "/"), "/")
	switch {
	case strings.Contains(first, "@"):
		return nil, credentialsInURL()
	case bucket == "":
		return nil, withHint("the URL has either a host without a bucket, or a bucket without a host",
			"write s3://host/bucket/prefix for a server, boto3+s3://"+first+"/prefix for the bucket "+first+" on Amazon")
	}
	bucket, prefix = unescape(bucket), unescape(prefix)
	return s3.Open(ctx, s3.Location{Endpoint: first, Plain: o.S3Plain, Bucket: bucket, Prefix: prefix}, o.s3())
}

// openS3Bucket opens bucket/prefix, on Amazon or at the endpoint that is set.
func openS3Bucket(ctx context.Context, rest string, o Options) (driver.Backend, error) {
	bucket, prefix, _ := strings.Cut(strings.TrimLeft(rest, "/"), "/")
	switch {
	case strings.Contains(bucket, "@"):
		return nil, credentialsInURL()
	case bucket == "":
		return nil, withHint("the URL has no bucket", "write boto3+s3://bucket/prefix")
	}
	l := s3.Location{Plain: o.S3Plain, Bucket: unescape(bucket), Prefix: unescape(prefix)}
	if o.S3Endpoint != "" {
		u, err := url.Parse(o.S3Endpoint)
		if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || strings.Trim(u.Path, "/") != "" || u.User != nil {
			return nil, withHint("the endpoint of S3 is not the URL of a server", "write it as https://host or https://host:port")
		}
		l.Endpoint, l.Plain = u.Host, u.Scheme == "http"
	}
	return s3.Open(ctx, l, o.s3())
}

func credentialsInURL() error {
	return withHint("the URL has a user in it", "leave it out and set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY")
}

// s3 are the settings for S3; authorities of its own win.
func (o Options) s3() S3 {
	if o.S3.TLS == (TLS{}) {
		o.S3.TLS = o.TLS
	}
	o.S3.Dialer = o.dialer
	return o.S3
}
