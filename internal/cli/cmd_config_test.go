package cli

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestConfig(t *testing.T) {
	b := newBench(t, "backup_duplicity_url=ftp://me:geheim@host", "PASSPHRASE=geheim", "BACKUP_RANCHER_DB_PASSWORD_FILE=ROOT/pw", "BACKUP_DUPLICITY_OPTIONS=--asynchronous-upload")
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
		"note: BACKUP_DUPLICITY_OPTIONS: --asynchronous-upload is not needed: uploads always run beside the reading\n",
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

func TestFileOfSettings(t *testing.T) {
	b := newBench(t)
	b.write("purser.yml", "backup_duplicity_volsize: 50\nBACKUP_DUPLICITY_VOLSZIE: 60\n")
	const want = "error: BACKUP_DUPLICITY_VOLSZIE (from file ROOT/purser.yml line 2): no such setting\n" +
		"hint: write BACKUP_DUPLICITY_VOLSIZE if that was meant, else take it out\n"
	b.bad(2, want, "config")
	b.write("purser.yml", "backup_duplicity_volsize: 50\n")
	if out := shape(b.good("config")); !strings.Contains(out, "BACKUP_DUPLICITY_VOLSIZE  50  file ROOT/purser.yml line 1\n") {
		t.Errorf("config:\n%s", out)
	}
}
