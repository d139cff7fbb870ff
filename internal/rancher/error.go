package rancher

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strings"

	"github.com/rancher/go-rancher/v2"
)

// Error is a failure of a call to the Rancher server. Its text holds nothing
// of what the server sent but a status and the name of an error.
type Error struct {
	Op     string // what was tried, on which object
	Err    error
	Advice string // what the user can do, may be empty

	passing bool // may be gone the next time
}

func (e *Error) Error() string { return fmt.Sprintf("rancher: %s: %v", e.Op, e.Err) }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Hint says what the user can do about it.
func (e *Error) Hint() string { return e.Advice }

const (
	versionAdvice = "purser speaks to Rancher 1.2 to 1.6; check that the URL is that of the API, as http://rancher:8080/v2-beta/projects/1a5"
	addressAdvice = "check BACKUP_RANCHER_API_URL, and that the server runs and can be reached from here"
	keyAdvice     = "check BACKUP_RANCHER_API_KEY and BACKUP_RANCHER_API_SECRET; keys of Rancher's agent end with the container that got them"
	scopeAdvice   = "the key is not for this environment: end the URL in /v2-beta/projects/ID with the key's own, or take a key of the environment"
	caAdvice      = "set SSL_CERT_FILE to a file with the certificate of the authority that signed the server's"
)

var errNoAnswer = errors.New("the answer is none of Rancher's API")

// failure makes an error that may be shown of one of the library's.
func (c *Client) failure(op string, err error) *Error {
	var status *client.ApiError
	var transport *url.Error
	var syntax *json.SyntaxError
	var mistype *json.UnmarshalTypeError
	switch {
	case errors.As(err, &status):
		return statusError(op, status)
	case errors.As(err, &transport):
		return transportError(op, transport.Err)
	case err == errNoAnswer, errors.As(err, &syntax), errors.As(err, &mistype), strings.HasPrefix(err.Error(), "Failed to parse"):
		return &Error{Op: op, Err: errNoAnswer, Advice: versionAdvice}
	case strings.HasPrefix(err.Error(), "Unknown schema type"), strings.Contains(err.Error(), "is not listable"):
		return &Error{Op: op, Err: errors.New("the server doesn't offer it"), Advice: versionAdvice}
	}
	return transportError(op, err)
}

var errorCode = regexp.MustCompile(`\bcode=(\w{1,60})\b`)

func statusError(op string, status *client.ApiError) *Error {
	text := fmt.Sprintf("the server answers %d %s", status.StatusCode, http.StatusText(status.StatusCode))
	// The library has rewritten an error of the API; a page of a proxy is as it was.
	if code := errorCode.FindStringSubmatch(status.Body); code != nil && !strings.Contains(status.Body, "<") {
		text += ", " + code[1]
	}
	e := &Error{Op: op, Err: &answered{status.StatusCode, text}}
	switch status.StatusCode {
	case http.StatusUnauthorized:
		e.Advice = keyAdvice
	case http.StatusForbidden:
		e.Advice = scopeAdvice
	case http.StatusNotFound:
		e.Advice = versionAdvice
	case http.StatusTooManyRequests, http.StatusInternalServerError, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		e.passing, e.Advice = true, "see the log of the Rancher server"
	}
	return e
}

// answered is a status that says no. 404 is fs.ErrNotExist.
type answered struct {
	status int
	text   string
}

func (a *answered) Error() string { return a.text }
func (a *answered) Is(target error) bool {
	return target == fs.ErrNotExist && a.status == http.StatusNotFound
}

// transportError explains why there is no answer.
func transportError(op string, err error) *Error {
	e := &Error{Op: op, Err: err, Advice: addressAdvice, passing: true}
	var certificate *tls.CertificateVerificationError
	var timeout net.Error
	switch {
	case errors.As(err, &certificate):
		e.passing, e.Advice = false, caAdvice
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		e.Err = errors.New("no answer in time")
	}
	return e
}
