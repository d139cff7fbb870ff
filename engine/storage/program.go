package storage

import (
	"context"
	"strings"

	"github.com/purser-backup/purser/engine/storage/driver"
	"github.com/purser-backup/purser/engine/storage/internal/program"
	"github.com/purser-backup/purser/engine/storage/internal/rclone"
	"github.com/purser-backup/purser/engine/storage/internal/rsync"
)

// Programs says how the programs are run that some targets need.
type Programs = program.Options

// Runner runs programs, for Programs.
type Runner = program.Runner

// Command is a program for a Runner.
type Command = program.Command

// ExitError is what a Runner fails with when a program has.
type ExitError = program.ExitError

// Rclone are the settings of targets over rclone.
type Rclone = rclone.Options

// openRsync opens rsync://: two colons behind the host are for a module of a
// daemon, as with duplicity; the others go over SSH, where a path is below the
// folder that a login leads to, unless it begins with a slash of its own.
func openRsync(_ context.Context, rest string, o Options) (driver.Backend, error) {
	server, module, daemon := cutModule(rest)
	r, err := parseRemote(server, o)
	if err != nil {
		return nil, err
	}
	l := rsync.Location{User: r.user, Password: r.password, Host: r.host, Port: r.port, Dir: r.path}
	options := rsync.Options{Program: o.Programs, More: o.RsyncOptions, Limit: o.dialer.Limit, Now: o.Now}
	if daemon {
		if l.Password.IsZero() {
			l.Password = o.RsyncPassword
		}
		if strings.ContainsAny(module, "?#\x00\r\n") {
			return nil, withHint("the path has a ?, a # or a control character", "write %3F for ?, %23 for #")
		}
		l.Module, l.Dir, _ = strings.Cut(unescape(strings.TrimLeft(module, "/")), "/")
		if l.Module == "" {
			return nil, withHint("the URL has no module behind the two colons", "write rsync://user@host::module/folder")
		}
		return rsync.Open(l, options)
	}
	if l.Dir == "" {
		l.Dir = "/"
	}
	if l.User == "" {
		l.User = o.SSH.User
	}
	if l.Port == 0 {
		l.Port = o.SSH.Port
	}
	if options.SSH, err = o.rsyncSSH(); err != nil {
		return nil, err
	}
	return rsync.Open(l, options)
}

// cutModule cuts //user@host:port::module/path at the two colons, which are not
// those of an address in brackets.
func cutModule(rest string) (server, module string, ok bool) {
	authority := rest
	if i := strings.IndexByte(strings.TrimPrefix(rest, "//"), '/'); i >= 0 {
		authority = rest[:len(rest)-len(strings.TrimPrefix(rest, "//"))+i]
	}
	host := max(strings.LastIndexByte(authority, '@'), strings.LastIndexByte(authority, ']')) + 1
	i := strings.Index(authority[host:], "::")
	if i < 0 {
		return rest, "", false
	}
	return rest[:host+i], rest[host+i+2:], true
}

// rsyncSSH are the settings of SSH for a program that has only keys.
func (o Options) rsyncSSH() (rsync.SSH, error) {
	s := rsync.SSH{
		IdentityFiles: o.SSH.IdentityFiles, OnlyIdentity: o.SSH.OnlyIdentity, AgentSocket: o.SSH.AgentSocket, KnownHosts: o.SSH.KnownHosts,
		Ciphers: o.SSH.Ciphers, MACs: o.SSH.MACs, KeyExchanges: o.SSH.KeyExchanges, HostKeyAlgorithms: o.SSH.HostKeyAlgorithms,
	}
	keys, known := rsync.UsualFiles(o.SSH.Dirs)
	if !s.OnlyIdentity {
		s.IdentityFiles = append(s.IdentityFiles[:len(s.IdentityFiles):len(s.IdentityFiles)], keys...)
	}
	if len(s.KnownHosts) == 0 {
		s.KnownHosts = known
	}
	switch o.SSH.HostKeys {
	case HostKeyNew:
		if o.Programs.Runner != nil {
			return s, withHint("what a container learns of a server's key is lost with it",
				"take StrictHostKeyChecking=accept-new out, and put the server's key into known_hosts, as `ssh-keyscan` prints it")
		}
		s.Check = "accept-new"
	case HostKeyAny:
		s.Check = "no"
	default:
		s.Check = "yes"
	}
	return s, nil
}

// openRclone opens rclone://remote:path. As with duplicity one slash behind the
// colon doesn't count, so that two are for an absolute path.
func openRclone(_ context.Context, rest string, o Options) (driver.Backend, error) {
	const form = "write rclone://remote:path, with the name of a remote of rclone's configuration"
	body, ok := strings.CutPrefix(rest, "//")
	if !ok {
		return nil, withHint("two slashes are missing behind the scheme", form)
	}
	body = unescape(body)
	remote, dir, ok := strings.Cut(body, ":")
	switch {
	case !ok, remote == "":
		return nil, withHint("the URL has no remote", form)
	case strings.HasPrefix(remote, "-"), strings.ContainsAny(remote, "/,\"'"), strings.ContainsAny(body, "\x00\r\n"):
		return nil, withHint("the remote has a character that no remote's name has", form)
	}
	return rclone.Open(rclone.Location{Remote: remote, Dir: strings.TrimPrefix(dir, "/")}, o.Rclone, o.Programs, o.dialer.Limit, o.Now)
}
