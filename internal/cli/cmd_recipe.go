package cli

import (
	"context"
	"flag"
	"fmt"

	"github.com/purser-backup/purser/internal/daemon"
)

func recipeCommand() *command {
	return &command{
		name: "recipe", args: "list | test KIND --image IMAGE", min: 1, max: 2,
		summary: "list the recipes, or prove that what one dumps loads again",
		example: `purser recipe list
purser recipe test mariadb --image mariadb:11`,
		help: `list shows the kinds of services that purser knows, in the order in which they are tried. KIND is
what the label backup.type may say; without the label, IMAGE is searched in the image's name.
FROM is "yours" for a recipe in /opt/backup/config. LOAD says whether ` + "`purser load`" + ` takes its
dump, RUNS where its commands run: in a container of their own, or in the service's.

test starts a server of IMAGE on no network, fills it by the recipe's test, dumps it, removes it,
loads the dump into a second one, and compares what the test's check prints. Nothing is left of
it; your services and backups play no part. The README says how a recipe is written.

  --image IMAGE     the image to start; one that isn't there is pulled

With --output json: {recipes: [{kind, recipe, own, loads, inside, regex}]} of list, and
{kind, recipe, image, started, ended, files, bytes, checked, summary} of test.
` + exitHelp(exitLocked),
		flags: func(fs *flag.FlagSet, f *commandFlags) { fs.StringVar(&f.image, "image", "", "") },
		run:   runRecipe,
	}
}

func runRecipe(ctx context.Context, inv *invocation) error {
	const usage = "usage: purser recipe list, or purser recipe test KIND --image IMAGE"
	switch what, image := inv.args[0], inv.flags.image; {
	case what == "list" && len(inv.args) == 1 && image == "":
		return runRecipeList(inv)
	case what == "test" && len(inv.args) == 2 && image != "":
		return runRecipeTest(ctx, inv)
	case what == "test" && len(inv.args) < 2:
		return usagef(usage, "recipe test: the kind is missing")
	case what == "test":
		return usagef(usage, "recipe test: --image is missing")
	case what == "list":
		return usagef(usage, "recipe list takes no arguments")
	default:
		return usagef(usage, "recipe: unknown argument %q", what)
	}
}

func runRecipeTest(ctx context.Context, inv *invocation) error {
	d, err := inv.daemon(talkative)
	if err != nil {
		return err
	}
	test, err := d.TestRecipe(ctx, inv.args[1], inv.flags.image)
	if err != nil {
		return err
	}
	return inv.showLoaded(test, test.Summary, fmt.Sprintf("the recipe %s works with %s: %d files, %s; %d lines are the same after the load; took %s", printable(test.Recipe),
		printable(test.Image), test.Files, formatSize(test.Bytes), test.Checked, formatDuration(test.Ended.Sub(test.Started))))
}

func runRecipeList(inv *invocation) error {
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
