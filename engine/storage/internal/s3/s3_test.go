package s3_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"github.com/purser-backup/purser/engine/storage/driver"
	"github.com/purser-backup/purser/engine/storage/driver/drivertest"
	"github.com/purser-backup/purser/engine/storage/internal/network"
	"github.com/purser-backup/purser/engine/storage/internal/s3"
	"github.com/purser-backup/purser/engine/storage/servertest"
	"github.com/purser-backup/purser/internal/hint"
	"github.com/purser-backup/purser/internal/secret"
)

// servers are the real ones that each test runs on.
func servers() map[string]func(*testing.T, *servertest.Certificate) *servertest.S3 {
	return map[string]func(*testing.T, *servertest.Certificate) *servertest.S3{"versitygw": servertest.VersityGW, "minio": servertest.MinIO}
}

// world is a server, and a client of it that knows nothing of the driver.
type world struct {
	t     *testing.T
	at    s3.Location
	with  s3.Options
	admin *minio.Client
	count atomic.Int32
}

func newWorld(t *testing.T, server *servertest.S3, cert *servertest.Certificate) *world {
	t.Helper()
	w := &world{
		t: t, at: s3.Location{Endpoint: server.Addr(), Plain: cert == nil, Bucket: "backups"},
		with: s3.Options{AccessKeyID: servertest.AccessKey, SecretAccessKey: secret.New(servertest.SecretKey)},
	}
	o := &minio.Options{Creds: credentials.NewStaticV4(servertest.AccessKey, servertest.SecretKey, ""), Secure: cert != nil, Region: "us-east-1"}
	if cert != nil {
		w.with.TLS = network.TLS{CAFile: cert.CertFile}
		transport, err := w.with.TLS.Transport(network.Dialer{})
		if err != nil {
			t.Fatal(err)
		}
		o.Transport = transport
	}
	admin, err := minio.New(server.Addr(), o)
	if err != nil {
		t.Fatal(err)
	}
	w.admin = admin
	w.make("backups", false)
	return w
}

func (w *world) make(bucket string, lock bool) {
	w.t.Helper()
	if err := w.admin.MakeBucket(w.t.Context(), bucket, minio.MakeBucketOptions{ObjectLocking: lock}); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) open(t *testing.T, at s3.Location, with s3.Options) *s3.Backend {
	t.Helper()
	b, err := s3.Open(t.Context(), at, with)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// target is an empty prefix.
func (w *world) target(t *testing.T) drivertest.Target {
	at := w.at
	at.Prefix = fmt.Sprintf("/deep//t%d/", w.count.Add(1))
	prefix := strings.ReplaceAll(at.Prefix, "//", "/")[1:]
	return drivertest.Target{
		Open: func(t *testing.T) driver.Backend { return w.open(t, at, w.with) },
		Plant: func(t *testing.T, name string, data []byte) {
			if _, err := w.admin.PutObject(t.Context(), w.at.Bucket, prefix+name, bytes.NewReader(data), int64(len(data)), minio.PutObjectOptions{}); err != nil {
				t.Fatal(err)
			}
		},
		Names: func(t *testing.T) []string { return w.names(t, prefix) },
	}
}

// names lists what is there below a prefix, and what unfinished uploads are.
func (w *world) names(t *testing.T, prefix string) (names []string) {
	t.Helper()
	for o := range w.admin.ListObjects(t.Context(), w.at.Bucket, minio.ListObjectsOptions{Prefix: prefix, Recursive: true}) {
		if o.Err != nil {
			t.Fatal(o.Err)
		}
		names = append(names, strings.TrimPrefix(o.Key, prefix))
	}
	uploads, err := minio.Core{Client: w.admin}.ListMultipartUploads(t.Context(), w.at.Bucket, prefix, "", "", "", 1000)
	if err != nil {
		t.Fatal(err)
	}
	for _, u := range uploads.Uploads {
		if strings.HasPrefix(u.Key, prefix) {
			names = append(names, "unfinished "+u.Key)
		}
	}
	return names
}

func TestContract(t *testing.T) {
	for name, start := range servers() {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, start(t, nil), nil)
			w.with.PartSize = 1 // the least: so the suite's larger objects come in parts
			drivertest.RunTarget(t, w.target)
		})
		t.Run(name+" over TLS", func(t *testing.T) {
			cert := servertest.NewCertificate(t)
			w := newWorld(t, start(t, cert), cert)
			drivertest.RunTarget(t, w.target)
		})
	}
}

func put(ctx context.Context, b driver.Backend, name string, data []byte) error {
	return b.Put(ctx, name, bytes.NewReader(data), int64(len(data)))
}

// A bucket that keeps versions and locks them takes backups, and the first
// version outlives all that a client may do.
func TestVersionsAndLock(t *testing.T) {
	for name, start := range servers() {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, start(t, nil), nil)
			w.make("locked", true)
			mode, validity, unit := minio.Compliance, uint(1), minio.Days
			if err := w.admin.SetBucketObjectLockConfig(t.Context(), "locked", &mode, &validity, &unit); err != nil {
				t.Fatal(err)
			}
			b := w.open(t, s3.Location{Endpoint: w.at.Endpoint, Plain: true, Bucket: "locked"}, w.with)
			large := bytes.Repeat([]byte("x"), 9<<20)
			for _, data := range [][]byte{[]byte("first"), large} {
				if err := put(t.Context(), b, "object", data); err != nil {
					t.Fatal(err)
				}
				if info, err := b.Stat(t.Context(), "object"); err != nil || info.Size != int64(len(data)) {
					t.Errorf("stat: %v, %v", info, err)
				}
			}
			if err := b.Delete(t.Context(), "object"); err != nil {
				t.Fatal(err)
			}
			if list, err := b.List(t.Context(), ""); err != nil || len(list) != 0 {
				t.Errorf("after the delete: %v, %v", list, err)
			}
			versions := map[int64]bool{}
			for o := range w.admin.ListObjects(t.Context(), "locked", minio.ListObjectsOptions{WithVersions: true}) {
				if o.Err != nil {
					t.Fatal(o.Err)
				}
				versions[o.Size] = !o.IsDeleteMarker
			}
			if !versions[5] || !versions[9<<20] {
				t.Errorf("the versions are gone: %v", versions)
			}
		})
	}
}

// What the server is told with each upload.
func TestUploadHeaders(t *testing.T) {
	w := newWorld(t, servertest.MinIO(t, nil), nil)
	w.with.StorageClass, w.with.Encrypt = "REDUCED_REDUNDANCY", true
	b := w.open(t, w.at, w.with)
	for _, data := range [][]byte{[]byte("small"), make([]byte, 9<<20)} {
		if err := put(t.Context(), b, "object", data); err != nil {
			t.Fatal(err)
		}
		o, err := w.admin.StatObject(t.Context(), w.at.Bucket, "object", minio.StatObjectOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if o.Metadata.Get("X-Amz-Storage-Class") != "REDUCED_REDUNDANCY" || o.Metadata.Get("X-Amz-Server-Side-Encryption") != "AES256" {
			t.Errorf("headers are %v", o.Metadata)
		}
	}
}

// An upload in parts that ends early leaves nothing, also when it is cancelled.
func TestUnfinishedParts(t *testing.T) {
	for name, start := range servers() {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, start(t, nil), nil)
			b := w.open(t, w.at, w.with)
			broken := errors.New("disk is broken")
			for _, want := range []error{broken, context.Canceled} {
				ctx, cancel := context.WithCancel(t.Context())
				r := &hookReader{Reader: bytes.NewReader(make([]byte, 30<<20)), at: 20 << 20, hook: func() error {
					if want == broken {
						return broken
					}
					cancel()
					return nil
				}}
				if err := b.Put(ctx, "object", r, 30<<20); !errors.Is(err, want) {
					t.Errorf("got %v, want %v", err, want)
				}
				cancel()
				if names := w.names(t, ""); len(names) != 0 {
					t.Errorf("%v: left behind: %q", want, names)
				}
			}
		})
	}
}

// hookReader calls hook once when a read begins behind a place.
type hookReader struct {
	*bytes.Reader
	at   int64
	hook func() error
}

func (r *hookReader) Read(p []byte) (int, error) {
	if hook := r.hook; hook != nil && r.Size()-int64(r.Len()) >= r.at {
		r.hook = nil
		if err := hook(); err != nil {
			return 0, err
		}
	}
	return r.Reader.Read(p)
}

// Mistakes of a user, and what he is told.
func TestBadInput(t *testing.T) {
	server := servertest.VersityGW(t, nil)
	w := newWorld(t, server, nil)
	cert := servertest.NewCertificate(t)
	secured := servertest.VersityGW(t, cert)
	for name, c := range map[string]struct {
		change    func(*s3.Location, *s3.Options)
		hint      string
		is        error
		transient bool
	}{
		"bucket":         {func(l *s3.Location, _ *s3.Options) { l.Bucket = "none" }, "create the bucket none", nil, false},
		"key id":         {func(_ *s3.Location, o *s3.Options) { o.AccessKeyID = "nobody" }, "AWS_ACCESS_KEY_ID", fs.ErrPermission, false},
		"secret":         {func(_ *s3.Location, o *s3.Options) { o.SecretAccessKey = secret.New("wrong-secret") }, "AWS_SECRET_ACCESS_KEY", fs.ErrPermission, false},
		"region":         {func(_ *s3.Location, o *s3.Options) { o.Region = "eu-west-1" }, "AWS_REGION", nil, false},
		"host":           {func(l *s3.Location, _ *s3.Options) { l.Endpoint = "no-such-host.invalid" }, "host name no-such-host.invalid", nil, false},
		"port":           {func(l *s3.Location, _ *s3.Options) { l.Endpoint = "127.0.0.1:1" }, "nothing listens", nil, true},
		"no TLS there":   {func(l *s3.Location, _ *s3.Options) { l.Plain = false }, "does not speak TLS", nil, false},
		"unknown issuer": {func(l *s3.Location, _ *s3.Options) { l.Plain, l.Endpoint = false, secured.Addr() }, "not trusted", nil, false},
		"other name": {func(l *s3.Location, o *s3.Options) {
			l.Plain, l.Endpoint, o.TLS.CAFile = false, strings.Replace(secured.Addr(), "127.0.0.1", "localhost", 1), cert.CertFile
		}, "another name", nil, false},
	} {
		t.Run(name, func(t *testing.T) {
			at, with := w.at, w.with
			c.change(&at, &with)
			b := w.open(t, at, with)
			_, listErr := b.List(t.Context(), "")
			for verb, err := range map[string]error{"list": listErr, "put": put(t.Context(), b, "object", []byte("x"))} {
				wantFault(t, verb, err, c.hint)
				if driver.IsPermanent(err) == c.transient || c.is != nil && !errors.Is(err, c.is) {
					t.Errorf("%s: %v: permanent is %v", verb, err, driver.IsPermanent(err))
				}
				if strings.Contains(fmt.Sprint(err), "wrong-secret") || strings.Contains(fmt.Sprint(err), servertest.SecretKey) {
					t.Errorf("%s: the secret is in %v", verb, err)
				}
			}
		})
	}
}

func wantFault(t *testing.T, verb string, err error, advice string) {
	t.Helper()
	if err == nil || !strings.Contains(hint.Text(err), advice) {
		t.Errorf("%s: got %v, want an error with the hint %q", verb, err, advice)
	}
}

func TestOpenRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		at   s3.Location
		with s3.Options
		hint string
	}{
		"short bucket": {s3.Location{Bucket: "b"}, s3.Options{}, "bucket/prefix"},
		"endpoint":     {s3.Location{Bucket: "backups", Endpoint: "host/path"}, s3.Options{}, "host:port"},
		"half a key":   {s3.Location{Bucket: "backups"}, s3.Options{AccessKeyID: "id"}, "set both"},
		"no file":      {s3.Location{Bucket: "backups"}, s3.Options{TLS: network.TLS{CAFile: "/nowhere/ca.pem"}}, "PEM"},
		"no PEM":       {s3.Location{Bucket: "backups"}, s3.Options{TLS: network.TLS{CAFile: "/etc/passwd"}}, "PEM"},
	} {
		_, err := s3.Open(t.Context(), c.at, c.with)
		wantFault(t, name, err, c.hint)
	}
}

// Faults of the server's own pass; what it says for good does not.
func TestAnswers(t *testing.T) {
	for status, permanent := range map[int]bool{
		http.StatusInternalServerError: false, http.StatusServiceUnavailable: false, http.StatusTooManyRequests: false,
		http.StatusForbidden: true, http.StatusMethodNotAllowed: true, http.StatusInsufficientStorage: true, http.StatusNotImplemented: true,
	} {
		server := fakeServer(t, status)
		b, err := s3.Open(t.Context(), s3.Location{Endpoint: server, Plain: true, Bucket: "backups"},
			s3.Options{AccessKeyID: "id", SecretAccessKey: secret.New("secret")})
		if err != nil {
			t.Fatal(err)
		}
		if err := put(t.Context(), b, "object", []byte("x")); err == nil || driver.IsPermanent(err) != permanent {
			t.Errorf("%d: got %v, permanent %v", status, err, driver.IsPermanent(err))
		}
	}
}
