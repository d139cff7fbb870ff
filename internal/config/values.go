package config

import (
	"math"
	"net"
	"net/url"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"
)

func parseBool(s string) (bool, error) {
	switch strings.ToLower(s) {
	case "true", "yes", "on", "1":
		return true, nil
	case "false", "no", "off", "0":
		return false, nil
	}
	return false, withHint("write true or false", "neither true nor false")
}

// parseWebURL reads the address of an API. A password has no place in it: it
// would be sent in the clear, and show in messages.
func parseWebURL(s string) (string, error) {
	const hint = "write it as http://rancher:8080/v2-beta/projects/1a5"
	u, err := url.Parse(s)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https":
		return "", withHint(hint, "not an http or https URL")
	case u.User != nil:
		return "", withHint("give the keys in variables of their own", "there is a user or a password in it")
	}
	return s, nil
}

// parseHost reads a name or an address without a port. It becomes a word of a
// dump's command.
func parseHost(s string) (string, error) {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_.", r)
	}
	if net.ParseIP(s) == nil && strings.ContainsFunc(s, func(r rune) bool { return !plain(r) }) || strings.HasPrefix(s, "-") {
		return "", withHint("write a name or an address such as db.example or 10.0.0.5, without a port", "not the name of a host")
	}
	return s, nil
}

// Class says how much purser gives way to others.
type Class string

// The classes. What is idle gets only what nobody else wants.
const (
	Normal Class = "normal"
	Low    Class = "low"
	Idle   Class = "idle"
)

func parseClass(s string) (Class, error) {
	switch c := Class(strings.ToLower(s)); c {
	case Normal, Low, Idle:
		return c, nil
	}
	return "", withHint("write normal, low or idle", "no such class")
}

// parseCount reads a whole number of at least one.
func parseCount(s string, limit int64) (int64, error) {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return 0, withHint("write a whole number, such as 3", "not a whole number")
	}
	if n < 1 || n > limit {
		return 0, withHint("write a number from 1 to "+strconv.FormatInt(limit, 10), "out of range")
	}
	return n, nil
}

// units of duplicity's intervals; a month has 30 days, a year 365.
var units = map[byte]time.Duration{
	's': time.Second, 'm': time.Minute, 'h': time.Hour,
	'D': 24 * time.Hour, 'W': 7 * 24 * time.Hour, 'M': 30 * 24 * time.Hour, 'Y': 365 * 24 * time.Hour,
}

// setFullIfOlderThan takes an interval, or auto: by growth instead of by age.
func (c *Config) setFullIfOlderThan(v string) (err error) {
	if c.FullWhenGrown = v == "auto"; c.FullWhenGrown {
		c.FullIfOlderThan = 0
		return nil
	}
	c.FullIfOlderThan, err = parseInterval(v)
	return err
}

// parseInterval reads pairs of a number and a unit, which add up: 7D, 1D12h.
func parseInterval(s string) (time.Duration, error) {
	const hint = "write numbers with the units s, m, h, D, W, M (30 days), Y, such as 7D or 1D12h; small m is minutes, capital M months"
	var sum time.Duration
	for rest := s; rest != ""; {
		i := 0
		for i < len(rest) && '0' <= rest[i] && rest[i] <= '9' {
			i++
		}
		if i == 0 || i == len(rest) || units[rest[i]] == 0 {
			return 0, withHint(hint, "not an interval")
		}
		n, err := strconv.ParseInt(rest[:i], 10, 64)
		unit := units[rest[i]]
		if err != nil || n > int64((math.MaxInt64-sum)/unit) {
			return 0, withHint("an interval has less than 292 years", "too long")
		}
		sum += time.Duration(n) * unit
		rest = rest[i+1:]
	}
	return sum, nil
}

var rate = regexp.MustCompile(`(?i)^([0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:(b)|([kmg])(b|ib)?)?$`)

// minRate is the least that rsync takes, in bytes per second.
const minRate = 512

// parseRate reads a rate as rsync's --bwlimit has it: KiB per second, or with
// the unit K, M or G, which are powers of 1024, KB, MB or GB, which are powers of
// 1000, or b, and a fraction if need be. It gives bytes per second.
func parseRate(s string) (int64, error) {
	const hint = "write KiB per second, or a number with K, M or G, such as 500, 1.5M; 0 is no limit"
	m := rate.FindStringSubmatch(s)
	if m == nil {
		return 0, withHint(hint, "not a rate")
	}
	base := 1024.0
	if strings.EqualFold(m[4], "b") {
		base = 1000
	}
	unit := base // without a unit
	switch {
	case m[2] != "":
		unit = 1
	case strings.EqualFold(m[3], "m"):
		unit = base * base
	case strings.EqualFold(m[3], "g"):
		unit = base * base * base
	}
	n, err := strconv.ParseFloat(m[1], 64)
	switch {
	case err != nil || n*unit > 1<<50:
		return 0, withHint(hint, "not a rate")
	case n > 0 && n*unit < minRate:
		return 0, withHint("write 0 for no limit, or 512b or more", "too small a rate")
	}
	return int64(n * unit), nil
}

func parsePath(s string) (string, error) {
	if !filepath.IsAbs(s) {
		return "", withHint("write the whole path, from / on", "not an absolute path")
	}
	if strings.ContainsRune(s, 0) {
		return "", withHint("write a path without NUL bytes", "not a path")
	}
	return filepath.Clean(s), nil
}

func parseListen(s string) (string, error) {
	_, port, err := net.SplitHostPort(s)
	if n, perr := strconv.ParseUint(port, 10, 16); err != nil || perr != nil || n == 0 {
		return "", withHint("write an address and a port, such as 127.0.0.1:8080 or :8080", "not an address with a port")
	}
	return s, nil
}

// parseInstance takes what may stand in a label and in a file name.
func parseInstance(s string) (string, error) {
	const good = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-"
	if strings.Trim(s, good) != "" || strings.Trim(s, ".") == "" || len(s) > 100 {
		return "", withHint("use up to 100 letters, digits, dots, dashes and underscores", "not usable as an instance's name")
	}
	return s, nil
}

func parseLocation(s string) (*time.Location, error) {
	loc, err := time.LoadLocation(strings.TrimPrefix(s, ":"))
	if err != nil {
		return nil, withHint("write a name of the time zone database, such as Europe/Paris or UTC", "unknown time zone")
	}
	return loc, nil
}

// redactURL hides the user and password of a URL; it would rather hide too much.
func redactURL(s string) string {
	scheme, rest, ok := strings.Cut(s, "://")
	if !ok {
		scheme, rest = "", s
	} else {
		scheme += "://"
	}
	at := strings.LastIndexByte(rest, '@')
	if at < 0 || strings.HasPrefix(rest, "/") || !strings.Contains(rest[:at], ":") {
		return s
	}
	user, _, _ := strings.Cut(rest[:at], ":")
	return scheme + user + ":xxxxx" + rest[at:]
}
