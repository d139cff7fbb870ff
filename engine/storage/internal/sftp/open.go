package sftp

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/user"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"

	"github.com/purser-backup/purser/engine/storage/driver"
	"github.com/purser-backup/purser/engine/storage/internal/network"
	"github.com/purser-backup/purser/internal/secret"
)

// Location is a folder of a server.
type Location struct {
	User string // empty: Options.User, else that of this process
	Host string
	Port int    // 0: Options.Port, else 22
	Dir  string // absolute, or relative to where a login leads
}

// Options say how to log in. The zero value has nothing to log in with.
type Options struct {
	User          string
	Port          int
	Password      secret.String // also that of a key
	IdentityFiles []string      // private keys, which must be there
	Dirs          []string      // like ~/.ssh: their usual keys and known_hosts are used
	AgentSocket   string        // of an agent that holds keys
	OnlyIdentity  bool          // no keys but those of IdentityFiles

	KnownHosts []string // files, in place of the usual ones
	HostKeys   Check

	Dialer network.Dialer

	Ciphers, MACs, KeyExchanges, HostKeyAlgorithms []string // empty: the good ones
}

// Check is what a server's key must be.
type Check int

// The checks. Known, the zero value, wants a key that is known. New learns that
// of a server it doesn't know, and refuses another one later. Any takes all.
const (
	Known Check = iota
	New
	Any
)

// loginTimeout is for everything from the first byte to the end of the login.
const loginTimeout = time.Minute

// Open makes a client of a folder. Keys are read now; nothing is asked of the
// server yet. now is the clock by which leftovers are old.
func Open(ctx context.Context, l Location, o Options, now func() time.Time) (*Backend, error) {
	if l.Host == "" {
		return nil, driver.Permanent(driver.WithHint(errors.New("the URL has no host"), "write sftp://user@host/folder, or //folder for an absolute path"))
	}
	if l.User == "" {
		l.User = o.User
	}
	if l.User == "" {
		u, err := user.Current()
		if err != nil {
			return nil, driver.WithHint(fmt.Errorf("find the user to log in as: %w", err), "write the user into the URL")
		}
		l.User = u.Username
	}
	if l.Port == 0 {
		l.Port = o.Port
	}
	if l.Port == 0 {
		l.Port = 22
	}
	keys, err := o.keys()
	if err != nil {
		return nil, err
	}
	d := &door{address: net.JoinHostPort(l.Host, strconv.Itoa(l.Port)), user: l.User, options: o, keys: keys}
	dir := path.Clean(l.Dir)
	return &Backend{dir: dir, now: now, line: newLine(d.enter)}, ctx.Err()
}

// keys reads the private keys. Those that were named must be good; of the usual
// ones those are left out that are not, since others may do.
func (o Options) keys() ([]ssh.Signer, error) {
	var keys []ssh.Signer
	for _, file := range o.IdentityFiles {
		key, err := o.key(file)
		if err != nil {
			return nil, driver.Permanent(fmt.Errorf("read the key %s: %w", file, err))
		}
		keys = append(keys, key)
	}
	if o.OnlyIdentity {
		return keys, nil
	}
	for _, dir := range o.Dirs {
		for _, name := range []string{"id_ed25519", "id_ecdsa", "id_rsa"} {
			if key, err := o.key(filepath.Join(dir, name)); err == nil {
				keys = append(keys, key)
			}
		}
	}
	return keys, nil
}

func (o Options) key(file string) (ssh.Signer, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, driver.WithHint(err, "name a private key that purser can read with --ssh-options=-oIdentityFile=/path")
	}
	key, err := ssh.ParsePrivateKey(text)
	var locked *ssh.PassphraseMissingError
	if errors.As(err, &locked) {
		if o.Password.IsZero() {
			return nil, driver.WithHint(errors.New("it has a passphrase"), "set FTP_PASSWORD to the key's passphrase")
		}
		if key, err = ssh.ParsePrivateKeyWithPassphrase(text, []byte(o.Password.Reveal())); err != nil {
			return nil, driver.WithHint(err, "FTP_PASSWORD is not the key's passphrase")
		}
	}
	if err != nil {
		return nil, driver.WithHint(err, "name the file of a private key, not that of the public one")
	}
	return key, nil
}

// door is where a connection begins.
type door struct {
	address, user string
	options       Options
	keys          []ssh.Signer
}

func (d *door) enter(ctx context.Context) (net.Conn, *ssh.Client, error) {
	hosts, err := d.options.knownHosts()
	if err != nil {
		return nil, nil, err
	}
	conn, err := d.options.Dialer.Dial(ctx, "tcp", d.address)
	if err != nil {
		return nil, nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, loginTimeout)
	defer cancel()
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	methods, done := d.methods(ctx)
	defer done()
	config := &ssh.ClientConfig{
		Config: ssh.Config{Ciphers: d.options.Ciphers, MACs: d.options.MACs, KeyExchanges: d.options.KeyExchanges},
		User:   d.user, Auth: methods, HostKeyCallback: hosts.check, HostKeyAlgorithms: d.options.HostKeyAlgorithms,
	}
	if len(config.HostKeyAlgorithms) == 0 {
		config.HostKeyAlgorithms = hosts.algorithms(d.address, conn.RemoteAddr())
	}
	c, channels, requests, err := ssh.NewClientConn(conn, d.address, config)
	if err != nil {
		_ = conn.Close() // the handshake's error says more
		return nil, nil, errors.Join(ctx.Err(), d.explain(err))
	}
	return conn, ssh.NewClient(c, channels, requests), nil
}

// methods are the ways to log in, the agent's keys last of the keys.
func (d *door) methods(ctx context.Context) (methods []ssh.AuthMethod, done func()) {
	keys, done := d.keys, func() {}
	if d.options.AgentSocket != "" && !d.options.OnlyIdentity {
		// An agent that is gone has no keys, which is what the login then says.
		if conn, err := (&net.Dialer{}).DialContext(ctx, "unix", d.options.AgentSocket); err == nil {
			done = func() { _ = conn.Close() }
			if more, err := agent.NewClient(conn).Signers(); err == nil {
				keys = append(keys[:len(keys):len(keys)], more...)
			}
		}
	}
	if len(keys) > 0 {
		methods = append(methods, ssh.PublicKeys(keys...))
	}
	if password := d.options.Password; !password.IsZero() {
		methods = append(methods, ssh.Password(password.Reveal()), ssh.KeyboardInteractive(
			func(_, _ string, questions []string, echo []bool) ([]string, error) {
				answers := make([]string, len(questions))
				for i := range questions {
					if !echo[i] { // it asks for a secret
						answers[i] = password.Reveal()
					}
				}
				return answers, nil
			}))
	}
	return methods, done
}

// explain tells what a failed handshake means.
func (d *door) explain(err error) error {
	switch text := err.Error(); {
	case hasHint(err):
		return driver.Permanent(err)
	// The library has no error of its own for a refusal, and doesn't expect one (51) of some servers.
	case strings.Contains(text, "unable to authenticate"), strings.Contains(text, "unexpected message type 51"):
		hint := fmt.Sprintf("check the user %s and the key or the password", d.user)
		if len(d.keys) == 0 && d.options.Password.IsZero() && d.options.AgentSocket == "" {
			hint = "name a key with --ssh-options=-oIdentityFile=/path in BACKUP_DUPLICITY_OPTIONS, or set FTP_PASSWORD"
		}
		return fmt.Errorf("%w: %w", fs.ErrPermission, driver.WithHint(fmt.Errorf("log in as %s: %w", d.user, err), hint))
	case strings.Contains(text, "no common algorithm"):
		return driver.Permanent(driver.WithHint(err, "the server is too old or the algorithms in --ssh-options are none of its own"))
	}
	return err
}
