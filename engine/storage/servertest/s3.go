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
	dir := t.TempDir()
	data, versions := folder(t, dir, "data"), folder(t, dir, "versions")
	port := freePorts(t, 1)[0]
	args := []string{"--port", "127.0.0.1:" + strconv.Itoa(port), "--region", "us-east-1"}
	if cert != nil {
		args = append(args, "--cert", cert.CertFile, "--key", cert.KeyFile)
	}
	args = append(args, "posix", "--versioning-dir", versions, data)
	return &S3{start(t, port, []string{"ROOT_ACCESS_KEY=" + AccessKey, "ROOT_SECRET_KEY=" + SecretKey}, "versitygw", args...), data}
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
