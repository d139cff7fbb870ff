package storage

import (
	"context"
	"net"
	"strconv"
	"strings"

	"github.com/purser-backup/purser/engine/storage/driver"
	"github.com/purser-backup/purser/engine/storage/internal/ftp"
	"github.com/purser-backup/purser/engine/storage/internal/sftp"
	"github.com/purser-backup/purser/engine/storage/internal/webdav"
	"github.com/purser-backup/purser/internal/secret"
)

// remote is what a URL says of a server.
type remote struct {
	user     string
	password secret.String
	host     string // as a name or an address, without brackets
	port     int    // 0 if it is not said
	path     string // what follows the first slash after the host
	slash    bool   // there is one
}

// parseRemote takes //user:password@host:port/path apart. User, password and
// path are percent-decoded. Errors don't show the URL: it may hold a password.
func parseRemote(rest string, o Options) (remote, error) {
	const form = "write it as SCHEME://user@host:port/folder; in a user or a password write %40 for @, %2F for / and %3A for :"
	body, ok := strings.CutPrefix(rest, "//")
	if !ok {
		return remote{}, withHint("two slashes are missing behind the scheme", form)
	}
	authority, path, slash := strings.Cut(body, "/")
	r := remote{path: unescape(path), slash: slash, password: o.Password}
	if at := strings.LastIndexByte(authority, '@'); at >= 0 {
		user, password, given := strings.Cut(authority[:at], ":")
		r.user, authority = unescape(user), authority[at+1:]
		if given {
			r.password = secret.New(unescape(password))
		}
	}
	host, port := authority, ""
	if strings.Contains(strings.TrimSuffix(authority, ":"), ":") && !strings.HasSuffix(authority, "]") {
		var err error
		if host, port, err = net.SplitHostPort(authority); err != nil {
			return remote{}, withHint("the host and the port can't be told apart", form)
		}
	}
	r.host = strings.Trim(strings.TrimSuffix(host, ":"), "[]")
	switch {
	case strings.ContainsAny(path, "?#"):
		return remote{}, withHint("the path has a ? or #, at which duplicity would cut it off", "write %3F for ?, %23 for #")
	case r.host == "":
		return remote{}, withHint("the URL has no host", form)
	case strings.ContainsAny(r.host, " ?#%\\"):
		return remote{}, withHint("the host has a character that no host has", form)
	case strings.ContainsAny(r.path+r.user+r.password.Reveal(), "\x00\r\n"):
		return remote{}, withHint("the URL has a line break or a NUL byte", form)
	}
	if port != "" {
		n, err := strconv.ParseUint(port, 10, 16)
		if err != nil || n == 0 {
			return remote{}, withHint("the port is not a number from 1 to 65535", form)
		}
		r.port = int(n)
	}
	return r, nil
}

// openSFTP opens sftp:// and scp://: one slash behind the host is for a folder
// below the one where a login leads, two are for an absolute path. As with
// duplicity, a slash and nothing more is the server's root.
func openSFTP(ctx context.Context, rest string, o Options) (driver.Backend, error) {
	r, err := parseRemote(rest, o)
	if err != nil {
		return nil, err
	}
	if r.path == "" && r.slash {
		r.path = "/"
	}
	ssh := o.SSH
	ssh.Password, ssh.Dialer = r.password, o.dialer
	return sftp.Open(ctx, sftp.Location{User: r.user, Host: r.host, Port: r.port, Dir: r.path}, ssh, o.Now)
}

// openFTP opens ftp://. A path is below the folder where a login leads, unless
// it begins with a slash of its own; no path is the server's root, as with
// duplicity.
func openFTP(ctx context.Context, rest string, o Options) (driver.Backend, error) {
	return openFTPWith(ctx, rest, o, ftp.Plain)
}

// openFTPS opens ftps:// and ftpes://, whose difference is only how duplicity
// treats a server without TLS: here it is refused.
func openFTPS(ctx context.Context, rest string, o Options) (driver.Backend, error) {
	return openFTPWith(ctx, rest, o, ftp.Explicit)
}

func openFTPWith(ctx context.Context, rest string, o Options, security ftp.Security) (driver.Backend, error) {
	r, err := parseRemote(rest, o)
	if err != nil {
		return nil, err
	}
	if r.path == "" {
		r.path = "/"
	}
	if security == ftp.Explicit && r.port == implicitPort {
		security = ftp.Implicit
	}
	return ftp.Open(ctx, ftp.Location{User: r.user, Password: r.password, Host: r.host, Port: r.port, Dir: r.path, Security: security, Dialer: o.dialer}, o.TLS, o.Now)
}

// implicitPort is where servers of FTP begin with TLS.
const implicitPort = 990

// openWebDAV opens webdav://, without TLS.
func openWebDAV(ctx context.Context, rest string, o Options) (driver.Backend, error) {
	return openWebDAVWith(ctx, rest, o, true)
}

// openWebDAVS opens webdavs://, over TLS.
func openWebDAVS(ctx context.Context, rest string, o Options) (driver.Backend, error) {
	return openWebDAVWith(ctx, rest, o, false)
}

func openWebDAVWith(ctx context.Context, rest string, o Options, plain bool) (driver.Backend, error) {
	r, err := parseRemote(rest, o)
	if err != nil {
		return nil, err
	}
	return webdav.Open(ctx, webdav.Location{User: r.user, Password: r.password, Host: r.host, Port: r.port, Path: r.path, Plain: plain, Dialer: o.dialer}, o.TLS, o.Now)
}
