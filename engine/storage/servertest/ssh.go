package servertest

import (
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strings"
	"testing"
)

// SSH is an OpenSSH server that takes the user who runs the test, with a key.
type SSH struct {
	*Server
	Login
	User       string
	KeyFile    string // lets in
	LockedFile string // so does this one, with the passphrase "open sesame"
	KnownHosts string // a file that names the server
	Dir        string // an empty directory, for whatever
}

// SSHD starts one. Lines are added to its configuration.
func SSHD(t *testing.T, lines ...string) *SSH {
	t.Helper()
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	s := &SSH{KeyFile: filepath.Join(dir, "key"), LockedFile: filepath.Join(dir, "locked"), KnownHosts: filepath.Join(dir, "known_hosts"), Dir: folder(t, dir, "data")}
	u, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	s.User = u.Username
	var public []string
	for file, passphrase := range map[string]string{s.KeyFile: "", s.LockedFile: "open sesame", filepath.Join(dir, "host"): ""} {
		run(t, "ssh-keygen", "-q", "-t", "ed25519", "-N", passphrase, "-f", file)
		if file != filepath.Join(dir, "host") {
			public = append(public, read(t, file+".pub"))
		}
	}
	run(t, "ssh-keygen", "-q", "-t", "rsa", "-b", "2048", "-N", "", "-f", filepath.Join(dir, "rsa"))
	authorized := write(t, filepath.Join(dir, "authorized_keys"), 0o644, "%s", strings.Join(public, ""))
	s.Login.file = authorized
	folder(t, "/run/sshd") // sshd wants it, whatever its configuration says
	port := freePorts(t, 1)[0]
	config := write(t, filepath.Join(dir, "sshd_config"), 0o644, "%s", fmt.Sprintf(`Port %d
ListenAddress 127.0.0.1
HostKey %s/host
HostKey %s/rsa
PidFile none
AuthorizedKeysFile %s
StrictModes no
UsePAM no
PermitRootLogin yes
Subsystem sftp internal-sftp
MaxStartups 100
%s
`, port, dir, dir, authorized, strings.Join(lines, "\n")))
	s.Server = start(t, port, nil, "sshd", "-D", "-e", "-f", config)
	write(t, s.KnownHosts, 0o644, "[127.0.0.1]:%d %s", port, read(t, filepath.Join(dir, "host.pub")))
	return s
}

// Restart starts a server that was stopped, as it was.
func (s *SSH) Restart(t *testing.T) {
	t.Helper()
	s.Server = start(t, s.Port, nil, "sshd", "-D", "-e", "-f", filepath.Join(filepath.Dir(s.KnownHosts), "sshd_config"))
}

// NewUser makes a user of the machine for the test, with a password and a home.
func NewUser(t *testing.T, password string) (name, home string) {
	t.Helper()
	name = fmt.Sprintf("pt%d", os.Getpid())
	home = openDir(t)
	hash := strings.TrimSpace(run(t, "openssl", "passwd", "-6", password))
	run(t, "useradd", "--no-create-home", "--home-dir", home, "--shell", "/bin/sh", "--password", hash, name)
	t.Cleanup(func() { run(t, "userdel", "--force", name) }) // a session of his may just be ending
	run(t, "chown", name, home)
	return name, home
}

// openDir makes a directory that other users reach: the tests' own may be hidden.
func openDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/var/tmp", "purser-test-")
	if err == nil {
		err = os.Chmod(dir, 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}

func run(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := exec.Command(program(t, name), args...).Output()
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return string(out)
}

func read(t *testing.T, path string) string {
	t.Helper()
	p, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(p)
}

// Agent starts an agent that holds a key, and gives its socket.
func Agent(t *testing.T, key string) string {
	t.Helper()
	socket := filepath.Join(t.TempDir(), "agent")
	cmd := exec.Command(program(t, "ssh-agent"), "-D", "-a", socket)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // killed
	})
	eventually(t, "for the agent", func() bool {
		add := exec.Command(program(t, "ssh-add"), "-q", key)
		add.Env = []string{"SSH_AUTH_SOCK=" + socket}
		return add.Run() == nil
	})
	return socket
}
