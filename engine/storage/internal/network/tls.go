package network

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/purser-backup/purser/engine/storage/driver"
)

// TLS says whom to trust. The zero value trusts the authorities of the system.
type TLS struct {
	CAFile   string // PEM; only these authorities are trusted
	CAPath   string // a directory of such files
	Insecure bool   // any certificate will do
}

// Config makes a configuration of TLS, from files read now.
func (t TLS) Config() (*tls.Config, error) {
	c := &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: t.Insecure}
	var files []string
	if t.CAFile != "" {
		files = append(files, t.CAFile)
	}
	if t.CAPath != "" {
		entries, err := os.ReadDir(t.CAPath)
		if err != nil {
			return nil, authorities(t.CAPath, err)
		}
		for _, e := range entries {
			if e.Type().IsRegular() || e.Type()&fs.ModeSymlink != 0 {
				files = append(files, filepath.Join(t.CAPath, e.Name()))
			}
		}
	}
	if t.CAFile == "" && t.CAPath == "" {
		return c, nil
	}
	c.RootCAs = x509.NewCertPool()
	found := false
	for _, file := range files {
		pem, err := os.ReadFile(file)
		if err != nil {
			return nil, authorities(file, err)
		}
		found = c.RootCAs.AppendCertsFromPEM(pem) || found
	}
	if !found {
		return nil, authorities(t.CAFile+t.CAPath, errors.New("no certificate in it"))
	}
	return c, nil
}

func authorities(path string, err error) error {
	return driver.Permanent(driver.WithHint(fmt.Errorf("read the trusted certificates %s: %w", path, err),
		"name a file of certificates in PEM that purser can read"))
}

// Transport makes a transport for HTTP that goes by this TLS, and whose
// connections don't hang. A proxy is taken from the environment, as by all
// clients of HTTP.
func (t TLS) Transport(d Dialer) (*http.Transport, error) {
	config, err := t.Config()
	if err != nil {
		return nil, err
	}
	return &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           d.Dial,
		TLSClientConfig:       config,
		TLSHandshakeTimeout:   connectTimeout,
		ExpectContinueTimeout: 10 * time.Second,
		MaxIdleConnsPerHost:   16,
		IdleConnTimeout:       time.Minute,
		WriteBufferSize:       64 << 10,
		ReadBufferSize:        64 << 10,
		DisableCompression:    true, // an object is bytes, whatever they are called
	}, nil
}
