package config_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/purser-backup/purser/internal/config"
)

func faults(t *testing.T, environ ...string) []*config.Fault {
	t.Helper()
	c, err := config.Load(environ, nil, "")
	if err == nil {
		return nil
	}
	var e *config.Error
	if c != nil || !errors.As(err, &e) || len(e.Faults) == 0 {
		t.Fatalf("%q: got %v, %v", environ, c, err)
	}
	for _, f := range e.Faults {
		if f.Hint() == "" {
			t.Errorf("%q: %v has no hint", environ, f)
		}
	}
	return e.Faults
}

func TestFaults(t *testing.T) {
	dir := t.TempDir()
	file := func(name, content string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	bad, empty, big := file("bad", "abc\n"), file("empty", "\n"), file("big", strings.Repeat("x", 1<<20+1))
	for _, c := range []struct {
		environ   []string
		msg, hint string
	}{
		{[]string{"BACKUP_CRON_SCHEDULE=0 61 0 * * *"}, `BACKUP_CRON_SCHEDULE="0 61 0 * * *": schedule "0 61 0 * * *": field 2 (minute)`, "0 to 59"},
		{[]string{"BACKUP_CRON_SCHEDULE=daily, 0200-0200"}, `at character 8: the window has no length`, "HHMM-HHMM"},
		{[]string{"BACKUP_FULL_ON=sunday, 31st"}, `days "sunday, 31st": at character 9: not every month has this day`, "1st, 15th"},
		{[]string{"BACKUP_FULL_ON=someday"}, `at character 1: unknown word "someday"`, "1st, 15th"},
		{[]string{"BACKUP_GONOGO=http://"}, `BACKUP_GONOGO="http://": not a URL`, "http://host"},
		{[]string{"BACKUP_GONOGO=check_load 'x"}, `a quote ' is not closed`, "close"},
		{[]string{"BACKUP_GONOGO=''"}, `there is no program`, "a program and its arguments"},
		{[]string{"BACKUP_TIME_LIMIT=60"}, `BACKUP_TIME_LIMIT="60": not an interval`, "1D12h"},
		{[]string{"BACKUP_DUMP_WORKERS=0"}, `BACKUP_DUMP_WORKERS="0": out of range`, "from 1 to 64"},
		{[]string{"BACKUP_IO_CLASS=lazy"}, `BACKUP_IO_CLASS="lazy": no such class`, "normal, low or idle"},
		{[]string{"BACKUP_FILTER=- *.tmp; frobnicate x"}, `BACKUP_FILTER: rule 2 "frobnicate x": unknown rule frobnicate`, "merge NAME"},
		{[]string{"BACKUP_FILTER_SETS=[a]\nmerge a"}, `BACKUP_FILTER_SETS: rule 1 of the set a "merge a": the set a is in itself`, "merge NAME"},
		{[]string{"BACKUP_EXCLUDE=x["}, `BACKUP_EXCLUDE: pattern 1 "x[": a bracket is not closed`, "merge NAME"},
		{[]string{"BACKUP_SPLAY=5 minutes"}, `BACKUP_SPLAY="5 minutes": not an interval`, "1D12h"},
		{[]string{"BACKUP_RETENTION=last 5 days, last 0 snapshots"}, `BACKUP_RETENTION="last 5 days, last 0 snapshots": at character 14: "last 0 snapshots" would keep nothing`, "earliest of month"},
		{[]string{"BACKUP_RETENTION_MIN=0"}, `BACKUP_RETENTION_MIN="0": out of range`, "from 1"},
		{[]string{"BACKUP_RETENTION_HOLD=2026-05-20, soon", "TZ=Nowhere/Land"}, `TZ="Nowhere/Land": unknown time zone`, "Europe/Paris"},
		{[]string{"BACKUP_RETENTION_HOLD=2026-05-20, soon"}, `BACKUP_RETENTION_HOLD="2026-05-20, soon": at character 13: "soon" is no time`, "2026-05-20"},
		{[]string{"BACKUP_DUPLICITY_REMOVE_OLDER_THAN=60"}, `BACKUP_DUPLICITY_REMOVE_OLDER_THAN="60": not an interval`, "7D"},
		{[]string{"BACKUP_CRON_schedule=x"}, `BACKUP_CRON_SCHEDULE="x" (from environment BACKUP_CRON_schedule): `, "six fields"},
		{[]string{"TZ=Mars/Olympus"}, `TZ="Mars/Olympus": unknown time zone`, "Europe/Paris"},
		{[]string{"BACKUP_MODULE_DATABASE=maybe"}, `BACKUP_MODULE_DATABASE="maybe": neither`, "true or false"},
		{[]string{"BACKUP_MODULE_RANCHER_DB=true"}, "no database host", "BACKUP_RANCHER_DB_HOST"},
		{[]string{"BACKUP_DUPLICITY_SOURCE_PATH=data"}, "not an absolute path", "from / on"},
		{[]string{"BACKUP_DUPLICITY_FULL_IF_OLDER_THAN=7d"}, `"7d": not an interval`, "7D"},
		{[]string{"BACKUP_DUPLICITY_FULL_IF_OLDER_THAN=7"}, "not an interval", "7D"},
		{[]string{"BACKUP_DUPLICITY_FULL_IF_OLDER_THAN=D"}, "not an interval", "7D"},
		{[]string{"BACKUP_DUPLICITY_FULL_IF_OLDER_THAN=-7D"}, "not an interval", "7D"},
		{[]string{"BACKUP_DUPLICITY_FULL_IF_OLDER_THAN=200Y200Y"}, "too long", "292"},
		{[]string{"BACKUP_DUPLICITY_FULL_IF_OLDER_THAN=99999999999999999999D"}, "too long", "292"},
		{[]string{"BACKUP_DUPLICITY_REMOVE_ALL_BUT_N_FULL=0"}, "out of range", "from 1"},
		{[]string{"BACKUP_DUPLICITY_REMOVE_ALL_INC_OF_BUT_N_FULL=-1"}, "out of range", "from 1"},
		{[]string{"BACKUP_DUPLICITY_VOLSIZE=1.5"}, "not a whole number", "whole"},
		{[]string{"BACKUP_DUPLICITY_VOLSIZE=9999999999"}, "out of range", "1048576"},
		{[]string{"BACKUP_DUPLICITY_URL=ftp://me:pw@h/\n"}, "control character", "line breaks"},
		{[]string{"BACKUP_ARCHIVE_DIR=~/x"}, "not an absolute path", "from / on"},
		{[]string{"BACKUP_ARCHIVE_DIR=/backup"}, "purser's own folder", "elsewhere"},
		{[]string{"BACKUP_DUPLICITY_SOURCE_PATH=/var/lib/purser/x"}, `SOURCE_PATH="/var/lib/purser/x": it is purser's own folder`, "elsewhere"},
		{[]string{"BACKUP_ARCHIVE_DIR=/"}, "purser's own folder", "elsewhere"},
		{[]string{"BACKUP_INSTANCE=a/b"}, "instance's name", "letters"},
		{[]string{"BACKUP_INSTANCE=.."}, "instance's name", "letters"},
		{[]string{"BACKUP_LISTEN=8080", "BACKUP_LISTEN_TOKEN="}, "address with a port", ":8080"},
		{[]string{"BACKUP_LISTEN=h:0"}, "address with a port", ":8080"},
		{[]string{"BACKUP_LISTEN=:8080"}, "BACKUP_LISTEN_TOKEN: not set, and BACKUP_LISTEN is", "openssl rand"},
		{[]string{"BACKUP_LISTEN=:8080", "BACKUP_LISTEN_TOKEN=hidden"}, "BACKUP_LISTEN_TOKEN: too short", "16 characters"},
		{[]string{"BACKUP_LISTEN_TOKEN=0123456789abcdef"}, "BACKUP_LISTEN_TOKEN: there is no BACKUP_LISTEN", "or neither"},
		{[]string{"BACKUP_BWLIMIT=fast"}, "not a rate", "KiB"},
		{[]string{"BACKUP_BWLIMIT=1e9"}, "not a rate", "KiB"},
		{[]string{"BACKUP_BWLIMIT=M"}, "not a rate", "KiB"},
		{[]string{"BACKUP_RANCHER_DB_PORT=70000"}, "out of range", "65535"},
		{[]string{"BACKUP_RANCHER_DB_HOST=db:3306"}, "not the name of a host", "without a port"},
		{[]string{"BACKUP_RANCHER_DB_HOST=-x"}, "not the name of a host", "db.example"},
		{[]string{"BACKUP_RANCHER_DB_HOST=$(reboot)"}, "not the name of a host", "db.example"},
		{[]string{"CATTLE_URL=rancher:8080/v1"}, "CATTLE_URL=\"rancher:8080/v1\": not an http or https URL", "projects/1a5"},
		{[]string{"BACKUP_RANCHER_API_URL=http://:@h"}, "a user or a password in it", "variables of their own"},
		{[]string{"BACKUP_RANCHER_API_URL=http://h"}, "BACKUP_RANCHER_API_KEY: not set", "BACKUP_RANCHER_API_KEY and BACKUP_RANCHER_API_SECRET"},
		{[]string{"BACKUP_RANCHER_API_SECRET=x", "CATTLE_ACCESS_KEY=k"}, "BACKUP_RANCHER_API_URL: not set", "unset the other"},
		{[]string{"CATTLE_URL=http://h/v1", "CATTLE_ACCESS_KEY=k", "CATTLE_SECRET_KEY=s", "RANCHER_CLIENT_DEBUG=true"},
			"RANCHER_CLIENT_DEBUG=\"true\": it prints the passwords", "unset it"},
		{[]string{"BACKUP_DUPLICITY_VOLSIZE_FILE=" + bad}, `BACKUP_DUPLICITY_VOLSIZE="abc" (from file ` + bad, "whole"},
		{[]string{"PASSPHRASE_FILE=" + empty}, empty + " is empty", "value in it"},
		{[]string{"PASSPHRASE_FILE=" + big}, "more than 1048576 bytes", "value in it"},
		{[]string{"PASSPHRASE_FILE=" + dir + "/missing"}, "no such file", "check"},
		{[]string{"PASSPHRASE_FILE=" + dir}, "is a directory", "check"},
		{[]string{"PASSPHRASE=a", "passphrase=b"}, "PASSPHRASE and passphrase have different values", "one of them"},
		{[]string{"BACKUP_DUPLICITY_volsize=1", "BACKUP_DUPLICITY_VOLSIZE=2"}, "different values", "one of them"},
		{[]string{"PASSPHRASE=a", "PASSPHRASE_FILE=" + bad}, "both PASSPHRASE and PASSPHRASE_FILE", "one of them"},
		{[]string{"PASSPHRASE_FILE=" + bad, "passphrase-file=" + big}, "different values", "one of them"},
		{[]string{"PASSPHRASE=a", "BACKUP_DUPLICITY_OPTIONS=--no-encryption"}, "--no-encryption contradicts PASSPHRASE", "one of the two"},
		{[]string{"CONFD_BACKEND=etcd"}, `CONFD_BACKEND="etcd": settings are read from the environment only`, "NAME_FILE"},
		{[]string{"CONFD_PREFIX_KEY=/app", "BACKUP_DUPLICITY_VOLSIZE=7"}, "BACKUP_DUPLICITY_VOLSIZE: not read", "prefix APP_"},
		{[]string{"BACKUP_DUPLICITY_VOLSIEZ=7"}, "BACKUP_DUPLICITY_VOLSIEZ: no such setting", "BACKUP_DUPLICITY_VOLSIZE"},
		{[]string{"BACKUP_DUPLICITY_encryptkey=7"}, "no such setting", "BACKUP_DUPLICITY_ENCRYPT_KEY"},
		{[]string{"BACKUP_DUPLICITY_something-else=7"}, "no such setting", "unset it"},
		{[]string{"BACKUP_ARCHIVEDIR=/x"}, "no such setting", "BACKUP_ARCHIVE_DIR"},
		{[]string{"BACKUP_CRON_SCHEDULE_FIEL=/x"}, "no such setting", "BACKUP_CRON_SCHEDULE_FILE"},
	} {
		got := faults(t, c.environ...)
		if len(got) != 1 || !strings.Contains(got[0].Error(), c.msg) || !strings.Contains(got[0].Hint(), c.hint) {
			t.Errorf("%q: %v, want one with %q and the hint %q", c.environ, got, c.msg, c.hint)
			if len(got) > 0 {
				t.Logf("hint: %s", got[0].Hint())
			}
		}
	}
}

func TestAllFaultsAtOnce(t *testing.T) {
	environ := []string{
		"BACKUP_CRON_SCHEDULE=x", "BACKUP_DUPLICITY_VOLSIZE=x", "BACKUP_DUPLICITY_OPTIONS=--nonsense --short-filenames", "CONFD_BACKEND=redis",
		"BACKUP_DUPLICITY_URLL=x", "PASSPHRASE_FILE=/does/not/exist", "DEBUG=x", "debug=y",
	}
	if got := faults(t, environ...); len(got) != 8 {
		t.Errorf("%d faults: %v", len(got), got)
	}
}

func TestSecretsStayOutOfFaults(t *testing.T) {
	for _, environ := range [][]string{
		{"PASSPHRASE=hidden", "passphrase=hidden2"},
		{"CONFD_PREFIX_KEY=/app", "BACKUP_RANCHER_DB_PASSWORD=hidden"},
		{"BACKUP_RANCHER_DB_PASWORD=hidden"},
		{"BACKUP_DUPLICITY_URL=ftp://me:hidden@h/\n"},
		{"BACKUP_DUPLICITY_OPTIONS=--nonsense=hidden hidden"},
	} {
		for _, f := range faults(t, environ...) {
			if strings.Contains(f.Error()+f.Hint(), "hidden") {
				t.Errorf("%q: %v", environ, f)
			}
		}
	}
}

// What other programs bring along is no fault.
func TestNotes(t *testing.T) {
	for _, environ := range [][]string{
		{"BACKUP_PORT=tcp://10.0.0.2:80"}, {"BACKUP_PORT_80_TCP_ADDR=10.0.0.2"}, {"BACKUP_NAME=/web/backup"}, {"BACKUP_ENV_PATH=/bin"},
		{"BACKUP_SERVICE_HOST=10.0.0.1"}, {"BACKUP_DUPLICITY_OPTIONS=--asynchronous-upload"},
	} {
		name, _, _ := strings.Cut(environ[0], "=")
		if notes := load(t, environ...).Notes; len(notes) != 1 || !strings.Contains(notes[0], name) {
			t.Errorf("%q: notes %q", environ, notes)
		}
	}
	if notes := load(t, "BACKUP_SCOPE=all", "BACKUPS=x", "backup=y", "CONFD_NODES=z").Notes; len(notes) != 0 {
		t.Errorf("notes %q", notes)
	}
}

func TestOptions(t *testing.T) {
	for _, c := range []struct {
		options      string
		noEncryption bool
		notes        int
	}{
		{"--no-encryption", true, 0},
		{"  '--no-encryption'\t\"--asynchronous-upload\" ", true, 1},
		{`--no\-encryption`, true, 0},
		{"-v5 -v 9 --verbosity=info --verbosity debug", false, 4},
		{"--no-enc --allow-source", true, 1},
		{"--num-retries 3 --backend-retry-delay=7", false, 0},
		{"--allow-source-mismatch --progress --progress-rate 3 --no-print-statistics --log-timestamp --use-agent --gpg-binary '/a b/gpg'", false, 7},
		{"''", false, -1},
	} {
		if c.notes < 0 {
			faults(t, "BACKUP_DUPLICITY_OPTIONS="+c.options)
			continue
		}
		got := load(t, "BACKUP_DUPLICITY_OPTIONS="+c.options)
		if got.NoEncryption != c.noEncryption || len(got.Notes) != c.notes {
			t.Errorf("%q: %v, notes %q", c.options, got.NoEncryption, got.Notes)
		}
	}
	for _, c := range []struct{ options, msg, hint string }{
		{"--volsize 25", "option --volsize is not supported", "BACKUP_DUPLICITY_VOLSIZE"},
		{"--volsize=25", "option --volsize is not supported", "BACKUP_DUPLICITY_VOLSIZE"},
		{`--ssh-options="-oPort=0"`, "option --ssh-options: out of range", "from 1"},
		{`--ssh-options="-oProxyCommand=nc"`, "option --ssh-options: option ProxyCommand of ssh is not supported", "take it out"},
		{`--ssh-options="-oStrictHostKeyChecking=maybe"`, "StrictHostKeyChecking is none", "accept-new"},
		{`--ssh-options="-oIdentityFile"`, "option IdentityFile of ssh has no value", "-oName=value"},
		{`--ssh-options="stray"`, "a word that is no option of ssh", "-oName=value"},
		{`--ssh-options="-i"`, "option -i of ssh lacks its value", "-oName=value"},
		{`--ssh-options="-J host"`, "option -J of ssh is not supported", "take it out"},
		{"--include-filelist-stdin", "option --include-filelist-stdin is not supported", "name a file"},
		{"--encrypt-secret-keyring /k", "option --encrypt-secret-keyring is not supported", "/opt/backup/.gnupg"},
		{"--file-prefix", "--file-prefix lacks its value", "--file-prefix=VALUE"},
		{"--no-encryption=yes", "takes no value", "--no-encryption alone"},
		{"--no-encription", "unknown option --no-encription", "--no-encryption"},
		{"--frobnicate", "unknown option --frobnicate", "take it out"},
		{"--frobnicate=hidden", "unknown option --frobnicate", "take it out"},
		{"-x5", "unknown option -x", "take it out"},
		{"--rename a", "option --rename lacks its value", "--rename=VALUE"},
		{"--rename a b --no-encription", "option --rename is not supported", "belongs to a command"},
		{"--s3", "option --s3 stands for several", "--s3-endpoint-url, --s3-european-buckets"},
		{"--num-retries many", "option --num-retries: not a whole number", "whole number"},
		{"--num-retries=0", "option --num-retries: out of range", "from 1"},
		{"--", "a word that is no option", "options only"},
		{"-t 3D", "option -t is not supported", "take it out"},
		{"stray", "a word that is no option", "quotes"},
		{"'--no-encryption", "a quote ' is not closed", "close"},
		{`--no-encryption \`, "a backslash stands at the end", "two"},
	} {
		got := faults(t, "BACKUP_DUPLICITY_OPTIONS="+c.options)
		if len(got) == 0 || !strings.Contains(got[0].Error(), c.msg) || !strings.Contains(got[0].Hint(), c.hint) {
			t.Errorf("%q: %v", c.options, got)
		}
	}
}

// E10, J7: rsync's language, in KiB per second as rsync sends it.
func TestRates(t *testing.T) {
	for value, want := range map[string]int64{
		"500": 500, "1.5m": 1536, "1M": 1024, "1MB": 977, "1KB": 1, "0.6": 1, "1g": 1 << 20, "0": 0, "512b": 1,
		"1K": 1, "1.5M": 1536, "2g": 2 << 20, "1MiB": 1024, "1gb": 976563, ".5m": 512, "2.": 2, "0b": 0,
	} {
		got := load(t, "BACKUP_BWLIMIT="+value).BandwidthLimit.At(time.Now())
		if (got+512)/1024 != want || (got == 0) != (want == 0) {
			t.Errorf("%s: %d bytes per second, want %d KiB", value, got, want)
		}
	}
	for value, want := range map[string]string{
		"0.1": "too small a rate", "511b": "too small a rate", "0.0001": "too small a rate", "1x": "not a rate", "1kk": "not a rate", "-1": "not a rate",
		".": "not a rate", "1.5.5": "not a rate", "99999999999G": "not a rate", "1 M": "not a rate", "1bib": "not a rate",
	} {
		if got := faults(t, "BACKUP_BWLIMIT="+value); len(got) != 1 || !strings.Contains(got[0].Error(), want) || got[0].Hint() == "" {
			t.Errorf("%s: %v, want %q", value, got, want)
		}
	}
}
