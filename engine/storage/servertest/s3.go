package servertest

import (
	"path/filepath"
	"strconv"
	"testing"
)

// The key that the servers of S3 take.
const (
	AccessKey = "AKIDTESTTESTTESTTEST"
	SecretKey = "s3-very-secret-key-of-the-test"
)

// S3 is a server of S3.
type S3 struct {
	*Server
	Dir string
}

// VersityGW starts the server versitygw. With a certificate it speaks TLS.
func VersityGW(t *testing.T, cert *Certificate) *S3 {
	t.Helper()
	return versity(t, cert, "--versioning-dir", folder(t, t.TempDir(), "versions"))
}

// VersityGWApart keeps what it knows of objects apart from them, so that Dir may
// be on any file system.
func VersityGWApart(t *testing.T) *S3 {
	t.Helper()
	return versity(t, nil, "--sidecar", folder(t, t.TempDir(), "sidecar"))
}

func versity(t *testing.T, cert *Certificate, posix ...string) *S3 {
	t.Helper()
	dir := t.TempDir()
	data := folder(t, dir, "data")
	port := freePorts(t, 1)[0]
	args := []string{"--port", "127.0.0.1:" + strconv.Itoa(port), "--region", "us-east-1"}
	if cert != nil {
		args = append(args, "--cert", cert.CertFile, "--key", cert.KeyFile)
	}
	args = append(append(append(args, "--iam-dir", folder(t, dir, "users"), "posix"), posix...), data)
	return &S3{start(t, port, []string{"ROOT_ACCESS_KEY=" + AccessKey, "ROOT_SECRET_KEY=" + SecretKey}, "versitygw", args...), data}
}

// Account is a user of versitygw, with a bucket of his own.
type Account struct {
	server    *S3
	Key       string
	SecretKey string
	Bucket    string
}

// NewAccount makes a user and the bucket.
func (s *S3) NewAccount(t *testing.T) *Account {
	t.Helper()
	a := &Account{server: s, Key: "AKIDOFAUSEROFTHETEST", SecretKey: "s3-very-secret-key-of-a-user", Bucket: "account"}
	a.Grant(t)
	a.admin(t, "create-bucket", "--owner", a.Key, "--bucket", a.Bucket)
	return a
}

// Grant makes the user, with the same key again after a Revoke.
func (a *Account) Grant(t *testing.T) {
	t.Helper()
	a.admin(t, "create-user", "--access", a.Key, "--secret", a.SecretKey, "--role", "user")
}

// Revoke removes the user.
func (a *Account) Revoke(t *testing.T) {
	t.Helper()
	a.admin(t, "delete-user", "--access", a.Key)
}

func (a *Account) admin(t *testing.T, args ...string) {
	t.Helper()
	run(t, "versitygw", append([]string{"admin", "--access", AccessKey, "--secret", SecretKey, "--endpoint-url", "http://" + a.server.Addr()}, args...)...)
}

// MinIO starts the server MinIO. With a certificate it speaks TLS.
func MinIO(t *testing.T, cert *Certificate) *S3 {
	t.Helper()
	return MinIOWith(t, cert)
}

// MinIOWith is MinIO with more in its environment.
func MinIOWith(t *testing.T, cert *Certificate, env ...string) *S3 {
	t.Helper()
	dir := t.TempDir()
	data, certs := folder(t, dir, "data"), folder(t, dir, "certs")
	if cert != nil {
		cert.copyTo(t, filepath.Join(certs, "public.crt"), filepath.Join(certs, "private.key"))
	}
	port := freePorts(t, 1)[0]
	s := start(t, port, append([]string{
		"MINIO_ROOT_USER=" + AccessKey, "MINIO_ROOT_PASSWORD=" + SecretKey, "MINIO_UPDATE=off", "MINIO_BROWSER=off",
		"MINIO_KMS_SECRET_KEY=test:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
	}, env...), "minio", "server", "--certs-dir", certs, "--address", "127.0.0.1:"+strconv.Itoa(port), data)
	return &S3{s, data}
}
