package cli

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestConfig(t *testing.T) {
	b := newBench(t, "backup_duplicity_url=ftp://me:geheim@host", "PASSPHRASE=geheim", "BACKUP_RANCHER_DB_PASSWORD_FILE=ROOT/pw", "BACKUP_LISTEN=:80")
	b.write("pw", "geheim\n")
	out := b.good("config", "--archive-dir", "/elsewhere")
	for _, want := range []string{
		"NAME  VALUE  FROM\n",
		"BACKUP_CRON_SCHEDULE  0 0 0 * * *  default\n",
		"BACKUP_DUPLICITY_URL  ftp://me:xxxxx@host  environment backup_duplicity_url\n",
		"PASSPHRASE  [redacted]  environment PASSPHRASE\n",
		"SIGN_PASSPHRASE  -  default\n",
		"BACKUP_ARCHIVE_DIR  /elsewhere  command line\n",
		"BACKUP_RANCHER_DB_PASSWORD  [redacted]  file ROOT/pw\n",
		"note: BACKUP_LISTEN: it has no effect in this version\n",
	} {
		if !strings.Contains(shape(out), want) {
			t.Errorf("no %q in:\n%s", want, out)
		}
	}
	var got struct {
		Settings []struct{ Name, Value, Origin string }
		Notes    []string
	}
	js := b.good("config", "--output", "json")
	if err := json.Unmarshal([]byte(js), &got); err != nil || len(got.Settings) < 40 || len(got.Notes) != 1 {
		t.Errorf("%v: %s", err, js)
	}
	if strings.Contains(out+js, "geheim") {
		t.Error("a secret is shown")
	}
}
