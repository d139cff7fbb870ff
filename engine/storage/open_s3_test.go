package storage_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"github.com/purser-backup/purser/engine/storage"
	"github.com/purser-backup/purser/engine/storage/servertest"
	"github.com/purser-backup/purser/internal/hint"
	"github.com/purser-backup/purser/internal/secret"
)

// s3Options are for a server of a test.
func s3Options(endpoint string) storage.Options {
	return storage.Options{
		S3:         storage.S3{AccessKeyID: servertest.AccessKey, SecretAccessKey: secret.New(servertest.SecretKey)},
		S3Endpoint: endpoint, S3Plain: true, Retries: -1,
	}
}

func newBucket(t *testing.T) (server *servertest.S3, keys func() []string) {
	t.Helper()
	server = servertest.VersityGW(t, nil)
	admin, err := minio.New(server.Addr(), &minio.Options{Creds: credentials.NewStaticV4(servertest.AccessKey, servertest.SecretKey, "")})
	if err != nil {
		t.Fatal(err)
	}
	if err := admin.MakeBucket(t.Context(), "backups", minio.MakeBucketOptions{}); err != nil {
		t.Fatal(err)
	}
	return server, func() (list []string) {
		for o := range admin.ListObjects(t.Context(), "backups", minio.ListObjectsOptions{Recursive: true}) {
			if o.Err != nil {
				t.Fatal(o.Err)
			}
			list = append(list, o.Key)
		}
		return list
	}
}

// Each URL leads where it leads duplicity, whose objects are then seen.
func TestOpenS3(t *testing.T) {
	server, _ := newBucket(t)
	endpoint := "http://" + server.Addr()
	t.Setenv("AWS_ACCESS_KEY_ID", servertest.AccessKey)
	t.Setenv("AWS_SECRET_ACCESS_KEY", servertest.SecretKey)
	for i, path := range []string{"backups/N/prefix", "backups/N//a///b/", "/backups/N/c", "backups/N/with%20blank", "backups/N/pl+us", "backups/N/perc%zz"} {
		url := "boto3+s3://" + strings.Replace(path, "N", fmt.Sprint(i), 1)
		duplicity(t, url, t.TempDir(), "--s3-endpoint-url", endpoint, "--s3-region-name", "us-east-1")
		wantDuplicitys(t, url, s3Options(endpoint))
	}
}

// wantDuplicitys checks that the objects of duplicity's full backup are there.
func wantDuplicitys(t *testing.T, url string, o storage.Options) {
	t.Helper()
	s, err := storage.Open(t.Context(), url, o)
	if err != nil {
		t.Fatal(err)
	}
	if list, err := s.List(t.Context(), "duplicity-full"); err != nil || len(list) != 3 {
		t.Errorf("%s: duplicity's objects: %v, %v", url, list, err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

// The two readings of s3:// lead to the same bucket.
func TestS3Readings(t *testing.T) {
	server, keys := newBucket(t)
	for i, c := range []struct{ url, endpoint string }{
		{"s3://HOST/backups/deep/N", ""},
		{"s3://HOST/backups/deep/N/", ""},
		{"s3://backups/deep/N", "http://HOST"},
		{"s3://backups/deep/N/", "http://HOST/"},
		{"boto3+s3://backups/deep/N/", "http://HOST"},
		{"s3+http://backups/deep/N", "http://HOST"},
	} {
		r := strings.NewReplacer("HOST", server.Addr(), "N", fmt.Sprint(i))
		s, err := storage.Open(t.Context(), r.Replace(c.url), s3Options(r.Replace(c.endpoint)))
		if err != nil {
			t.Fatal(err)
		}
		if err := put(t.Context(), s, "object", "x"); err != nil {
			t.Errorf("%s: %v", c.url, err)
		}
		if got, want := keys(), fmt.Sprintf("deep/%d/object", i); len(got) != i+1 || got[i] != want {
			t.Errorf("%s: keys are %q, want %s the last", c.url, got, want)
		}
	}
	for _, endpoint := range []string{"host:9000", "ftp://host", "http://", "http://id:secret@host", "http://host/path"} {
		_, err := storage.Open(t.Context(), "s3://backups/x", s3Options(endpoint))
		if err == nil || !strings.Contains(hint.Text(err), "https://host") || strings.Contains(err.Error(), "secret") {
			t.Errorf("endpoint %s: %v", endpoint, err)
		}
	}
}
