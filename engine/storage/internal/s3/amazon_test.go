package s3_test

import (
	"context"
	"encoding/json"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"github.com/purser-backup/purser/engine/storage/driver"
	"github.com/purser-backup/purser/engine/storage/internal/s3"
	"github.com/purser-backup/purser/engine/storage/servertest"
	"github.com/purser-backup/purser/internal/secret"
)

// temporary gets credentials with a session token from the server, which are good
// for an hour.
func temporary(t *testing.T, server *servertest.S3) credentials.Value {
	t.Helper()
	sts, err := credentials.NewSTSAssumeRole("http://"+server.Addr(), credentials.STSAssumeRoleOptions{
		AccessKey: servertest.AccessKey, SecretKey: servertest.SecretKey, DurationSeconds: 3600,
	})
	if err != nil {
		t.Fatal(err)
	}
	v, err := sts.GetWithContext(&credentials.CredContext{Client: http.DefaultClient})
	for ctx := t.Context(); err != nil && strings.Contains(err.Error(), "not initialized") && ctx.Err() == nil; { // it listens before it can
		v, err = sts.GetWithContext(&credentials.CredContext{Client: http.DefaultClient})
	}
	if err != nil || v.SessionToken == "" {
		t.Fatalf("got %v, %v", v.AccessKeyID, err)
	}
	return v
}

// Temporary credentials do, and not without their token.
func TestSessionToken(t *testing.T) {
	server := servertest.MinIO(t, nil)
	w := newWorld(t, server, nil)
	v := temporary(t, server)
	with := s3.Options{AccessKeyID: v.AccessKeyID, SecretAccessKey: secret.New(v.SecretAccessKey), SessionToken: secret.New(v.SessionToken)}
	wantWorks(t, w.open(t, w.at, with))
	with.SessionToken = secret.New("a wrong token")
	wantFault(t, "put", put(t.Context(), w.open(t, w.at, with), "object", []byte("x")), "temporary credentials")
}

// wantWorks stores, reads and deletes.
func wantWorks(t *testing.T, b driver.Backend) {
	t.Helper()
	for _, size := range []int{5, 9 << 20} {
		if err := put(t.Context(), b, "object", make([]byte, size)); err != nil {
			t.Fatal(err)
		}
		if info, err := b.Stat(t.Context(), "object"); err != nil || info.Size != int64(size) {
			t.Errorf("stat: %v, %v", info, err)
		}
	}
	if list, err := b.List(t.Context(), ""); err != nil || len(list) != 1 {
		t.Errorf("list: %v, %v", list, err)
	}
	if err := b.Delete(t.Context(), "object"); err != nil {
		t.Error(err)
	}
}

// The role of a machine gives the credentials: here a service like that of
// Amazon's containers hands out a real server's.
func TestRole(t *testing.T) {
	server := servertest.MinIO(t, nil)
	w := newWorld(t, server, nil)
	v := temporary(t, server)
	asked := 0
	service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked++
		if err := json.NewEncoder(w).Encode(map[string]any{
			"AccessKeyId": v.AccessKeyID, "SecretAccessKey": v.SecretAccessKey, "Token": v.SessionToken, "Expiration": time.Now().Add(time.Hour).UTC(),
		}); err != nil {
			t.Error(err)
		}
	}))
	defer service.Close()
	t.Setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", service.URL)
	t.Setenv("HOME", t.TempDir()) // where no file of credentials is
	wantWorks(t, w.open(t, w.at, s3.Options{}))
	if asked != 1 {
		t.Errorf("the service was asked %d times", asked)
	}
}

// The server encrypts with the key of its KMS that is named.
func TestKMS(t *testing.T) {
	w := newWorld(t, servertest.MinIO(t, nil), nil)
	w.with.EncryptKMS, w.with.KMSKeyID = true, "test"
	b := w.open(t, w.at, w.with)
	for _, size := range []int{5, 9 << 20} {
		if err := put(t.Context(), b, "object", make([]byte, size)); err != nil {
			t.Fatal(err)
		}
		o, err := w.admin.StatObject(t.Context(), w.at.Bucket, "object", minio.StatObjectOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if h := o.Metadata; h.Get("X-Amz-Server-Side-Encryption") != "aws:kms" || h.Get("X-Amz-Server-Side-Encryption-Aws-Kms-Key-Id") != "arn:aws:kms:test" {
			t.Errorf("headers are %v", h)
		}
	}
	w.with.KMSKeyID = "none"
	if err := put(t.Context(), w.open(t, w.at, w.with), "object2", []byte("x")); err == nil {
		t.Error("a key that isn't there was taken")
	}
}

// With virtual hosts the bucket is a part of the host's name.
func TestVirtualHost(t *testing.T) {
	resolveAll(t)
	server := servertest.MinIOWith(t, nil, "MINIO_DOMAIN=s3.purser.test")
	w := newWorld(t, server, nil)
	at := w.at
	at.Endpoint = net.JoinHostPort("s3.purser.test", strconv.Itoa(server.Port))
	w.with.VirtualHost = true
	wantWorks(t, w.open(t, at, w.with))
	at.Endpoint = net.JoinHostPort("other.purser.test", strconv.Itoa(server.Port))
	if err := put(t.Context(), w.open(t, at, w.with), "object", []byte("x")); err == nil {
		t.Error("the bucket was not in the host's name: another domain was taken")
	}
}

// resolveAll makes all names lead to this machine until the test ends.
func resolveAll(t *testing.T) {
	t.Helper()
	c, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		buf := make([]byte, 1500)
		for {
			n, from, err := c.ReadFrom(buf)
			if err != nil {
				return // closed
			}
			if _, err := c.WriteTo(answer(buf[:n]), from); err != nil {
				t.Errorf("answer to %v: %v", from, err)
			}
		}
	}()
	old := net.DefaultResolver
	net.DefaultResolver = &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "udp", c.LocalAddr().String())
	}}
	t.Cleanup(func() {
		net.DefaultResolver = old
		if err := c.Close(); err != nil {
			t.Error(err)
		}
		<-done
	})
}

// answer is what a name server says to a question (RFC 1035): 127.0.0.1 for type
// A, nothing for others.
func answer(question []byte) []byte {
	end := 12
	for question[end] != 0 {
		end += 1 + int(question[end])
	}
	end += 5 // the root, the type and the class
	reply := append([]byte{}, question[:end]...)
	reply[2], reply[3] = 0x81, 0x80 // an answer, without a fault
	for i := 6; i < 12; i++ {
		reply[i] = 0
	}
	if question[end-3] == 1 { // type A
		reply[7] = 1
		reply = append(reply, 0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 1, 0, 4, 127, 0, 0, 1)
	}
	return reply
}
