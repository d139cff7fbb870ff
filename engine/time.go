package engine

import (
	"time"

	"github.com/purser-backup/purser/engine/internal/format"
)

// ParseTime reads a point in time in any form that duplicity takes: "now",
// seconds since 1970, 20060102T150405Z, 2006-01-02T15:04:05 with or without an
// offset, an interval before now, or a date.
func ParseTime(s string, now time.Time) (time.Time, error) { return format.ParseTime(s, now) }

// ParseInterval reads a length of time as duplicity writes it: "7D", "1D12h".
func ParseInterval(s string) (time.Duration, error) { return format.ParseInterval(s) }
