package config

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/purser-backup/purser/internal/nearest"
)

// parseOptions reads BACKUP_DUPLICITY_OPTIONS into c. The value is split as a
// shell does, and its words are read as duplicity reads them: --name=value and
// --name value are the same, a long name may be cut short as long as it is the
// only one that begins so, and -v5 is -v 5. All that is wrong comes as one
// joined error.
func parseOptions(c *Config, s string) error {
	words, err := splitWords(s)
	if err != nil {
		return err
	}
	known := options()
	var faults []error
	for len(words) > 0 {
		var g givenOption
		if g, words, err = nextOption(known, words); err != nil {
			faults = append(faults, err)
		}
		if g.option != nil {
			faults = append(faults, g.take(c, varOptions+": ")...)
		}
	}
	return errors.Join(faults...)
}

// givenOption is an option as it was written.
type givenOption struct {
	*option
	written, value string
}

// nextOption reads the option that words begin with, and its value. It gives
// the words that follow, and no option where nobody knows it.
func nextOption(known []option, words []string) (g givenOption, rest []string, err error) {
	word := words[0]
	words = words[1:]
	name, value, inline := cutOption(word)
	o, err := findOption(known, word, name)
	if err != nil {
		return givenOption{}, words, err
	}
	missing := o.values
	if inline && missing > 0 {
		missing--
	}
	switch {
	case inline && o.values == 0:
		err = withHint("write "+name+" alone", "option %s takes no value", name)
	case missing > len(words):
		err = withHint("write "+name+"=VALUE", "option %s lacks its value", name)
		missing = len(words)
	case missing > 0 && !inline:
		value = words[0]
	}
	return givenOption{o, name, value}, words[missing:], err
}

// take does with an option what is to be done with it. A note on it begins with
// the words in where.
func (g givenOption) take(c *Config, where string) []error {
	switch {
	case g.apply != nil:
		if err := g.apply(c, g.value); err != nil {
			var inner interface{ Hint() string }
			errors.As(err, &inner)
			return []error{withHint(inner.Hint(), "option %s: %w", g.written, err)}
		}
	case g.needless != "":
		c.Notes = append(c.Notes, fmt.Sprintf("%s%s is not needed: %s", where, g.written, g.needless))
	default:
		return []error{withHint(g.refused, "option %s is not supported", g.written)}
	}
	return nil
}

// cutOption takes --name=value or -nVALUE apart.
func cutOption(word string) (name, value string, inline bool) {
	if strings.HasPrefix(word, "-") && !strings.HasPrefix(word, "--") && len(word) > 2 {
		return word[:2], word[2:], true
	}
	name, value, inline = strings.Cut(word, "=")
	return name, value, inline
}

// findOption looks a name up. The error doesn't show what stands behind the
// name: it may be a password.
func findOption(known []option, word, name string) (*option, error) {
	if !strings.HasPrefix(word, "-") || word == "-" || word == "--" {
		return nil, withHint("write options only; a value that has blanks needs quotes", "a word that is no option")
	}
	var names, begins []string
	found := -1
	for i, o := range known {
		if o.name == name || o.short != 0 && name == string([]byte{'-', o.short}) {
			return &known[i], nil
		}
		names = append(names, o.name)
		if len(name) > 2 && strings.HasPrefix(o.name, name) {
			begins, found = append(begins, o.name), i
		}
	}
	hint := "take it out"
	switch near := nearest.To(name, names); {
	case len(begins) == 1:
		return &known[found], nil
	case len(begins) > 1:
		slices.Sort(begins)
		return nil, withHint("write one of "+strings.Join(begins, ", "), "option %s stands for several", name)
	case near != "":
		hint += ", or write " + near + " if that was meant"
	}
	return nil, withHint(hint, "unknown option %s", name)
}

// splitWords splits s at blanks as a POSIX shell does, with single quotes,
// double quotes and backslashes; nothing is expanded.
func splitWords(s string) ([]string, error) {
	var words []string
	var word strings.Builder
	inWord := false
	for i := 0; i < len(s); i++ {
		switch c := s[i]; c {
		case ' ', '\t', '\n', '\r':
			if inWord {
				words = append(words, word.String())
				word.Reset()
				inWord = false
			}
		case '\\':
			if i++; i == len(s) {
				return nil, withHint("write two backslashes for one", "a backslash stands at the end")
			}
			word.WriteByte(s[i])
			inWord = true
		case '\'', '"':
			n, err := quoted(s[i:], &word)
			if err != nil {
				return nil, err
			}
			i += n - 1
			inWord = true
		default:
			word.WriteByte(c)
			inWord = true
		}
	}
	if inWord {
		words = append(words, word.String())
	}
	return words, nil
}

// quoted adds what is between the quote that s begins with and the next such,
// and gives the number of bytes read.
func quoted(s string, word *strings.Builder) (int, error) {
	quote := s[0]
	for i := 1; i < len(s); i++ {
		switch {
		case s[i] == quote:
			return i + 1, nil
		case s[i] == '\\' && quote == '"' && i+1 < len(s) && strings.IndexByte("\\\"$`", s[i+1]) >= 0:
			i++
		}
		word.WriteByte(s[i])
	}
	return 0, withHint("close the quote", "a quote %c is not closed", quote)
}
