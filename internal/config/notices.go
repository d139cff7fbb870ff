package config

import (
	"encoding/json"
	"errors"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/purser-backup/purser/internal/secret"
)

const (
	varNotificationURLs = "BACKUP_NOTIFICATION_URLS"
	varPingURL          = "BACKUP_PING_URL"
	varListen           = "BACKUP_LISTEN"
	varListenToken      = "BACKUP_LISTEN_TOKEN"

	minToken = 16 // characters
)

// Notices say whom purser tells how its runs end.
type Notices struct {
	URLs  []secret.String // of shoutrrr [BACKUP_NOTIFICATION_URLS, NOTIFICATION_URLS]
	Level string          // failure, incomplete, success or changed [BACKUP_NOTIFICATION_LEVEL]
	Ping  secret.String   // of a dead man's switch [BACKUP_PING_URL]
}

func noticeVariables(c *Config) []variable {
	n := &c.Notices
	urls := func(v string) error {
		list, err := parseNotificationURLs(v)
		n.URLs = append(n.URLs, list...)
		return err
	}
	return []variable{
		{name: varNotificationURLs, secret: true, set: urls},
		{name: "NOTIFICATION_URLS", secret: true, set: urls},
		{name: "BACKUP_NOTIFICATION_LEVEL", def: "incomplete", set: to(&n.Level, parseLevel)},
		{name: varPingURL, secret: true, set: to(&n.Ping, parsePing)},
	}
}

// parseNotificationURLs splits at white space, and at a comma that a new URL
// follows: a URL may have commas of its own.
func parseNotificationURLs(s string) ([]secret.String, error) {
	const hint = "write URLs of shoutrrr, such as smtp://user:password@host:587/?from=a@b.org&to=c@d.org, with blanks between them"
	var list []secret.String
	for _, word := range strings.Fields(s) {
		start := ""
		for _, part := range strings.Split(word, ",") {
			if hasScheme(part) && start != "" {
				list = append(list, secret.New(start))
				start = part
				continue
			}
			if start != "" {
				part = start + "," + part
			}
			start = part
		}
		if start = strings.TrimSuffix(start, ","); start != "" {
			list = append(list, secret.New(start))
		}
	}
	for _, one := range list {
		if _, err := url.Parse(one.Reveal()); err != nil || !hasScheme(one.Reveal()) {
			return nil, withHint(hint, "not a list of URLs")
		}
	}
	return list, nil
}

// hasScheme reports whether s begins as a URL does.
func hasScheme(s string) bool {
	scheme, _, ok := strings.Cut(s, "://")
	return ok && scheme != "" && strings.Trim(strings.ToLower(scheme), "abcdefghijklmnopqrstuvwxyz0123456789+.-") == ""
}

func parseLevel(s string) (string, error) {
	switch l := strings.ToLower(s); l {
	case "failure", "incomplete", "success", "changed":
		return l, nil
	}
	return "", withHint("write failure, incomplete, success or changed", "not a level")
}

func parsePing(s string) (secret.String, error) {
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return secret.String{}, withHint("write the URL that the service shows, such as https://hc-ping.com/your-uuid", "not an http or https URL")
	}
	return secret.New(s), nil
}

// deriveListen checks that what is served to the network has a token.
func (l *loader) deriveListen() {
	c := l.config
	token, why := l.setting(varListenToken), ""
	switch {
	case token == nil || c.Listen == "" && c.ListenToken.IsZero(): // it was faulty, or neither is set
		return
	case c.Listen == "":
		why = "there is no " + varListen
	case c.ListenToken.IsZero():
		why = "not set, and " + varListen + " is"
	case len(c.ListenToken.Reveal()) < minToken:
		why = "too short"
	default:
		return
	}
	l.faults = append(l.faults, &Fault{
		Name: varListenToken, Origin: token.Origin, Err: errors.New(why),
		hint: "set both, with a token of at least 16 characters, such as `openssl rand -hex 32` makes; or neither",
	})
}

// minScrubbed is the length below which a secret is not looked for: it would
// be a word of any text.
const minScrubbed = 8

// Scrub takes out of a text what the configuration holds of secrets. It is the
// last of several guards: a message that leaves the machine has been through it.
func (c *Config) Scrub(text string) string {
	for _, s := range c.secrets {
		text = strings.ReplaceAll(text, s.Reveal(), "[redacted]")
	}
	return text
}

// remember notes the secrets in a value, for Scrub.
func (c *Config) remember(v variable, value string) {
	switch {
	case v.name == varNotificationURLs || v.name == "NOTIFICATION_URLS":
		for _, word := range strings.Fields(value) {
			c.hide(word)
		}
	case v.secret:
		c.hide(value)
	case !v.url:
		return
	}
	for _, word := range strings.Fields(value) {
		if password := passwordOf(word); password != "" {
			c.hide(password)
			if plain, err := url.PathUnescape(password); err == nil {
				c.hide(plain)
			}
		}
	}
}

// hide adds a secret in all its forms to what Scrub looks for: the longest ones
// first, since one may be part of another.
func (c *Config) hide(value string) {
	for _, form := range forms(value) {
		if len(form) >= minScrubbed {
			c.secrets = append(c.secrets, secret.New(form))
		}
	}
	slices.SortStableFunc(c.secrets, func(a, b secret.String) int { return len(b.Reveal()) - len(a.Reveal()) })
}

// forms are the ways in which a value may stand in a text: as it is, on one
// line, as the log and messages quote it, in JSON, and in a URL.
func forms(value string) []string {
	quoted := strconv.Quote(value)
	list := []string{value, strings.ReplaceAll(value, "\n", "; "), quoted[1 : len(quoted)-1], url.QueryEscape(value), url.PathEscape(value)}
	if text, err := json.Marshal(value); err == nil { // a string always is
		list = append(list, string(text[1:len(text)-1]))
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// passwordOf finds the password in a URL, as it is written there.
func passwordOf(s string) string {
	_, rest, _ := strings.Cut(s, "://")
	at := strings.LastIndexByte(rest, '@')
	if at < 0 {
		return ""
	}
	_, password, _ := strings.Cut(rest[:at], ":")
	return password
}
