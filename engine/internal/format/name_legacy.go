package format

import (
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Names as duplicity wrote them with --old-filenames and --short-filenames. They
// may stand beside current ones in one chain.

// oldTimeSyntax is a local time with offset. --time-separator may have replaced the
// colons, all of them by the same character.
var oldTimeSyntax = regexp.MustCompile(
	`^(\d{4}-\d\d-\d\dT\d\d)([:_,;=~@%+-])(\d\d)([:_,;=~@%+-])(\d\d)(Z|[+-]\d\d)(?:([:_,;=~@%+-])(\d\d))?$`)

func parseOldTime(s string) (time.Time, bool) {
	m := oldTimeSyntax.FindStringSubmatch(s)
	if m == nil || m[2] != m[4] {
		return time.Time{}, false
	}
	zone := m[6]
	if zone != "Z" {
		if m[7] != m[2] {
			return time.Time{}, false
		}
		zone += ":" + m[8]
	} else if m[7] != "" {
		return time.Time{}, false
	}
	t, err := time.Parse("2006-01-02T15:04:05Z07:00", m[1]+":"+m[3]+":"+m[5]+zone)
	return checkNameTime(t.UTC(), err == nil)
}

// parseShort reads df.T.N.dt, df.T.m, dfs.T.st and the same with di, dns and two
// times; then .p for a partial one; then .z or .g. Numbers are in base 36.
func parseShort(s string) (n Name, ok bool) {
	n.Style = Short
	s, n.Suffix = cutSuffix(s, ".z", ".g")
	s, n.Part = strings.CutSuffix(s, ".p")
	words := strings.Split(s, ".")
	var times []string
	switch first, last := words[0], words[len(words)-1]; {
	case (first == "df" || first == "di") && last == "dt" && len(words) >= 4 && !n.Part:
		n.Kind = KindVolume
		if n.Volume, ok = parseNumber(words[len(words)-2], 36); !ok {
			return Name{}, false
		}
		times = words[1 : len(words)-2]
	case (first == "df" || first == "di") && last == "m" && len(words) >= 3:
		n.Kind = KindManifest
		times = words[1 : len(words)-1]
	case (first == "dfs" || first == "dns") && last == "st" && len(words) >= 3:
		n.Kind = KindSignatures
		times = words[1 : len(words)-1]
	default:
		return Name{}, false
	}
	if full := words[0] == "df" || words[0] == "dfs"; full {
		if len(times) != 1 {
			return Name{}, false
		}
		n.Time, ok = parseShortTime(times[0])
		return n, ok
	}
	if len(times) != 2 {
		return Name{}, false
	}
	if n.Start, ok = parseShortTime(times[0]); !ok {
		return Name{}, false
	}
	n.Time, ok = parseShortTime(times[1])
	return n, ok
}

func parseShortTime(s string) (time.Time, bool) {
	for _, c := range []byte(s) {
		if !isDigit(c) && (c < 'a' || c > 'z') {
			return time.Time{}, false
		}
	}
	secs, err := strconv.ParseInt(s, 36, 64)
	// A leading zero is not how a number is written; 2^40 seconds is far enough.
	if err != nil || s[0] == '0' || secs > 1<<40 {
		return time.Time{}, false
	}
	return checkNameTime(time.Unix(secs, 0).UTC(), true)
}
