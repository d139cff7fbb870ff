package sftp

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"slices"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"

	"github.com/purser-backup/purser/engine/storage/driver"
)

// hosts are the servers whose keys are known.
type hosts struct {
	file   string // where a new one is put
	lookup ssh.HostKeyCallback
	accept Check
}

// knownHosts reads the files. Of the usual ones those are left out that are not
// there, and all are if every key will do.
func (o Options) knownHosts() (*hosts, error) {
	files := o.KnownHosts
	if len(files) == 0 {
		for _, dir := range o.Dirs {
			files = append(files, filepath.Join(dir, "known_hosts"))
		}
		files = append(files, "/etc/ssh/ssh_known_hosts")
	}
	h := &hosts{file: files[0], accept: o.HostKeys}
	files = slices.DeleteFunc(slices.Clone(files), func(file string) bool {
		_, err := os.Stat(file)
		return errors.Is(err, fs.ErrNotExist)
	})
	if o.HostKeys == Any {
		files = nil
	}
	lookup, err := knownhosts.New(files...)
	if err != nil {
		return nil, driver.Permanent(driver.WithHint(fmt.Errorf("read the known hosts: %w", err), "mend the file of known hosts, or name another with --ssh-options=-oUserKnownHostsFile=/path"))
	}
	h.lookup = lookup
	return h, nil
}

// check is an ssh.HostKeyCallback.
func (h *hosts) check(address string, remote net.Addr, key ssh.PublicKey) error {
	err := h.lookup(address, remote, key)
	var unknown *knownhosts.KeyError
	switch {
	case err == nil, h.accept == Any:
		return nil
	case !errors.As(err, &unknown):
		return driver.WithHint(err, "the server's key was revoked; find out why before you go on")
	case len(unknown.Want) > 0:
		want := unknown.Want[0]
		return driver.WithHint(fmt.Errorf("the server has another key than the one known: %s", ssh.FingerprintSHA256(key)), fmt.Sprintf(
			"somebody may be in between; if the server's key was changed on purpose, remove line %d of %s and add the new one", want.Line, want.Filename))
	case h.accept == New:
		return h.learn(address, key)
	}
	host, port, splitErr := net.SplitHostPort(address)
	if splitErr != nil {
		return splitErr
	}
	return driver.WithHint(fmt.Errorf("the server's key is not known: %s %s", key.Type(), ssh.FingerprintSHA256(key)), fmt.Sprintf(
		"compare this fingerprint with the server's own, then: ssh-keyscan -p %s %s >>%s", port, host, h.file))
}

// learn adds a key to the file.
func (h *hosts) learn(address string, key ssh.PublicKey) (err error) {
	f, err := os.OpenFile(h.file, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	if err == nil {
		_, err = fmt.Fprintln(f, knownhosts.Line([]string{knownhosts.Normalize(address)}, key))
		err = errors.Join(err, f.Close())
	}
	if err != nil {
		return driver.WithHint(fmt.Errorf("keep the server's key: %w", err), "name a file that purser can write with --ssh-options=-oUserKnownHostsFile=/path")
	}
	return nil
}

// algorithms are those of the keys that are known of a server: it would else
// show another of its keys, which is not known. nil is any.
func (h *hosts) algorithms(address string, remote net.Addr) (list []string) {
	var known *knownhosts.KeyError
	if !errors.As(h.lookup(address, remote, nobody{}), &known) {
		return nil
	}
	for _, k := range known.Want {
		kind := k.Key.Type()
		if kind == ssh.KeyAlgoRSA {
			list = append(list, ssh.KeyAlgoRSASHA512, ssh.KeyAlgoRSASHA256)
		}
		list = append(list, kind)
	}
	return list
}

// nobody is a key that no server has.
type nobody struct{}

func (nobody) Type() string                        { return "nobody" }
func (nobody) Marshal() []byte                     { return []byte("nobody") }
func (nobody) Verify([]byte, *ssh.Signature) error { return errors.New("nobody's signature") }
