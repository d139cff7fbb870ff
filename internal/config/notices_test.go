package config_test

import (
	"encoding/json"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/purser-backup/purser/internal/config"
)

func TestNotificationURLs(t *testing.T) {
	for value, want := range map[string][]string{
		"ntfy://ntfy.sh/a":                       {"ntfy://ntfy.sh/a"},
		"ntfy://ntfy.sh/a  ntfy://ntfy.sh/b":     {"ntfy://ntfy.sh/a", "ntfy://ntfy.sh/b"},
		"ntfy://ntfy.sh/a,generic+http://h/b":    {"ntfy://ntfy.sh/a", "generic+http://h/b"},
		"smtp://h/?to=a@x.org,b@x.org,ntfy://h/": {"smtp://h/?to=a@x.org,b@x.org", "ntfy://h/"},
		"ntfy://ntfy.sh/a, ntfy://ntfy.sh/b,":    {"ntfy://ntfy.sh/a", "ntfy://ntfy.sh/b"},
	} {
		var got []string
		for _, u := range load(t, "BACKUP_NOTIFICATION_URLS="+value).Notices.URLs {
			got = append(got, u.Reveal())
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: %q", value, got)
		}
	}
	n := load(t, "backup_notification-urls=ntfy://h/a", "NOTIFICATION_URLS=ntfy://h/b", "BACKUP_NOTIFICATION_LEVEL=Changed", "BACKUP_PING_URL=https://h/x").Notices
	if len(n.URLs) != 2 || n.Level != "changed" || n.Ping.Reveal() != "https://h/x" {
		t.Errorf("got %+v", n)
	}
	if level := load(t).Notices.Level; level != "incomplete" {
		t.Errorf("the usual level is %q", level)
	}
}

func TestNoticeFaults(t *testing.T) {
	for environ, want := range map[string]string{
		"BACKUP_NOTIFICATION_URLS=t0k3n":           "BACKUP_NOTIFICATION_URLS: not a list of URLs",
		"NOTIFICATION_URLS=ntfy://h/a t0k3n":       "NOTIFICATION_URLS: not a list of URLs",
		"BACKUP_NOTIFICATION_URLS=ntfy://%zzt0k3n": "BACKUP_NOTIFICATION_URLS: not a list of URLs",
		"BACKUP_NOTIFICATION_LEVEL=all":            `BACKUP_NOTIFICATION_LEVEL="all": not a level`,
		"BACKUP_PING_URL=hc-ping.com/t0k3n":        "BACKUP_PING_URL: not an http or https URL",
		"BACKUP_PING_URL=ftp://hc-ping.com/t0k3n":  "BACKUP_PING_URL: not an http or https URL",
		"BACKUP_NOTIFICATIONS_URL=t0k3n":           "BACKUP_NOTIFICATIONS_URL: no such setting",
	} {
		got := faults(t, environ)
		if len(got) != 1 || got[0].Error() != want || strings.Contains(got[0].Hint(), "t0k3n") {
			t.Errorf("%s: %v", environ, got)
		}
	}
}

// Somebody is told of faults by what is good.
func TestSalvage(t *testing.T) {
	c := config.Salvage([]string{"BACKUP_CRON_SCHEDULE=x", "BACKUP_NOTIFICATION_URLS=ntfy://h/a", "BACKUP_ARCHIVE_DIR=/s", "PASSPHRASE_FILE=/does/not/exist"}, nil, "")
	if len(c.Notices.URLs) != 1 || c.Notices.Level != "incomplete" || c.ArchiveDir != "/s" {
		t.Errorf("got %+v", c)
	}
}

func TestScrub(t *testing.T) {
	c := load(t, "PASSPHRASE=open sesame", "BACKUP_DUPLICITY_URL=ftp://me:p%40ssword@h/x", "AWS_SECRET_ACCESS_KEY=abcdefg",
		"NOTIFICATION_URLS=ntfy://u:hidden01@h/a ntfy://h/hidden02", "BACKUP_PING_URL=https://h/hidden03")
	const text = "open sesame, ftp://me:p%40ssword@h/x, p@ssword, hidden01, ntfy://h/hidden02, https://h/hidden03, abcdefg"
	const want = "[redacted], ftp://me:[redacted]@h/x, [redacted], [redacted], [redacted], [redacted], abcdefg"
	if got := c.Scrub(text); got != want {
		t.Errorf("got %s", got)
	}
}

// A secret is found as others write it too, and one that begins like another
// doesn't leave the rest of that to be read.
func TestScrubFindsEveryForm(t *testing.T) {
	const hidden = "wörd \"with\" <a> \\ and\nlines"
	c := load(t, "PASSPHRASE="+hidden, "SIGN_PASSPHRASE=opensesame", "FTP_PASSWORD=opensesame-and-more")
	quoted, err := json.Marshal(hidden)
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{
		hidden, strconv.Quote(hidden), string(quoted), url.QueryEscape(hidden), url.PathEscape(hidden), strings.ReplaceAll(hidden, "\n", "; "),
		"opensesame-and-more", "opensesame",
	} {
		if got := c.Scrub("at " + strings.Trim(text, `"`) + "!"); got != "at [redacted]!" {
			t.Errorf("%s becomes %s", text, got)
		}
	}
}
