package storage_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/purser-backup/purser/engine/storage"
	"github.com/purser-backup/purser/internal/hint"
)

// Each URL leads where it leads duplicity, whose objects are then seen.
func TestOpenFile(t *testing.T) {
	for i, c := range []struct{ url, path string }{
		{"file://DIR/abs", "abs"},
		{"file:DIR/one", "one"},
		{"FILE://DIR/upper", "upper"},
		{"file://DIR/slash/", "slash"},
		{"file://DIR/x%20y", "x y"},
		{"file://DIR/pct%zz", "pct%zz"},
		{"file://DIR/end%2", "end%2"},
		{"file://DIR/q%3Fa%23b", "q?a#b"},
		{"file://DIR/ü", "ü"},
		{"file://DIR/a/b/c", "a/b/c"},
		{"file://rel/sub", "rel/sub"},
		{"file://rel", "rel"},
	} {
		t.Run(strconv.Itoa(i), func(t *testing.T) {
			dir := t.TempDir()
			t.Chdir(dir)
			url := strings.ReplaceAll(c.url, "DIR", dir)
			archive := filepath.Join(dir, "archive")
			duplicity(t, url, archive)
			s, err := storage.Open(t.Context(), url, storage.Options{})
			if err != nil {
				t.Fatal(err)
			}
			if list, err := s.List(t.Context(), "duplicity-full"); err != nil || len(list) != 3 {
				t.Errorf("%s: duplicity's objects: %v, %v", c.url, list, err)
			}
			if err := s.Put(t.Context(), "object", bytes.NewReader([]byte("x")), 1); err != nil {
				t.Fatal(err)
			}
			if _, err := os.Stat(filepath.Join(dir, c.path, "object")); err != nil {
				t.Errorf("%s: %v", c.url, err)
			}
			// duplicity names its archive directory by the URL, too.
			if _, err := os.Stat(filepath.Join(archive, s.ID())); err != nil || s.URL() != url {
				t.Errorf("%s: URL %s, archive directory: %v", c.url, s.URL(), err)
			}
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

// duplicity makes a full backup of an empty folder.
func duplicity(t *testing.T, url, archive string, options ...string) {
	t.Helper()
	args := append([]string{"full", "--no-encryption", "--num-retries", "1", "--archive-dir", archive, t.TempDir(), url}, options...)
	cmd := exec.CommandContext(t.Context(), "duplicity", args...)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("duplicity to %s: %v\n%s", storage.Redact(url), err, out)
	}
}

func TestOpenRefuses(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	const supported = "file:///path"
	for _, c := range []struct{ url, msg, hint string }{
		{"", "not a URL", supported},
		{"/backup", "not a URL", supported},
		{"backup", "not a URL", supported},
		{"://x", "not a URL", supported},
		{"C D://x", "not a URL", supported},
		{"gopher://host/x", `unknown kind of target "gopher"`, supported},
		{"s3://bucket.with.dots", "either a host without a bucket", "boto3+s3://bucket.with.dots/prefix"},
		{"s3://host:9000/", "either a host without a bucket", "s3://host/bucket"},
		{"s3://id:secret@host/bucket", "has a user", "AWS_ACCESS_KEY_ID"},
		{"boto3+s3://id:secret@bucket", "has a user", "AWS_ACCESS_KEY_ID"},
		{"boto3+s3://", "no bucket", "boto3+s3://bucket"},
		{"s3://b/x", `bucket "b"`, "bucket/prefix"},
		{"SFTP://joe:secret@", "no host", "SCHEME://user@host"},
		{"sftp:/joe:secret@host/x", "two slashes", "SCHEME://user@host"},
		{"sftp://joe:secret@host:port/x", "not a number", "SCHEME://user@host"},
		{"sftp://joe:secret@host:0/x", "not a number", "SCHEME://user@host"},
		{"sftp://joe:secret@ho st/x", "no host has", "SCHEME://user@host"},
		{"sftp://joe:sec?ret@a:b:c/x", "can't be told apart", "%40 for @"},
		{"sftp://joe:secret@host/a?b", "? or #", "%3F"},
		{"sftp://host/a%00", "NUL", "SCHEME://user@host"},
		{"rsync:/joe:secret@host/x", "two slashes", "SCHEME://"},
		{"rsync://joe:secret@host::", "no module", "::module/folder"},
		{"rsync://joe:secret@host::m/a?b", "a ?", "%3F"},
		{"rsync://-oProxyCommand=x/y", "begins with a dash", "rsync://user@host"},
		{"rclone://remote/x", "no remote", "rclone://remote:path"},
		{"rclone://-x:/y", "no remote's name", "rclone://remote:path"},
		{"rclone:remote:x", "two slashes", "rclone://remote:path"},
		{"multi:///x", `"multi" are not supported yet`, supported},
		{"joe:secret@host", "unknown kind", supported},
		{"joe@host:x", "not a URL", supported},
		{"file://", "no path", supported},
		{"file:", "no path", supported},
		{"file:////x", "four slashes", "file:///path"},
		{"file:///x?y", "? or #", "%3F"},
		{"file:///x#y", "? or #", "%23"},
		{"file:///x%00y", "NUL", "%00"},
		{"file://" + file, "not a directory", "must be a folder"},
		{"file://" + file + "/below", "not a directory", "must be a folder"},
	} {
		_, err := storage.Open(t.Context(), c.url, storage.Options{})
		if err == nil {
			t.Errorf("%q: no error", c.url)
			continue
		}
		if !strings.Contains(err.Error(), c.msg) || !strings.Contains(hint.Text(err), c.hint) {
			t.Errorf("%q: error %q, hint %q, want %q and %q", c.url, err, hint.Text(err), c.msg, c.hint)
		}
		if text := err.Error() + hint.Text(err); strings.Contains(text, "secret") {
			t.Errorf("%q: the password is in %q", c.url, text)
		}
	}
}

func TestRedact(t *testing.T) {
	for in, want := range map[string]string{
		"":                               "",
		"file:///backup":                 "file:///backup",
		"file:///back:up@x":              "file:///back:up@x",
		"ftp://host/x":                   "ftp://host/x",
		"ftp://joe@host/x":               "ftp://joe@host/x",
		"ftp://joe:pw@host:21/x":         "ftp://joe:xxxxx@host:21/x",
		"ftp://joe:@host/x":              "ftp://joe:xxxxx@host/x",
		"ftp://joe:p:w@host/x":           "ftp://joe:xxxxx@host/x",
		"ftp://joe:p@w@host/x":           "ftp://joe:xxxxx@host/x",
		"ftp://joe:p/w@host/x":           "ftp://joe:xxxxx@host/x",
		"ftp://joe:p%2Fw@host":           "ftp://joe:xxxxx@host",
		"sftp://joe:pw@host//abs/mail@x": "sftp://joe:xxxxx@host//abs/mail@x",
		"rsync://joe:pw@host::module/x":  "rsync://joe:xxxxx@host::module/x",
		"webdavs://u:p w?#@h/x":          "webdavs://u:xxxxx@h/x",
		"joe:pw@host/x":                  "xxxxx@host/x",
		"/backup":                        "/backup",
		"s3://host:9000/bucket/prefix":   "s3://host:9000/bucket/prefix",
	} {
		if got := storage.Redact(in); got != want {
			t.Errorf("Redact(%q) = %q, want %q", in, got, want)
		}
	}
}
