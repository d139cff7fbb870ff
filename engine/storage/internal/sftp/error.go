package sftp

import (
	"errors"
	"fmt"
	"io/fs"

	"github.com/pkg/sftp"

	"github.com/purser-backup/purser/engine/storage/driver"
	"github.com/purser-backup/purser/engine/storage/internal/network"
)

// Codes of the protocol, version 3.
const (
	statusFailure     = 4
	statusUnsupported = 8
)

// explain marks the faults that trying again won't mend, and says what would.
func (b *Backend) explain(err error) error {
	var status *sftp.StatusError
	switch {
	case err == nil, errors.Is(err, driver.ErrBody):
		return err
	case errors.Is(err, fs.ErrNotExist):
		return err
	case errors.Is(err, fs.ErrPermission) && !hasHint(err):
		return driver.WithHint(err, fmt.Sprintf("let the user on the server read and write the folder %s", b.dir))
	case errors.As(err, &status) && status.Code == statusFailure:
		return driver.WithHint(err, fmt.Sprintf("the server doesn't say why; see whether the disk or the quota of %s is full, and whether it is a folder", b.dir))
	case errors.As(err, &status) && status.Code == statusUnsupported:
		return driver.Permanent(err)
	case hasHint(err):
		return err
	}
	return network.Explain(err)
}

func hasHint(err error) bool {
	var h interface{ Hint() string }
	return errors.As(err, &h)
}
