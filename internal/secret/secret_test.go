package secret_test

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/purser-backup/purser/internal/secret"
)

const text = "correct horse"

type holder struct {
	Open   secret.String
	hidden secret.String
	Ptr    *secret.String
}

func TestNothingPrintsIt(t *testing.T) {
	s := secret.New(text)
	h := holder{Open: s, hidden: s, Ptr: &s}
	var logs bytes.Buffer
	for _, l := range []*slog.Logger{
		slog.New(slog.NewTextHandler(&logs, nil)),
		slog.New(slog.NewJSONHandler(&logs, nil)),
	} {
		l.Info("m", "secret", s, "pointer", &s, "holder", h, "any", slog.AnyValue(s))
	}
	printed := map[string]string{
		"slog":  logs.String(),
		"error": fmt.Errorf("open with %v: %w", s, errors.New(s.String())).Error(),
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%20s", "%t", "%p", "%T"} {
		printed[verb] = fmt.Sprintf(verb, s)
		printed[verb+" of a pointer"] = fmt.Sprintf(verb, &s)
		printed[verb+" of a struct"] = fmt.Sprintf(verb, h)
		printed[verb+" of a slice"] = fmt.Sprintf(verb, []secret.String{s})
		printed[verb+" of a map"] = fmt.Sprintf(verb, map[string]secret.String{"k": s})
	}
	for name, encode := range map[string]func(any) ([]byte, error){
		"json": json.Marshal, "xml": xml.Marshal, "yaml": yaml.Marshal,
	} {
		b, err := encode(struct{ S secret.String }{s})
		if err != nil && name != "xml" { // XML has no name for an anonymous struct
			t.Fatalf("%s: %v", name, err)
		}
		printed[name] = string(b)
	}
	for how, got := range printed {
		for _, bad := range []string{text, fmt.Sprintf("%x", text), fmt.Sprintf("%X", text)} {
			if strings.Contains(got, bad) {
				t.Errorf("%s shows the secret: %s", how, got)
			}
		}
	}
	for _, how := range []string{"%v", "%s", "%#v"} {
		if printed[how] != "[redacted]" {
			t.Errorf("%s gives %q", how, printed[how])
		}
	}
	if printed["json"] != `{"S":"[redacted]"}` {
		t.Errorf("json: %s", printed["json"])
	}
}

func TestValue(t *testing.T) {
	var zero secret.String
	if !zero.IsZero() || zero.Reveal() != "" || !secret.New("").IsZero() {
		t.Error("the zero value is not the empty secret")
	}
	s := secret.New(text)
	if s.IsZero() || s.Reveal() != text {
		t.Errorf("Reveal gives %q", s.Reveal())
	}
	if !s.Equal(secret.New(text)) || s.Equal(zero) || !zero.Equal(secret.New("")) {
		t.Error("Equal is wrong")
	}
}
