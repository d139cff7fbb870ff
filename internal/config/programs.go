package config

import (
	"regexp"
	"strings"

	"github.com/purser-backup/purser/internal/secret"
)

// imageName is a reference such as registry:5000/group/name:tag@sha256:...
var imageName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._:/@-]*$`)

func parseImage(s string) (string, error) {
	if !imageName.MatchString(s) {
		return "", withHint("write it as for docker run, such as rclone/rclone:1.68", "not the name of an image")
	}
	return s, nil
}

// secretOfRclone tells variables of rclone that hold a secret.
var secretOfRclone = regexp.MustCompile(`(PASS|PASSWORD|SECRET|KEY|TOKEN|CREDENTIALS|SAS_URL)[0-9]*$`)

// collectRclone keeps the variables that rclone reads, for rclone alone. They
// are its own: case counts, and RCLONE_..._FILE may be one, too.
func (c *Config) collectRclone(env []given) {
	for _, g := range env {
		if !strings.HasPrefix(g.name, "RCLONE_") {
			continue
		}
		if c.Programs.Rclone == nil {
			c.Programs.Rclone = map[string]secret.String{}
		}
		c.Programs.Rclone[g.name] = secret.New(g.value)
		if secretOfRclone.MatchString(g.name) {
			c.hide(g.value)
		}
	}
}
