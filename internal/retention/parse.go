package retention

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Error is a policy that can't be read.
type Error struct {
	Text string
	Pos  int // the character at fault, from 1
	Err  error
	hint string
}

func (e *Error) Error() string { return fmt.Sprintf("at character %d: %v", e.Pos, e.Err) }

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Err }

// Hint says how to write it.
func (e *Error) Hint() string { return e.hint }

const hint = `write rules with commas between them, such as "last 5 days, earliest of month", "daily 7, weekly 4, monthly 12, yearly 3", ` +
	`"daily;30, hourly;48" or "last 10 snapshots"`

// form is the shape of a rule, and what its parts mean.
type form struct {
	pattern *regexp.Regexp
	rule    func(n int, word string) (rule, error)
}

// maxCount keeps dates within what a calendar has.
const maxCount = 100_000

func forms() []form {
	return []form{
		{regexp.MustCompile(`^last (?P<n>\d+) (?P<word>days?|snapshots?)$`), func(n int, word string) (rule, error) {
			if strings.HasPrefix(word, "day") {
				return lastDays(n), nil
			}
			return lastPoints(n), nil
		}},
		{regexp.MustCompile(`^earliest of (?:(?P<n>\d+) )?(?P<word>days?|weeks?|fortnights?|months?)$`), func(n int, word string) (rule, error) {
			return earliest{n, period(strings.TrimSuffix(word, "s"))}, nil
		}},
		{regexp.MustCompile(`^(?P<word>\w+) (?P<n>\d+)$`), func(n int, word string) (rule, error) {
			unit, ok := generations()[word]
			if !ok {
				return nil, fmt.Errorf("unknown word %q", word)
			}
			return newestOfEach{n, unit}, nil
		}},
		{regexp.MustCompile(`^(?P<word>[^;]*?) ?; ?(?P<n>\d+)$`), func(n int, word string) (rule, error) {
			unit, ok := generations()[word]
			if !ok || unit == year {
				return nil, fmt.Errorf("unknown profile %q", word)
			}
			return profile{n, unit}, nil
		}},
	}
}

func generations() map[string]period {
	return map[string]period{"hourly": hour, "daily": day, "weekly": week, "monthly": month, "yearly": year}
}

// Parse reads a policy: rules with commas between them, in any case.
//
//	last N days            not older than N times 24 hours
//	last N snapshots       the N newest
//	earliest of [N] UNIT   the oldest one since the beginning of this day, week,
//	                       fortnight or month, or of the last N of them
//	hourly|daily|weekly|monthly|yearly N
//	                       the newest of each of the N newest periods that have one
//	hourly|daily|weekly|monthly;N
//	                       the first of each period, until it is N units old
//
// A fault is an *Error, which has a hint.
func Parse(text string) (Policy, error) {
	p := Policy{text: strings.TrimSpace(text)}
	seen := map[string]bool{}
	pos := 0
	for _, item := range strings.Split(text, ",") {
		at := pos + len(item) - len(strings.TrimLeft(item, " \t")) + 1
		pos += len(item) + 1
		r, key, err := parseRule(strings.ToLower(strings.Join(strings.Fields(item), " ")))
		if err == nil && seen[key] {
			err = fmt.Errorf("%s is given twice", key)
		}
		if err != nil {
			return Policy{}, &Error{Text: text, Pos: at, Err: err, hint: hint}
		}
		seen[key] = true
		p.rules = append(p.rules, r)
	}
	return p, nil
}

// parseRule reads one rule. The key is what may not be given twice.
func parseRule(item string) (r rule, key string, err error) {
	if item == "" {
		return nil, "", errors.New("there is no rule")
	}
	for _, f := range forms() {
		m := f.pattern.FindStringSubmatch(item)
		if m == nil {
			continue
		}
		number, word := m[f.pattern.SubexpIndex("n")], m[f.pattern.SubexpIndex("word")]
		n := 1
		if number != "" {
			if n, err = strconv.Atoi(number); err != nil || n > maxCount {
				return nil, "", fmt.Errorf("%s is too much", number)
			}
		}
		if n == 0 {
			return nil, "", fmt.Errorf("%q would keep nothing", item)
		}
		r, err = f.rule(n, word)
		switch r.(type) {
		case newestOfEach:
			return r, word, err
		case profile:
			return r, word + ";", err
		}
		return r, item, err
	}
	return nil, "", fmt.Errorf("%q is no rule", item)
}

const holdHint = "write times such as 2026-05-20T03:00:00Z, 2026-05-20T03:00:00 or 2026-05-20, with commas between them"

// ParseHolds reads a list of times, each of which names the restore point that
// a restore to it would use. A fault is an *Error, which has a hint.
func ParseHolds(text string, loc *time.Location) ([]time.Time, error) {
	var list []time.Time
	pos := 0
	for _, item := range strings.Split(text, ",") {
		word := strings.TrimSpace(item)
		t, err := parseTime(word, loc)
		if err != nil {
			at := pos + len(item) - len(strings.TrimLeft(item, " \t")) + 1
			return nil, &Error{Text: text, Pos: at, Err: fmt.Errorf("%q is no time", word), hint: holdHint}
		}
		list = append(list, t)
		pos += len(item) + 1
	}
	return list, nil
}

func parseTime(s string, loc *time.Location) (t time.Time, err error) {
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05", "20060102T150405Z", time.DateOnly} {
		zone := loc
		if strings.HasSuffix(layout, "Z") {
			zone = time.UTC
		}
		if t, err = time.ParseInLocation(layout, s, zone); err == nil {
			return t, nil
		}
	}
	return t, err
}
