package cli

import (
	"context"

	"github.com/purser-backup/purser/internal/daemon"
)

func recipeCommand() *command {
	return &command{
		name: "recipe", args: "list", min: 1, max: 1,
		summary: "list the recipes, yours and purser's",
		example: "purser recipe list",
		help: `Lists the kinds of services that purser knows, in the order in which they are tried. KIND is
what the label backup.type may say; without the label, IMAGE is searched in the image's name.
FROM is "yours" for a recipe in /opt/backup/config. LOAD says whether ` + "`purser load`" + ` takes its
dump, RUNS where its commands run: in a container of their own, or in the service's.

With --output json: {recipes: [{kind, recipe, own, loads, inside, regex}]}.
` + exitHelp(),
		run: runRecipe,
	}
}

func runRecipe(_ context.Context, inv *invocation) error {
	if inv.args[0] != "list" {
		return usagef("usage: purser recipe list", "recipe: unknown argument %q", inv.args[0])
	}
	recipes, err := daemon.Recipes(inv.configDir)
	if err != nil {
		return err
	}
	if inv.json() {
		return writeJSON(inv.stdout, struct {
			Recipes []daemon.Recipe `json:"recipes"`
		}{recipes})
	}
	t := &table{}
	t.add("KIND", "RECIPE", "FROM", "LOAD", "RUNS", "IMAGE")
	for _, r := range recipes {
		from, load, runs := "purser", "no", "apart"
		if r.Own {
			from = "yours"
		}
		if r.Loads {
			load = "yes"
		}
		if r.Inside {
			runs = "inside"
		}
		t.add(printable(r.Kind), printable(r.Recipe), from, load, runs, printable(r.Regex))
	}
	return t.write(inv.stdout)
}
