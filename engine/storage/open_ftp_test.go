package storage_test

import (
	"errors"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/purser-backup/purser/engine/storage"
	"github.com/purser-backup/purser/engine/storage/servertest"
	"github.com/purser-backup/purser/internal/secret"
)

// Each URL leads where it leads duplicity, whose objects are then seen.
func TestOpenFTP(t *testing.T) {
	s := servertest.ProFTPD(t, nil, false, "DefaultChdir /login")
	t.Setenv("FTP_PASSWORD", s.Password)
	o := storage.Options{Password: secret.New(s.Password), Retries: -1}
	for _, c := range []struct{ url, dir string }{
		{"ftp://USER@ADDR/rel/ative", "login/rel/ative"},
		{"ftp://USER@ADDR/slash/", "login/slash"},
		{"ftp://USER@ADDR/", ""}, // where rancher-backup's example leads
		{"ftp://USER:PASSWORD@ADDR/password", "login/password"},
		{"ftp://USER@ADDR//abs", "abs"},
		{"ftp://USER@ADDR/with%20blank", "login/with blank"},
		{"ftp://USER@ADDR/pl+us", "login/pl+us"},
	} {
		url := strings.NewReplacer("USER", s.User, "ADDR", s.Addr(), "PASSWORD", url.QueryEscape(s.Password)).Replace(c.url)
		url = strings.ReplaceAll(url, "p%40ss+w", "p%40ss%20w")
		// duplicity fails to make two folders at once on this server.
		for _, dir := range []string{"login", "login/rel", c.dir} {
			path := filepath.Join(s.Dir, dir)
			if err := errors.Join(os.MkdirAll(path, 0o755), os.Chown(path, s.UID, s.UID)); err != nil {
				t.Fatal(err)
			}
		}
		duplicity(t, url, t.TempDir())
		wantDuplicitys(t, url, o)
		store, err := storage.Open(t.Context(), url, o)
		if err != nil {
			t.Fatal(err)
		}
		if err := put(t.Context(), store, "object", "x"); err != nil {
			t.Errorf("%s: %v", url, err)
		}
		if _, err := os.Stat(filepath.Join(s.Dir, c.dir, "object")); err != nil {
			t.Errorf("%s: %v", url, err)
		}
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	}
}

// The schemes with TLS go no further without it.
func TestFTPSecurity(t *testing.T) {
	cert := servertest.NewCertificate(t)
	secured, plain := servertest.ProFTPD(t, cert, false), servertest.ProFTPD(t, nil, false)
	for _, scheme := range []string{"ftps", "ftpes"} {
		for _, c := range []struct {
			server *servertest.FTP
			ok     bool
		}{{secured, true}, {plain, false}} {
			store, err := storage.Open(t.Context(), scheme+"://"+c.server.User+"@"+c.server.Addr()+"/x", storage.Options{
				Password: secret.New(c.server.Password), TLS: storage.TLS{CAFile: cert.CertFile}, Retries: -1,
			})
			if err != nil {
				t.Fatal(err)
			}
			if err := put(t.Context(), store, "object", "x"); (err == nil) != c.ok {
				t.Errorf("%s: %v", scheme, err)
			}
			if err := store.Close(); err != nil {
				t.Error(err)
			}
		}
	}
}
