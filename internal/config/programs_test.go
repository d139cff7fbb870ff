package config_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/purser-backup/purser/internal/config"
)

func TestPrograms(t *testing.T) {
	c := load(t, "BACKUP_RSYNC_IMAGE=registry:5000/tools/rsync:3@sha256:12", "BACKUP_RCLONE_IMAGE=rclone/rclone", "RSYNC_PASSWORD=daemon's",
		"RCLONE_CONFIG=/etc/rclone.conf", "RCLONE_CONFIG_Box_TYPE=box", "RCLONE_CONFIG_BOX_TOKEN=a-long-token", "RCLONE_SFTP_KEY_FILE=/no/such/file",
		`BACKUP_DUPLICITY_OPTIONS=--rsync-options="--partial-dir=.rsync-partial --compress"`)
	p := c.Programs
	if p.RsyncImage != "registry:5000/tools/rsync:3@sha256:12" || p.RcloneImage != "rclone/rclone" || c.Credentials.RsyncPassword.Reveal() != "daemon's" {
		t.Errorf("got %+v", p)
	}
	for name, want := range map[string]string{
		"RCLONE_CONFIG": "/etc/rclone.conf", "RCLONE_CONFIG_Box_TYPE": "box", "RCLONE_CONFIG_BOX_TOKEN": "a-long-token", "RCLONE_SFTP_KEY_FILE": "/no/such/file",
	} {
		if got := p.Rclone[name].Reveal(); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	if want := []string{"--partial-dir=.rsync-partial", "--compress"}; !slices.Equal(c.Target.RsyncOptions, want) {
		t.Errorf("options for rsync: %q", c.Target.RsyncOptions)
	}
	if text := c.Scrub("with a-long-token at box"); strings.Contains(text, "long") || !strings.Contains(text, "box") {
		t.Errorf("scrubbed to %q", text)
	}
	for _, image := range []string{"-v", "two words", "a;b"} {
		if _, err := config.Load([]string{"BACKUP_RSYNC_IMAGE=" + image}, nil, ""); err == nil {
			t.Errorf("%q is taken for an image", image)
		}
	}
}
