package main_test

import (
	"encoding/json"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"github.com/purser-backup/purser/engine/storage/servertest"
)

// site is a place for backups on a real server, as a user tells of it.
type site struct {
	url, path string   // the path is put behind the URL
	options   string   // the same for both programs
	env       []string // likewise
	// witness is duplicity's URL with its options, where it has another way
	// there: the library for its s3://host is no more.
	witness string
}

// sites starts a server of each kind.
func sites(t *testing.T, home string) map[string]site {
	t.Helper()
	cert := servertest.NewCertificate(t)
	trust := "--ssl-cacert-file=" + cert.CertFile
	ftp, dav := servertest.ProFTPD(t, cert, false), servertest.Apache(t, cert, false)
	plainFTP, plainDAV := servertest.ProFTPD(t, nil, false), servertest.Apache(t, nil, false)
	ssh, daemon := servertest.SSHD(t), servertest.RsyncD(t)
	known := filepath.Join(home, ".ssh/known_hosts") // where duplicity looks for it
	write(t, known, readFile(t, ssh.KnownHosts), 0o600)
	key := "--ssh-options='-oIdentityFile=" + ssh.KeyFile + " -oUserKnownHostsFile=" + known + "'"
	versity := bucketServer(t, servertest.VersityGW)
	const endpoint = "--s3-region-name us-east-1 --s3-endpoint-url http://"
	return map[string]site{
		"s3 at an endpoint": {"boto3+s3://backups/deep", "/er", endpoint + bucketServer(t, servertest.MinIO).Addr(), awsKeys(), ""},
		"s3 by host":        {"s3://" + versity.Addr() + "/backups", "/", "--s3-unencrypted-connection", awsKeys(), endpoint + versity.Addr() + " boto3+s3://backups"},
		"sftp":              {"sftp://" + ssh.User + "@" + ssh.Addr() + "/", ssh.Dir + "/sftp", key, nil, ""},
		"rsync":             {"rsync://" + daemon.Addr() + "::open", "/", "", nil, ""},
		"rsync over ssh":    {"rsync://" + ssh.User + "@" + ssh.Addr() + "/", folder(t, ssh.Dir, "rsync"), key, nil, ""},
		"rclone":            {"rclone://LOC:/", t.TempDir() + "/folder", "", []string{"RCLONE_CONFIG_LOC_TYPE=local"}, ""},
		"scp":               {"scp://" + ssh.User + "@" + ssh.Addr(), "/" + ssh.Dir + "/scp/", key, nil, ""},
		"ftp":               {"ftp://" + plainFTP.User + "@" + plainFTP.Addr(), "/folder", "", []string{"FTP_PASSWORD=" + plainFTP.Password}, ""},
		"ftps":              {"ftpes://" + ftp.User + "@" + ftp.Addr() + "/folder", "/", trust, []string{"FTP_PASSWORD=" + ftp.Password}, ""},
		"webdav":            {"webdav://" + plainDAV.User + "@" + plainDAV.Addr(), "/folder", "", []string{"FTP_PASSWORD=" + plainDAV.Password}, ""},
		"webdavs":           {"webdavs://" + dav.User + "@" + dav.Addr(), "/two/folders/", trust, []string{"FTP_PASSWORD=" + dav.Password}, ""},
	}
}

// folder makes a directory, which duplicity doesn't over rsync.
func folder(t *testing.T, parts ...string) string {
	t.Helper()
	path := filepath.Join(parts...)
	if err := os.MkdirAll(path, 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

func awsKeys() []string {
	return []string{"AWS_ACCESS_KEY_ID=" + servertest.AccessKey, "AWS_SECRET_ACCESS_KEY=" + servertest.SecretKey}
}

func bucketServer(t *testing.T, start func(*testing.T, *servertest.Certificate) *servertest.S3) *servertest.S3 {
	t.Helper()
	s := start(t, nil)
	admin, err := minio.New(s.Addr(), &minio.Options{Creds: credentials.NewStaticV4(servertest.AccessKey, servertest.SecretKey, "")})
	if err == nil {
		err = admin.MakeBucket(t.Context(), "backups", minio.MakeBucketOptions{})
	}
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// at makes both programs use a site.
func (w *twins) at(t *testing.T, s site) *twins {
	w = w.in(t)
	state := filepath.Join(t.TempDir(), "state")
	w.real.env = slices.Concat(w.real.env, s.env)
	w.ours.env = slices.Concat(w.ours.env, s.env, []string{
		"BACKUP_DUPLICITY_URL=" + s.url, "BACKUP_DUPLICITY_TARGET_PATH=" + s.path,
		"BACKUP_DUPLICITY_OPTIONS=--num-retries 1 " + s.options,
		"BACKUP_DUPLICITY_SOURCE_PATH=" + filepath.Join(w.root, "source"), "BACKUP_ARCHIVE_DIR=" + state,
		"BACKUP_DUPLICITY_REMOVE_ALL_BUT_N_FULL=1", "BACKUP_DUPLICITY_VOLSIZE=1",
	})
	return w
}

// The whole life of a backup on each kind of target, with duplicity as witness.
func TestTargets(t *testing.T) {
	w := newTwins(t, "PASSPHRASE="+passphrase)
	for name, s := range sites(t, filepath.Join(w.real.dir, "home")) {
		t.Run(name, func(t *testing.T) {
			w := w.at(t, s)
			w.fresh(t)
			step := 0
			next := func(command string) {
				w.grow("source", step)
				step++
				w.ours.must(command)
			}
			next("purser backup")
			next("purser backup")
			wantChains(t, w, 2)
			want := snapshot(t, filepath.Join(w.root, "source"))
			dir := t.TempDir()
			w.ours.must("purser restore " + dir + "/ours")
			wantSame(t, "purser's restore", want, snapshot(t, dir+"/ours"))
			w.real.must("duplicity restore --num-retries 1 --archive-dir " + dir + "/cache " + s.forDuplicity() + " " + dir + "/real")
			wantSame(t, "duplicity's restore", want, snapshot(t, dir+"/real"))
			next("purser backup --full")
			wantChains(t, w, 2, 1)
			w.ours.must("purser prune --execute")
			wantChains(t, w, 1)
			w.ours.must("purser verify --data")
			wantGoodTarget(t, w)
		})
	}
}

// wantGoodTarget checks that purser doctor finds nothing, and leaves nothing.
func wantGoodTarget(t *testing.T, w *twins) {
	t.Helper()
	var report struct {
		Checks []struct {
			Name    string
			OK      bool
			Objects int
		}
	}
	for range 2 { // a second time by what the first has left
		if err := json.Unmarshal([]byte(w.ours.must("purser doctor --output json")), &report); err != nil {
			t.Fatal(err)
		}
		for _, c := range report.Checks {
			if !c.OK || c.Name == "list" && c.Objects != 3 { // volume, signatures, manifest
				t.Errorf("doctor: %+v", c)
			}
		}
		if len(report.Checks) != 8 {
			t.Errorf("doctor: %+v", report)
		}
	}
}

// forDuplicity are its URL, as rancher-backup gave it, and its options.
func (s site) forDuplicity() string {
	if s.witness != "" {
		return s.witness
	}
	return s.options + " " + s.url + s.path
}

// fresh empties the source.
func (w *twins) fresh(t *testing.T) {
	t.Helper()
	if err := os.RemoveAll(filepath.Join(w.root, "source")); err != nil {
		t.Fatal(err)
	}
}

// wantChains checks how many sets each chain has, and that nothing else is there.
func wantChains(t *testing.T, w *twins, want ...int) {
	t.Helper()
	var c collection
	if err := json.Unmarshal([]byte(w.ours.must("purser sets --output json")), &c); err != nil {
		t.Fatal(err)
	}
	var got []int
	for _, chain := range c.Chains {
		got = append(got, len(chain.Sets))
	}
	if !slices.Equal(got, want) || len(c.Incomplete)+len(c.Orphans) != 0 {
		t.Errorf("chains of %v sets, want %v: %+v", got, want, c)
	}
}

// What a user gets wrong ends in one error line and a hint, without a secret.
func TestTargetsBadInput(t *testing.T) {
	w := newTwins(t, "PASSPHRASE="+passphrase)
	all := sites(t, filepath.Join(w.real.dir, "home"))
	w.grow("source", 0)
	const wrong = "a-wrong-secret"
	host := func(s site) site {
		at := strings.Index(s.url, "127.0.0.1")
		s.url = s.url[:at] + strings.Replace(s.url[at:], "127.0.0.1", "no-such-host.invalid", 1)
		return s
	}
	env := func(s site, env ...string) site { s.env = slices.Concat(s.env, env); return s }
	options := func(s site, options string) site { s.options = options; return s }
	url := func(s site, from, to string) site { s.url = strings.Replace(s.url, from, to, 1); return s }
	s3, ssh, ftp, dav := all["s3 by host"], all["sftp"], all["ftps"], all["webdavs"]
	for name, c := range map[string]struct {
		site site
		code int
		hint string
	}{
		"s3 bucket":               {url(s3, "/backups", "/none"), 1, "create the bucket none"},
		"s3 secret":               {env(s3, "AWS_SECRET_ACCESS_KEY="+wrong), 1, "AWS_SECRET_ACCESS_KEY"},
		"s3 region":               {env(s3, "AWS_REGION=eu-west-1"), 1, "AWS_REGION"},
		"s3 host":                 {host(s3), 1, "host name"},
		"s3 no TLS there":         {options(s3, ""), 1, "does not speak TLS"},
		"s3 half a URL":           {site{url: "s3://bucket.name"}, 2, "boto3+s3://"},
		"sftp host":               {host(ssh), 1, "host name"},
		"sftp host key":           {options(ssh, strings.Replace(ssh.options, "known_hosts", "unknown_hosts", 1)), 1, "ssh-keyscan"},
		"sftp key":                {options(ssh, strings.Replace(ssh.options, "/key ", "/host ", 1)), 1, "check the user"},
		"sftp no such key":        {options(ssh, strings.Replace(ssh.options, "/key ", "/none ", 1)), 2, "oIdentityFile"},
		"sftp port":               {url(ssh, ssh.url[strings.LastIndex(ssh.url, ":"):], ":99999/"), 2, "SCHEME://"},
		"ftp password":            {env(ftp, "FTP_PASSWORD="+wrong), 1, "FTP_PASSWORD"},
		"ftp password in the URL": {url(ftp, "joe@", "joe:"+wrong+"@"), 1, "FTP_PASSWORD"},
		"ftp host":                {host(ftp), 1, "host name"},
		"ftp certificate":         {options(ftp, ""), 1, "ssl-cacert-file"},
		"webdav password":         {env(dav, "FTP_PASSWORD="+wrong), 1, "FTP_PASSWORD"},
		"webdav host":             {host(dav), 1, "host name"},
		"webdav certificate":      {options(dav, ""), 1, "ssl-cacert-file"},
		"webdav rights":           {site{url: dav.url, path: "/locked", options: dav.options, env: dav.env}, 1, "let the user on the server"},
		"no CA there":             {options(dav, "--ssl-cacert-file=/nowhere"), 2, "PEM"},
	} {
		t.Run(name, func(t *testing.T) {
			r := w.at(t, c.site).ours.run("purser backup")
			wantRefusal(t, r, c.code, c.hint)
			for _, secret := range []string{wrong, servertest.SecretKey, "p@ss w/rd"} {
				if strings.Contains(r.stdout+r.stderr, secret) {
					t.Errorf("a secret is shown: %s", r)
				}
			}
		})
	}
}

// The limit holds for the whole backup, and the log says what it is.
func TestBandwidthLimit(t *testing.T) {
	w := newTwins(t, "PASSPHRASE="+passphrase)
	random := make([]byte, 5<<20) // doesn't compress
	_, _ = rand.NewChaCha8([32]byte{}).Read(random)
	write(t, filepath.Join(w.root, "source/random"), random, 0o600)
	server := bucketServer(t, servertest.VersityGW)
	for _, s := range []site{
		{url: "file://" + t.TempDir()},
		{url: "s3://" + server.Addr() + "/backups", path: "/", options: "--s3-unencrypted-connection", env: awsKeys()},
	} {
		s.env = append(s.env, "BACKUP_BWLIMIT=1M")
		began := time.Now()
		r := w.at(t, s).ours.run("purser backup --log-level info")
		// Within 5 %: the first piece goes at once.
		if took := time.Since(began); r.code != 0 || took < 4750*time.Millisecond || took > 9*time.Second {
			t.Errorf("%s: took %v for 5 MiB at 1 MiB/s: %s", s.url, took, r)
		}
		if !strings.Contains(r.stderr, "upload_bytes_per_second=1048576") {
			t.Errorf("%s: the log doesn't tell the limit: %s", s.url, r)
		}
	}
}

// Who may write and list, and not read or delete, can back up: whoever gets hold
// of this host can't harm the backups.
func TestWriteOnlyTarget(t *testing.T) {
	w := newTwins(t, "PASSPHRASE="+passphrase)
	ssh := servertest.SSHD(t, "ForceCommand internal-sftp -P read,remove")
	s := site{
		url: "sftp://" + ssh.User + "@" + ssh.Addr() + "/" + ssh.Dir, path: "/x",
		options: "--ssh-options='-oIdentityFile=" + ssh.KeyFile + " -oUserKnownHostsFile=" + ssh.KnownHosts + "'",
		env:     []string{"BACKUP_MODULE_DATABASE=false", "BACKUP_MODULE_STACK=false"},
	}
	w = w.at(t, s)
	for step := range 3 {
		w.grow("source", step)
		r := w.ours.run("purser run")
		if r.code != 0 {
			t.Fatalf("step %d: %s", step, r)
		}
	}
	w.grow("source", 3)
	w.ours.must("purser backup --full")
	if r := w.ours.run("purser run"); r.code != 0 || !strings.Contains(r.stderr, "may not delete") {
		t.Errorf("a run with something to prune: %s", r)
	}
	out := w.ours.must("purser doctor")
	if strings.Count(out, "refused") != 4 || strings.Contains(out, "failed") {
		t.Errorf("doctor says:\n%s", out)
	}
	// By other credentials all is there.
	dir := t.TempDir()
	w.ours.must("purser restore --url file://" + ssh.Dir + " --archive-dir " + dir + "/state " + dir + "/restored")
	wantSame(t, "the restore", snapshot(t, filepath.Join(w.root, "source")), snapshot(t, dir+"/restored"))
}
