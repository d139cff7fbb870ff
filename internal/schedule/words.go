package schedule

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// startsWithWord tells words from fields, which begin with a letter only if
// that is H.
func startsWithWord(expr string) bool {
	letters := strings.IndexFunc(expr, func(r rune) bool { return !unicode.IsLetter(r) })
	if letters < 0 {
		letters = len(expr)
	}
	zone := strings.Contains(strings.Fields(expr)[0], "TZ=")
	return !zone && (letters > 1 || letters == len(expr))
}

// slot is a time on certain days of a clock that is never changed. It may lie
// after the end of the day, whose it still is.
type slot struct {
	weekday int           // -1: any
	day     int           // of the month; 0: any
	after   time.Duration // since midnight, less than two days
}

func (s *slot) Next(shown time.Time) time.Time {
	// Every month has the days 1 to 28, so this ends.
	for day := time.Date(shown.Year(), shown.Month(), shown.Day()-1, 0, 0, 0, 0, time.UTC); ; day = day.AddDate(0, 0, 1) {
		if at := day.Add(s.after); s.on(day) && at.After(shown) {
			return at
		}
	}
}

// on reports whether the slot is of this day.
func (s *slot) on(day time.Time) bool {
	return (s.weekday < 0 || int(day.Weekday()) == s.weekday) && (s.day == 0 || day.Day() == s.day)
}

// words gives the days that a word means for an identity.
func words(h hash) map[string]slot {
	all := map[string]slot{
		"daily":   {weekday: -1},
		"weekly":  {weekday: h.between(0, 6)},
		"monthly": {weekday: -1, day: h.between(1, 28)},
	}
	for d := time.Sunday; d <= time.Saturday; d++ {
		all[strings.ToLower(d.String())] = slot{weekday: int(d)}
	}
	return all
}

const wordHint = "write hourly, daily, weekly, monthly or a weekday such as sunday, then a window if need be (daily, 2200-0400), or six fields such as 0 0 3 * * *"

// parseWords reads Turku's language.
func parseWords(expr string, h hash) (Schedule, error) {
	word, rest, windowed := strings.Cut(expr, ",")
	if name, fields, _ := strings.Cut(expr, " "); strings.EqualFold(name, "cron") {
		return parseTurkuCron(expr, strings.TrimSpace(fields), h)
	}
	word = strings.ToLower(strings.TrimSpace(word))
	if word == "hourly" {
		if windowed {
			return nil, &Error{Expr: expr, Pos: len("hourly") + 1, Err: errors.New("hourly takes no window"),
				hint: "write the hours as fields, such as 0 H 8-17 * * *"}
		}
		return parseCron(expr, fmt.Sprintf("%[1]d %[1]d * * * *", h.between(0, 59)), h)
	}
	s, known := words(h)[word]
	if !known {
		return nil, &Error{Expr: expr, Pos: 1, Err: fmt.Errorf("unknown word %q", word), hint: wordHint}
	}
	from, to := 0, 24*60*60-1
	if windowed {
		var err error
		if from, to, err = window(expr, rest); err != nil {
			return nil, err
		}
	}
	s.after = time.Duration(h.between(from, to)) * time.Second
	return &daily{&s}, nil
}

// parseTurkuCron reads what stands behind the word cron: the second, and all
// of a name such as @daily, depend on the identity.
func parseTurkuCron(expr, fields string, h hash) (Schedule, error) {
	named := map[string]string{
		"@hourly": "H H * * * *", "@daily": "H H H * * *", "@weekly": "H H H * * H", "@monthly": "H H H H * *",
		"@midnight": "H H H(0-2) * * *", "@yearly": "H H H H H *", "@annually": "H H H H H *",
	}
	switch text := strings.ToLower(fields); {
	case named[text] != "":
		return parseCron(expr, named[text], h)
	case strings.HasPrefix(text, "@"):
		return nil, &Error{Expr: expr, Pos: strings.Index(expr, "@") + 1, Err: fmt.Errorf("unknown name %q", fields),
			hint: "write one of " + strings.Join(slices.Sorted(maps.Keys(named)), ", ")}
	}
	if n := len(strings.Fields(fields)); n != 5 {
		return nil, &Error{Expr: expr, Err: fmt.Errorf("cron has %d fields, not 5", n), hint: "write cron and five fields, such as cron H H * * *"}
	}
	return parseWithSecond(expr, fields, h)
}

var windowForm = regexp.MustCompile(`^\s*(\d{4})\s*(?:-\s*(\d{4})\s*)?$`)

const windowHint = "write a window as HHMM-HHMM, such as 0200-0500 or 2200-0400, or one time as HHMM"

// window reads the seconds of the day between which something is to happen.
// One that ends earlier than it begins ends on the next day.
func window(expr, text string) (from, to int, err error) {
	at := len(expr) - len(text)
	bad := func(pos int, why string) (int, int, error) {
		return 0, 0, &Error{Expr: expr, Pos: pos + 1, Err: errors.New(why), hint: windowHint}
	}
	m := windowForm.FindStringSubmatchIndex(text)
	if m == nil {
		blanks := len(text) - len(strings.TrimLeft(text, " \t"))
		return bad(at+blanks, fmt.Sprintf("%q is no window", strings.TrimSpace(text)))
	}
	from, ok := clockTime(text[m[2]:m[3]])
	if !ok {
		return bad(at+m[2], fmt.Sprintf("there is no time %s", text[m[2]:m[3]]))
	}
	if m[4] < 0 {
		return from, from, nil
	}
	to, ok = clockTime(text[m[4]:m[5]])
	switch {
	case !ok:
		return bad(at+m[4], fmt.Sprintf("there is no time %s", text[m[4]:m[5]]))
	case to == from:
		return bad(at+m[2], "the window has no length")
	case to < from:
		to += 24 * 60 * 60
	}
	return from, to, nil
}

// clockTime reads HHMM as seconds since midnight.
func clockTime(s string) (int, bool) {
	n, err := strconv.Atoi(s)
	if err != nil || n/100 > 23 || n%100 > 59 {
		return 0, false
	}
	return n/100*3600 + n%100*60, true
}
