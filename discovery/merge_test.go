package discovery_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/purser-backup/purser/discovery"
)

// elsewhere is a container as an orchestrator reports it.
func elsewhere(name, engineID string, l labels) discovery.Container {
	c := one(name, l)
	c.ID, c.ImageID = "rancher:"+name, ""
	c.Elsewhere = &discovery.Elsewhere{EngineID: engineID, Host: "h2", Address: "10.42.0.9"}
	return c
}

func TestMerge(t *testing.T) {
	rancher := func(service string) labels {
		return labels{"io.rancher.stack.name": "shop", "io.rancher.stack_service.name": "shop/" + service, "backup.type": "x"}
	}
	here := one("here", labels{"backup.type": "mysql"})
	alone := one("alone", nil)
	own := []discovery.Container{here, alone}
	all := discovery.Merge(own, []discovery.Container{
		elsewhere("same", here.ID, rancher("db")), elsewhere("far", "id-of-far", rancher("far")), elsewhere("unknown", "", rancher("unknown")),
	})
	var got []string
	services, problems := discovery.Group(all)
	for _, s := range services {
		where := "here"
		if s.Primary().Elsewhere != nil {
			where = s.Primary().Elsewhere.Host
		}
		got = append(got, s.ID()+" "+where+" "+s.Settings.Type)
	}
	// The Engine's labels win, the orchestrator's fill in.
	if d := cmp.Diff([]string{"_/alone here ", "shop/db here mysql", "shop/far h2 x", "shop/unknown h2 x"}, got); d != "" || len(problems) > 0 {
		t.Errorf("problems %v, -want +got:\n%s", problems, d)
	}
	if len(own[0].Labels) != 1 {
		t.Errorf("the argument was changed: %v", own[0].Labels)
	}
}

// Replicas on several hosts are one service, although an Engine reports more of
// its own than an orchestrator does; the near one is dumped.
func TestReplicasHereAndElsewhere(t *testing.T) {
	l := labels{"io.rancher.stack.name": "shop", "io.rancher.stack_service.name": "shop/db"}
	far, near := elsewhere("far", "", l), one("near", l)
	near.Env = map[string]string{"PATH": "/bin"}
	near.ImageID, near.Created = "sha256:1", far.Created.Add(1)
	services, problems := discovery.Group([]discovery.Container{far, near})
	if len(services) != 1 || len(problems) != 0 || services[0].Primary().Name != "near" {
		t.Fatalf("services %v, problems %v", services, problems)
	}
	near.Image = "other"
	if services, problems = discovery.Group([]discovery.Container{far, near}); len(services) != 0 || len(problems) != 1 {
		t.Errorf("different images: services %v, problems %v", services, problems)
	}
	near.Image, near.Paused = far.Image, true
	if services, _ = discovery.Group([]discovery.Container{far, near}); services[0].Primary().Name != "far" {
		t.Error("the near one is paused, and the far one runs")
	}
}
