package config

import (
	"errors"
	"net/url"
	"strings"
)

// GoNoGo is what is asked before a run: an HTTP server, or a program. The zero
// value is nobody.
type GoNoGo struct {
	URL     string   // of an HTTP server; the answer 2xx is go
	Command []string // the program and its arguments; exit status 0 is go
}

// IsZero reports whether nobody is asked.
func (g GoNoGo) IsZero() bool { return g.URL == "" && len(g.Command) == 0 }

// parseGoNoGo reads a URL, or words as a shell splits them.
func parseGoNoGo(s string) (GoNoGo, error) {
	if lower := strings.ToLower(s); strings.HasPrefix(lower, "http://") || strings.HasPrefix(lower, "https://") {
		u, err := url.Parse(s)
		if err != nil || u.Host == "" {
			return GoNoGo{}, withHint("write it as http://host:port/path", "not a URL")
		}
		return GoNoGo{URL: s}, nil
	}
	words, err := splitWords(s)
	if err == nil && (len(words) == 0 || words[0] == "") {
		err = withHint("write a program and its arguments, or an http:// URL", "%w", errors.New("there is no program"))
	}
	return GoNoGo{Command: words}, err
}
