package discovery_test

import (
	"strings"
	"testing"

	"github.com/purser-backup/purser/discovery"
	"github.com/purser-backup/purser/internal/hint"
)

func TestScope(t *testing.T) {
	labelled := func(pairs ...string) discovery.Container {
		c := discovery.Container{Labels: map[string]string{}}
		for i := 0; i < len(pairs); i += 2 {
			c.Labels[pairs[i]] = pairs[i+1]
		}
		return c
	}
	const project, namespace, rancher = "com.docker.compose.project", "com.docker.stack.namespace", "io.rancher.stack.name"
	own := labelled(project, "shop")
	for _, c := range []struct {
		scope string
		own   discovery.Container
		other discovery.Container
		want  bool
	}{
		{"all", own, labelled(), true},
		{"", own, labelled(project, "else"), true},
		{"project", own, labelled(project, "shop"), true},
		{"project", own, labelled(project, "shop", "backup.id", "else/db"), true},
		{"project", own, labelled(project, "else"), false},
		{"project", own, labelled(), false},
		{"project", own, labelled(namespace, "shop"), true},
		{"project", labelled(rancher, "shop"), labelled(rancher, "shop"), true},
		{"project", labelled(), labelled(), false},
		{"project", discovery.Container{}, labelled(project, ""), false},
		{"label=team", own, labelled("team", ""), true},
		{"label=team", own, labelled(project, "shop"), false},
		{"label=team=web", own, labelled("team", "web"), true},
		{"label=team=web", own, labelled("team", "webmail"), false},
		{"label=team=a=b", own, labelled("team", "a=b"), true},
		{"label=team=", own, labelled("team", ""), true},
		{"label=team=", own, labelled("team", "web"), false},
	} {
		s, err := discovery.ParseScope(c.scope)
		if err != nil {
			t.Errorf("%q: %v", c.scope, err)
		} else if got := s.Contains(c.own, c.other); got != c.want {
			t.Errorf("%q, own %v: contains %v is %v", c.scope, c.own.Labels, c.other.Labels, got)
		}
	}
}

func TestScopeErrors(t *testing.T) {
	for _, s := range []string{"none", "label", "label=", "label==x", "Project", "project=shop", "All"} {
		_, err := discovery.ParseScope(s)
		if err == nil || !strings.Contains(err.Error(), s) || !strings.Contains(hint.Text(err), "BACKUP_SCOPE") {
			t.Errorf("%q: %v", s, err)
		}
	}
}
