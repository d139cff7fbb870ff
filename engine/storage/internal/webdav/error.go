package webdav

import (
	"errors"
	"fmt"
	"io/fs"
	"net/http"

	"github.com/purser-backup/purser/engine/storage/driver"
	"github.com/purser-backup/purser/engine/storage/internal/network"
)

// statusError is an answer that is none of success.
type statusError struct {
	method, url, status string
	code                int
	location            string // of what the server says instead
}

func (e *statusError) Error() string { return fmt.Sprintf("%s %s: %s", e.method, e.url, e.status) }

// Is tells the kind of fault.
func (e *statusError) Is(target error) bool {
	switch e.code {
	case http.StatusNotFound, http.StatusGone:
		return target == fs.ErrNotExist
	case http.StatusMethodNotAllowed:
		return target == fs.ErrNotExist && e.method == http.MethodGet // a collection, which is no object
	case http.StatusUnauthorized, http.StatusForbidden:
		return target == fs.ErrPermission
	}
	return false
}

// explain marks the faults that trying again won't mend, and says what would.
func (b *Backend) explain(err error) error {
	var answer *statusError
	if !errors.As(err, &answer) {
		return network.Explain(err)
	}
	err = driver.WithHint(err, b.hint(answer))
	switch code := answer.code; {
	case code == http.StatusRequestTimeout, code == http.StatusTooManyRequests, code == http.StatusLocked, code == http.StatusTooEarly:
		return err
	case code < 500, code == http.StatusNotImplemented, code == http.StatusInsufficientStorage:
		return driver.Permanent(err)
	}
	return err
}

func (b *Backend) hint(answer *statusError) string {
	switch answer.code {
	case http.StatusUnauthorized:
		switch {
		case b.client.auth.user == "":
			return "write the user into the URL and set FTP_PASSWORD"
		case b.client.auth.password.IsZero():
			return "set FTP_PASSWORD"
		}
		return fmt.Sprintf("check the user %s and FTP_PASSWORD", b.client.auth.user)
	case http.StatusForbidden:
		return fmt.Sprintf("let the user on the server read and write the folder %s", b.dir.Path)
	case http.StatusMethodNotAllowed, http.StatusNotImplemented:
		return fmt.Sprintf("there is no WebDAV at %s; check the path in the URL", b.dir.Path)
	case http.StatusConflict:
		return fmt.Sprintf("see whether the folder above %s is there, and may be written", b.dir.Path)
	case http.StatusInsufficientStorage:
		return "free some space on the server, or raise its quota"
	case http.StatusRequestEntityTooLarge:
		return "raise the server's limit for uploads, or set BACKUP_DUPLICITY_VOLSIZE below it"
	}
	if answer.location != "" {
		return "write the URL that the server leads to: " + answer.location
	}
	return ""
}
