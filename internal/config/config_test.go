package config_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/purser-backup/purser/internal/config"
	"github.com/purser-backup/purser/internal/filter"
	"github.com/purser-backup/purser/internal/retention"
	"github.com/purser-backup/purser/internal/schedule"
	"github.com/purser-backup/purser/internal/secret"
)

func load(t *testing.T, environ ...string) *config.Config {
	t.Helper()
	c, err := config.Load(environ, nil, "")
	if err != nil {
		t.Fatalf("load %q: %v", environ, err)
	}
	return c
}

// same compares all but how the values were written.
func same(t *testing.T, got, want *config.Config) {
	t.Helper()
	secrets := cmp.Comparer(func(a, b secret.String) bool { return a.Reveal() == b.Reveal() })
	policy := cmp.Comparer(func(a, b retention.Policy) bool { return a.String() == b.String() })
	rules := cmp.Comparer(func(a, b filter.Filter) bool { return slices.Equal(a.Rules(), b.Rules()) })
	days := cmp.Comparer(func(a, b schedule.Days) bool { return a.String() == b.String() })
	limit := cmp.Comparer(func(a, b config.Bandwidth) bool { return reflect.DeepEqual(a, b) })
	location := cmp.Comparer(func(a, b *time.Location) bool { return a.String() == b.String() })
	if d := cmp.Diff(want, got, secrets, policy, rules, days, location, limit, cmpopts.IgnoreFields(config.Config{}, "Schedule", "Profiles"), cmpopts.IgnoreUnexported(config.Config{})); d != "" {
		t.Errorf("differs (-want +got):\n%s", d)
	}
	from := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	if g, w := got.Schedule.Next(from), want.Schedule.Next(from); !g.Equal(w) {
		t.Errorf("next run at %v, want %v", g, w)
	}
}

func TestDefaults(t *testing.T) {
	c := load(t)
	same(t, c, &config.Config{
		CronSchedule: "0 0 0 * * *", Schedule: c.Schedule, Location: time.Local,
		ModuleDatabase: true, ModuleStack: true, ModuleRancherDB: false,
		SourcePath: "/backup", ArchiveDir: "/var/lib/purser",
		FullIfOlderThan: 7 * 24 * time.Hour, RemoveAllButNFull: 3, RemoveAllIncOfButNFull: 1, RetentionMin: 1, DumpWorkers: 2, CPUClass: config.Normal, IOClass: config.Normal, VolumeSize: 200 << 20,
		Scope: "all", UploadLatest: true, StaleAfter: 30 * 24 * time.Hour,
		Rancher: config.Rancher{DB: config.RancherDB{Port: 3306, User: "rancher", Name: "rancher"}},
		Notices: config.Notices{Level: "incomplete"},
	})
	if got := c.Schedule.Next(time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)); !got.Equal(time.Date(2026, 11, 21, 0, 0, 0, 0, time.UTC)) {
		t.Errorf("next run at %v", got)
	}
	for _, s := range c.Settings() {
		if s.Origin.Kind != config.Default || s.Origin.String() != "default" {
			t.Errorf("%s comes from %v", s.Name, s.Origin)
		}
	}
	if err := c.CheckTarget(); err == nil || !strings.Contains(err.Error(), "BACKUP_DUPLICITY_URL: not set") {
		t.Errorf("CheckTarget: %v", err)
	}
}

// rancherBackup is every variable of rancher-backup's README, as it is spelt there.
var rancherBackup = [][2]string{
	{"BACKUP_CRON_schedule", "0 30 4 * * *"},
	{"BACKUP_MODULE_database", "false"},
	{"BACKUP_MODULE_stack", "false"},
	{"BACKUP_MODULE_rancher-db", "true"},
	{"BACKUP_DUPLICITY_source-path", "/data"},
	{"BACKUP_DUPLICITY_target-path", "/backups/here"},
	{"BACKUP_DUPLICITY_url", "ftp://login@my-ftp.com"},
	{"BACKUP_DUPLICITY_options", "--allow-source-mismatch -v5"},
	{"BACKUP_DUPLICITY_full-if-older-than", "1D12h"},
	{"BACKUP_DUPLICITY_remove-all-but-n-full", "5"},
	{"BACKUP_DUPLICITY_remove-all-inc-of-but-n-full", "2"},
	{"BACKUP_DUPLICITY_volsize", "25"},
	{"BACKUP_DUPLICITY_encrypt-key", "ABCD1234"},
	{"BACKUP_RANCHER_db_host", "db.example"},
	{"BACKUP_RANCHER_db_port", "3307"},
	{"BACKUP_RANCHER_db_user", "cattle"},
	{"BACKUP_RANCHER_db_password", "db secret"},
	{"BACKUP_RANCHER_db_name", "cattle"},
	{"BACKUP_RANCHER_api_url", "http://rancher:8080/v1/projects/1a5"},
	{"BACKUP_RANCHER_api_key", "KEY"},
	{"BACKUP_RANCHER_api_secret", "api secret"},
	{"PASSPHRASE", "open sesame"},
	{"FTP_PASSWORD", "ftp secret"},
	{"DEBUG", "true"},
}

// Every way to write rancher-backup's variables gives the same.
func TestSpellings(t *testing.T) {
	dir := t.TempDir()
	inFile := func(name, value, ending string) string {
		path := filepath.Join(dir, strings.Trim(name, "_"))
		if err := os.WriteFile(path, []byte(value+ending), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	canonical := func(name string) string { return strings.ToUpper(strings.ReplaceAll(name, "-", "_")) }
	confd := func(prefix string) func(name, value string) string {
		return func(name, value string) string {
			if own, ok := strings.CutPrefix(name, "BACKUP_"); ok {
				name = prefix + own
			}
			return name + "=" + value
		}
	}
	var want *config.Config
	for _, c := range []struct {
		name  string
		write func(name, value string) string
		extra []string
	}{
		{"README", func(name, value string) string { return name + "=" + value }, nil},
		{"canonical", func(name, value string) string { return canonical(name) + "=" + value }, nil},
		{"lower case", func(name, value string) string { return strings.ToLower(name) + "=" + value }, nil},
		{"all hyphens", func(name, value string) string { return strings.ReplaceAll(name, "_", "-") + "=" + value }, nil},
		{"README_FILE", func(name, value string) string { return name + "_FILE=" + inFile(name, value, "\n") }, nil},
		{"canonical_FILE", func(name, value string) string { return canonical(name) + "_FILE=" + inFile(name, value, "") }, nil},
		{"lower-case-file", func(name, value string) string {
			return strings.ReplaceAll(strings.ToLower(name), "_", "-") + "-file=" + inFile(name, value, "\r\n")
		}, nil},
		{"prefix default", confd("BACKUP_"), []string{"CONFD_PREFIX_KEY=/backup", "CONFD_BACKEND=env", "CONFD_NODES="}},
		{"prefix renamed", confd("MY_APP_"), []string{"CONFD_PREFIX_KEY=/my/app"}},
		{"prefix with hyphen", confd("my-app_"), []string{"confd_prefix_key=/my-app/"}},
		{"prefix empty", confd(""), []string{"CONFD_PREFIX_KEY=/"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			environ := append([]string{"PATH=/bin", "HOME=/root", "EMPTY", "=x"}, c.extra...)
			for _, v := range rancherBackup {
				environ = append(environ, c.write(v[0], v[1]))
			}
			got := load(t, environ...)
			if want == nil {
				want = got
				same(t, got, &config.Config{
					CronSchedule: "0 30 4 * * *", Schedule: got.Schedule, Location: time.Local, RetentionMin: 1, DumpWorkers: 2, CPUClass: config.Normal, IOClass: config.Normal, ModuleRancherDB: true,
					URL: secret.New("ftp://login@my-ftp.com/backups/here"), SourcePath: "/data", ArchiveDir: "/var/lib/purser",
					FullIfOlderThan: 36 * time.Hour, RemoveAllButNFull: 5, RemoveAllIncOfButNFull: 2, VolumeSize: 25 << 20, EncryptKeys: []string{"ABCD1234"},
					Passphrase: secret.New("open sesame"), Scope: "all", UploadLatest: true, StaleAfter: 30 * 24 * time.Hour, Debug: true,
					Rancher: config.Rancher{
						URL: "http://rancher:8080/v1/projects/1a5", AccessKey: "KEY", SecretKey: secret.New("api secret"),
						DB: config.RancherDB{Host: "db.example", Port: 3307, User: "cattle", Password: secret.New("db secret"), Name: "cattle"},
					},
					Credentials: config.Credentials{FTPPassword: secret.New("ftp secret")},
					Notices:     config.Notices{Level: "incomplete"},
					Notes:       got.Notes,
				})
			}
			same(t, got, want)
		})
	}
}

func TestJoinTarget(t *testing.T) {
	for _, c := range []struct{ url, path, want string }{
		{"file:///x", "", "file:///x/"},
		{"file:///x", "/", "file:///x/"},
		{"file:///x/", "", "file:///x//"},
		{"file://", "/x", "file:///x"},
		{"file://rel", "/sub", "file://rel/sub"},
		{"ftp://login@my-ftp.com", "", "ftp://login@my-ftp.com/"},
		{"ftp://login@my-ftp.com", "/backup", "ftp://login@my-ftp.com/backup"},
		{"ftps://u:p@h:990/a", "b", "ftps://u:p@h:990/ab"},
		{"sftp://u@h", "", "sftp://u@h/"},
		{"sftp://u@h/", "", "sftp://u@h//"},
		{"sftp://u@h/", "/abs", "sftp://u@h//abs"},
		{"scp://u@h", "/rel", "scp://u@h/rel"},
		{"s3://host:9000/bucket", "", "s3://host:9000/bucket/"},
		{"s3://bucket", "/prefix", "s3://bucket/prefix"},
		{"boto3+s3://bucket/prefix", "", "boto3+s3://bucket/prefix/"},
		{"webdavs://u@h/dav", "/x", "webdavs://u@h/dav/x"},
		{"rsync://u@h::module", "", "rsync://u@h::module/"},
		{"rclone://remote:dir", "/x", "rclone://remote:dir/x"},
	} {
		got := load(t, "BACKUP_DUPLICITY_URL="+c.url, "BACKUP_DUPLICITY_TARGET_PATH="+c.path).URL.Reveal()
		if got != c.want {
			t.Errorf("%q and %q: %q, want %q", c.url, c.path, got, c.want)
		}
	}
	if got := load(t, "BACKUP_DUPLICITY_TARGET_PATH=/x").URL; !got.IsZero() {
		t.Errorf("a path without a URL is the target %q", got.Reveal())
	}
}

func TestOrigins(t *testing.T) {
	path := filepath.Join(t.TempDir(), "volsize")
	if err := os.WriteFile(path, []byte("50"), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := config.Load([]string{
		"BACKUP_DUPLICITY_volsize_FILE=" + path, "backup-duplicity-url=ftp://me:pw@h", "PASSPHRASE=pp", "DEBUG=", "BACKUP_SCOPE=project",
	}, map[string]string{"BACKUP_SCOPE": "all", "BACKUP_ARCHIVE_DIR": "/state", "BACKUP_INSTANCE": ""}, "")
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, s := range c.Settings() {
		got[s.Name] = s.Value + " from " + s.Origin.String()
	}
	for name, want := range map[string]string{
		"BACKUP_DUPLICITY_VOLSIZE":     "50 from file " + path,
		"BACKUP_DUPLICITY_URL":         "ftp://me:xxxxx@h from environment backup-duplicity-url",
		"BACKUP_DUPLICITY_TARGET_PATH": "/ from default",
		"PASSPHRASE":                   "[redacted] from environment PASSPHRASE",
		"SIGN_PASSPHRASE":              " from default",
		"DEBUG":                        "false from default",
		"BACKUP_SCOPE":                 "all from command line",
		"BACKUP_ARCHIVE_DIR":           "/state from command line",
		"BACKUP_INSTANCE":              " from default",
		"BACKUP_MODULE_RANCHER_DB":     "false from default",
	} {
		if got[name] != want {
			t.Errorf("%s: %q, want %q", name, got[name], want)
		}
	}
	if text := fmt.Sprintf("%v %+v %#v", c, *c, *c); strings.Contains(text, ":pw@") || strings.Contains(text, `"pp"`) {
		t.Errorf("a secret is in %s", text)
	}
}

// An override also sets aside what is wrong with the variable it overrides.
func TestOverrideWins(t *testing.T) {
	environ := []string{"BACKUP_CRON_SCHEDULE=nonsense", "BACKUP_DUPLICITY_VOLSIZE=1", "BACKUP_DUPLICITY_volsize=2"}
	c, err := config.Load(environ, map[string]string{"BACKUP_CRON_SCHEDULE": "@daily", "BACKUP_DUPLICITY_VOLSIZE": "3"}, "")
	if err != nil {
		t.Fatal(err)
	}
	if c.VolumeSize != 3<<20 || c.CronSchedule != "@daily" {
		t.Errorf("got %d, %q", c.VolumeSize, c.CronSchedule)
	}
	if _, err := config.Load(nil, map[string]string{"BACKUP_NONSENSE": "x"}, ""); err == nil {
		t.Error("an override of nothing is accepted")
	}
}

func TestRancherAgentLoses(t *testing.T) {
	agent := []string{"CATTLE_URL=http://agent/v1", "CATTLE_ACCESS_KEY=k2", "CATTLE_SECRET_KEY=s2"}
	for _, c := range []struct {
		explicit         []string
		url, key, secret string
	}{
		{nil, "http://agent/v1", "k2", "s2"},
		{[]string{"BACKUP_RANCHER_api_url=http://mine", "BACKUP_RANCHER_api_key=k1", "BACKUP_RANCHER_api_secret=s1"}, "http://mine", "k1", "s1"},
		{[]string{"BACKUP_RANCHER_API_KEY=k1", "BACKUP_RANCHER_API_SECRET=s1"}, "http://agent/v1", "k1", "s1"},
		{[]string{"BACKUP_RANCHER_API_URL=http://mine"}, "http://mine", "k2", "s2"},
		{[]string{"CATTLE_ENVIRONMENT_ACCESS_KEY=k3", "CATTLE_ENVIRONMENT_SECRET_KEY=s3"}, "http://agent/v1", "k2", "s2"},
	} {
		for _, env := range [][]string{slices.Concat(agent, c.explicit), slices.Concat(c.explicit, agent)} {
			if r := load(t, env...).Rancher; r.URL != c.url || r.AccessKey != c.key || r.SecretKey.Reveal() != c.secret {
				t.Errorf("%q: got %+v", env, r)
			}
		}
	}
	roles := load(t, "CATTLE_URL=http://agent/v1", "CATTLE_ENVIRONMENT_ACCESS_KEY=k3", "CATTLE_ENVIRONMENT_SECRET_KEY=s3").Rancher
	if !roles.Known() || roles.AccessKey != "k3" || roles.SecretKey.Reveal() != "s3" {
		t.Errorf("an agent with two roles: got %+v", roles)
	}
	if half := load(t, "CATTLE_URL=http://agent/v1"); half.Rancher.Known() || len(half.Notes) != 1 || !strings.Contains(half.Notes[0], "Rancher isn't asked") {
		t.Errorf("an agent without a key: got %+v, notes %q", half.Rancher, half.Notes)
	}
	if c := load(t, "RANCHER_CLIENT_DEBUG=true"); c.Rancher.Known() {
		t.Error("a server that nobody named is known")
	}
	if !load(t, "BACKUP_RANCHER_DB_HOST=db").ModuleRancherDB {
		t.Error("a database host does not turn its dump on")
	}
	if load(t, "BACKUP_RANCHER_DB_HOST=db", "BACKUP_MODULE_RANCHER_DB=false").ModuleRancherDB {
		t.Error("the dump can't be turned off")
	}
}

func TestPassedThrough(t *testing.T) {
	c := load(t, "DOCKER_HOST=tcp://h:2376", "DOCKER_TLS_VERIFY=1", "DOCKER_CERT_PATH=/certs", "DOCKER_API_VERSION=1.24", "TZ=Europe/Paris",
		"AWS_ACCESS_KEY_ID=id", "AWS_SECRET_ACCESS_KEY=key", "AWS_SESSION_TOKEN=tok", "AWS_DEFAULT_REGION=a", "AWS_REGION=b",
		"BACKUP_LISTEN=:8080", "BACKUP_LISTEN_TOKEN=0123456789abcdef", "BACKUP_BWLIMIT=1.5M", "BACKUP_INSTANCE=blue-1", "BACKUP_STALE_AFTER=2W", "SIGN_PASSPHRASE=s")
	if want := (config.Docker{Host: "tcp://h:2376", TLSVerify: "1", CertPath: "/certs", APIVersion: "1.24"}); c.Docker != want {
		t.Errorf("Docker: %+v", c.Docker)
	}
	k := c.Credentials
	if k.AWSAccessKeyID != "id" || k.AWSSecretAccessKey.Reveal() != "key" || k.AWSSessionToken.Reveal() != "tok" || k.AWSRegion != "b" {
		t.Errorf("Credentials: %+v", k)
	}
	if c.Location.String() != "Europe/Paris" || c.Listen != ":8080" || c.BandwidthLimit.At(time.Now()) != 3<<19 || c.BandwidthLimit.Changes() || c.Instance != "blue-1" ||
		c.StaleAfter != 14*24*time.Hour || c.SignPassphrase.Reveal() != "s" {
		t.Errorf("got %+v", c)
	}
}

func TestCheckTarget(t *testing.T) {
	if err := load(t, "BACKUP_DUPLICITY_URL=file:///x", "BACKUP_TARGET_REQUIRE_MOUNT=true").CheckTarget(); err != nil {
		t.Error(err)
	}
	err := load(t, "BACKUP_DUPLICITY_encrypt-key=ABCD", "BACKUP_DUPLICITY_SIGN_KEY=EF").CheckTarget()
	var e *config.Error
	if !errors.As(err, &e) || len(e.Faults) != 1 {
		t.Fatalf("got %v", err)
	}
	for _, f := range e.Faults {
		if f.Hint() == "" {
			t.Errorf("%v has no hint", f)
		}
	}
}

// The schedule is that of the instance, or else of the target, whatever the
// order of the settings.
func TestScheduleIsSpread(t *testing.T) {
	next := func(env ...string) string {
		c := load(t, append(env, "BACKUP_CRON_SCHEDULE=daily, 0200-0500")...)
		return c.Schedule.Next(time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)).Format(time.TimeOnly)
	}
	one := next("BACKUP_INSTANCE=one", "BACKUP_DUPLICITY_URL=file:///a")
	if again := next("BACKUP_DUPLICITY_URL=file:///b", "BACKUP_INSTANCE=one"); one != again {
		t.Errorf("one instance at %s and at %s", one, again)
	}
	if two := next("BACKUP_INSTANCE=two", "BACKUP_DUPLICITY_URL=file:///a"); one == two {
		t.Errorf("two instances at %s", one)
	}
	a := next("BACKUP_DUPLICITY_URL=ftp://me:old@a/x")
	if again := next("BACKUP_DUPLICITY_URL=ftp://me:new@a/x"); a != again {
		t.Errorf("another password moves the run from %s to %s", a, again)
	}
	if b := next("BACKUP_DUPLICITY_URL=ftp://me:old@b/x"); a == b {
		t.Errorf("two targets at %s", a)
	}
}

// The limits that nobody asked for don't keep what a policy would let go.
func TestRetentionReplacesTheDefaultLimits(t *testing.T) {
	for _, test := range []struct {
		env                  []string
		older                time.Duration
		fulls, incrementalOf int
	}{
		{nil, 0, 3, 1},
		{[]string{"BACKUP_RETENTION=last 5 days, earliest of month"}, 0, 0, 0},
		{[]string{"BACKUP_RETENTION=last 5 days", "BACKUP_DUPLICITY_REMOVE_ALL_BUT_N_FULL=3"}, 0, 3, 0},
		{[]string{"BACKUP_DUPLICITY_REMOVE_OLDER_THAN=60D"}, 60 * 24 * time.Hour, 0, 0},
		{[]string{"BACKUP_DUPLICITY_REMOVE_OLDER_THAN=60D", "BACKUP_DUPLICITY_REMOVE_ALL_INC_OF_BUT_N_FULL=2"}, 60 * 24 * time.Hour, 0, 2},
		{[]string{"BACKUP_RETENTION_HOLD=2026-05-20"}, 0, 3, 1},
	} {
		c := load(t, test.env...)
		if c.RemoveOlderThan != test.older || c.RemoveAllButNFull != test.fulls || c.RemoveAllIncOfButNFull != test.incrementalOf {
			t.Errorf("%q: %v, %d, %d", test.env, c.RemoveOlderThan, c.RemoveAllButNFull, c.RemoveAllIncOfButNFull)
		}
	}
}

// A held day is one of the time zone's, which may stand anywhere.
func TestHoldsAreLocal(t *testing.T) {
	c := load(t, "BACKUP_RETENTION_HOLD=2026-05-20, 2026-05-21T03:00:00Z", "TZ=Asia/Kolkata")
	want := []string{"2026-05-19T18:30:00Z", "2026-05-21T03:00:00Z"}
	for i, held := range c.Holds {
		if got := held.UTC().Format(time.RFC3339); len(c.Holds) != 2 || got != want[i] {
			t.Errorf("held: %v", c.Holds)
		}
	}
}

// Days for full backups replace the interval that nobody asked for.
func TestFullOnReplacesTheDefaultInterval(t *testing.T) {
	for _, test := range []struct {
		env  []string
		want time.Duration
	}{
		{[]string{"BACKUP_FULL_ON=1st, 15th"}, 0},
		{[]string{"BACKUP_FULL_ON=sunday", "BACKUP_DUPLICITY_FULL_IF_OLDER_THAN=3D"}, 3 * 24 * time.Hour},
	} {
		if c := load(t, test.env...); c.FullIfOlderThan != test.want || c.FullOn.IsZero() {
			t.Errorf("%q: %v, %q", test.env, c.FullIfOlderThan, c.FullOn)
		}
	}
	if c := load(t, "BACKUP_DUPLICITY_FULL_IF_OLDER_THAN=auto"); c.FullIfOlderThan != 0 || !c.FullWhenGrown {
		t.Errorf("auto: %v, %v", c.FullIfOlderThan, c.FullWhenGrown)
	}
	now := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	days := map[time.Time]bool{}
	for _, instance := range []string{"a", "b", "c", "d", "e", "f"} {
		days[load(t, "BACKUP_FULL_ON=H", "BACKUP_INSTANCE="+instance).FullOn.Last(now)] = true
	}
	if len(days) < 3 {
		t.Errorf("the full backups of six instances fall on %d days", len(days))
	}
}
