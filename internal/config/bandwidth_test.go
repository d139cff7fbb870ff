package config_test

import (
	"testing"
	"time"

	"github.com/purser-backup/purser/internal/config"
)

func TestBandwidth(t *testing.T) {
	zone := time.FixedZone("east", 2*3600)
	for _, c := range []struct {
		value, at string
		want      int64
	}{
		{"512", "Mon 03:00", 512 << 10},
		{"08:00,512 19:00,10M", "Mon 07:59", 10 << 20},
		{"08:00,512 19:00,10M", "Mon 08:00", 512 << 10},
		{"08:00,512 19:00,10M", "Sun 00:00", 10 << 20},
		{"19:00,10M 08:00,512", "Sat 18:59", 512 << 10},
		{"08:00,512  23:30,off", "Wed 23:30", 0},
		{"08:00,512 Sat-00:00,off mon-00:00,1M", "Sat 07:00", 0},
		{"08:00,512 Sat-00:00,off mon-00:00,1M", "Sat 08:00", 512 << 10},
		{"08:00,512 Sat-00:00,off Monday-00:00,1M", "Mon 01:00", 1 << 20},
		{"Fri-12:00,7 Sun-12:00,off", "Sat 00:00", 7 << 10},
		{"Fri-12:00,7 Sun-12:00,off", "Fri 11:59", 0},
		{"0", "Fri 11:59", 0},
	} {
		at, err := time.ParseInLocation("Mon 15:04", c.at, zone)
		if err != nil {
			t.Fatal(err)
		}
		for at = at.AddDate(2026, 0, 0); at.Format("Mon") != c.at[:3]; {
			at = at.AddDate(0, 0, 1)
		}
		if got := load(t, "BACKUP_BWLIMIT="+c.value).BandwidthLimit.At(at); got != c.want {
			t.Errorf("%q at %s: %d bytes per second, want %d", c.value, c.at, got, c.want)
		}
	}
	if !load(t, "BACKUP_BWLIMIT=00:00,off 12:00,0").BandwidthLimit.IsZero() || load(t, "BACKUP_BWLIMIT=00:00,off 12:00,1").BandwidthLimit.IsZero() {
		t.Error("a limit is there, or is not, wrongly")
	}
	for _, bad := range []string{"08:00", "08:00,", "24:00,1", "08:60,1", "8,1", "Foo-08:00,1", "08:00,1 08:00,2", "Mon-08:00,1 08:00,2", "08:00,x", "1M,08:00"} {
		if _, err := config.Load([]string{"BACKUP_BWLIMIT=" + bad}, nil, ""); err == nil {
			t.Errorf("%q is taken", bad)
		}
	}
}
