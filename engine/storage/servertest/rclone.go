package servertest

import (
	"fmt"
	"path/filepath"
	"testing"
)

// Rclone is one of the servers that rclone has in it.
type Rclone struct {
	*Server
	User, Password string
	KnownHosts     string // of sftp: a file that names the server
	Dir            string // what it serves
}

// RcloneServe starts the server of a kind: sftp or webdav.
func RcloneServe(t *testing.T, kind string) *Rclone {
	t.Helper()
	dir := t.TempDir()
	s := &Rclone{User: "joe", Password: "p@ss w/rd:%", KnownHosts: filepath.Join(dir, "known_hosts"), Dir: folder(t, dir, "data")}
	port := freePorts(t, 1)[0]
	args := []string{"serve", kind, s.Dir, "--addr", fmt.Sprintf("127.0.0.1:%d", port), "--config", "",
		"--cache-dir", filepath.Join(dir, "cache"), "--user", s.User}
	if kind == "sftp" {
		key := filepath.Join(dir, "host")
		run(t, "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key)
		write(t, s.KnownHosts, 0o644, "[127.0.0.1]:%d %s", port, read(t, key+".pub"))
		args = append(args, "--key", key)
	}
	s.Server = start(t, port, []string{"RCLONE_PASS=" + s.Password}, "rclone", args...)
	return s
}
