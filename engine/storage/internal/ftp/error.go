package ftp

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/textproto"
	"strings"

	"github.com/jlaffaye/ftp"

	"github.com/purser-backup/purser/engine/storage/driver"
	"github.com/purser-backup/purser/engine/storage/internal/network"
)

// isAnswer tells an answer of the server from an error of the connection. After
// 421 it has closed it.
func isAnswer(err error) bool {
	var answer *textproto.Error
	if errors.Is(err, fs.ErrNotExist) {
		return true
	}
	// Joined errors tell of more than an answer.
	joined, _ := err.(interface{ Unwrap() []error })
	return joined == nil && errors.As(err, &answer) && answer.Code != ftp.StatusNotAvailable
}

// isRefused tells that the server has no such file, or does not do this with
// it: one code is for both.
func isRefused(err error) bool {
	var answer *textproto.Error
	return errors.As(err, &answer) && (answer.Code == ftp.StatusFileUnavailable || answer.Code == ftp.StatusFileActionIgnored && strings.Contains(strings.ToLower(answer.Msg), "no such"))
}

func isDenied(answer *textproto.Error) bool {
	text := strings.ToLower(answer.Msg)
	if answer.Code < 500 {
		return false
	}
	for _, word := range []string{"denied", "permission", "permitted", "read-only"} {
		if strings.Contains(text, word) {
			return true
		}
	}
	return false
}

// missing makes fs.ErrNotExist of an answer that may mean it.
func missing(path string, err error) error {
	var answer *textproto.Error
	if isRefused(err) && errors.As(err, &answer) && !isDenied(answer) {
		return fmt.Errorf("%s: %w: %w", path, fs.ErrNotExist, err)
	}
	return err
}

// explain marks the faults that trying again won't mend, and says what would.
func (b *Backend) explain(err error) error {
	var answer *textproto.Error
	switch {
	case err == nil, errors.Is(err, driver.ErrBody), errors.Is(err, fs.ErrNotExist), hasHint(err):
		return err
	case !errors.As(err, &answer):
		return network.Explain(err)
	case isDenied(answer):
		return fmt.Errorf("%w: %w", fs.ErrPermission, driver.WithHint(err, fmt.Sprintf("let the user on the server read and write the folder %s", b.dir)))
	}
	switch answer.Code {
	case ftp.StatusExceededStorage, 452:
		err = driver.WithHint(err, "free some space on the server, or raise its quota")
	case 451: // an error of the server's own
		err = driver.WithHint(err, "the server doesn't say why; see its log, and whether its disk or quota is full")
	case ftp.StatusBadFileName:
		err = driver.WithHint(err, fmt.Sprintf("let the user on the server write to the folder %s", b.dir))
	case ftp.StatusFileUnavailable:
		err = driver.WithHint(err, fmt.Sprintf("see on the server whether %s is a folder that the user may read and write", b.dir))
	case ftp.StatusNotAvailable, ftp.StatusCanNotOpenDataConnection:
		err = driver.WithHint(err, "the server is busy, or its ports for passive transfers can't be reached")
	}
	if answer.Code >= 500 {
		return driver.Permanent(err)
	}
	return err
}

func (p *pool) explainDial(err error) error {
	var answer *textproto.Error
	if errors.As(err, &answer) && answer.Code >= 500 {
		return driver.Permanent(driver.WithHint(err, "the server does not offer TLS there; write ftp:// to do without, or the port 990 if it begins with TLS"))
	}
	return network.Explain(err)
}

func (p *pool) explainLogin(err error) error {
	var answer *textproto.Error
	var lost net.Error
	isAnswer := errors.As(err, &answer)
	if explained := network.Explain(err); hasHint(explained) {
		return explained
	}
	if !isAnswer && (errors.As(err, &lost) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)) {
		return err
	}
	// Of an answer to the user's name the library gives the bare text.
	err = fmt.Errorf("log in as %s: %w", p.location.User, err)
	switch {
	case isAnswer && answer.Code < 500:
		return driver.WithHint(err, "the server is busy, or allows fewer connections at once")
	case p.location.Password.IsZero():
		err = driver.WithHint(err, "set FTP_PASSWORD")
	case p.location.Security == Plain:
		err = driver.WithHint(err, fmt.Sprintf("check the user %s and FTP_PASSWORD, and whether the server wants TLS: then write ftps://", p.location.User))
	default:
		err = driver.WithHint(err, fmt.Sprintf("check the user %s and FTP_PASSWORD", p.location.User))
	}
	return fmt.Errorf("%w: %w", fs.ErrPermission, err)
}

func hasHint(err error) bool {
	var h interface{ Hint() string }
	return errors.As(err, &h)
}
