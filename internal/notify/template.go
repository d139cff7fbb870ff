package notify

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"text/template"
	"time"

	"github.com/purser-backup/purser/internal/api"
)

const (
	titleFile = "title.tmpl"
	bodyFile  = "body.tmpl"

	usualTitle = `purser on {{ .Instance }}: {{ .Subject }}`
	usualBody  = `{{ .Text }}
{{ range $i, $line := .Lines }}{{ if not $i }}
{{ end }}{{ $line }}
{{ end }}
instance {{ .Instance }}, host {{ .Host }}, target {{ .Target }}, {{ time .Time }}
`
	// maxTitle and maxBody are what most services take.
	maxTitle = 200
	maxBody  = 3500
)

type templates struct{ title, body *template.Template }

func functions() template.FuncMap {
	return template.FuncMap{
		"size": api.Size, "duration": api.Duration, "join": strings.Join,
		"time": func(t time.Time) string { return t.Format(time.RFC3339) },
		"json": func(v any) (string, error) {
			b, err := json.Marshal(v)
			return string(b), err
		},
	}
}

func usualTemplates() *templates {
	parse := func(text string) *template.Template {
		return template.Must(template.New("").Funcs(functions()).Parse(text))
	}
	return &templates{parse(usualTitle), parse(usualBody)}
}

// loadTemplates reads the user's templates, or takes ours, and tries them.
func loadTemplates(dir string) (*templates, error) {
	title, err1 := loadTemplate(dir, titleFile, usualTitle)
	body, err2 := loadTemplate(dir, bodyFile, usualBody)
	if err := errors.Join(err1, err2); err != nil {
		return nil, err
	}
	return &templates{title, body}, nil
}

func loadTemplate(dir, name, usual string) (*template.Template, error) {
	const hint = "see the README for what a template can use, or remove the file"
	path := filepath.Join(dir, name)
	text, err := os.ReadFile(path)
	if dir == "" || errors.Is(err, fs.ErrNotExist) {
		text, err = []byte(usual), nil
	}
	if err != nil {
		return nil, &Error{fmt.Errorf("read template: %w", err), "let purser read the file, or remove it"}
	}
	t, err := template.New(name).Funcs(functions()).Option("missingkey=error").Parse(string(text))
	if err != nil {
		return nil, &Error{fmt.Errorf("template %s: %w", path, err), hint}
	}
	for _, e := range samples() {
		if _, err := execute(t, e); err != nil {
			return nil, &Error{fmt.Errorf("template %s: %w", path, err), hint}
		}
	}
	return t, nil
}

// samples are the two sorts of events: with a run, and without one.
func samples() []*Event {
	run := &api.Run{
		Services: []api.ServiceDump{{ID: "shop/db"}}, Errors: []string{"an error"},
		Backup: &api.Backup{}, Prune: &api.Pruning{}, Kept: &api.Kept{},
	}
	return []*Event{{Kind: "run", Severity: Success, Run: run}, {Kind: "gone", Severity: Incomplete}}
}

func execute(t *template.Template, e *Event) (string, error) {
	var b strings.Builder
	if err := t.Execute(&b, e); err != nil {
		return "", err
	}
	return b.String(), nil
}

// Render makes the message of an event. Secrets are taken out, and what is too
// long is cut.
func (s *Sender) Render(e *Event) (Message, error) {
	title, err1 := execute(s.templates.title, e)
	body, err2 := execute(s.templates.body, e)
	title = strings.Join(strings.Fields(title), " ")
	return Message{Title: cut(s.scrub(title), maxTitle), Body: cut(s.scrub(body), maxBody)}, errors.Join(err1, err2)
}

// cut shortens a text to so many bytes, between two characters.
func cut(text string, limit int) string {
	if len(text) <= limit {
		return text
	}
	const mark = " [cut]"
	return strings.ToValidUTF8(text[:limit-len(mark)], "") + mark
}
