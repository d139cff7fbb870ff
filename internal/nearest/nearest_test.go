package nearest_test

import (
	"testing"

	"github.com/purser-backup/purser/internal/nearest"
)

func TestTo(t *testing.T) {
	known := []string{"backup", "restore", "ls", "sets", "url", "run",
		"backup.disable", "backup.id", "backup.idle-timeout", "backup.timeout", "backup.type",
		"BACKUP_DUPLICITY_FULL_IF_OLDER_THAN", "BACKUP_DUPLICITY_VOLSIZE", "BACKUP_SCOPE"}
	for _, c := range []struct{ word, want string }{
		{"bakcup", "backup"},
		{"restor", "restore"},
		{"set", "sets"},
		{"runn", "run"},
		{"x", ""},
		{"", ""},
		{"full", ""},
		{"quite-else", ""},
		{"backup.typ", "backup.type"},
		{"backup.tpye", "backup.type"},
		{"backup.disabled", "backup.disable"},
		{"backup.time-out", "backup.timeout"},
		{"backup.retention", ""},
		{"BACKUP_DUPLICITY_FULL_IF_OLDER_THEN", "BACKUP_DUPLICITY_FULL_IF_OLDER_THAN"},
		{"BACKUP_DUPLICITY_VOL_SIZE", "BACKUP_DUPLICITY_VOLSIZE"},
		{"BACKUP_DUPLICITY_VOLUMES_BIG", ""},
		{"BACKUP_SCOEP", "BACKUP_SCOPE"},
	} {
		if got := nearest.To(c.word, known); got != c.want {
			t.Errorf("nearest to %q is %q, want %q", c.word, got, c.want)
		}
	}
}
