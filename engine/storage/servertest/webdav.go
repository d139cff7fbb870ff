package servertest

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// WebDAV is a server with one user. Its collection / is Dir.
type WebDAV struct {
	*Server
	Login
	User, Password string
	Dir            string
	UID, GID       int // of the owner of its files
}

// Apache starts one that asks for the password by Basic, or by Digest. With a
// certificate it speaks TLS. /locked is for nobody, /elsewhere leads to
// /there/, and /static is not WebDAV.
func Apache(t *testing.T, cert *Certificate, digest bool) *WebDAV {
	t.Helper()
	dir := openDir(t)
	s := &WebDAV{User: "joe", Password: "p@ss w/rd:%", Dir: folder(t, dir, "data"), UID: 33, GID: 33} // www-data
	for _, path := range []string{s.Dir, folder(t, dir, "locks")} {
		if err := os.Chown(path, s.UID, s.GID); err != nil {
			t.Fatal(err)
		}
	}
	folder(t, s.Dir, "locked")
	folder(t, dir, "static")
	kind, password := "Basic", write(t, filepath.Join(dir, "basic"), 0o644, "%s:%s\n", s.User, strings.TrimSpace(run(t, "openssl", "passwd", "-apr1", s.Password)))
	if digest {
		kind = "Digest"
		sum := run(t, "sh", "-c", `printf %s "$1" | md5sum | cut -c1-32`, "sh", s.User+":test:"+s.Password)
		password = write(t, filepath.Join(dir, "digest"), 0o644, "%s:test:%s", s.User, sum)
	}
	s.Login.file = password
	tls := ""
	if cert != nil {
		tls = fmt.Sprintf("LoadModule ssl_module /usr/lib/apache2/modules/mod_ssl.so\nSSLEngine on\nSSLCertificateFile %s\nSSLCertificateKeyFile %s\n", cert.CertFile, cert.KeyFile)
	}
	port := freePorts(t, 1)[0]
	const modules = "/usr/lib/apache2/modules/mod_"
	var load []string
	for _, m := range []string{"mpm_event", "authn_core", "authn_file", "authz_core", "authz_user", "auth_basic", "auth_digest", "alias", "dir", "dav", "dav_fs"} {
		load = append(load, "LoadModule "+m+"_module "+modules+m+".so")
	}
	config := write(t, filepath.Join(dir, "apache.conf"), 0o644, "%s", strings.NewReplacer(
		"PORT", fmt.Sprint(port), "ROOT", dir, "LOAD", strings.Join(load, "\n"), "TLS", tls, "KIND", kind, "PASSWORDS", password,
	).Replace(`LOAD
ServerRoot ROOT
PidFile ROOT/pid
Mutex file:ROOT/locks default
Listen 127.0.0.1:PORT
ServerName 127.0.0.1
User www-data
Group www-data
ErrorLog /dev/stderr
TLSDavLockDB ROOT/locks/db
DocumentRoot ROOT/data
AllowEncodedSlashes NoDecode
Redirect permanent /elsewhere /there
<Directory ROOT/data>
Dav On
AuthType KIND
AuthName test
AuthUserFile PASSWORDS
Require valid-user
</Directory>
<Directory ROOT/data/locked>
Require all denied
</Directory>
Alias /static ROOT/static
<Directory ROOT/static>
Require all granted
</Directory>
`))
	s.Server = start(t, port, nil, "apache2", "-d", dir, "-f", config, "-DFOREGROUND")
	return s
}

// Nginx starts one that asks for the password by Basic. It doesn't list names
// that begin with a dot.
func Nginx(t *testing.T, cert *Certificate) *WebDAV {
	t.Helper()
	dir := openDir(t)
	s := &WebDAV{User: "joe", Password: "p@ss w/rd:%", Dir: folder(t, dir, "data"), UID: 33, GID: 33} // www-data
	for _, path := range []string{s.Dir, folder(t, dir, "tmp")} {
		if err := os.Chown(path, s.UID, s.GID); err != nil {
			t.Fatal(err)
		}
	}
	password := write(t, filepath.Join(dir, "basic"), 0o644, "%s:%s\n", s.User, strings.TrimSpace(run(t, "openssl", "passwd", "-apr1", s.Password)))
	tls, listen := "", ""
	if cert != nil {
		listen, tls = " ssl", fmt.Sprintf("ssl_certificate %s; ssl_certificate_key %s;", cert.CertFile, cert.KeyFile)
	}
	port := freePorts(t, 1)[0]
	config := write(t, filepath.Join(dir, "nginx.conf"), 0o644, "%s", strings.NewReplacer(
		"PORT", fmt.Sprint(port), "ROOT", dir, "LISTEN", listen, "TLS", tls, "PASSWORDS", password,
	).Replace(`load_module /usr/lib/nginx/modules/ngx_http_dav_ext_module.so;
daemon off;
user www-data;
pid ROOT/pid;
error_log stderr;
events { worker_connections 256; }
http {
access_log off;
client_body_temp_path ROOT/tmp; proxy_temp_path ROOT/tmp/p; fastcgi_temp_path ROOT/tmp/f; uwsgi_temp_path ROOT/tmp/u; scgi_temp_path ROOT/tmp/s;
server {
listen 127.0.0.1:PORTLISTEN; TLS
client_max_body_size 0;
root ROOT/data;
dav_methods PUT DELETE MKCOL COPY MOVE;
dav_ext_methods PROPFIND OPTIONS;
auth_basic test;
auth_basic_user_file PASSWORDS;
}
}
`))
	s.Server = start(t, port, nil, "nginx", "-c", config, "-e", "stderr")
	return s
}
