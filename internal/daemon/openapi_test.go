package daemon

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/purser-backup/purser/internal/api"
)

// openAPI is the part of the format that our document uses.
type openAPI struct {
	Paths map[string]struct {
		Get struct {
			Summary   string
			Security  *[]any
			Responses map[string]struct {
				Content map[string]struct{ Schema *schema }
			}
		}
	}
	Components struct{ Schemas map[string]*schema }
}

type schema struct {
	Ref        string `yaml:"$ref"`
	Type       string
	Format     string
	Nullable   bool
	Required   []string
	Enum       []string
	AllOf      []*schema `yaml:"allOf"`
	Items      *schema
	Properties map[string]*schema
	Other      map[string]any `yaml:",inline"`
}

func parseOpenAPI(t *testing.T) *openAPI {
	t.Helper()
	var doc openAPI
	if err := yaml.Unmarshal(api.OpenAPI, &doc); err != nil {
		t.Fatal(err)
	}
	if len(doc.Paths) < 5 || len(doc.Components.Schemas) < 10 {
		t.Fatalf("the document is nearly empty: %+v", doc)
	}
	return &doc
}

// check tells how a value differs from its schema. A property that the schema
// lacks is a difference too.
func (d *openAPI) check(where string, s *schema, v any) (faults []string) {
	if name, ok := strings.CutPrefix(s.Ref, "#/components/schemas/"); ok {
		s = d.Components.Schemas[name]
	}
	if s == nil {
		return []string{where + ": no such schema"}
	}
	fault := func(format string, args ...any) { faults = append(faults, where+": "+fmt.Sprintf(format, args...)) }
	if v == nil {
		if !s.Nullable {
			fault("null")
		}
		return faults
	}
	for _, part := range s.AllOf {
		faults = append(faults, d.check(where, part, v)...)
	}
	if len(s.AllOf) > 0 {
		return faults
	}
	switch v := v.(type) {
	case map[string]any:
		for _, name := range s.Required {
			if _, ok := v[name]; !ok {
				fault("lacks %s", name)
			}
		}
		for name, value := range v {
			if s.Properties[name] == nil {
				fault("%s is not described", name)
				continue
			}
			faults = append(faults, d.check(where+"."+name, s.Properties[name], value)...)
		}
		if s.Type != "object" {
			fault("an object")
		}
	case []any:
		for i, value := range v {
			faults = append(faults, d.check(fmt.Sprintf("%s[%d]", where, i), s.Items, value)...)
		}
		if s.Type != "array" {
			fault("a list")
		}
	case string:
		if s.Type != "string" || len(s.Enum) > 0 && !slices.Contains(s.Enum, v) {
			fault("%q", v)
		}
	case bool:
		if s.Type != "boolean" {
			fault("a boolean")
		}
	case float64:
		if s.Type != "integer" || v != float64(int64(v)) {
			fault("%v", v)
		}
	}
	return faults
}

// The check finds what it is for.
func TestOpenAPICheck(t *testing.T) {
	d := parseOpenAPI(t)
	for want, v := range map[string]any{
		"x: lacks ready":           map[string]any{},
		"x: more is not described": map[string]any{"ready": true, "more": 1.0},
		"x.ready: \"yes\"":         map[string]any{"ready": "yes"},
		"x.ready: null":            map[string]any{"ready": nil},
		"x: a list":                []any{},
	} {
		if got := d.check("x", &schema{Ref: "#/components/schemas/Ready"}, v); len(got) != 1 || got[0] != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
