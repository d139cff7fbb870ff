package rclone

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/purser-backup/purser/engine/storage/driver"
	"github.com/purser-backup/purser/engine/storage/internal/program"
)

// Exit statuses of rclone.
const (
	statusSyntax   = 1
	statusNoFolder = 3
	statusNoFile   = 4
	statusFatal    = 7
)

// isMissing reports whether rclone says that something isn't there.
func isMissing(err error) bool {
	var exit *program.ExitError
	return errors.As(err, &exit) && (exit.Status == statusNoFolder || exit.Status == statusNoFile)
}

// explain marks the faults that trying again won't mend, and says what would.
func (b *Backend) explain(err error) error {
	var exit *program.ExitError
	if !errors.As(err, &exit) {
		return err
	}
	remote, _, _ := strings.Cut(b.root, ":")
	says := func(words ...string) bool {
		for _, w := range words {
			if strings.Contains(strings.ToLower(exit.Stderr), w) {
				return true
			}
		}
		return false
	}
	switch {
	case says("didn't find section in config file"):
		return driver.Permanent(driver.WithHint(err, fmt.Sprintf("rclone's configuration has no remote %s; `rclone config` makes one, "+
			"and RCLONE_CONFIG names the file", remote)))
	case says("unable to decrypt configuration", "password required", "couldn't decrypt"):
		return driver.Permanent(driver.WithHint(err, "set RCLONE_CONFIG_PASS to the password of rclone's configuration"))
	case says("no space left", "insufficient storage", "quota exceeded", "storagequotaexceeded", "disk quota"):
		return driver.Permanent(driver.WithHint(err, "free some space on the remote, or raise its quota"))
	case says("permission denied", "accessdenied", "forbidden", "unauthorized", "invalidaccesskeyid", "signaturedoesnotmatch", "unable to authenticate",
		"invalid_grant", "530 "):
		return fmt.Errorf("%w: %w", fs.ErrPermission, driver.WithHint(err, fmt.Sprintf("check the credentials of the remote %s, and what they may do: "+
			"`rclone lsf %s` shows what rclone sees", remote, b.root)))
	case says("no such host"):
		return driver.Permanent(driver.WithHint(err, fmt.Sprintf("check the host of the remote %s, and the name server of this machine or container", remote)))
	case says("connection refused"):
		return driver.WithHint(err, fmt.Sprintf("nothing listens there; check the remote %s, and that the server runs", remote))
	case exit.Status == statusSyntax && says("unknown flag", "unknown command"):
		return driver.Permanent(driver.WithHint(err, "this rclone is too old; use 1.56 or newer"))
	case exit.Status == statusFatal:
		return driver.Permanent(err)
	}
	return err
}
