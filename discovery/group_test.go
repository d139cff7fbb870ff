package discovery_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/purser-backup/purser/discovery"
)

type labels = map[string]string

func one(name string, l labels) discovery.Container {
	return discovery.Container{ID: name + "-id", Name: name, Image: "mysql:8", ImageID: "sha256:1", Labels: l, Running: true}
}

func compose(stack, service string) labels {
	return labels{"com.docker.compose.project": stack, "com.docker.compose.service": service}
}

func ids(services []discovery.Service) []string {
	var all []string
	for _, s := range services {
		all = append(all, s.ID())
	}
	return all
}

func TestGroupIdentity(t *testing.T) {
	for _, c := range []struct {
		name   string
		labels labels
		want   string // "" for a refusal
	}{
		{"plain", nil, "_/plain"},
		{"x", compose("shop", "db"), "shop/db"},
		{"x", labels{"com.docker.stack.namespace": "shop", "com.docker.swarm.service.name": "shop_db"}, "shop/db"},
		{"x", labels{"com.docker.swarm.service.name": "db"}, "_/db"},
		{"x", labels{"io.rancher.stack.name": "shop", "io.rancher.stack_service.name": "shop/db"}, "shop/db"},
		{"x", labels{"io.rancher.stack.name": "shop", "io.rancher.stack_service.name": "shop/db/agent"}, "shop/db.agent"},
		{"x", labels{"backup.id": "kept"}, "_/kept"},
		{"x", labels{"backup.id": "old/kept", "com.docker.compose.service": "db"}, "old/kept"},
		{"x", compose("..", "db"), ""},
		{"x", compose("shop", "../../etc"), ""},
		{"x", compose("shop", ".purser"), ""},
		{"x", compose("a/b", "db"), ""},
		{"x", compose("shop", "a\nb"), ""},
		{"x", compose("shop", "a\x00b"), ""},
		{"x", compose("shop", "a\u202eb"), ""},
		{"x", compose("shop", "\xff"), ""},
		{"x", compose("shop", strings.Repeat("x", 300)), ""},
		{"x", labels{"backup.id": ""}, ""},
		{"x", labels{"backup.id": "/x"}, ""},
		{"x", labels{"backup.id": "a/b/c"}, ""},
		{"x", labels{"backup.id": "../x"}, ""},
		{"x", labels{"io.rancher.stack.name": "shop", "io.rancher.stack_service.name": "other/db"}, ""},
		{"x", labels{"io.rancher.stack.name": "shop", "io.rancher.stack_service.name": "shop/db/a/b"}, ""},
	} {
		services, problems := discovery.Group([]discovery.Container{one(c.name, c.labels)})
		if c.want == "" {
			if len(services) != 0 || len(problems) != 1 || problems[0].Warning || problems[0].Hint() == "" {
				t.Errorf("%q: services %v, problems %v", c.labels, ids(services), problems)
			}
			continue
		}
		if len(problems) != 0 || len(services) != 1 || services[0].ID() != c.want {
			t.Errorf("%q: services %v, problems %v", c.labels, ids(services), problems)
		}
	}
}

// A container has an identity also where it is no service.
func TestIdentity(t *testing.T) {
	compose := func(more ...string) labels {
		l := labels{"com.docker.compose.project": "shop", "com.docker.compose.service": "purser"}
		for i := 0; i < len(more); i += 2 {
			l[more[i]] = more[i+1]
		}
		return l
	}
	for _, c := range []struct {
		name   string
		labels labels
		want   string // empty: an error
	}{
		{"shop-purser-1", compose(), "shop/purser"},
		{"shop-purser-run-0123456789ab", compose("com.docker.compose.oneoff", "True"), "shop/purser"},
		{"shop-purser-1", compose("io.purser.role", "purser"), "shop/purser"},
		{"shop-purser-1", compose("backup.id", "a/b"), "a/b"},
		{"purser", nil, "_/purser"},
		{"shop-purser-1", compose("backup.id", "../.."), ""},
	} {
		got, err := discovery.Container{Name: c.name, Labels: c.labels}.Identity()
		if got != c.want || (err == nil) != (c.want != "") {
			t.Errorf("%s %v: %q, %v, want %q", c.name, c.labels, got, err, c.want)
		}
	}
}

func TestGroupLeavesOut(t *testing.T) {
	oneOff := compose("shop", "db")
	oneOff["com.docker.compose.oneoff"] = "True"
	services, problems := discovery.Group([]discovery.Container{
		one("dump", labels{"io.purser.role": "dump"}), one("purser", labels{"io.purser.role": "daemon"}), one("run", oneOff),
	})
	if len(services)+len(problems) != 0 {
		t.Errorf("services %v, problems %v", ids(services), problems)
	}
}

func TestGroupReplicas(t *testing.T) {
	a, b := one("a", compose("shop", "db")), one("b", compose("shop", "db"))
	a.Created, b.Created = time.Unix(200, 0), time.Unix(100, 0)
	a.Env, b.Env = labels{"X": "1"}, labels{"X": "1"}
	services, problems := discovery.Group([]discovery.Container{a, b})
	if len(problems) != 0 || len(services) != 1 || services[0].Primary().Name != "b" || len(services[0].Containers) != 2 {
		t.Fatalf("services %v, problems %v", services, problems)
	}
	b.Paused = true
	services, _ = discovery.Group([]discovery.Container{a, b})
	if services[0].Primary().Name != "a" {
		t.Errorf("primary is the paused %s", services[0].Primary().Name)
	}
}

func TestGroupConflict(t *testing.T) {
	for what, change := range map[string]func(*discovery.Container){
		"image":         func(c *discovery.Container) { c.ImageID = "sha256:2" },
		"environment":   func(c *discovery.Container) { c.Env = labels{"X": "2"} },
		"command":       func(c *discovery.Container) { c.Cmd = []string{"x"} },
		"entrypoint":    func(c *discovery.Container) { c.Entrypoint = []string{"x"} },
		"mounts":        func(c *discovery.Container) { c.Mounts = []discovery.Mount{{Destination: "/x"}} },
		"backup labels": func(c *discovery.Container) { c.Labels["backup.type"] = "x" },
	} {
		a, poser := one("a", compose("shop", "db")), one("poser", compose("shop", "db"))
		change(&poser)
		services, problems := discovery.Group([]discovery.Container{a, poser, one("other", nil)})
		if diff := cmp.Diff([]string{"_/other"}, ids(services)); diff != "" {
			t.Errorf("%s: services: %s", what, diff)
		}
		if len(problems) != 1 || problems[0].Warning || problems[0].Subject != "shop/db" {
			t.Errorf("%s: problems %v", what, problems)
		}
	}
}

func TestGroupSettings(t *testing.T) {
	for _, c := range []struct {
		labels   labels
		want     discovery.Settings
		problems []string // parts of message and hint; of one that is more than a warning, "error" first
	}{
		{labels{"backup.type": " mysql "}, discovery.Settings{Type: "mysql"}, nil},
		{labels{"backup.disable": "true"}, discovery.Settings{Disabled: true}, nil},
		{labels{"backup.disable": ""}, discovery.Settings{Disabled: true}, nil},
		{labels{"backup.disable": "False"}, discovery.Settings{}, nil},
		{labels{"backup.timeout": "2h", "backup.idle-timeout": "90s"}, discovery.Settings{Timeout: 2 * time.Hour, IdleTimeout: 90 * time.Second}, nil},
		{labels{"backup.priority": " High"}, discovery.Settings{Priority: 1}, nil},
		{labels{"backup.priority": "low"}, discovery.Settings{Priority: -1}, nil},
		{labels{"backup.priority": "9"}, discovery.Settings{}, []string{`label backup.priority: "9" is no priority`, "high, normal or low"}},
		{labels{"backup.schedule": " daily, 2200-0400 "}, discovery.Settings{Schedule: "daily, 2200-0400"}, nil},
		{labels{"backup.schedule": "dayly"}, discovery.Settings{}, []string{"error", `label backup.schedule: schedule "dayly": at character 1: unknown word "dayly"; it is dumped with every run`, "weekday"}},
		{labels{"backup.timeout": "2 hours"}, discovery.Settings{}, []string{"not a positive duration", "90m"}},
		{labels{"backup.timeout": "-1s"}, discovery.Settings{}, []string{"not a positive duration"}},
		{labels{"backup.tpye": "mysql"}, discovery.Settings{}, []string{"error", `"backup.tpye" is unknown`, "did you mean backup.type?"}},
		{labels{"backup.disabled": "true"}, discovery.Settings{}, []string{"error", "did you mean backup.disable?"}},
		{labels{"backup.something-else": "x"}, discovery.Settings{}, []string{"known labels are"}},
		{labels{"other.label": "x"}, discovery.Settings{}, nil},
	} {
		services, problems := discovery.Group([]discovery.Container{one("x", c.labels)})
		if len(services) != 1 {
			t.Errorf("%v: %v", c.labels, problems)
			continue
		}
		if diff := cmp.Diff(c.want, services[0].Settings); diff != "" {
			t.Errorf("%v: %s", c.labels, diff)
		}
		if len(c.problems) == 0 != (len(problems) == 0) {
			t.Errorf("%v: problems %v", c.labels, problems)
			continue
		}
		for i, part := range c.problems {
			if i == 0 && problems[0].Warning == (part == "error") {
				t.Errorf("%v: warning %v", c.labels, problems[0].Warning)
			}
			if text := problems[0].Error() + " " + problems[0].Hint(); part != "error" && !strings.Contains(text, part) {
				t.Errorf("%v: problem %q lacks %q", c.labels, text, part)
			}
		}
	}
}
