package retention

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// Profile is a series of restore points by itself, which has nothing in common
// with others.
type Profile struct {
	Name   string // hourly, daily, weekly or monthly
	Policy Policy // of its own points
}

// Profiles takes a policy apart that consists of profiles, such as
// "daily;30, hourly;48". It gives none if there is no profile in the text. A fault,
// also a mix of profiles and other rules, is an *Error, which has a hint.
func Profiles(text string) ([]Profile, error) {
	p, err := Parse(text)
	if err != nil {
		return nil, err
	}
	var list []Profile
	other, pos := 0, 0
	for i, item := range strings.Split(text, ",") {
		at := pos + len(item) - len(strings.TrimLeft(item, " \t")) + 1
		pos += len(item) + 1
		r, ok := p.rules[i].(profile)
		if !ok {
			other = at
			continue
		}
		one := Policy{text: strings.TrimSpace(item), rules: []rule{aged(r)}}
		list = append(list, Profile{Name: r.name(), Policy: one})
	}
	if len(list) > 0 && other > 0 {
		return nil, &Error{Text: text, Pos: other, Err: errors.New("a rule can't stand beside profiles"), hint: mixHint}
	}
	return list, nil
}

const mixHint = "write rules without a semicolon, such as daily 30, hourly 48, or profiles alone, such as daily;30, hourly;48"

// name is the word that the profile was written with.
func (r profile) name() string {
	for word, unit := range generations() {
		if unit == r.unit {
			return word
		}
	}
	return string(r.unit)
}

// aged selects the points of a profile that has no others until each is n units
// old.
type aged profile

func (r aged) selects(points []time.Time, now time.Time) []int {
	var list []int
	for i, t := range points {
		if !profile(r).expired(t, now) {
			list = append(list, i)
		}
	}
	return list
}

func (r aged) reason() string {
	return fmt.Sprintf("it is younger than %s", count(r.n, string(r.unit)))
}
