package rsync

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/purser-backup/purser/engine/storage/driver"
	"github.com/purser-backup/purser/engine/storage/internal/network"
	"github.com/purser-backup/purser/engine/storage/internal/program"
	"github.com/purser-backup/purser/internal/secret"
)

// Location is a folder of a server.
type Location struct {
	User     string        // empty: rsync's or SSH's own choice
	Password secret.String // of a daemon
	Host     string
	Port     int    // 0: the usual one
	Module   string // of a daemon; empty is for SSH
	Dir      string // below the module; over SSH absolute, or relative to where a login leads
}

// SSH says how the program ssh logs in.
type SSH struct {
	IdentityFiles []string
	OnlyIdentity  bool
	AgentSocket   string
	KnownHosts    []string
	Check         string // of the server's key, as StrictHostKeyChecking
	// Names of algorithms, as OpenSSH has them.
	Ciphers, MACs, KeyExchanges, HostKeyAlgorithms []string
}

// Options of a Backend.
type Options struct {
	Program program.Options
	SSH     SSH
	More    []string // options for rsync
	Limit   *network.Limit
	Now     func() time.Time // the clock by which leftovers are old
}

// Open makes a client of a folder. Nothing is run yet.
func Open(l Location, o Options) (*Backend, error) {
	const form = "write rsync://user@host/folder for SSH, rsync://user@host::module/folder for a daemon"
	switch {
	case l.Host == "":
		return nil, driver.Permanent(driver.WithHint(errors.New("the URL has no host"), form))
	case strings.HasPrefix(l.Host, "-"), strings.HasPrefix(l.User, "-"):
		return nil, driver.Permanent(driver.WithHint(errors.New("the user or the host begins with a dash"), form))
	}
	env := map[string]secret.String{}
	var files []string
	p := place{Location: l}
	if l.Module != "" {
		if !l.Password.IsZero() {
			env["RSYNC_PASSWORD"] = l.Password
		}
		p.dir = strings.Trim(path.Clean("/"+l.Dir), "/")
	} else {
		if o.SSH.AgentSocket != "" {
			env["SSH_AUTH_SOCK"] = secret.New(o.SSH.AgentSocket)
		}
		p.dir, p.shell = path.Clean(l.Dir), o.SSH.command(l.Port)
		files = o.SSH.files()
	}
	return &Backend{place: p, tool: program.NewTool("rsync", o.Program, env, files, o.Limit, o.Now), more: o.More}, nil
}

// place is a folder as rsync's command line has it.
type place struct {
	Location
	dir   string // cleaned; below the module, or "." and others of SSH
	shell string
}

// options are those of each call.
func (p place) options() []string {
	const timeout = "--timeout=120" // of silence, in seconds
	if p.Module != "" {
		args := []string{timeout, "--contimeout=30"}
		if p.Port != 0 {
			args = append(args, fmt.Sprintf("--port=%d", p.Port))
		}
		return args
	}
	args := []string{timeout, "--rsh=" + p.shell}
	// The shell on the other side would take a path apart. Where it can't, the
	// option is left out: restricted accounts may not know it.
	if strings.Trim(p.dir, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-/+,@") != "" {
		args = append(args, "--protect-args")
	}
	return args
}

// root is what the folder is below of: the module, the root, or the home.
func (p place) root() string {
	switch {
	case p.Module != "":
		return p.server() + "::" + p.Module + "/"
	case strings.HasPrefix(p.dir, "/"):
		return p.server() + ":/"
	}
	return p.server() + ":./"
}

// folder is the folder itself, with a slash at the end.
func (p place) folder() string {
	dir := strings.Trim(p.dir, "/")
	if dir == "" || dir == "." {
		return p.root()
	}
	return p.root() + dir + "/"
}

func (p place) server() string {
	host := p.Host
	if ip := net.ParseIP(host); ip != nil && ip.To4() == nil {
		host = "[" + host + "]"
	}
	if p.User == "" {
		return host
	}
	return p.User + "@" + host
}

// command is how rsync is to log in.
func (s SSH) command(port int) string {
	words := []string{"ssh", "-oBatchMode=yes", "-oConnectTimeout=30", "-oServerAliveInterval=30", "-oServerAliveCountMax=4"}
	if port != 0 {
		words = append(words, fmt.Sprintf("-oPort=%d", port))
	}
	for _, file := range s.IdentityFiles {
		words = append(words, "-oIdentityFile="+inConfig(file))
	}
	if s.OnlyIdentity {
		words = append(words, "-oIdentitiesOnly=yes")
	}
	if len(s.KnownHosts) > 0 {
		var files []string
		for _, file := range s.KnownHosts {
			files = append(files, inConfig(file))
		}
		words = append(words, "-oUserKnownHostsFile="+strings.Join(files, " "))
	}
	words = append(words, "-oStrictHostKeyChecking="+s.Check)
	for name, list := range map[string][]string{
		"Ciphers": s.Ciphers, "MACs": s.MACs, "KexAlgorithms": s.KeyExchanges, "HostKeyAlgorithms": s.HostKeyAlgorithms,
	} {
		if len(list) > 0 {
			words = append(words, "-o"+name+"="+strings.Join(list, ","))
		}
	}
	slices.Sort(words[1:])
	for i, w := range words {
		if strings.ContainsAny(w, " '\"") { // as rsync takes a command apart
			words[i] = "'" + strings.ReplaceAll(w, "'", "''") + "'"
		}
	}
	return strings.Join(words, " ")
}

// inConfig quotes a path as a value of ssh's configuration.
func inConfig(file string) string {
	if strings.Contains(file, " ") {
		return `"` + file + `"`
	}
	return file
}

func (s SSH) files() []string {
	files := slices.Concat(s.IdentityFiles, s.KnownHosts)
	return slices.DeleteFunc(files, func(f string) bool { return !filepath.IsAbs(f) })
}

// UsualFiles are the keys and the known_hosts of directories like ~/.ssh, as far
// as they are there.
func UsualFiles(dirs []string) (keys, knownHosts []string) {
	for _, dir := range dirs {
		for _, name := range []string{"id_ed25519", "id_ecdsa", "id_rsa"} {
			if path := filepath.Join(dir, name); isFile(path) {
				keys = append(keys, path)
			}
		}
		if path := filepath.Join(dir, "known_hosts"); isFile(path) {
			knownHosts = append(knownHosts, path)
		}
	}
	return keys, knownHosts
}

func isFile(path string) bool {
	st, err := os.Stat(path)
	return err == nil && st.Mode().IsRegular()
}
