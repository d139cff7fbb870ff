package servertest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// Certificate is a certificate that vouches for itself, so that CertFile is also
// the file of its authority.
type Certificate struct{ CertFile, KeyFile string }

// NewCertificate makes one for 127.0.0.1 and the names, valid for a day.
func NewCertificate(t *testing.T, names ...string) *Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: "purser test"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid: true, IsCA: true, DNSNames: names, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	encode := func(name, kind string, der []byte) string {
		return write(t, filepath.Join(dir, name), 0o600, "%s", pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
	}
	return &Certificate{CertFile: encode("cert.pem", "CERTIFICATE", der), KeyFile: encode("key.pem", "PRIVATE KEY", private)}
}

func (c *Certificate) copyTo(t *testing.T, cert, key string) {
	t.Helper()
	for from, to := range map[string]string{c.CertFile: cert, c.KeyFile: key} {
		p, err := os.ReadFile(from)
		if err != nil {
			t.Fatal(err)
		}
		write(t, to, 0o600, "%s", p)
	}
}
