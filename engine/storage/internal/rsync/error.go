package rsync

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/purser-backup/purser/engine/storage/driver"
	"github.com/purser-backup/purser/engine/storage/internal/program"
)

// Exit statuses of rsync.
const (
	statusSyntax    = 1
	statusProtocol  = 2
	statusFiles     = 3 // the folder can't be entered
	statusRequested = 4 // an action that isn't supported
	statusFileIO    = 11
	statusVanished  = 24
	statusNoProgram = 127
)

// missingFolder reports whether a call has failed since the folder isn't there.
func missingFolder(err error) bool {
	var exit *program.ExitError
	return errors.As(err, &exit) && strings.Contains(exit.Stderr, "No such file or directory (2)") &&
		(strings.Contains(exit.Stderr, "change_dir") || strings.Contains(exit.Stderr, "mkdir") || strings.Contains(exit.Stderr, "link_stat"))
}

// lostReason reports whether the server may have failed of its folder, and rsync
// has ended before what the server said of it had come over SSH, as it does at
// about one fault in fifty. A folder is made only where the server says that
// there is none: rsync puts a folder in the place of a file.
func lostReason(err error) bool {
	var exit *program.ExitError
	return errors.As(err, &exit) && (exit.Status == statusFiles || exit.Status == statusFileIO) &&
		!strings.Contains(exit.Stderr, "failed: ") && !strings.Contains(exit.Stderr, "ERROR: ")
}

// fault is what rsync, ssh or a server says, and what it means.
type fault struct {
	text string
	kind error // nil: it may pass; errPermanent: it won't
	hint string
}

var errPermanent = errors.New("permanent")

func (b *Backend) faults() []fault {
	folder := b.place.folder()
	const login = "check the user in the URL and the key: name one with --ssh-options=-oIdentityFile=/path in BACKUP_DUPLICITY_OPTIONS; it must have no passphrase, or be an agent's"
	return []fault{
		{"@ERROR: auth failed", fs.ErrPermission, "check the user in the URL, and the password there, in RSYNC_PASSWORD or in FTP_PASSWORD"},
		{"@ERROR: access denied", fs.ErrPermission, "let the daemon take this host, with \"hosts allow\" in its configuration"},
		{"@ERROR: Unknown module", errPermanent, fmt.Sprintf("the daemon has no module %s; check the URL", b.place.Module)},
		{"@ERROR: max connections", nil, "raise \"max connections\" in the daemon's configuration"},
		{"read only", fs.ErrPermission, "set \"read only = false\" for the module in the daemon's configuration"},
		{"The server is configured to refuse", fs.ErrPermission, "take the option out of \"refuse options\" in the daemon's configuration"},
		{"Host key verification failed", errPermanent, "the server's key is not known, or another one: put it into known_hosts, as `ssh-keyscan` prints it"},
		{"Permission denied (publickey", fs.ErrPermission, login},
		{"Too many authentication failures", fs.ErrPermission, login},
		{"Permission denied (13)", fs.ErrPermission, "let the user on the server read and write " + folder},
		{"Operation not permitted (1)", fs.ErrPermission, "let the user on the server read and write " + folder},
		{"No space left on device", errPermanent, "free some space on the server"},
		{"Disk quota exceeded", errPermanent, "free some space on the server, or raise the quota"},
		{"Could not resolve hostname", errPermanent, "check the host name in the URL, and the name server of this machine or container"},
		{"Name or service not known", errPermanent, "check the host name in the URL, and the name server of this machine or container"},
		{"command not found", errPermanent, "install rsync on the server"},
		{"Not a directory (20)", errPermanent, folder + " or a folder above it is a file; check the path in the URL"},
		{"Connection refused", nil, "nothing listens there; check host and port in the URL, and that the server runs"},
		{"Connection timed out", nil, "the server did not answer in time; check that it runs and that no firewall is between"},
		{"failed to exec ssh", errPermanent, "install the client of OpenSSH beside rsync"},
		{"Failed to exec ssh", errPermanent, "install the client of OpenSSH beside rsync"},
	}
}

// explain marks the faults that trying again won't mend, and says what would.
func (b *Backend) explain(err error) error {
	var exit *program.ExitError
	if !errors.As(err, &exit) {
		return err
	}
	for _, f := range b.faults() {
		if !strings.Contains(exit.Stderr, f.text) {
			continue
		}
		err = driver.WithHint(err, f.hint)
		switch f.kind {
		case nil:
			return err
		case errPermanent:
			return driver.Permanent(err)
		}
		return fmt.Errorf("%w: %w", f.kind, err)
	}
	switch exit.Status {
	case statusSyntax, statusProtocol, statusRequested:
		return driver.Permanent(driver.WithHint(err, "this rsync or the server's lacks an option; use 3.1 or newer, and check --rsync-options"))
	case statusFiles:
		return driver.Permanent(driver.WithHint(err, b.place.folder()+" or a folder above it is a file, or the user may not enter it; check the path in the URL"))
	case statusNoProgram:
		return driver.Permanent(driver.WithHint(err, "install rsync on the server"))
	}
	return err
}
