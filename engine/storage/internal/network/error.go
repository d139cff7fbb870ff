package network

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"syscall"

	"github.com/purser-backup/purser/engine/storage/driver"
)

// Explain says what to do about a fault of the network or of TLS, and marks as
// permanent what trying again won't mend. Other errors, and nil, come back as
// they are.
func Explain(err error) error {
	var dns *net.DNSError
	var record tls.RecordHeaderError
	var alert tls.AlertError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &dns) && dns.IsNotFound:
		return driver.Permanent(driver.WithHint(err, fmt.Sprintf("check the host name %s in the URL, and the name server of this machine or container", dns.Name)))
	case isCertificate(err):
		return driver.Permanent(driver.WithHint(err, certificateHint(err)))
	case errors.As(err, &record), errors.Is(err, http.ErrSchemeMismatch):
		return driver.Permanent(driver.WithHint(err, "the server does not speak TLS there; check the port and the scheme of the URL"))
	case errors.As(err, &alert):
		return driver.Permanent(driver.WithHint(err, "the server refuses this TLS connection; check its certificate and the versions of TLS that it takes"))
	case errors.Is(err, syscall.ECONNREFUSED):
		return driver.WithHint(err, "nothing listens there; check host and port in the URL, and that the server runs")
	case errors.Is(err, syscall.ENETUNREACH), errors.Is(err, syscall.EHOSTUNREACH):
		return driver.WithHint(err, "check the network and the route from this machine or container to the server")
	case errors.As(err, &dns):
		return driver.WithHint(err, "check the name server of this machine or container")
	case errors.Is(err, os.ErrDeadlineExceeded):
		return driver.WithHint(err, "the server did not answer in time; check that it runs and that no firewall is between")
	}
	return err
}

func isCertificate(err error) bool {
	var verification *tls.CertificateVerificationError
	var authority x509.UnknownAuthorityError
	var name x509.HostnameError
	var invalid x509.CertificateInvalidError
	return errors.As(err, &verification) || errors.As(err, &authority) || errors.As(err, &name) || errors.As(err, &invalid)
}

func certificateHint(err error) string {
	var name x509.HostnameError
	var invalid x509.CertificateInvalidError
	switch {
	case errors.As(err, &name):
		return "the server's certificate is for another name; write the host in the URL as the certificate has it"
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return "the server's certificate is out of date, or this machine's clock is wrong"
	}
	return "the server's certificate is not trusted; name the file of its authority with --ssl-cacert-file in BACKUP_DUPLICITY_OPTIONS"
}
