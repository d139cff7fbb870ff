package servertest

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
)

// Rsync is a daemon of rsync with the modules "open", for all, "locked", for a
// user with a password, and "readonly".
type Rsync struct {
	*Server
	User, Password string
	Dir            string // of each module below its name
}

// RsyncD starts one.
func RsyncD(t *testing.T) *Rsync {
	t.Helper()
	dir := t.TempDir()
	s := &Rsync{User: "joe", Password: "p@ss w/rd:%", Dir: folder(t, dir, "data")}
	port := freePorts(t, 1)[0]
	passwords := write(t, filepath.Join(dir, "secrets"), 0o600, "%s:%s\n", s.User, s.Password)
	var modules strings.Builder
	for name, lines := range map[string]string{
		"open": "read only = false", "readonly": "read only = true",
		"locked":   "read only = false\nauth users = " + s.User + "\nsecrets file = " + passwords,
		"faraway":  "read only = false\nhosts deny = *",
		"nodelete": "read only = false\nrefuse options = delete",
	} {
		fmt.Fprintf(&modules, "[%s]\npath = %s\n%s\n", name, folder(t, s.Dir, name), lines)
	}
	config := write(t, filepath.Join(dir, "rsyncd.conf"), 0o644, "address = 127.0.0.1\nport = %d\nuse chroot = no\nuid = root\ngid = root\nlog file = /dev/stderr\n%s",
		port, modules.String())
	s.Server = start(t, port, nil, "rsync", "--daemon", "--no-detach", "--config="+config)
	return s
}
