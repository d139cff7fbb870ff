package servertest

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// FTP is a server of FTP with one user, whose home is Dir.
type FTP struct {
	*Server
	Login
	User, Password string
	Dir            string
	UID            int // of the owner of its files
}

// ProFTPD starts one. With a certificate it offers TLS, or begins with it if
// implicit is set. Lines are added to its configuration.
func ProFTPD(t *testing.T, cert *Certificate, implicit bool, lines ...string) *FTP {
	t.Helper()
	dir := openDir(t)
	s := &FTP{User: "joe", Password: "p@ss w/rd:%", Dir: folder(t, dir, "home"), UID: 65534}
	if err := os.Chown(s.Dir, s.UID, s.UID); err != nil {
		t.Fatal(err)
	}
	hash := strings.TrimSpace(run(t, "openssl", "passwd", "-6", s.Password))
	users := write(t, filepath.Join(dir, "users"), 0o600, "%s:%s:65534:65534::%s:/bin/false\n", s.User, hash, s.Dir)
	s.Login.file = users
	if cert != nil {
		options := ""
		if implicit {
			options = "TLSOptions UseImplicitSSL\n"
		}
		lines = append(lines, fmt.Sprintf("LoadModule mod_tls.c\nTLSEngine on\nTLSRequired on\n%sTLSECCertificateFile %s\nTLSECCertificateKeyFile %s\nTLSLog %s/tls.log",
			options, cert.CertFile, cert.KeyFile, dir))
	}
	port := freePorts(t, 1)[0]
	config := write(t, filepath.Join(dir, "proftpd.conf"), 0o644, "%s", fmt.Sprintf(`ServerName test
ServerType standalone
DefaultAddress 127.0.0.1
Port %d
UseIPv6 off
UseReverseDNS off
User nobody
Group nogroup
AuthUserFile %s
AuthOrder mod_auth_file.c
RequireValidShell off
PidFile %s/pid
ScoreboardFile %s/score
DelayEngine off
DefaultRoot ~
AllowOverwrite on
MaxInstances 60
%s
`, port, users, dir, dir, strings.Join(lines, "\n")))
	s.Server = start(t, port, nil, "proftpd", "--nodaemon", "--config", config)
	return s
}

// VSFTPD starts one for anonymous users, who may do everything in the folder pub of
// their home. It lists files in the way that is made for people to read.
func VSFTPD(t *testing.T) *FTP {
	t.Helper()
	dir := openDir(t)
	s := &FTP{Dir: folder(t, dir, "home")}
	// daemon is the one user of every Debian who has few rights and a home.
	s.UID = 1
	if err := os.Chown(folder(t, s.Dir, "pub"), s.UID, s.UID); err != nil {
		t.Fatal(err)
	}
	port := freePorts(t, 1)[0]
	config := write(t, filepath.Join(dir, "vsftpd.conf"), 0o600, "%s", fmt.Sprintf(`listen=YES
background=NO
listen_address=127.0.0.1
listen_port=%d
anonymous_enable=YES
local_enable=NO
write_enable=YES
anon_upload_enable=YES
anon_mkdir_write_enable=YES
anon_other_write_enable=YES
anon_world_readable_only=NO
no_anon_password=YES
anon_root=%s
ftp_username=daemon
nopriv_user=nobody
force_dot_files=YES
seccomp_sandbox=NO
secure_chroot_dir=%s
use_localtime=NO
`, port, s.Dir, folder(t, dir, "empty")))
	s.Server = start(t, port, nil, "vsftpd", config)
	return s
}
