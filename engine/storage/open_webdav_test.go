package storage_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/purser-backup/purser/engine/storage"
	"github.com/purser-backup/purser/engine/storage/servertest"
	"github.com/purser-backup/purser/internal/secret"
)

// Each URL leads where it leads duplicity, whose objects are then seen.
func TestOpenWebDAV(t *testing.T) {
	cert := servertest.NewCertificate(t)
	servers := map[string]*servertest.WebDAV{
		"webdav": servertest.Apache(t, nil, false), "digest": servertest.Apache(t, nil, true), "webdavs": servertest.Apache(t, cert, false),
	}
	for _, c := range []struct{ server, url, dir string }{
		{"webdav", "webdav://USER@ADDR/folder", "folder"},
		{"webdav", "webdav://USER@ADDR/slash/", "slash"},
		{"webdav", "webdav://USER@ADDR//two//more/", "two/more"},
		{"webdav", "webdav://USER:PASSWORD@ADDR/password", "password"},
		{"webdav", "webdav://USER@ADDR/with%20blank", "with blank"},
		{"webdav", "webdav://USER@ADDR/", ""},
		{"digest", "webdav://USER@ADDR/folder", "folder"},
		{"webdavs", "webdavs://USER@ADDR/folder/", "folder"},
	} {
		s := servers[c.server]
		t.Setenv("FTP_PASSWORD", s.Password)
		url := strings.NewReplacer("USER", s.User, "ADDR", s.Addr(), "PASSWORD", "p%40ss%20w%2Frd%3A%25").Replace(c.url)
		o := storage.Options{Password: secret.New(s.Password), TLS: storage.TLS{CAFile: cert.CertFile}, Retries: -1}
		if c.server != "digest" { // which duplicity answers in a way that Apache doesn't take
			duplicity(t, url, t.TempDir(), "--ssl-cacert-file", cert.CertFile)
			wantDuplicitys(t, url, o)
		}
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
